"""E14: what a provider of SMS tells us is believed if it is signed, once, in any order; and STOP is STOP."""

from __future__ import annotations

import itertools
import json
import signal
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.inbox.models import Notice
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.sms.models import SmsReply
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.reach import NUMBER, contact_row, likes_sms, owe_to
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all
from tests.records.outbox.deliverer import deliverer, only_message
from tests.sms import (
    SIGNATURE,
    TOKEN,
    SmsServer,
    post_twilio,
    post_vonage,
    running_sms_server,
    sending_by,
    twilio_signature,
    vonage_token,
)


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}\n")
    return make_user(app, name="Ana")


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    return a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"), title="Fibre")


@pytest.fixture
def grace(app: Flask, card: KnownCard) -> Any:
    return likes_sms(app, card.account)


@pytest.fixture(params=("twilio", "vonage"))
def server(request: pytest.FixtureRequest, app: Flask) -> Iterator[SmsServer]:
    with running_sms_server(request.param) as server, sending_by(app, server.account):
        yield server


@pytest.fixture
def sent(app: Flask, server: SmsServer, grace: Any, card: KnownCard) -> OutboxMessage:
    owe_to(app, grace, card_id=card.id)
    assert deliver_all(app) == 1
    return only_message(app)


WORDS = {
    "twilio": {"sent": "sent", "delivered": "delivered", "failed": "undelivered", "queued": "queued"},
    "vonage": {"sent": "submitted", "delivered": "delivered", "failed": "undeliverable", "queued": "?"},
}


