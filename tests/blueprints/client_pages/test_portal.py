"""P3, W20: a contact's home: what it shows to whom, and that nobody else's is reachable from it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.client_requests.models import ClientLink, PortalLink
from lifecycle.work.meetings.models import Meeting
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, attach, hold, make_account, moved, plan, rows
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import lab
from tests.mail import received, text_of

PHASES = (
    "phases: { talks: { name: Talks }, terms: { name: Terms, client_gate: yes }, live: { name: Live } }\n"
)
STAGES = """
first: { phase: talks }
terms:
  phase: terms
  client_gate: { asks: terms, to: signatory, due: 3 days }
  leave: [ { client: terms, waive: nobody } ]
live: { phase: live }
"""


PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


class Home:
    """A contact with the link to their home."""

    def __init__(self, app: Flask, path: str) -> None:
        self.path = path
        self.browser: FlaskClient = app.test_client()
        self.token = ""
        self.look()

    def look(self) -> str:
        page = self.browser.get(self.path).text
        if token := re.search(r'name="csrf_token" value="([^"]+)"', page):
            self.token = token[1]
        return page

    def press(self, act: str) -> TestResponse:
        self.look()
        return self.browser.post(f"{self.path}/{act}", data={"csrf_token": self.token})


def attach_file(app: Flask, card: KnownCard, by: Person, key: str | None, name: str) -> Any:
    with app.app_context(), transaction():
        file = keep_file(name, PDF, by.actor).id
    attach(app, card, by, key, kind="file", title=name, file_id=file)
    return file


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_gates(app, STAGES, main=PHASES)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    cleo = a_contact(app, account, rights=["signatory"])
    a_contact(app, account, "Tim Technical", email="tim@client.example", rights=["technical"])
    card = a_card(app, ana, account=account, title="Fibre", fields={"price": "120", "wish": "Blue"})
    moved(app, card, "terms", ana)
    follow_through(app)
    Caller(app, ana).post(f"/contacts/{cleo}/homes")
    follow_through(app)
    return card


def home_of(app: Flask, sink: Any) -> Home:
    """The home whose link came last."""
    paths = [path for letter in received(sink) for path in re.findall(r"/p/[\w-]+", text_of(letter))]
    return Home(app, paths[-1])


def mail_home(app: Flask, ana: Person, contact: Any, sink: Any) -> Home:
    Caller(app, ana).post(f"/contacts/{contact}/homes")
    follow_through(app)
    return home_of(app, sink)


def test_a_phase_is_called_to_clients_what_the_playbook_calls_it_to_them(app: Flask, smtp_sink: Any) -> None:
    """W20: staff read "Qualification"; the customer who is being qualified does not."""
    phases = """
phases:
  talks: { name: Qualification, client: Talks }
  terms: { purpose: They pay what we want., client: { name: Your yes, purpose: You agree. } }
  live: {}
