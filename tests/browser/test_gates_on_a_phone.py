"""E8, E18, E19, W12, W14, W16, P3, P12: every client gate of the shipped playbook, on a phone, end to end.

With a script and without; with all that happens to people on the way: they are stuck, disagree, go on at a
desk, press twice, go back, are asked to mend, and come back when the link is over.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Page, expect

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.exchange.demo.walk import Walker
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.requests import decide
from lifecycle.governance.requests.ask import get_definition
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.client_requests.models import ClientLink, ClientRequest, RequestSubmission
from tests.browser.conftest import DESK
from tests.browser.filling import Known, fill_page, fill_pages
from tests.factories.cards import KnownCard, make_account, rows
from tests.factories.clients import a_contact, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import shipped
from tests.installation import SmtpSink
from tests.mail import received, text_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What a scripted scanner may wait for on a page.
SCAN_RESTS = 400
GONE = "This link opens nothing"


@dataclass
class Gate:
    """One request to one client, and both sides of it."""

    app: Flask
    ana: Person
    card: KnownCard
    key: str
    mailbox: SmtpSink

    @property
    def request(self) -> dict[str, Any]:
        return request_of(self.app, self.card, self.key)

    @property
    def link(self) -> str:
        return link_of(self.app, self.request["id"])

    @property
    def submissions(self) -> list[dict[str, Any]]:
        return rows(self.app, RequestSubmission, request_id=self.request["id"])

    def ask(self) -> None:
        """Ask the client, or ask again."""
        self._act(lambda subject: decide.ask_client(subject, self.ana.actor, self.key))

    def return_it(self, comments: dict[str, str]) -> None:
        request_id = self.request["id"]
        self._act(lambda subject: decide.return_submission(subject, self.ana.actor, request_id, "", comments))

    def revoke(self) -> None:
        request_id = self.request["id"]
        self._act(lambda subject: decide.revoke_request_links(subject, self.ana.actor, request_id))

    def expire(self) -> None:
        with self.app.app_context(), transaction():
            of_it = ClientLink.request_id == self.request["id"]
            db.session.execute(
                sa.update(ClientLink)
                .where(of_it)
                .values(expires_at=now() - timedelta(minutes=1), revoked_at=None)
            )

    def known(self) -> Known:
        """What the client will answer, as the demo's clients do."""
        with self.app.app_context():
            subject = get_subject(self.card.id)
            asked = db.session.get_one(ClientRequest, self.request["id"])
            walker = Walker(random.Random(5), {})
            questions = get_definition(subject, asked).asks
            return {each.key: (each, walker.answer(subject, each)) for each in questions}

    def code(self) -> str:
        follow_through(self.app)
        found = re.search(r"^(\d{6})$", text_of(received(self.mailbox)[-1]), flags=re.MULTILINE)
        assert found
        return found[1]

    def _act(self, act: Any) -> None:
        with (
            self.app.app_context(),
            transaction(),
            changing_card(self.card.id, self.ana.actor, permission="client_requests.ask") as subject,
        ):
            act(subject)
        follow_through(self.app)


@pytest.fixture
def gate_of(app: Flask, smtp_sink: SmtpSink) -> Any:
    with app.app_context(), transaction():
        publish(shipped("wispgate"), SYSTEM)
    ana = make_user(app, role="admin", name="Ana")
    account = make_account(app, owner=ana, country="ES", segment="fibre", name="Nordwind Funk")
    a_contact(app, account, rights=["owner", "technical", "billing", "signatory"])

    def asked(board: str, key: str) -> Gate:
        with app.app_context(), transaction():
            card = create_card(
                f"wispgate.{board}", actor=ana.actor, channel="page", account_id=account, title="Fibre"
            )
            known = KnownCard(card.id, card.visit_id, account, card.title)
        gate = Gate(app, ana, known, key, smtp_sink)
        gate.ask()
        return gate

    return asked


def scan(gate: Gate, device: Any) -> None:
    """Do what a mail filter does with a link: HEAD, GET, and a browser that runs scripts and waits."""
    before = _state(gate.app)
    browser = gate.app.test_client()
    for path in ("", "/review", "/pages/company", "/pages/legal", "/paper.pdf", "/submission.pdf"):
        assert browser.head(f"{gate.link}{path}").status_code < 500
        browser.get(f"{gate.link}{path}").close()
    page = device()
    page.goto(gate.link)
    page.wait_for_timeout(SCAN_RESTS)
    for address in page.locator("main a[href]").evaluate_all("all => all.map(it => it.getAttribute('href'))"):
        if address.startswith("/c/"):
            page.goto(address)
    assert _state(gate.app) == before, "looking changes nothing and uses nothing up"


def _state(app: Flask) -> list[Any]:
    tables = (
        "client_requests",
        "client_links",
        "client_codes",
        "request_submissions",
        "events",
        "outbox_messages",
    )
    with app.app_context():
        return [
            db.session.execute(
                sa.text(f"select count(*), md5(string_agg(t::text, '|' order by t::text)) from {table} t")
            ).one()
            for table in tables
        ]


def begin(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="Open", exact=True).click()


