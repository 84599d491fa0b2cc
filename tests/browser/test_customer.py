"""One customer from Sourced to Hypercare: gates, clients at their links, departments at their handoffs.

What the gates ask of our own people is done as the demo does it (`exchange/demo/walk.py`). What the client
and the receiving departments do is done in a browser.
"""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from lifecycle.core.db import db, transaction
from lifecycle.exchange.demo.walk import Walker
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.load import library_names
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.requests.ask import get_definition
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.handoffs.models import Handoff
from tests.browser.conftest import LogIn
from tests.browser.filling import MOST_STEPS, STAMPED, fill_pages, type_in
from tests.factories.cards import make_account
from tests.factories.clients import a_contact
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import shipped
from tests.installation import SmtpSink
from tests.mail import received, text_of

pytestmark = pytest.mark.browser

DEPARTMENTS = ("growth", "finance", "delivery", "technical_operations", "support", "csm", "migration")
WAITING = ("asked", "opened", "in_progress", "returned")


@dataclass
class Customer:
    """An account on its way, who works with it, and the browsers of both sides."""

    app: Flask
    walker: Walker
    account: uuid.UUID
    mailbox: SmtpSink
    client: Page
    receivers: dict[str, Page]

    def card_on(self, board: str) -> uuid.UUID:
        with self.app.app_context():
            query = sa.select(Card.id).join(Pipeline, Pipeline.id == Card.pipeline_id)
            return db.session.scalars(
                query.where(Pipeline.slug == board, Card.account_id == self.account)
            ).one()

    def stage_of(self, card_id: uuid.UUID) -> str:
        with self.app.app_context():
            return get_subject(card_id).stage.key

    def work_towards(self, card_id: uuid.UUID, goal: str) -> None:
        """Go on, stage by stage, until the card stands in `goal`."""
        for _ in range(MOST_STEPS):
            follow_through(self.app)
            if self.stage_of(card_id) == goal:
                return
            self._meet(card_id)
            follow_through(self.app)
            self._let_the_client_answer(card_id)
            self._let_others_receive(card_id)
            follow_through(self.app)
            if self.stage_of(card_id) != goal:
                with self.app.app_context(), transaction():
                    self.walker.advance(card_id)
        raise AssertionError(f"stuck in {self.stage_of(card_id)}")

    def _meet(self, card_id: uuid.UUID) -> None:
        with self.app.app_context(), transaction():
            subject = get_subject(card_id)
            self.walker.meet(
                card_id, self.walker.following(subject), leave_undone=("client", "questionnaire", "handoff")
            )

    def _let_the_client_answer(self, card_id: uuid.UUID) -> None:
        with self.app.app_context():
            query = sa.select(ClientRequest.id).where(
                ClientRequest.card_id == card_id, ClientRequest.status.in_(WAITING)
            )
            waiting = list(db.session.scalars(query))
        for request_id in waiting:
            self.answer(request_id)

    def answer(self, request_id: uuid.UUID) -> None:
        """Follow the link in the newest letter about a request, fill in its page and send it."""
        with self.app.app_context():
            asked = db.session.get_one(ClientRequest, request_id)
            subject = get_subject(asked.card_id)
            definition = get_definition(subject, asked)
            questions = definition.asks
            typed = {question.key: self.walker.answer(subject, question) for question in questions}
            name = asked.name
        self.client.goto(self._link_to(name))
        if self.client.get_by_role("button", name="Open", exact=True).count():
            self.client.get_by_role("button", name="Open", exact=True).click()
        if definition.pages:
            fill_pages(self.client, {question.key: (question, typed[question.key]) for question in questions})
        else:
            for question in questions:
                type_in(self.client, question, typed[question.key])
        # The page that led here may still be on its way out.
        expect(self.client.locator("form[action$='/answers']").first).to_be_visible()
        if self.client.locator("#files").count():
            self.client.locator("#files").set_input_files(STAMPED)
        if definition.sign:
            self._get_the_code()
        if self.client.locator("#agrees").count():
            self.client.locator("#agrees").check()
        self.client.locator(".client-form .form-actions button").first.click()
        expect(self.client.locator(".client-page")).to_contain_text("Thank you")

    def _get_the_code(self) -> None:
        """Ask for the code that signing takes, and type it as the mail has it; then draw a signature."""
        self.client.get_by_role("button", name="Email me the code").click()
        expect(self.client.locator(".client-notices")).to_contain_text("We sent a code to")
        follow_through(self.app)
        found = re.search(r"^(\d{6})$", text_of(received(self.mailbox)[-1]), flags=re.MULTILINE)
        assert found
        self.client.locator("#code").fill(found[1])
        pad = self.client.locator("[data-pad] svg")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        assert box
        self.client.mouse.move(box["x"] + 20, box["y"] + 40)
        self.client.mouse.down()
        self.client.mouse.move(box["x"] + 120, box["y"] + 60, steps=5)
        self.client.mouse.up()
        assert self.client.locator("#drawn").input_value().startswith("[[[")

    def _link_to(self, name: str) -> str:
        seen = []
        for message in reversed(received(self.mailbox)):
            found = re.search(r"https?://\S+(/c/[\w.-]+)", text_of(message))
            if found:
                self.client.goto(found[1])
                seen.append((str(message["subject"]), self.client.locator("h1").inner_text()))
                if seen[-1][1] == name:
                    return found[1]
        raise AssertionError(f"no letter leads to {name}: {seen}")

    def _let_others_receive(self, card_id: uuid.UUID) -> None:
        with self.app.app_context():
            query = sa.select(Handoff.id, Handoff.to_department).where(
                sa.or_(Handoff.from_card_id == card_id, Handoff.to_card_id == card_id),
                Handoff.state == "offered",
            )
            offered = [(handoff_id, department) for handoff_id, department in db.session.execute(query)]
        for handoff_id, department in offered:
            page = self.receivers[department]
            page.goto(f"/handoffs/{handoff_id}")
            page.get_by_role("button", name="Accept").click()
            expect(page.get_by_role("button", name="Accept")).to_have_count(0)


