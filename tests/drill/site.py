"""The product under drill: started by its own supervisor, filled with cards, with its mail and its clock."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import redis
import sqlalchemy as sa
from flask import Flask
from psycopg.rows import dict_row

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.exchange.imports.mapping import CardMap
from lifecycle.exchange.imports.run import run_import
from lifecycle.exchange.imports.start import begin_import
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.requests.decide import ask_client, working_link
from lifecycle.records.accounts.contacts import create_contact, edit_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.sealed import sealed_token
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User
from tests.drill.browser import Browser
from tests.drill.deals import Deal
from tests.drill.mailserver import MailServer, running_mail_server
from tests.drill.playbook import CLERKS, PLAYBOOK, SLUG, TALKS
from tests.drill.textserver import TextServer, running_text_server
from tests.factories.cards import make_account
from tests.factories.people import PASSWORD, Person, make_user
from tests.installation import close_connections, free_port
from tests.runtime.product import Product, data_folder, running_product

ACCOUNTS = 20
ADMIN, TOGGLER = "admin@drill.example", "toggler@drill.example"
STAGES = ("intake", "prepared", "checked", "shipped", "delivered")
MAP = {
    "external_id": "id",
    "title": "title",
    "account": {"column": "account"},
    "contact": {"name": "person", "email": "mail"},
    "stage": {"column": "stage", "values": {stage: stage for stage in STAGES}},
    "fields": {"price": "price", "code": "code"},
}


# They take turns: no client is reminded twice within a minute.
TEXTED: Final = 5


@dataclass
class Site:
    """Everything a drill has in its hands. `cards` are the cards' ids by their number in the file.

    `deals` are what clients are asked; `texted` are requests that nobody answers, and their clients' numbers.
    """

    product: Product
    mail: MailServer
    texts: TextServer
    folder: Path
    web: str = ""
    movers: list[str] = field(default_factory=list)
    cards: dict[int, str] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    texted: list[tuple[str, str]] = field(default_factory=list)

    @property
    def priceless(self) -> set[str]:
        """The cards that never have a price."""
        return {card for number, card in self.cards.items() if is_priceless(number)}

    @property
    def journals(self) -> Path:
        return self.folder / "journals"

    @property
    def acts(self) -> Path:
        """The folder of the clients' journals."""
        return self.folder / "acts"

    @property
    def codes(self) -> Path:
        """The folder of the codes that came by mail, a file for each address."""
        return self.folder / "codes"

    @property
    def clock_offset(self) -> float:
        """By how many seconds the product's clock is off."""
        file = self.folder / "clock"
        return float(file.read_text()) if file.exists() else 0.0

    def set_clock(self, offset: float) -> None:
        """Set the product's clock: all its processes see it with their next look."""
        half = self.folder / "clock.half"
        half.write_text(str(offset))
        half.replace(self.folder / "clock")

    @property
    def kill_order(self) -> Path:
        """The file that names a point: the first process to reach it dies (`core/killpoint.py`)."""
        return self.folder / "kill"

    def browser(self, email: str) -> Browser:
        """Somebody who has logged in, whatever is being restarted at the moment."""
        for _ in range(60):
            browser = Browser(self.web)
            try:
                browser.log_in(email, PASSWORD)
            except AssertionError:
                time.sleep(0.5)
            else:
                return browser
        raise AssertionError(f"{email} cannot log in.")

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection of the tables' owner, for looking at what is true."""
        url = self.product.services["database_owner"]
        return psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=5)

    def rows(self, query: str, *given: object) -> list[dict[str, Any]]:
        with self.connect() as connection:
            return connection.execute(query, given).fetchall()

    def queue(self) -> redis.Redis:
        return redis.Redis.from_url(self.product.services["redis"], socket_timeout=5)

    def versions(self) -> dict[str, str]:
        """What the services call themselves."""
        postgres = str(self.rows("show server_version")[0]["server_version"]).split()[0]
        valkey: Any = self.queue().info("server")
        return {
            "PostgreSQL": postgres,
            "Valkey": str(valkey.get("valkey_version") or valkey["redis_version"]),
        }

    def environment(self) -> dict[str, str]:
        """What the product's own processes are told, for another one beside them."""
        told: dict[str, str] = self.product.services["environment"]
        return {**told, "LIFECYCLE_CLOCK": str(self.folder / "clock")}


