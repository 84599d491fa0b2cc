"""What browser tests share: a published Growth board with people, and pages that are logged in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page

from lifecycle.core.db import transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import read_fields, set_fields
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Moved
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.accounts.quick import find_or_create_account
from lifecycle.records.people.actor import SYSTEM
from tests.factories.people import Person, make_user
from tests.factories.playbooks import shipped

BOARD = "/boards/wispgate.growth"
# What leaving Sourced asks for.
SOURCED = {"source": "referral", "icp_fit": "strong", "country": "Spain", "segment": "fixed_wireless"}


@dataclass(frozen=True)
class Growth:
    """The Growth board and who works on it."""

    app: Flask
    member: Person
    manager: Person
    viewer: Person

    def card(self, title: str, account: str = "Nordwind Funk", *, ready: bool = False) -> uuid.UUID:
        """Put a card in Sourced; `ready` means that its gate passes."""
        with self.app.app_context():
            with transaction():
                owner, _ = find_or_create_account(account, self.member.actor)
                card = create_card(
                    "wispgate.growth",
                    actor=self.member.actor,
                    channel="page",
                    account_id=owner.id,
                    title=title,
                )
                card_id = card.id
            if ready:
                with transaction(), changing_card(card_id, self.member.actor) as subject:
                    set_fields(subject, read_fields(subject, SOURCED), self.member.actor)
            return card_id

    def move(self, card_id: uuid.UUID, to_stage: str, person: Person | None = None) -> None:
        """Move a card as somebody else would, from another browser."""
        with self.app.app_context(), transaction():
            seen = get_subject(card_id).card.visit_id
            actor = (person or self.manager).actor
            outcome = move_card(card_id, to_stage, actor=actor, channel="board", seen_visit=seen)
            assert isinstance(outcome, Moved), outcome

    def stage_of(self, card_id: uuid.UUID) -> str:
        """Return where a card stands, as the database says."""
        with self.app.app_context():
            return get_subject(card_id).stage.key


@pytest.fixture
def growth(app: Flask) -> Growth:
    with app.app_context(), transaction():
        publish(shipped("wispgate"), SYSTEM)
    return Growth(
        app,
        make_user(app, role="member", name="Mina Member", departments=["growth"]),
        make_user(app, role="manager", name="Mateo Manager", departments=["growth"]),
        make_user(app, role="viewer", name="Viktor Viewer"),
    )


PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
OpenOn = Callable[..., Page]
LogIn = Callable[..., Page]


@pytest.fixture
def open_on(browser: Browser, base_url: str) -> Iterator[OpenOn]:
    """Open a device of one's own, by default a phone; every error in its console fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opened(**options: Any) -> Page:
        context = browser.new_context(base_url=base_url, **{"viewport": PHONE, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if "Content Security Policy" in m.text else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture
def log_in(open_on: OpenOn) -> LogIn:
    """Open a browser of one's own as somebody."""

    def open_as(person: Person, **options: Any) -> Page:
        page = open_on(**{"viewport": DESK, **options})
        page.goto("/login")
        page.get_by_label("Email").fill(person.email)
        page.get_by_label("Password", exact=True).fill(person.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda address: "/login" not in address)
        return page

    return open_as
