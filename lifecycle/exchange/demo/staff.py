"""Who works in the demo: four people whose log-in is told, and colleagues whose password nobody knows."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.core.tokens import new_token
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.administration import change_user
from lifecycle.records.people.first_admin import create_user
from lifecycle.records.people.queries import find_user_by_email, list_departments


@dataclass(frozen=True)
class Colleague:
    """Somebody who works here. `has_login` says whether the demo's password is theirs."""

    address: str
    name: str
    role: str
    departments: tuple[str, ...]
    time_zone: str
    has_login: bool = False

    @property
    def email(self) -> str:
        """The whole address."""
        return f"{self.address}@demo.example"


COLLEAGUES = (
    Colleague("admin", "Alma Ortega", "admin", ("management",), "Europe/Madrid", has_login=True),
    Colleague("manager", "Mateo Silva", "manager", ("growth",), "Europe/Lisbon", has_login=True),
    Colleague("member", "Mina Okafor", "member", ("growth",), "Europe/London", has_login=True),
    Colleague("viewer", "Viktor Weiss", "viewer", ("management",), "Europe/Berlin", has_login=True),
    Colleague("jonas.keller", "Jonas Keller", "member", ("growth",), "Europe/Berlin"),
    Colleague("ines.carvalho", "Inês Carvalho", "member", ("growth",), "Europe/Lisbon"),
    Colleague("amara.nwosu", "Amara Nwosu", "member", ("growth",), "Africa/Lagos"),
    Colleague("pilar.robles", "Pilar Robles", "member", ("finance",), "Europe/Madrid"),
    Colleague("tomasz.lis", "Tomasz Lis", "manager", ("delivery", "migration"), "Europe/Warsaw"),
    Colleague("hugo.brandt", "Hugo Brandt", "member", ("delivery", "technical_operations"), "Europe/Berlin"),
    Colleague("leila.haddad", "Leila Haddad", "member", ("delivery", "migration"), "Europe/Paris"),
    Colleague("oskar.lind", "Oskar Lind", "member", ("technical_operations", "migration"), "Europe/Oslo"),
    Colleague("clara.moss", "Clara Moss", "manager", ("finance", "technical_operations"), "Europe/Dublin"),
    Colleague("sven.aker", "Sven Åker", "member", ("finance", "support"), "Europe/Stockholm"),
    Colleague("rosa.vidal", "Rosa Vidal", "manager", ("csm", "support"), "Europe/Madrid"),
    Colleague("nadia.petit", "Nadia Petit", "member", ("csm",), "Europe/Paris"),
    Colleague("kofi.mensah", "Kofi Mensah", "member", ("csm", "support"), "Africa/Accra"),
    Colleague(
        "irene.duval",
        "Irène Duval",
        "manager",
        ("strategy", "engineering", "enablement", "architects"),
        "Europe/Paris",
    ),
    Colleague("paulo.reis", "Paulo Reis", "member", ("strategy", "engineering"), "Europe/Lisbon"),
    Colleague("greta.holm", "Greta Holm", "member", ("engineering", "enablement"), "Europe/Copenhagen"),
    Colleague("yusuf.kaya", "Yusuf Kaya", "member", ("architects", "enablement"), "Europe/Istanbul"),
    Colleague("anya.novak", "Anya Novak", "member", ("strategy", "architects"), "Europe/Prague"),
    Colleague("dara.quinn", "Dara Quinn", "manager", ("sales", "consulting"), "America/Toronto"),
    Colleague("felix.amann", "Felix Amann", "member", ("sales", "consulting"), "America/Toronto"),
    Colleague("noor.aziz", "Noor Aziz", "member", ("consulting", "delivery"), "America/Vancouver"),
)
# Those who own cards; the one with a log-in first, so that she finds most of the work hers.
OWNERS = ("member", "jonas.keller", "ines.carvalho", "amara.nwosu", "member", "manager")


def hire(password: str) -> None:
    """Create everybody, with those of their departments that a published playbook has.

    Needs an open transaction.

    Args:
        password: of the four log-ins; the others get one that is thrown away.
    """
    known = {department.key for department in list_departments()}
    for colleague in COLLEAGUES:
        user = create_user(
            email=colleague.email,
            name=colleague.name,
            password=password if colleague.has_login else new_token(),
            role=colleague.role,
            time_zone=colleague.time_zone,
            channel="command",
        )
        change_user(
            user.id,
            role=colleague.role,
            departments=[key for key in colleague.departments if key in known],
            actor=SYSTEM,
            channel="command",
        )


def gather() -> dict[str, Actor]:
    """Return those who work here, by the local part of their address; who is not there is left out."""
    found = {colleague.address: find_user_by_email(colleague.email) for colleague in COLLEAGUES}
    return {address: Actor.of(user) for address, user in found.items() if user is not None}