@pytest.fixture
def people(app: Flask) -> dict[str, Person]:
    with app.app_context(), transaction():
        for name in library_names():
            publish(shipped(name), SYSTEM)
    make_user(app, role="admin", name="Alma Admin")
    for key in DEPARTMENTS:
        make_user(app, role="manager", name=f"{key} manager", departments=[key])
    return {key: make_user(app, name=f"{key} member", departments=[key]) for key in DEPARTMENTS}


@pytest.fixture
def customer(
    app: Flask, people: dict[str, Person], smtp_sink: SmtpSink, browser: Browser, base_url: str, log_in: LogIn
) -> Customer:
    account = make_account(app, owner=people["growth"], country="ES", segment="fibre", name="Nordwind Funk")
    a_contact(app, account, rights=["owner", "technical", "billing", "signatory"])
    client = browser.new_context(base_url=base_url, viewport={"width": 390, "height": 844}).new_page()
    client.set_default_timeout(8000)
    receivers = {key: log_in(people[key]) for key in ("delivery", "csm")}
    return Customer(app, Walker(random.Random(3), {}), account, smtp_sink, client, receivers)


@pytest.fixture
def begun(app: Flask, people: dict[str, Person], customer: Customer) -> uuid.UUID:
    with app.app_context(), transaction():
        return create_card(
            "wispgate.growth",
            actor=people["growth"].actor,
            channel="page",
            account_id=customer.account,
            title="Fibre billing",
        ).id


@pytest.mark.slow
def test_a_customer_comes_from_sourced_to_hypercare(
    customer: Customer, begun: uuid.UUID, people: dict[str, Person], log_in: LogIn
) -> None:
    """W7, W16, W17, E8, E17: nobody passes a client's gate or a handoff but those whom it waits for."""
    growth = log_in(people["growth"])
    customer.work_towards(begun, "subscription_request")

    # Nobody of ours can go past the client.
    growth.goto(f"/cards/{begun}/gate?to=subscribed")
    expect(growth.locator("#gate-advance")).to_be_disabled()
    expect(growth.locator("#gate-panel")).to_contain_text(re.compile("client|Cleo", re.IGNORECASE))
    follow_through(customer.app)
    customer._let_the_client_answer(begun)
    follow_through(customer.app)
    assert customer.stage_of(begun) == "subscribed"

    _return_the_handoff(customer, begun)
    growth.goto(f"/cards/{begun}")
    expect(growth.locator("#card-view")).to_contain_text("The stamp is missing")
    growth.get_by_role("button", name=re.compile("again", re.IGNORECASE)).first.click()
    customer.work_towards(begun, "closed_won")

    delivery = customer.card_on("wispgate.delivery")
    customer.work_towards(delivery, "closed_won")
    onboarding = customer.card_on("wispgate.onboarding")
    customer.work_towards(onboarding, "hypercare")
    assert customer.stage_of(onboarding) == "hypercare"


def _return_the_handoff(customer: Customer, card_id: uuid.UUID) -> None:
    with customer.app.app_context():
        handoff_id = db.session.scalars(sa.select(Handoff.id).where(Handoff.from_card_id == card_id)).one()
    page = customer.receivers["delivery"]
    page.goto("/work/departments/delivery")
    expect(page.locator("main")).to_contain_text("Fibre billing")
    page.goto(f"/handoffs/{handoff_id}")
    page.locator(".handoff-return summary").click()
    page.get_by_label("What is missing").fill("The stamp is missing")
    page.get_by_role("button", name="Return it").click()
    expect(page.locator("main")).to_contain_text("The stamp is missing")
    follow_through(customer.app)