"""
    publish_gates(app, STAGES, main=phases)
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    account = make_account(app, owner=ana)
    a_contact(app, account, rights=["signatory"])
    card = a_card(app, ana, account=account, title="Fibre", fields={"price": "120", "wish": "Blue"})
    assert "Qualification" in Caller(app, ana).get(f"/cards/{card.id}").text
    moved(app, card, "terms", ana)
    request = request_of(app, card, "terms")
    Caller(app, ana).post(f"/contacts/{request['contact_id']}/homes")
    follow_through(app)
    home = home_of(app, smtp_sink)
    home.press("openings")
    seen = home.look()
    assert all(said in seen for said in ("Talks", "Your yes", "You agree.", "Live"))
    assert "Qualification" not in seen
    assert "They pay" not in seen
    asked = app.test_client().get(link_of(app, request["id"])).text
    assert "Your yes" in asked
    assert "Qualification" not in asked


def test_a_step_needs_them_only_while_something_is_asked_of_them(
    app: Flask, card: KnownCard, smtp_sink: Any
) -> None:
    """W20: under "Nothing is needed from you now" no step says that it needs them."""
    home = home_of(app, smtp_sink)
    home.press("openings")
    needs = re.compile(r'aria-current="step".*?needs you.*?</li>', re.DOTALL)
    assert needs.search(home.look())
    client = Client.of(app, card, "terms")
    client.open()
    assert client.accept().status_code == 303
    follow_through(app)
    seen = home.look()
    assert "Nothing is needed from you now" in seen
    assert not needs.search(seen)


def test_it_shows_nothing_before_a_person_pressed_the_button_and_looking_changes_nothing(
    app: Flask, card: KnownCard, smtp_sink: Any
) -> None:
    home = home_of(app, smtp_sink)
    before = rows(app, PortalLink)
    for _ in range(2):
        page = home.look()
        assert "Fibre" not in page
        assert home.browser.head(home.path).status_code == 200
    assert rows(app, PortalLink) == before
    token = home.path.removeprefix("/p/")
    assert token not in str(before)


def test_it_says_where_things_stand_and_leads_to_what_is_needed(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    home = home_of(app, smtp_sink)
    assert home.press("openings").status_code == 303
    page = home.look()
    assert "What we need from you" in page
    assert "Now: <strong><bdi>Terms</bdi></strong>, step 2 of 3." in page
    assert "Next: <bdi>Live</bdi>." in page
    assert 'aria-current="step"' in page
    request = request_of(app, card, "terms")
    went = home.press(f"requests/{request['id']}/links")
    assert went.status_code == 303
    assert "Your terms" in home.browser.get(went.headers["Location"]).text
    assert len(rows(app, ClientLink)) == 1, "the link that was mailed is used again"


def test_a_card_on_another_board_does_not_hide_where_the_project_stands(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    """W20: a customer's own card on a success board shares the journey, and has phases of its own."""
    care = "phases: { welcome: { name: Welcome } }\n"
    texts = lab("first: { phase: welcome }\n", main=care)
    texts["playbook.yaml"] = texts["playbook.yaml"].replace(
        "playbook: lab\nname: Lab", "playbook: care\nname: Care"
    )
    with app.app_context(), transaction():
        publish(texts, SYSTEM)
    with app.app_context(), transaction():
        own = create_card(
            "care.trials", actor=ana.actor, channel="page", account_id=card.account, title="Care"
        )
        own.journey_id = db.session.get_one(Card, card.id).journey_id
    home = home_of(app, smtp_sink)
    home.press("openings")
    assert "Now: <strong><bdi>Terms</bdi></strong>, step 2 of 3." in home.look()
    with app.app_context(), transaction():
        db.session.execute(sa.update(Card).where(Card.id == card.id).values(archived_at=now()))
    assert "Now: <strong><bdi>Welcome</bdi></strong>, step 1 of 1." in home.look()