@contextmanager
def running_site(cards: int, movers: int, deals: int) -> Iterator[Site]:
    """A product that is ready and filled, and gone afterwards with all it wrote."""
    with data_folder() as data, running_mail_server() as mail, running_text_server() as texts:
        folder = data.parent
        for name in ("journals", "acts", "codes"):
            (folder / name).mkdir()
        mail.codes = folder / "codes"
        environment = {
            "LIFECYCLE_ENV": "testing",
            "SMTP_URL": mail.url,
            "LIFECYCLE_CLOCK": str(folder / "clock"),
            "LIFECYCLE_KILL_AT": str(folder / "kill"),
            **texts.environment,
        }
        with running_product(data, "--port", str(free_port()), **environment) as product:
            site = Site(product, mail, texts, folder, web=product.services["web"])
            _fill(site, cards, movers, deals)
            try:
                yield site
            finally:
                of_revision.cache_clear()


def _fill(site: Site, cards: int, movers: int, deals: int) -> None:
    """People, playbook and cards, as an administrator would bring them along."""
    app = create_app(Settings.from_env(site.environment()))
    # This process has known other databases, whose revisions had the same numbers.
    of_revision.cache_clear()
    try:
        with app.app_context(), transaction():
            publish(PLAYBOOK, SYSTEM)
        site.movers = [make_user(app, name=f"Mover {number}").email for number in range(movers)]
        for number in range(CLERKS):
            make_user(app, name=f"Clerk {number}", departments=["desk"], email=f"clerk{number}@desk.example")
        admin = make_user(app, role="admin", email=ADMIN, name="Ada Min")
        make_user(app, name="Toggler", email=TOGGLER)
        _load_cards(app, cards, admin.email)
        _like_texts(app)
        site.deals = [_deal(app, admin, f"deal{number}@client.example") for number in range(deals)]
        for number in range(TEXTED):
            phone = f"+3461200000{number}"
            deal = _deal(app, admin, f"texted{number}@client.example", phone=phone, channel="sms")
            site.texted.append((deal.order_id, phone))
    finally:
        close_connections(app)
    found = site.rows("select external_id, id from cards where external_id is not null")
    site.cards = {int(row["external_id"][1:]): str(row["id"]) for row in found}


def _load_cards(app: Flask, cards: int, by: str) -> None:
    with app.app_context():
        actor = Actor.of(db.session.scalars(sa.select(User).where(User.email == by)).one())
        db.session.rollback()
        with transaction():
            file = card_file(range(cards)).encode()
            mapping = CardMap.model_validate(MAP)
            record = begin_import(SLUG, "cards.csv", file, actor=actor, accounts=None, mapping=mapping)
        done = run_import(record.id)
        assert done.state == "done", done.failure


def _like_texts(app: Flask) -> None:
    """Every other client is reached by SMS from now on."""
    with app.app_context(), transaction():
        for number, contact in enumerate(db.session.scalars(sa.select(Contact).order_by(Contact.email))):
            if number % 2:
                typed = {"phone": f"+346123456{number:02}", "channel": "sms"}
                edit_contact(contact.id, typed, seen_version=contact.version, actor=SYSTEM)


def _deal(app: Flask, by: Person, address: str, **more: str) -> Deal:
    """Ask a client of their own account for a survey and an order."""
    account = make_account(app, owner=by, name=address)
    with app.app_context(), transaction():
        contact = create_contact(account, {"name": "Cleo", "email": address, **more}, actor=SYSTEM)
        card = create_card(TALKS, actor=by.actor, channel="page", account_id=account, title=address)
        with changing_card(card.id, by.actor) as subject:
            ids, paths = [], []
            for key in ("survey", "order"):
                request = ask_client(subject, by.actor, key, contact_id=contact.id)
                link = working_link(request, contact)
                ids.append(str(request.id))
                paths.append(f"/c/{sealed_token(f'client_links/{link.id}')}")
    return Deal(address, ids[0], paths[0], ids[1], paths[1])


def is_priceless(number: int) -> bool:
    """Say whether a card never has what the first gate asks for: it must never get through."""
    return number % 10 == 7


def is_toggled(number: int) -> bool:
    """Say whether a card gains and loses what the first gate asks for, all the while."""
    return number % 10 == 3


def card_file(numbers: Iterable[int], stages: Mapping[int, str] | None = None) -> str:
    """Return the CSV of these cards, each in its stage of `stages` or the first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("id", "title", "account", "person", "mail", "stage", "price", "code"))
    for number in numbers:
        account = number % ACCOUNTS
        client = f"Client {account}", f"client{account}@client.example"
        stage = (stages or {}).get(number, "intake")
        price = "" if is_priceless(number) else "5.00"
        writer.writerow((f"C{number}", f"Card {number}", f"Account {account}", *client, stage, price, "ABC"))
    return text.getvalue()
