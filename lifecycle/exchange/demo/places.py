"""The providers of the demo and the people who work there. All invented; addresses end in `.example`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """An internet provider that does not exist. `domain` is its name without the ending."""

    name: str
    country: str
    city: str
    segment: str
    subscribers: int
    domain: str

    @property
    def size(self) -> str:
        """The number of subscribers as people write it."""
        return f"{self.subscribers:,}"


_PROVIDERS = """
Ondas del Almanzora | ES | Albox | fixed_wireless | 2400 | ondas-almanzora
Fibra Alcarama | ES | Cervera | fibre | 5200 | fibra-alcarama
Conecta Sierra Madrona | ES | Fuencaliente | mixed | 1350 | sierra-madrona
Aljibe Comarcal | ES | Villena | fibre | 7800 | aljibe-comarcal
Red Rural Trasmoncayo | ES | Tarazona | fixed_wireless | 640 | trasmoncayo
Vale Ligado | PT | Mirandela | mixed | 1900 | vale-ligado
Nortada Redes | PT | Esposende | fixed_wireless | 3100 | nortada-redes
Serra d'Água Net | PT | Ribeira Brava | fibre | 950 | serra-dagua
Charneca em Rede | PT | Ponte de Sor | fixed_wireless | 1200 | charneca-rede
Moorland Datennetze | DE | Papenburg | fibre | 4300 | moorland-daten
Albtrauf Funknetz | DE | Balingen | fixed_wireless | 870 | albtrauf-funk
Bördefaser | DE | Oschersleben | fibre | 6900 | boerdefaser
Spreewinkel Netz | DE | Lübben | business_only | 420 | spreewinkel
Savanna Loop Networks | KE | Machakos | fixed_wireless | 5600 | savanna-loop
Kijani Hills Link | KE | Limuru | mixed | 2200 | kijani-hills
Rift Ridge Wireless | KE | Naivasha | fixed_wireless | 1450 | rift-ridge
Pwani Beam | KE | Kilifi | fixed_wireless | 3800 | pwani-beam
Harmattan Lane Broadband | NG | Kaduna | fixed_wireless | 4700 | harmattan-lane
Ogbe River Networks | NG | Asaba | mixed | 2900 | ogbe-river
Zuma Crest Wireless | NG | Suleja | fixed_wireless | 1100 | zuma-crest
Palmgrove Fibre Works | NG | Ibadan | fibre | 8400 | palmgrove-fibre
Capim Dourado Net | BR | Ponte Alta | fixed_wireless | 3300 | capim-dourado
Veredas Fibra | BR | Unaí | fibre | 12500 | veredas-fibra
Ipê Amarelo Conexões | BR | Patrocínio | fibre | 9600 | ipe-amarelo
Jangada Azul Online | BR | Aracati | mixed | 2700 | jangada-azul
Sertão em Linha | BR | Salgueiro | fixed_wireless | 1800 | sertao-linha
Red Cenzontle | MX | Tehuacán | fixed_wireless | 2600 | red-cenzontle
Nopalera Internet | MX | Matehuala | fixed_wireless | 1550 | nopalera
Sierra Copal Enlaces | MX | Taxco | mixed | 3900 | sierra-copal
Bahía Tecolote Net | MX | La Paz | fibre | 4100 | bahia-tecolote
Garrigue Réseaux | FR | Uzès | fibre | 3600 | garrigue-reseaux
Haut Lien du Causse | FR | Gramat | fixed_wireless | 780 | haut-lien-causse
Ardoise et Fibre | FR | Redon | fibre | 5900 | ardoise-fibre
Lande Connectée | FR | Mimizan | mixed | 1650 | lande-connectee
Onda Maremmana | IT | Grosseto | fixed_wireless | 2100 | onda-maremmana
Colli Lenti Segnale | IT | Acqui Terme | fixed_wireless | 1250 | colli-lenti
Stretto Blu Fibra | IT | Milazzo | fibre | 6400 | stretto-blu
Valle Quieta Reti | IT | Feltre | mixed | 990 | valle-quieta
Bayabas Beam | PH | Tagum | fixed_wireless | 4800 | bayabas-beam
Isla Tala Connect | PH | Calapan | mixed | 3500 | isla-tala
Ridge of Kanlaon Wireless | PH | La Carlota | fixed_wireless | 1700 | kanlaon-ridge
Luntian Fiber Co-op | PH | Lucena | fibre | 7200 | luntian-fiber
Frailejón Digital | CO | Duitama | mixed | 2300 | frailejon
Cafetal en Línea | CO | Chinchiná | fibre | 5100 | cafetal-linea
Pampa Enlace Sur | AR | Tres Arroyos | fixed_wireless | 2800 | pampa-enlace
Bursztyn Łącza | PL | Ustka | fibre | 3400 | bursztyn-lacza
Puszcza Sieci | PL | Hajnówka | fixed_wireless | 890 | puszcza-sieci
Meltemi Islands Net | GR | Naxos | fixed_wireless | 1300 | meltemi-islands
Codru Verde Net | RO | Orhei | fibre | 10400 | codru-verde
Fynbos Lane Fibre | ZA | Swellendam | fibre | 2950 | fynbos-lane
Volta Reed Networks | GH | Ho | fixed_wireless | 1850 | volta-reed
Burrenside Broadband Co-op | IE | Ennistymon | fixed_wireless | 720 | burrenside
Sahyadri Airwave | IN | Satara | fixed_wireless | 16800 | sahyadri-airwave
Nusa Ombak Net | ID | Gianyar | mixed | 6100 | nusa-ombak
Quinua Fibra | PE | Ayacucho | fibre | 2050 | quinua-fibra
Fenland Loop | GB | Ely | fibre | 3700 | fenland-loop
Tundra Lys Nett | NO | Alta | business_only | 310 | tundra-lys
Kasbah Ondes | MA | Tiznit | fixed_wireless | 2250 | kasbah-ondes
Mekong Bend Online | KH | Kratié | mixed | 1950 | mekong-bend
Altiplano Norte Redes | BO | Achacachi | fixed_wireless | 1400 | altiplano-norte
"""

# First names, then last names.
_PEOPLE: dict[str, tuple[str, str]] = {
    "ES": ("Inés Carlos Marta Rubén Nuria", "Robledo Sanchís Herrero Villalba Marín"),
    "PT": ("Beatriz Tiago Joana Rui Leonor", "Salgueiro Pimenta Teixeira Brandão Matos"),
    "DE": ("Katrin Jörg Wiebke Stefan Anke", "Brandner Osterkamp Lüders Weigel Thiele"),
    "KE": ("Wanjiru Kipchoge Achieng Mutua Njeri", "Kamande Otieno Mwangi Kilonzo Cheruiyot"),
    "NG": ("Chidinma Babatunde Ngozi Ibrahim Folake", "Adebisi Okonjo Balogun Nnamdi Yakubu"),
    "BR": ("Renata Thiago Luciana Marcelo Camila", "Siqueira Fagundes Bezerra Moreira Peixoto"),
    "MX": ("Ximena Rodrigo Itzel Gerardo Paola", "Zamudio Carrillo Ocampo Barrera Luna"),
    "FR": ("Solène Thibault Maud Gaëtan Clémence", "Vasseur Delorme Chabot Lavigne Perrin"),
    "IT": ("Giulia Davide Elena Matteo Silvia", "Bonfanti Carraro Marchetti Rinaldi Zorzi"),
    "PH": ("Maricel Jomar Liza Renato Cherry", "Dimaculangan Abad Salonga Villareal Tolentino"),
    "CO": ("Yuliana Andrés Marcela Felipe Diana", "Cárdenas Ospina Quintero Bedoya Rincón"),
    "AR": ("Florencia Ezequiel Julieta Nahuel Rocío", "Etchegaray Bianchi Sosa Arregui Ledesma"),
    "PL": ("Agnieszka Marek Zofia Paweł Dorota", "Sobczak Wilk Zawadzki Maj Krawiec"),
    "GR": ("Eleni Stavros Katerina Nikos Despina", "Markou Vlachos Kontou Raptis Lianou"),
    "RO": ("Ileana Radu Corina Mihai Sanda", "Munteanu Ciobanu Rotaru Lupu Vrabie"),
    "ZA": ("Thandi Pieter Lerato Johan Nomsa", "Botha Dlamini Visser Khumalo Fourie"),
    "GH": ("Akosua Kwame Esi Kofi Abena", "Mensah Owusu Boateng Asante Tetteh"),
    "IE": ("Aoife Cormac Niamh Declan Orla", "Considine Hehir Lenihan Tierney Vaughan"),
    "IN": ("Ashwini Prasad Meera Nikhil Kavita", "Deshmukh Kulkarni Jadhav Patwardhan Shinde"),
    "ID": ("Ayu Wayan Kadek Komang Dewi", "Suryani Pratama Wijaya Lestari Artana"),
    "PE": ("Milagros Wilmer Rosa Edgar Yesenia", "Huamán Quispe Palomino Ccori Gutiérrez"),
    "GB": ("Harriet Gareth Philippa Simon Joanne", "Thurlow Peck Granger Ashby Setchell"),
    "NO": ("Ingrid Sindre Marit Håkon Solveig", "Nilsen Sara Myhre Holm Berg"),
    "MA": ("Salma Youssef Hanae Rachid Imane", "Aït-Lahcen Bouzid Tazi Amrani Ouhaddou"),
    "KH": ("Sophea Dara Channary Rith Bopha", "Sok Chhim Keo Prum Seng"),
    "BO": ("Maribel Freddy Nelly Rolando Wara", "Mamani Condori Choque Apaza Limachi"),
}

POSITIONS = ("Managing director", "Operations manager", "Head of billing", "Network engineer", "Owner")

_LANGUAGES = {"FR": "fr", "MA": "ar", **dict.fromkeys(("ES", "MX", "CO", "AR", "PE", "CL"), "es")}
# A number of the country's form with zeros where a real one has its own digits.
_PHONES = {
    "ES": "+34 910 000 1",
    "PT": "+351 210 000 1",
    "DE": "+49 30 0000 01",
    "KE": "+254 20 000 01",
    "NG": "+234 803 000 01",
    "BR": "+55 38 3000 01",
    "MX": "+52 55 0000 01",
    "FR": "+33 1 00 00 01 ",
    "IT": "+39 06 0000 1",
    "PH": "+63 2 8000 01",
    "GB": "+44 1353 000 1",
}


def providers() -> tuple[Provider, ...]:
    """Return all providers, in a fixed order."""
    found = []
    for line in _PROVIDERS.strip().splitlines():
        name, country, city, segment, subscribers, domain = (part.strip() for part in line.split("|"))
        found.append(Provider(name, country, city, segment, int(subscribers), domain))
    return tuple(found)


def person_name(country: str, number: int) -> str:
    """Return the `number`-th name of a country; neighbouring numbers differ in both parts."""
    first, last = (names.split() for names in _PEOPLE[country])
    return f"{first[number % len(first)]} {last[(number * 2 + number // len(first)) % len(last)]}"


def language_of(country: str) -> str | None:
    """Return the language that people of a country are written to in, or None: nobody has asked them yet."""
    return _LANGUAGES.get(country)


def phone_number(country: str, number: int) -> str | None:
    """Return a telephone number, or None for a country without one here."""
    beginning = _PHONES.get(country)
    return f"{beginning}{number % 90 + 10}" if beginning else None
