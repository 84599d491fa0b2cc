"""E8, W7, W16: the client answers from an emailed link, and nobody else can answer for them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.client_requests.models import ClientLink
from tests.factories.browsing import Caller
from tests.factories.cards import (
    KnownCard,
    a_card,
    attach,
    card_row,
    fill,
    make_account,
    moved,
    rows,
    stage_of,
)
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through, notices
from tests.factories.people import Person, make_user
from tests.mail import received, text_of

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_gates(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account, rights=["signatory"])
    a_contact(app, account, "Tim Technical", email="tim@client.example")
    return a_card(app, ana, account=account, fields={"price": "120", "wish": "Blue"})


@pytest.fixture
def asked(app: Flask, ana: Person, card: KnownCard, smtp_sink: Any) -> KnownCard:
    moved(app, card, "terms", ana)
    follow_through(app)
    return card


def kinds(app: Flask, card: KnownCard) -> list[str]:
    with app.app_context():
        query = sa.select(Event.kind).where(Event.card_id == card.id, Event.kind.like("card.request.%"))
        return list(db.session.scalars(query.order_by(Event.at, Event.seq)))


def test_entering_the_gate_mails_the_signatory_a_link_and_stops_the_clock(
    app: Flask, asked: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    [message] = received(smtp_sink)
    assert message["To"] == "Cleo Client <cleo@client.example>"
    assert message["Subject"] == "Please decide, Cleo"
    assert message["Reply-To"] == ana.email
    assert Client.of(app, asked, "terms").path in text_of(message)
    assert Client.of(app, asked, "terms").path in text_of(message, "html")
    row = card_row(app, asked)
    assert (row["waiting_on_client"], row["is_paused"], row["client_status"]) == (True, True, "asked")
    # Neither the link nor its token is kept anywhere.
    token = Client.of(app, asked, "terms").path.removeprefix("/c/")
    with app.app_context():
        for table in ("outbox_messages", "client_links", "client_requests", "events"):
            held = db.session.scalar(
                sa.text(f"select count(*) from {table} t where t::text like :token"), {"token": f"%{token}%"}
            )
            assert held == 0, table


def test_looking_changes_nothing_and_shows_nothing_before_a_person_pressed_the_button(
    app: Flask, asked: KnownCard
) -> None:
    client = Client.of(app, asked, "terms")
    before = request_of(app, asked, "terms")
    for _ in range(3):
        page = client.look()
        assert page.status_code == 200
        assert "120" not in page.text
        assert client.browser.head(client.path).status_code == 200
    assert request_of(app, asked, "terms") == before
    client.open()
    assert "120" in client.look().text
    assert request_of(app, asked, "terms")["status"] == "opened"
    assert client.look().headers["Referrer-Policy"] == "no-referrer"


def test_accepting_moves_the_card_by_itself_and_keeps_the_proof(
    app: Flask, asked: KnownCard, ana: Person
) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    assert client.accept().status_code == 303
    assert "Accepted" in client.look().text
    follow_through(app)
    assert stage_of(app, asked) == "order"
    request = request_of(app, asked, "terms")
    assert request["status"] == "accepted"
    proof = request["proof"]
    assert (proof["name"], proof["position"]) == ("Cleo Client", "Director")
    assert proof["consent"] == "I accept these terms for my company."
    assert (
        proof["shown"]
        == [
            {"key": "price", "name": "Price", "value": "120"},
            {"key": "wish", "name": "Wish", "value": "Blue"},
        ]
        or proof["shown"][0]["key"] == "price"
    )
    assert proof["shown_hash"] == request["shown_hash"]
    assert kinds(app, asked)[:3] == ["card.request.asked", "card.request.opened", "card.request.accepted"]
    assert notices(app)[0] == ("Ana", "Cleo Client accepted Your terms")


def test_nothing_is_accepted_without_name_and_consent_and_what_was_typed_stays(
    app: Flask, asked: KnownCard
) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    page = client.send("answers", signer=" ", position="Director")
    assert page.status_code == 422
    assert "Write your name." in page.text
    assert "Tick the sentence to agree." in page.text
    assert 'value="Director"' in page.text
    assert request_of(app, asked, "terms")["status"] == "opened"


def test_what_changed_while_the_page_was_open_cannot_be_accepted_unseen(
    app: Flask, asked: KnownCard, ana: Person
) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    fill(app, asked, ana, price="90")
    refused = client.accept()
    assert refused.status_code == 409
    assert "has been changed by us meanwhile" in refused.text
    assert request_of(app, asked, "terms")["status"] == "opened"


def test_changing_what_was_accepted_voids_it(app: Flask, asked: KnownCard, ana: Person) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    client.accept()
    fill(app, asked, ana, price="90")
    follow_through(app)
    assert stage_of(app, asked) == "terms"
    gate = Caller(app, ana).get(f"{asked.url}/gate?to=order", "program").get_json()
    assert "has changed since; ask again" in gate["checks"][0]["says"]


def test_declining_needs_a_reason_and_tells_the_owner(app: Flask, asked: KnownCard) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    assert client.send("refusals", reason="").status_code == 422
    assert client.send("refusals", reason="Too dear").status_code == 303
    request = request_of(app, asked, "terms")
    assert (request["status"], request["reason"]) == ("declined", "Too dear")
    assert card_row(app, asked)["waiting_on_client"] is False
    assert notices(app)[-1] == ("Ana", "Cleo Client declined Your terms")
    assert "You declined" in client.look().text


def test_being_stuck_is_told_and_leaves_it_open(app: Flask, asked: KnownCard) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    client.send("stuck-reports", reason="Who is Ana?")
    assert request_of(app, asked, "terms")["stuck_reason"] == "Who is Ana?"
    assert notices(app)[-1][1] == "Cleo Client is stuck with Your terms"
    assert client.accept().status_code == 303


def test_a_double_click_answers_once(app: Flask, asked: KnownCard) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    page = client.look().text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    data = {"csrf_token": token, "seen": seen, "signer": "Cleo", "agrees": "1"}
    answers = [client.browser.post(f"{client.path}/answers", data=data).status_code for _ in range(2)]
    assert answers == [303, 409]
    assert kinds(app, asked).count("card.request.accepted") == 1


@pytest.mark.parametrize("act", ["answers", "refusals", "stuck-reports", "codes", "renewals", "openings"])
def test_a_phone_that_opens_a_refused_form_again_is_led_to_its_page(
    app: Flask, asked: KnownCard, act: str
) -> None:
    """P3, P12: the address of a form that was refused stays in the browser, and is opened again or copied."""
    client = Client.of(app, asked, "terms")
    again = client.browser.get(f"{client.path}/{act}")
    assert (again.status_code, again.location) == (303, client.path)
    unknown = client.browser.get(f"/c/nobodys/{act}", follow_redirects=True)
    assert unknown.status_code == 404
    assert request_of(app, asked, "terms")["status"] == "asked", "looking changes nothing"


def test_submitting_needs_what_is_asked_then_staff_return_it_and_accept_it(
    app: Flask, asked: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    client.accept()
    follow_through(app)
    order = Client.of(app, asked, "order")
    order.open()
    page = order.send("answers", signer="Cleo", **{"ask-pieces": "many"})
    assert page.status_code == 422
    assert "Pieces" in page.text
    assert 'value="many"' in page.text
    draft = order.send("answers", **{"ask-pieces": "12", "act": "draft"})
    assert draft.status_code == 303
    assert 'value="12"' in Client(app, order.path).look().text, "it goes on on another device"
    sent = order.send("answers", signer="Cleo", **{"ask-pieces": "12", "files": (BytesIO(PDF), "order.pdf")})
    assert sent.status_code == 303
    request = request_of(app, asked, "order")
    assert request["status"] == "submitted"
    assert card_row(app, asked)["fields"]["pieces"] == 12
    assert rows(app, Attachment, card_id=asked.id)[0]["key"] == "photo"
    staff = Caller(app, ana)
    url = f"/client-gates/{request['id']}"
    assert staff.post(f"{url}/returns", "page", reason="").status_code == 422
    assert staff.post(f"{url}/returns", "page", reason="The stamp is missing.").status_code == 303
    follow_through(app)
    assert "The stamp is missing." in text_of(received(smtp_sink)[-1])
    assert "The stamp is missing." in order.look().text
    assert order.send("answers", signer="Cleo", **{"ask-pieces": "13"}).status_code == 303
    assert staff.post(f"{url}/acceptances", "page").status_code == 303
    assert request_of(app, asked, "order")["status"] == "accepted"
    moved(app, asked, "live", ana)


def test_unknown_expired_and_revoked_links_answer_alike_and_a_new_one_is_mailed_to_its_contact_only(
    app: Flask, asked: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    client = Client.of(app, asked, "terms")
    request = request_of(app, asked, "terms")
    unknown = Client(app, f"/c/{'x' * 43}").look()
    with time_machine.travel(request["due_at"] + timedelta(days=61)):
        expired = client.look()
        assert client.send("renewals").status_code == 200
    Caller(app, ana).post(f"/client-gates/{request['id']}/revocations", "page")
    revoked = client.look()

    def told(page: Any) -> tuple[int, str]:
        return page.status_code, page.text.partition("<h1>")[2].partition("<form")[0]

    assert told(unknown) == told(expired) == told(revoked)
    assert unknown.status_code == 404
    [renewed] = [row for row in rows(app, OutboxMessage) if (row["cause"] or "").startswith("renewal/")]
    assert renewed["to_address"] == "cleo@client.example"
    assert Client(app, f"/c/{'x' * 43}").send("renewals").status_code == 200
    assert client.send("openings").status_code == 404


def test_leaving_the_stage_kills_the_link_and_an_undo_revives_it(
    app: Flask, asked: KnownCard, ana: Person
) -> None:
    client = Client.of(app, asked, "terms")
    outcome = moved(app, asked, "lost", ana, answers={"why": "No"})
    assert client.look().status_code == 404
    assert Caller(app, ana).post(f"{asked.url}/undos", "page", visit=outcome.visit_id).status_code == 303
    assert client.look().status_code == 200
    assert card_row(app, asked)["waiting_on_client"] is True


def test_taking_back_the_move_that_asked_sends_nothing(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    outcome = moved(app, card, "terms", ana)
    client = Client.of(app, card, "terms")
    Caller(app, ana).post(f"{card.url}/undos", "page", visit=outcome.visit_id)
    follow_through(app)
    assert received(smtp_sink) == []
    assert client.look().status_code == 404
    assert card_row(app, card)["client_status"] is None


def test_where_nobody_is_known_the_gate_says_so_and_is_asked_there_and_then(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = a_card(app, ana)
    moved(app, card, "terms", ana)
    assert request_of(app, card, "terms")["status"] == "not_asked"
    caller = Caller(app, ana)
    gate = caller.get(f"{card.url}/gate?to=order", "program").get_json()
    assert "nobody with an email address is known" in gate["checks"][0]["says"]
    missing = caller.post(f"{card.url}/client-requests", "htmx", request="terms", form="x", gate_to="order")
    assert missing.status_code == 422
    caller.post(
        f"{card.url}/client-requests",
        "htmx",
        request="terms",
        name="Nel",
        email="nel@client.example",
        gate_to="order",
    )
    follow_through(app)
    assert received(smtp_sink)[-1]["To"] == "Nel <nel@client.example>"
    assert request_of(app, card, "terms")["status"] == "asked"


def test_a_file_of_another_request_is_not_handed_over(app: Flask, asked: KnownCard, ana: Person) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    assert client.browser.get(f"{client.path}/files/{uuid.uuid4()}").status_code == 404


def test_what_was_accepted_cannot_be_changed_even_by_plain_sql(app: Flask, asked: KnownCard) -> None:
    client = Client.of(app, asked, "terms")
    client.open()
    client.accept()
    for change in ("status = 'declined'", "proof = '{}'", "shown_hash = 'x'", "contact_id = null"):
        with app.app_context(), pytest.raises(Exception, match="cannot be changed"), transaction():
            db.session.execute(sa.text(f"update client_requests set {change} where status = 'accepted'"))

    def forge() -> None:
        db.session.execute(
            sa.text("update client_requests set status = 'accepted' where status <> 'accepted'")
        )
        db.session.execute(
            sa.text(
                "insert into client_requests (id, card_id, visit_id, revision_id, key, name, status, intro,"
                " consent, shown, shown_hash, documents, answers, files, due_at, created_at, proof)"
                " select gen_random_uuid(), card_id, visit_id, revision_id, 'forged', 'x', 'asked', '',"
                " '', '[]', '', '[]', '{}', '[]', now(), now(), '{}' from client_requests limit 1"
            )
        )
        db.session.execute(sa.text("update client_requests set status = 'accepted' where key = 'forged'"))

    with app.app_context(), pytest.raises(Exception, match="without its proof"), transaction():
        forge()


def test_links_last_until_sixty_days_after_they_are_due(app: Flask, asked: KnownCard) -> None:
    [link] = rows(app, ClientLink)
    assert link["expires_at"] - request_of(app, asked, "terms")["due_at"] == timedelta(days=60)
    assert link["expires_at"] > now()


def test_a_document_of_the_card_is_shown_to_client_and_staff(
    app: Flask, card: KnownCard, ana: Person, smtp_sink: Any
) -> None:
    attach(app, card, ana, "photo", kind="link", title="Site plan", url="https://example.com/plan", note=None)
    moved(app, card, "terms", ana)
    follow_through(app)
    cleo = Client.of(app, card, "terms")
    cleo.open()
    page = cleo.look()
    assert page.status_code == 200
    assert 'href="https://example.com/plan"' in page.text
    shown = Caller(app, ana).get(f"/client-gates/{request_of(app, card, 'terms')['id']}")
    assert shown.status_code == 200
    assert "Site plan" in shown.text