def test_each_contact_sees_what_their_rights_are_for(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    account = card.account
    seen = {}
    for name, rights in (("Olga Owner", ["owner"]), ("Tia Tech", ["technical"]), ("Sid Sign", ["signatory"])):
        contact = a_contact(app, account, name, email=f"{name[:3].lower()}@client.example", rights=rights)
        home = mail_home(app, ana, contact, smtp_sink)
        home.press("openings")
        seen[name] = "Your terms" in home.look()
        refused = home.press(f"requests/{request_of(app, card, 'terms')['id']}/links")
        assert refused.status_code == (303 if seen[name] else 404), name
    assert seen == {"Olga Owner": True, "Tia Tech": False, "Sid Sign": True}


def test_a_link_ends_with_the_right_it_came_from(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    """P3: whoever may no longer answer for their company signs nothing by a link that they still have."""
    asked = Client.of(app, card, "terms")
    olga = a_contact(app, card.account, "Olga Owner", email="olga@client.example", rights=["owner"])
    home = mail_home(app, ana, olga, smtp_sink)
    home.press("openings")
    request = request_of(app, card, "terms")
    link = home.press(f"requests/{request['id']}/links").headers["Location"]
    theirs = Client(app, link)
    assert "Your terms" in theirs.look().text
    follow_through(app)
    with app.app_context(), transaction():
        db.session.execute(sa.update(Contact).where(Contact.id == olga).values(rights=["billing"]))
    assert theirs.look().status_code == 404
    before = len(received(smtp_sink))
    assert theirs.send("renewals").status_code == 200
    follow_through(app)
    assert not [mail for mail in received(smtp_sink)[before:] if "olga" in str(mail["To"])]
    assert asked.look().status_code == 200, "whom we asked still has theirs"


def test_what_the_page_does_not_show_cannot_be_opened(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    home = home_of(app, smtp_sink)
    request = request_of(app, card, "terms")
    page = app.test_client().get(home.path).text
    assert "Your terms" not in page
    assert home.press(f"requests/{request['id']}/links").status_code == 404, "not opened yet"
    home.press("openings")
    for column in ("archived_at", "withdrawn_at"):
        with app.app_context(), transaction():
            db.session.execute(sa.update(Card).where(Card.id == card.id).values({column: now()}))
        assert "Your terms" not in home.look()
        assert home.press(f"requests/{request['id']}/links").status_code == 404, column
        with app.app_context(), transaction():
            db.session.execute(sa.update(Card).where(Card.id == card.id).values({column: None}))
    assert home.press(f"requests/{request['id']}/links").status_code == 303


def test_nothing_of_another_company_is_reachable(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    other = make_account(app, owner=ana, name="Südwind")
    contact = a_contact(app, other, "Otto", email="otto@other.example", rights=["owner", "signatory"])
    home = mail_home(app, ana, contact, smtp_sink)
    home.press("openings")
    page = home.look()
    assert "Südwind" in page
    assert "Nordwind" not in page
    assert "Your terms" not in page
    request = request_of(app, card, "terms")
    assert home.press(f"requests/{request['id']}/links").status_code == 404
    assert home.browser.get(f"{home.path}/papers/{request['id']}.pdf").status_code == 404


def test_p11_times_are_those_of_the_contacts_own_place(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    meeting = plan(app, card, ana, "review")
    with app.app_context(), transaction():
        at = datetime(2030, 1, 15, 15, 30, tzinfo=UTC)
        db.session.execute(sa.update(Meeting).where(Meeting.id == meeting).values(starts_at=at))
    home = home_of(app, smtp_sink)
    home.press("openings")
    assert "15 Jan 2030, 15:30 UTC</strong>" in home.look()
    with app.app_context(), transaction():
        db.session.execute(sa.update(Contact).values(time_zone="America/Bogota"))
    assert "15 Jan 2030, 10:30</strong> (Bogota)" in home.look()


def test_what_was_decided_is_shown_once_its_notes_were_sent(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    home = home_of(app, smtp_sink)
    home.press("openings")
    minutes = {
        "notes": "We <b>spoke</b>.",
        "decisions": "Fibre first.",
        "outcomes": "Send the map - 2027-01-15",
    }
    hold(app, card, ana, plan(app, card, ana, "review"), **minutes)
    assert "Fibre first." not in home.look(), "nobody was sent the notes"
    contact = rows(app, PortalLink)[0]["contact_id"]
    hold(app, card, ana, plan(app, card, ana, "review"), send_to=contact, **minutes)
    page = home.look()
    assert page.count("Fibre first.") == 1
    assert "We &lt;b&gt;spoke&lt;/b&gt;." in page
    assert "Send the map" in page
    other = make_account(app, owner=ana, name="Südwind")
    otto = a_contact(app, other, "Otto", email="otto@other.example", rights=["owner"])
    elsewhere = mail_home(app, ana, otto, smtp_sink)
    elsewhere.press("openings")
    assert "Fibre first." not in elsewhere.look()


def test_the_documents_of_what_one_may_see_can_be_fetched_and_no_others(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    inside = attach_file(app, card, ana, None, "inside.pdf")
    shown = attach_file(app, card, ana, "photo", "terms.pdf")
    request = request_of(app, card, "terms")
    Caller(app, ana).post(f"/client-gates/{request['id']}/askings", contact=str(request["contact_id"]))
    follow_through(app)
    home = mail_home(app, ana, request["contact_id"], smtp_sink)
    assert home.browser.get(f"{home.path}/files/{shown}").status_code == 404, "not opened yet"
    home.press("openings")
    assert f"{home.path}/files/{shown}" in home.look()
    got = home.browser.get(f"{home.path}/files/{shown}")
    assert got.data == PDF
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert got.headers["Cache-Control"] == "no-store", "on a computer that others use"
    assert home.browser.get(f"{home.path}/files/{inside}").status_code == 404
    tim = rows(app, Contact, name="Tim Technical")[0]["id"]
    technical = mail_home(app, ana, tim, smtp_sink)
    technical.press("openings")
    assert "terms.pdf" not in technical.look()
    cleo = Client.of(app, card, "terms")
    cleo.open()
    assert "terms.pdf" in cleo.look().text
    staff = Caller(app, ana)
    latest = request_of(app, card, "terms")["id"]
    assert "terms.pdf" in staff.get(f"/client-gates/{latest}").text
    assert technical.browser.get(f"{technical.path}/files/{shown}").status_code == 404


def test_old_links_are_replaced_in_one_step(app: Flask, card: KnownCard, ana: Person, smtp_sink: Any) -> None:
    old = home_of(app, smtp_sink)
    contact = rows(app, PortalLink)[0]["contact_id"]
    Caller(app, ana).post(f"/contacts/{contact}/homes", replace="yes")
    follow_through(app)
    new = home_of(app, smtp_sink)
    assert new.path != old.path
    assert old.browser.get(old.path).status_code == 404
    assert new.browser.get(new.path).status_code == 200
    with app.app_context(), transaction():
        db.session.execute(sa.update(Contact).where(Contact.id == contact).values(email=None))
    Caller(app, ana).post(f"/contacts/{contact}/homes", replace="yes")
    assert new.browser.get(new.path).status_code == 200, "nothing new could be sent, so the old one stays"


def test_revoked_expired_and_unknown_links_get_one_answer(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    home = home_of(app, smtp_sink)
    home.press("openings")
    gone = re.compile(r'(name="csrf_token" value="[^"]+"|/p/[\w-]+)')
    unknown = gone.sub("", app.test_client().get("/p/no-such-token").text)
    with time_machine.travel(now() + timedelta(days=200)):
        assert gone.sub("", home.look()) == unknown
    contact = rows(app, PortalLink)[0]["contact_id"]
    Caller(app, ana).post(f"/contacts/{contact}/homes/revocations")
    answer = home.browser.get(home.path)
    assert answer.status_code == 404
    assert gone.sub("", answer.text) == unknown
    count = len(received(smtp_sink))
    assert home.press("renewals").status_code == 200
    follow_through(app)
    assert len(received(smtp_sink)) == count, "what was revoked is not renewed"


def test_an_expired_link_is_renewed_to_the_same_address(app: Flask, card: KnownCard, smtp_sink: Any) -> None:
    home = home_of(app, smtp_sink)
    with time_machine.travel(now() + timedelta(days=200)):
        assert home.press("renewals").status_code == 200
        follow_through(app)
        letter = received(smtp_sink)[-1]
        assert letter["To"] == "Cleo Client <cleo@client.example>"
        assert "Open" in home_of(app, smtp_sink).look()


def test_staff_see_and_revoke_the_links_and_set_what_a_contact_answers_for(
    app: Flask, card: KnownCard, ana: Person
) -> None:
    contact = rows(app, PortalLink)[0]["contact_id"]
    staff = Caller(app, ana)
    page = staff.get(f"/contacts/{contact}").text
    assert "Good until" in page
    assert "Signatory" in page
    form = staff.get(f"/contacts/{contact}/edit").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', form)
    assert version
    typed = {"name": "Cleo Client", "email": "cleo@client.example", "version": version[1]}
    staff.post(f"/contacts/{contact}", rights=["billing", "owner"], **typed)
    assert "Billing" in staff.get(f"/contacts/{contact}").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', staff.get(f"/contacts/{contact}/edit").text)
    assert version
    refused = staff.post(f"/contacts/{contact}", rights=["king"], **{**typed, "version": version[1]})
    assert refused.status_code == 422
    viewer = Caller(app, make_user(app, role="viewer"))
    assert viewer.post(f"/contacts/{contact}/homes").status_code == 403
