"""Who the other boards are about: companies that never existed, with people and what they want."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, replace
from decimal import Decimal

# Name | country | first person, position | second person, position,
# and indented below it: what the work is | from | to (thousand EUR).
_ISPS = """
Alto Enlace Fibra | ES | Nerea Costa, Managing director | Iván Prado, Head of billing
  Billing and operations for 4,200 subscribers | 6 | 30
Kattegat Bredbånd | DK | Mette Holst, Operations manager | Lars Winther, Network engineer
  Move off the spreadsheets | 6 | 24
Torrealba Wireless | CL | Camila Rojas, Owner | Diego Fuentes, Network engineer
  Two towns, one billing | 5 | 18
Loire Fibre Coop | FR | Maëlle Giraud, Managing director | Yann Tessier, Head of billing
  Prepaid and postpaid in one place | 9 | 40
Savanna Link Networks | KE | Faith Mutiso, Managing director | Daniel Kiptoo, Network engineer
  Hotspot and home plans together | 6 | 22
Wattenmeer Netz | DE | Imke Jansen, Geschäftsführerin | Hauke Petersen, Head of billing
  Replace the billing that nobody maintains | 12 | 48
Serra Nova Telecom | BR | Bruna Azevedo, Owner | Caio Lins, Network engineer
  Plans, RADIUS and invoices from one record | 8 | 36
Amber Coast ISP | LT | Rūta Petrauskė, Operations manager | Tomas Vaitkus, Network engineer
  Collections by direct debit | 6 | 20
Highland Mesh | GB | Fiona Rennie, Managing director | Callum Baird, Network engineer
  A first system for 900 subscribers | 4 | 14
Mistral Ondes | FR | Élodie Roche, Managing director | Simon Faure, Head of billing
  Migration from three databases | 10 | 44
"""
_SUBSCRIBERS = """
Brightleaf Software | US | Dana Whitfield, VP customer success | Omar Haddad, RevOps lead
  Brightleaf Suite, 140 seats | 18 | 90
Northlane Analytics | CA | Priya Raman, Head of operations | Jack Tremblay, Data lead
  Analytics, company plan | 24 | 120
Ferrum Logistics | PL | Ewa Sikora, Operations director | Adam Wrona, IT lead
  Route planning for six depots | 30 | 95
Clearwater Clinics | IE | Sinéad Doyle, Practice manager | Peter Walsh, IT lead
  Scheduling for nine clinics | 12 | 60
Oakridge Retail | GB | Hannah Moss, Head of stores | Raj Patel, Systems lead
  Stock and tills, 31 stores | 40 | 160
Lumen Education | NL | Femke Visser, Director | Bas de Groot, IT lead
  Learning platform, 4,000 pupils | 20 | 70
Cobalt Energy Services | NO | Ingrid Aas, COO | Jon Berge, Analyst
  Field service for two regions | 35 | 130
Solana Foods | ES | Carmen Rivas, Operations director | Luis Peña, IT lead
  Traceability from farm to shelf | 22 | 88
"""
_TEAMS = """
Meridian Cloud | US | Allison Grant, VP customer success | Wei Chen, RevOps
  Lifecycle for 22 CSMs, with a CS platform | 30 | 75
Parcelwise | DE | Jonas Albrecht, VP customer success | Lena Vogt, RevOps
  First lifecycle, four stages | 15 | 35
Helio HR | FR | Chloé Martin, VP customer success | Nadia Benali, RevOps
  Six stages and churn reasons | 20 | 50
Trellis Finance | GB | Marcus Hale, Chief customer officer | Amy Lowe, RevOps
  Two products, one lifecycle | 28 | 66
Quarry Data | CA | Sophie Lavoie, VP customer success | Ben Ross, RevOps
  Rebuild on the new CRM | 25 | 60
Nimbus Health | US | Teresa Long, VP customer success | Ivan Petrov, RevOps
  Migration of 3,100 accounts into stages | 32 | 80
Fjord Commerce | NO | Silje Moen, VP customer success | Erik Dahl, RevOps
  Adoption signals that move accounts | 22 | 55
Atlas Learning | AU | Grace Nguyen, VP customer success | Tom Baker, RevOps
  Standard lifecycle, five stages | 18 | 45
"""
_CLIENTS = """
Hollis & Reeve Solicitors | CA | Margaret Hollis, Managing partner | Dev Anand, Office manager
  Move the document store to the cloud | 12 | 40
Maple Dental Group | CA | Dr. Anita Shah, Owner | Kim Tran, Office manager
  Network and backup for three practices | 6 | 22
Granville Ceramics | CA | Paul Granville, Owner | Rita Gomez, Bookkeeper
  Online shop with stock | 5 | 18
Kestrel Engineering | CA | Owen Clarke, Director | Nina Falk, IT coordinator
  Internal tools for quoting | 25 | 90
Riverbend Credit Union | CA | Laura Stone, COO | Ahmed Salim, Security officer
  Security assessment and remediation | 40 | 150
Tidewater Charity | CA | Joan Pike, Director | Sam Lowell, Volunteer coordinator
  Donor records in one place | 4 | 12
Bluepine Logistics | CA | Erik Sund, Operations manager | Tanya Bell, Dispatcher
  Driver app and dispatch | 35 | 120
Avery Household | CA | Jill Avery, Owner | Mark Avery, Owner
  Home network and parental controls | 1 | 3
Lakeshore Realty | CA | Monica Dunn, Broker | Gil Ortiz, Office manager
  Listings site and CRM | 10 | 34
Stonegate Clinic | CA | Dr. Henri Roy, Director | Ela Novak, Practice manager
  Emergency recovery after ransomware | 20 | 60
"""
_LISTS = {"customer-success": _SUBSCRIBERS, "implementation": _TEAMS, "consultancy": _CLIENTS}


@dataclass(frozen=True)
class Company:
    """A customer of the demo; amounts in thousand EUR."""

    name: str
    country: str
    people: tuple[tuple[str, str], ...]
    title: str
    least: int
    most: int

    @property
    def domain(self) -> str:
        """Their address in the network, in a part of it that belongs to nobody."""
        return f"{_plain(self.name)}.example"

    def email_of(self, name: str) -> str:
        """Return the address of somebody there."""
        return f"{_plain(name)}@{self.domain}"

    def value(self, chance: random.Random) -> Decimal:
        """Return what the work is worth, to the hundred."""
        return Decimal(round(chance.uniform(self.least, self.most) * 10) * 100)

    def numbered(self, turn: int) -> Company:
        """Return another company of the same kind, for every turn but the first."""
        places = (
            "",
            " North",
            " South",
            " West",
            " East",
            " Group",
            " Holding",
            " Partners",
            " International",
            " Labs",
        )
        return replace(self, name=f"{self.name}{places[turn % len(places)]}") if turn else self


def _plain(name: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")


def companies(playbook: str) -> tuple[Company, ...]:
    """Return the companies that a playbook's demo is about."""
    lines = _LISTS.get(playbook, _ISPS).strip().replace("\n  ", " | ").splitlines()
    return tuple(map(_company, lines))


def _company(line: str) -> Company:
    name, country, first, second, title, least, most = (part.strip() for part in line.split("|"))
    people = tuple((each.partition(", ")[0], each.partition(", ")[2]) for each in (first, second))
    return Company(name, country, people, title, int(least), int(most))