def get_stuck(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_text("I am stuck", exact=True).click()
    page.get_by_label("What keeps you from going on?").fill("Who knows the tax number?")
    page.get_by_role("button", name="Tell us").click()
    expect(page.locator(".client-page")).to_contain_text("You told us that you are stuck")


def finish(page: Page, gate: Gate) -> None:
    """Sign if it is signed, agree, and press twice, as impatient people do."""
    send = page.locator("form[action$='/answers'] .form-actions button").first
    # The page that led here may still be on its way out.
    expect(send).to_be_visible()
    if page.get_by_role("button", name="Email me the code").count():
        page.get_by_role("button", name="Email me the code").click()
        expect(page.locator(".client-notices")).to_contain_text("We sent a code to")
        page.locator("#code").fill(gate.code())
    if page.locator("#files").count():
        page.locator("#files").set_input_files([])
    if page.locator("#agrees").count():
        page.locator("#agrees").check()
    send.dblclick()
    expect(page.locator(".client-page")).to_contain_text("Thank you")
    page.go_back()
    expect(page.locator(".client-page")).to_contain_text("Thank you")


def come_back_too_late(page: Page, gate: Gate, link: str) -> None:
    """Neither a revoked nor an expired link says anything of what stood there; a new one can be asked for."""
    for end in (gate.revoke, gate.expire):
        end()
        page.goto(link)
        expect(page.locator(".client-page")).to_contain_text(GONE)
        expect(page.locator("body")).not_to_contain_text("Nordwind Funk")
    page.get_by_role("button", name=re.compile("new link")).click()
    expect(page.locator(".client-page")).to_contain_text("If")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(
    ("board", "key"), [("growth", "accept_subscription"), ("onboarding", "cutover_approval")]
)
def test_what_is_accepted_or_declined_on_a_phone(
    gate_of: Any, open_on: Any, board: str, key: str, script: bool
) -> None:
    """W16 too: returned with remarks first, then signed; nothing else leads to a yes."""
    gate: Gate = gate_of(board, key)
    scan(gate, open_on)
    page = open_on(java_script_enabled=script)
    begin(page, gate.link)
    get_stuck(page, gate.link)
    page.get_by_text("I do not agree", exact=True).click()
    page.get_by_label("What is wrong with it?").fill("The day does not suit us.")
    page.get_by_role("button", name="Decline").click()
    expect(page.locator(".client-page")).to_contain_text("You declined")
    assert (gate.request["status"], gate.request["reason"]) == ("declined", "The day does not suit us.")

    gate.ask()
    begin(page, gate.link)
    finish(page, gate)
    assert gate.request["status"] == "accepted"
    accepted = [each for each in rows(gate.app, ClientRequest, key=key) if each["status"] == "accepted"]
    assert len(accepted) == 1, "pressed twice, answered once"
    come_back_too_late(page, gate, gate.link)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize(
    ("board", "key"), [("delivery", "submit_order"), ("onboarding", "scoping_questionnaire")]
)
def test_what_is_filled_in_on_a_phone_and_at_a_desk(
    gate_of: Any, open_on: Any, board: str, key: str, script: bool
) -> None:
    gate: Gate = gate_of(board, key)
    scan(gate, open_on)
    # The latest one will be their colleague's.
    link = gate.link
    known = gate.known()
    phone = open_on(java_script_enabled=script)
    begin(phone, link)
    get_stuck(phone, link)
    phone.locator(".client-pages a").first.click()
    fill_page(phone, known)

    # Another device goes on where the phone was, and passes a page on.
    desk = open_on(viewport=DESK, java_script_enabled=script)
    desk.goto(link)
    expect(desk.locator(".client-progress")).not_to_have_text(re.compile(r"^\s*0 %"))
    desk.locator(".client-pages a").nth(1).click()
    title = desk.locator("h1").inner_text()
    desk.get_by_text("Pass this page to a colleague", exact=True).click()
    desk.get_by_label("Their name").fill("Tim Tax")
    desk.get_by_label("Their email address").fill("tim@client.example")
    desk.get_by_role("button", name="Send them the link").click()
    follow_through(gate.app)
    theirs = re.search(r"/c/[\w-]+", text_of(received(gate.mailbox)[-1]))
    assert theirs
    colleague = open_on(java_script_enabled=script)
    colleague.goto(theirs[0])
    expect(colleague.locator(".client-pages a")).to_have_count(1)
    colleague.locator(".client-pages a").click()
    expect(colleague.locator("h1")).to_have_text(title)
    fill_page(colleague, known)
    for path in ("review", "submission.pdf", "paper.pdf"):
        answer = colleague.request.get(f"{theirs[0]}/{path}")
        assert answer.status == 404, "a part is a part"

    desk.goto(link)
    fill_pages(desk, known)
    finish(desk, gate)
    assert len(gate.submissions) == 1, "pressed twice, sent once"

    # One answer is returned; nothing else is asked again.
    question = next(
        each for each, answer in known.values() if each.type == "text" and answer and each.when is None
    )
    gate.return_it({question.key: "Is that right?"})
    phone.goto(link)
    phone.get_by_role("link", name="Mend 1 answer").click()
    expect(phone.locator(".client-comment")).to_contain_text("Is that right?")
    assert phone.locator("[data-question]").count() == 1
    phone.locator(f"[name='ask-{question.key}']").fill("As it is now")
    phone.get_by_role("button", name="Save and continue", exact=True).last.click()
    finish(phone, gate)
    assert len(gate.submissions) == 2
    assert gate.request["answers"][question.key] == "As it is now"
    come_back_too_late(phone, gate, link)