def receipt(
    server: SmsServer, message: Any, outcome: str, provider_id: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Where the provider posts what became of a message, and what."""
    word, theirs = WORDS[server.provider].get(outcome, outcome), provider_id or server.ids[-1]
    if server.provider == "twilio":
        error: dict[str, Any] = {"ErrorCode": "30003"} if outcome == "failed" else {}
        said = {
            "MessageSid": theirs,
            "MessageStatus": word,
            "To": NUMBER,
            "ApiVersion": "2010-04-01",
            **error,
        }
        return f"/sms/twilio/receipts/{message.id}", said
    error = {"error": {"title": "1270", "detail": "Absent subscriber"}} if outcome == "failed" else {}
    said = {**error, "message_uuid": theirs, "status": word, "client_ref": str(message.id), "channel": "sms"}
    return "/sms/vonage/receipts", said


def post(app: Flask, server: SmsServer, path: str, said: dict[str, Any], **more: Any) -> TestResponse:
    return (post_twilio if server.provider == "twilio" else post_vonage)(app, path, said, **more)


def tell(app: Flask, server: SmsServer, message: Any, outcome: str, provider_id: str | None = None) -> int:
    path, said = receipt(server, message, outcome, provider_id)
    return post(app, server, path, said).status_code


def reply(app: Flask, server: SmsServer, words: str, theirs: str = "", number: str = NUMBER) -> int:
    theirs = theirs or uuid.uuid4().hex
    if server.provider == "twilio":
        said = {"MessageSid": theirs, "From": number, "Body": words}
        return post_twilio(app, "/sms/twilio/replies", said).status_code
    said = {"message_uuid": theirs, "from": number.lstrip("+"), "channel": "sms", "text": words}
    return post_vonage(app, "/sms/vonage/replies", said).status_code


def kinds(app: Flask) -> list[str]:
    return [row["kind"] for row in rows(app, Event)]


def test_delivered_is_shown_and_on_record(
    app: Flask, server: SmsServer, sent: OutboxMessage, ana: Person, card: KnownCard
) -> None:
    page = Caller(app, ana)
    assert "Delivered" not in page.get(f"/messages/{sent.id}").text
    assert tell(app, server, sent, "sent") == 204
    assert only_message(app).delivered_at is None
    assert tell(app, server, sent, "delivered") == 204
    assert only_message(app).delivered_at is not None
    for address in (f"/messages/{sent.id}", f"/messages?card={card.id}", card.url):
        assert "elivered" in page.get(address).text, address
    assert "arrived" in page.get(f"/cards/{card.id}/timeline").text
    assert kinds(app).count("card.message.delivered") == 1
    with app.app_context():
        assert verify_chains().is_sound


def test_what_did_not_arrive_goes_by_mail_and_says_so(
    app: Flask, server: SmsServer, sent: OutboxMessage, smtp_sink: SmtpSink, ana: Person, card: KnownCard
) -> None:
    assert tell(app, server, sent, "failed") == 204
    assert deliver_all(app) == 1
    message = only_message(app)
    assert (message.state, message.channel) == ("sent", "email")
    assert len(smtp_sink.received) == 1
    assert kinds(app).count("card.message.undelivered") == 1
    page = Caller(app, ana)
    for address in (f"/messages/{sent.id}", f"/messages?card={card.id}", card.url):
        assert "The SMS failed" in page.get(address).text, address
    # Told again, it does not leave again.
    for outcome in ("failed", "delivered", "failed", "sent"):
        assert tell(app, server, sent, outcome) == 204
        deliver_all(app)
    assert len(smtp_sink.received) == 1
    assert len(server.texts) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "delivered", "queued"])))
def test_receipts_in_any_order_and_number_come_to_the_same(
    app: Flask, server: SmsServer, sent: OutboxMessage, order: tuple[str, ...]
) -> None:
    for outcome in order:
        assert tell(app, server, sent, outcome) == 204
    message = only_message(app)
    assert (message.state, message.channel, message.delivered_at is not None) == ("sent", "sms", True)
    assert kinds(app).count("card.message.delivered") == 1


def test_delivered_is_the_last_word(
    app: Flask, server: SmsServer, sent: OutboxMessage, smtp_sink: SmtpSink
) -> None:
    tell(app, server, sent, "delivered")
    tell(app, server, sent, "failed")
    assert deliver_all(app) == 0
    assert only_message(app).channel == "sms"


@pytest.mark.parametrize("may_resend", [False, True])
def test_a_receipt_tells_what_became_of_a_text_whose_answer_was_lost(
    app: Flask, server: SmsServer, grace: Any, card: KnownCard, may_resend: bool
) -> None:
    """R3: the window that no protocol closes is closed by the receipt, and nothing leaves twice."""
    server.hangs_up = True
    owe_to(app, grace, card_id=card.id, resend_if_unsure=may_resend)
    assert deliver_all(app) == 0
    message = only_message(app)
    assert (message.state, message.provider_id) == ("due" if may_resend else "unconfirmed", None)
    server.hangs_up = False
    assert tell(app, server, message, "sent") == 204
    with time_machine.travel(now() + deliver.DELAYS[-1] * 2):
        assert deliver_all(app) == 0
    assert (only_message(app).state, only_message(app).provider_id) == ("sent", server.ids[0])
    assert len(server.texts) == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_told", [True, False])
def test_killed_between_the_answer_and_the_commit_it_is_not_sent_twice_once_a_receipt_tells(
    app: Flask, settings: Settings, server: SmsServer, grace: Any, card: KnownCard, is_told: bool
) -> None:
    """R3: kill -9 in the one window there is."""
    owe_to(app, grace, card_id=card.id, resend_if_unsure=True)
    with deliverer(settings, more={**server.environment, "LIFECYCLE_KILL_AT": "after 250"}) as victim:
        victim.begin()
        assert victim.process.wait(20) == -signal.SIGKILL
    message = only_message(app)
    assert (message.state, len(server.texts)) == ("handing_over", 1)
    if is_told:
        assert tell(app, server, message, "delivered") == 204
    given_up = now() + deliver.HAND_OVER_LASTS + timedelta(seconds=1)
    with time_machine.travel(given_up), app.app_context(), transaction():
        assert deliver.settle_abandoned() == (0 if is_told else 1)
    with time_machine.travel(now() + timedelta(days=1)):
        assert deliver_all(app) == (0 if is_told else 1)
    assert only_message(app).state == "sent"
    assert len(server.texts) == (1 if is_told else 2)


def test_a_receipt_that_overtakes_the_answer_is_kept(
    app: Flask, server: SmsServer, grace: Any, card: KnownCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe_to(app, grace, card_id=card.id)
    monkeypatch.setattr(
        deliver,
        "reach",
        lambda point: point == "after 250" and tell(app, server, only_message(app), "delivered"),
    )
    assert deliver_all(app) == 1
    message = only_message(app)
    assert (message.state, message.provider_id) == ("sent", server.ids[0])
    assert message.delivered_at is not None


@pytest.mark.parametrize("waits", [0, 60])
def test_a_receipt_for_what_was_never_sent_changes_nothing(
    app: Flask, server: SmsServer, grace: Any, card: KnownCard, waits: int
) -> None:
    until = now() + timedelta(seconds=waits) if waits else None
    owe_to(app, grace, card_id=card.id, send_after=until)
    before = rows(app, OutboxMessage)
    for outcome in ("sent", "delivered", "failed"):
        assert tell(app, server, only_message(app), outcome, "SM1") == 204
    assert rows(app, OutboxMessage) == before


@pytest.mark.parametrize("outcome", ["delivered", "failed"])
def test_unknown_ids_change_nothing(app: Flask, server: SmsServer, sent: OutboxMessage, outcome: str) -> None:
    before = rows(app, OutboxMessage)
    # Of another message, of another attempt, and of none of ours.
    assert tell(app, server, sent, outcome, "SM-of-another") == 204
    path, said = receipt(server, type("Other", (), {"id": uuid.uuid4()}), outcome)
    assert post(app, server, path, said).status_code == 204
    assert rows(app, OutboxMessage) == before


# --- who says so ---


def twilio_forgeries(path: str, said: dict[str, str], url: str) -> Iterator[tuple[str, dict[str, str], str]]:
    right = twilio_signature(url + path, said)
    yield path, said, ""
    yield path, said, right[:-2]
    yield path, said, "ünïcode\u00ff"
    yield path, said, twilio_signature(url + path, said, "another token")
    yield path, {**said, "MessageStatus": "failed"}, right
    yield path, {**said, "More": "1"}, right
    yield path + "?a=1", said, right
    # The signature of one message's receipt for another's.
    yield f"/sms/twilio/receipts/{uuid.uuid4()}", said, right


def test_what_twilio_has_not_signed_changes_nothing(app: Flask, grace: Any, card: KnownCard) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        owe_to(app, grace, card_id=card.id)
        deliver_all(app)
        path, said = receipt(server, only_message(app), "delivered")
        before = rows(app, OutboxMessage), len(rows(app, Event))
        url = app.extensions["settings"].base_url
        for where, what, signature in twilio_forgeries(path, said, url):
            assert post_twilio(app, where, what, signature).status_code == 403, (where, what, signature)
            assert (rows(app, OutboxMessage), len(rows(app, Event))) == before
        assert post_twilio(app, path, said).status_code == 204
        assert only_message(app).delivered_at is not None


def test_what_vonage_has_not_signed_changes_nothing(app: Flask, grace: Any, card: KnownCard) -> None:
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        owe_to(app, grace, card_id=card.id)
        deliver_all(app)
        path, said = receipt(server, only_message(app), "delivered")
        body = json.dumps(said).encode()
        before = rows(app, OutboxMessage), len(rows(app, Event))
        forgeries = [
            "",
            "a.b.c",
            "..",
            "\u00e9.\u00e9.\u00e9",
            vonage_token(body)[:-4],
            vonage_token(body, secret="another"),
            vonage_token(body, secret=TOKEN),
            vonage_token(body, secret=""),
            # Signed by nobody, as its head says; and by us, as another algorithm.
            vonage_token(body, algorithm="none"),
            vonage_token(body, algorithm="HS512"),
            # Of another body, of another account, and of long ago: replayed.
            vonage_token(b"{}"),
            vonage_token(body, api_key="another"),
            vonage_token(body, at=time.time() - 3600),
            vonage_token(body, at=time.time() + 3600),
            vonage_token(body, iat=None),
            vonage_token(body, iat="now"),
            vonage_token(body, payload_hash=None),
        ]
        for token in forgeries:
            assert post_vonage(app, path, said, token).status_code == 403, token
            assert (rows(app, OutboxMessage), len(rows(app, Event))) == before
        assert post_vonage(app, path, said).status_code == 204
        assert only_message(app).delivered_at is not None


def test_without_their_provider_the_doors_are_not_there(app: Flask) -> None:
    for path in (
        "twilio/receipts/" + str(uuid.uuid4()),
        "twilio/replies",
        "vonage/receipts",
        "vonage/replies",
    ):
        assert app.test_client().post(f"/sms/{path}").status_code == 404
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        assert post_twilio(app, "/sms/twilio/replies", {"Body": "STOP"}).status_code == 404
        assert post_vonage(app, "/sms/vonage/replies", {}).status_code == 204


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"message_uuid": None, "status": "delivered"},
        {"message_uuid": ["x"], "status": ["delivered"], "client_ref": {"a": 1}},
        {"message_uuid": "x", "status": "delivered", "client_ref": "no uuid"},
        {"message_uuid": "x" * 5000, "status": "delivered"},
        {"message_uuid": "x\0y", "status": "delivered"},
        {"message_uuid": "x", "status": "undeliverable", "error": "words"},
        {"message_uuid": "x", "channel": "sms", "from": None, "text": 7},
        {"message_uuid": "\ud800", "channel": "sms", "from": "34612345678", "text": "STOP"},
    ],
)
def test_signed_nonsense_is_no_error(app: Flask, grace: Any, said: dict[str, Any]) -> None:
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        for path in ("/sms/vonage/receipts", "/sms/vonage/replies"):
            assert post_vonage(app, path, said).status_code == 204
    strings = {name: str(value) for name, value in said.items() if "\ud800" not in str(value)}
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        more = {"MessageStatus": "delivered", "MessageSid": "x\0", "Body": "STOP\0", "From": "+34612345678\0"}
        for path in (f"/sms/twilio/receipts/{uuid.uuid4()}", "/sms/twilio/replies"):
            assert post_twilio(app, path, {**strings, **more}).status_code in (200, 204)


def test_what_is_very_large_is_not_read(app: Flask) -> None:
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        said = {"message_uuid": "x" * 70_000}
        assert post_vonage(app, "/sms/vonage/receipts", said).status_code == 413


# --- STOP ---


@pytest.mark.parametrize("word", ["STOP", " stop. ", "Unsubscribe", "CANCEL", "Stop\n"])
def test_stop_is_stop_for_all_who_have_the_number(
    app: Flask, server: SmsServer, grace: Any, card: KnownCard, ana: Person, smtp_sink: SmtpSink, word: str
) -> None:
    twin = likes_sms(app, card.account, name="Same Phone", email="twin@client.example")
    other = likes_sms(app, card.account, email="other@client.example", phone="+34 612 345 679")
    owe_to(app, grace, card_id=card.id)
    assert reply(app, server, word) in (200, 204)
    assert contact_row(app, grace)["sms_stopped_at"] is not None
    assert contact_row(app, twin)["sms_stopped_at"] is not None
    assert contact_row(app, other)["sms_stopped_at"] is None
    assert kinds(app).count("contact.sms_stopped") == 2
    # What waited goes by mail, and staff see why.
    assert deliver_all(app) == 1
    assert server.arrived == 0
    assert len(smtp_sink.received) == 1
    page = Caller(app, ana)
    assert "They want no more SMS" in page.get(f"/contacts/{grace}").text
    assert "They want no more SMS" in page.get(f"/messages/{only_message(app).id}").text


@pytest.mark.parametrize("phone", ["+34 612 345 678 ext. 5", "+44 7911 123456 x12", "tel:+34612345678;ext=7"])
def test_stop_is_heard_of_a_number_with_an_extension(
    app: Flask, server: SmsServer, card: KnownCard, phone: str
) -> None:
    """It is texted without its extension, so its answer comes without one."""
    contact = likes_sms(app, card.account, phone=phone)
    owe_to(app, contact, card_id=card.id)
    assert deliver_all(app) == 1
    texted = only_message(app).to_phone
    assert texted in ("+34612345678", "+447911123456")
    assert reply(app, server, "STOP", number=texted) in (200, 204)
    assert contact_row(app, contact)["sms_stopped_at"] is not None


def test_start_begins_again_and_an_old_stop_heard_twice_does_not_end_it(
    app: Flask, server: SmsServer, grace: Any
) -> None:
    assert reply(app, server, "STOP", "first") in (200, 204)
    assert reply(app, server, "START", "second") in (200, 204)
    assert contact_row(app, grace)["sms_stopped_at"] is None
    # The same words, posted and signed again.
    assert reply(app, server, "STOP", "first") in (200, 204)
    assert contact_row(app, grace)["sms_stopped_at"] is None
    assert len(rows(app, SmsReply)) == 2


@pytest.mark.parametrize("words", ["Please stop by tomorrow", "ok", "", "STOPP", "停"])
def test_other_words_stop_nothing(app: Flask, server: SmsServer, grace: Any, words: str) -> None:
    assert reply(app, server, words) in (200, 204)
    assert contact_row(app, grace)["sms_stopped_at"] is None
    assert rows(app, SmsReply) == []


def test_what_else_they_answer_is_told_to_the_owner_once(
    app: Flask, server: SmsServer, grace: Any, ana: Person
) -> None:
    words = "Tuesday is better <b>\u202e\r\nGrace"
    for _ in range(2):
        assert reply(app, server, words, "the same one") in (200, 204)
    [notice] = rows(app, Notice)
    assert (notice["user_id"], notice["title"]) == (ana.id, "Grace Hopper answered by SMS")
    assert notice["body"] == "Tuesday is better <b>\nGrace"
    page = Caller(app, ana).get("/inbox").text
    assert "Tuesday is better &lt;b&gt;" in page
    assert reply(app, server, "Who is this?", number="+34999999999") in (200, 204)
    assert len(rows(app, Notice)) == 1


def test_stop_from_a_number_that_nobody_has_is_no_error(app: Flask, server: SmsServer, grace: Any) -> None:
    assert reply(app, server, "STOP", number="+34999999999") in (200, 204)
    assert contact_row(app, grace)["sms_stopped_at"] is None


def test_a_receipt_that_says_stop_is_heard(app: Flask, grace: Any, card: KnownCard) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        owe_to(app, grace, card_id=card.id)
        deliver_all(app)
        path, said = receipt(server, only_message(app), "failed")
        assert post_twilio(app, path, {**said, "ErrorCode": "21610"}).status_code == 204
    assert contact_row(app, grace)["sms_stopped_at"] is not None


def test_a_forged_stop_stops_nobody(app: Flask, grace: Any) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        said = {"MessageSid": "SM1", "From": NUMBER, "Body": "STOP"}
        assert post_twilio(app, "/sms/twilio/replies", said, "bm8=").status_code == 403
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        said = {"message_uuid": "1", "from": NUMBER, "channel": "sms", "text": "STOP"}
        token = vonage_token(json.dumps(said).encode(), secret="x" + SIGNATURE)
        assert post_vonage(app, "/sms/vonage/replies", said, token).status_code == 403
    assert contact_row(app, grace)["sms_stopped_at"] is None
