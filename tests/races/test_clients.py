"""P3, E19, W13: clients and staff who press at the same moment; real processes, one order, nothing lost."""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from collections import Counter
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.requests.decide import working_link
from lifecycle.governance.requests.secrets import ask_for_code, send_secret
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.inbox.models import Notice
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.sealed import fill_in, sealed_token
from lifecycle.work.client_requests.models import (
    ClientLink,
    ClientRequest,
    ClientSecret,
    RequestReview,
    RequestSubmission,
)
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user
from tests.installation import environment_of
from tests.programs import run_program
from tests.races.crowd import Crowd, Press

ROUNDS = 6
SECRET = "the password of round"
FORM = """\
name: Your survey
answer: submit
pages:
  you:
    name: You
    asks:
      company: { type: text, name: Company }
      town: { type: text, name: Town, required: no }
  more:
    name: More
    asks: { note: { type: text, name: Note, required: no } }
message: asked
"""
SIGNED_BY = {"signer": "Cleo Client", "agrees": "1"}


@dataclass(frozen=True)
class Asked:
    """A card whose survey was sent to Cleo, with links to the whole of it for her and two others."""

    card: KnownCard
    id: uuid.UUID
    cleo: str
    tim: str
    ulla: str


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app, FORM)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def surveys(app: Flask, ana: Person, smtp_sink: Any) -> list[Asked]:
    """As many as there are rounds, opened, with the one answer that must be given."""
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    cards = [a_card(app, ana, account=account, fields={"wish": "Blue"}) for _ in range(ROUNDS)]
    for card in cards:
        moved(app, card, "survey", ana)
    follow_through(app)
    others = [
        a_contact(app, account, name, email=f"{name}@client.example", rights=["owner"])
        for name in ("Tim", "Ulla")
    ]
    made = []
    for card in cards:
        request = request_of(app, card, "survey")["id"]
        client = Client.of(app, card, "survey")
        client.open()
        client.send("pages/you", **{"ask-company": "Nordwind", "act": "next"})
        made.append(Asked(card, request, client.path, *(_link(app, request, each) for each in others)))
    return made


def _link(app: Flask, request_id: uuid.UUID, contact_id: uuid.UUID) -> str:
    with app.app_context(), transaction():
        request = db.session.get_one(ClientRequest, request_id)
        link = working_link(request, db.session.get_one(Contact, contact_id))
        return f"/c/{sealed_token(f'client_links/{link.id}')}"


def _race(settings: Settings, rounds: list[list[Press]]) -> list[list[tuple[int, str]]]:
    """What each press of each round was answered: its status and its text."""
    environment = {
        **os.environ,
        **environment_of(settings),
    }
    finished = run_program(
        "-m", "tests.races.crowd", environment=environment, typed=Crowd(rounds).as_json(), timeout=300
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    told = json.loads(finished.stdout)
    assert all(len(answers) == len(rounds) for answers in told), [each[-1] for each in told]
    return [[(each["status"], unescape(each["text"])) for each in turn] for turn in zip(*told, strict=True)]


def _events(app: Flask, kind: str, request_id: uuid.UUID) -> list[dict[str, Any]]:
    found = rows(app, Event, kind=kind)
    return [each for each in found if each["body"]["data"].get("request") == str(request_id)]


def _is_sound(app: Flask) -> None:
    with app.app_context():
        verification = verify_chains()
    assert verification.is_sound, verification.faults[:5]


def _say(capsys: pytest.CaptureFixture[str], what: str, outcomes: Counter[Any]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n  {what}: {dict(outcomes)}\n")


@pytest.mark.race
@pytest.mark.slow
def test_w13_credentials_are_seen_and_on_record_or_taken_back_never_both_or_twice(
    app: Flask, settings: Settings, ana: Person, smtp_sink: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    account = make_account(app, owner=ana)
    tim = a_contact(app, account, "Tim", email="tim@client.example", rights=["owner"])
    rounds, secrets = [], []
    for number in range(ROUNDS):
        card = a_card(app, ana, account=account)
        with app.app_context():
            with transaction(), changing_card(card.id, ana.actor) as subject:
                secret = send_secret(
                    subject, ana.actor, contact_id=tim, title="Log-in", text=f"{SECRET} {number}"
                ).id
            token = sealed_token(f"client_secrets/{secret}")
            with transaction():
                ask_for_code(token)
            letter = db.session.scalars(
                sa.select(OutboxMessage.text_body)
                .where(OutboxMessage.kind == "client_code")
                .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
                .limit(1)
            ).one()
            code = re.search(r"^(\d{6})$", fill_in(letter, tim), flags=re.MULTILINE)
            db.session.rollback()
        assert code
        view = Press(f"/s/{token}", f"/s/{token}/views", {"code": code[1]})
        back = f"/cards/{card.id}/credentials"
        revoke = Press(back, f"{back}/{secret}/revocations", user=str(ana.id), wait=0.02 * number)
        rounds.append([view, view, revoke])
        secrets.append(secret)
    outcomes: Counter[Any] = Counter()
    for number, answers in enumerate(_race(settings, rounds)):
        seen = [status for status, text in answers[:2] if f"{SECRET} {number}" in text]
        outcomes["seen" if seen else "taken back"] += 1
        assert len(seen) <= 1, "shown twice"
        [row] = rows(app, ClientSecret, id=secrets[number])
        assert row["sealed"] is None
        about = [each for each in rows(app, Event) if each["body"]["data"].get("secret") == str(row["id"])]
        kinds = Counter(each["kind"] for each in about)
        assert kinds["card.secret.viewed"] == len(seen)
        assert kinds["card.secret.revoked"] == 1 - len(seen)
        assert (row["viewed_at"] is not None, row["revoked_at"] is not None) == (bool(seen), not seen)
        assert answers[2][0] == (409 if seen else 303), answers[2][0]
        assert {status for status, _ in answers[:2]} <= {200, 404, 422}
    _is_sound(app)
    _say(capsys, "credentials", outcomes)


@pytest.mark.race
@pytest.mark.slow
def test_e19_of_two_who_answer_a_question_at_once_the_later_is_told_and_other_answers_stay(
    app: Flask, settings: Settings, surveys: list[Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    def save(path: str, **fields: str) -> Press:
        return Press(f"{path}/pages/you", f"{path}/pages/you", {"act": "next", **fields})

    rounds = [
        [
            # As a browser without a script does, each sends the whole page.
            save(each.cleo, **{"ask-company": "What Cleo says", "ask-town": ""}),
            save(each.tim, **{"ask-company": "What Tim says", "ask-town": ""}),
            save(each.ulla, **{"ask-company": "Nordwind", "ask-town": "Emden"}),
        ]
        for each in surveys
    ]
    outcomes: Counter[Any] = Counter()
    for each, answers in zip(surveys, _race(settings, rounds), strict=True):
        [row] = rows(app, ClientRequest, id=each.id)
        kept = row["answers"]
        assert kept["town"] == "Emden", "another question's answer was undone"
        assert sorted(status for status, _ in answers[:2]) == [303, 422]
        assert answers[2][0] == 303
        [first] = [
            who for who, (status, _) in zip(("Cleo", "Tim"), answers[:2], strict=True) if status == 303
        ]
        assert kept["company"] == f"What {first} says"
        assert row["marks"]["company"]["by"].startswith(first)
        [told] = [text for status, text in answers[:2] if status == 422]
        assert f"What {first} says" in told, "the later one reads what the first one wrote"
        assert f'value="What {"Tim" if first == "Cleo" else "Cleo"} says"' in told, (
            "and keeps what they typed"
        )
        outcomes[first] += 1
    _say(capsys, "first to answer", outcomes)


@pytest.mark.race
@pytest.mark.slow
def test_e19_a_form_that_several_send_at_once_is_submitted_once(
    app: Flask, settings: Settings, surveys: list[Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    """Cleo presses twice, and Tim once."""
    rounds = [
        [Press(f"{path}/review", f"{path}/answers", SIGNED_BY) for path in (each.cleo, each.cleo, each.tim)]
        for each in surveys
    ]
    outcomes: Counter[Any] = Counter()
    for each, answers in zip(surveys, _race(settings, rounds), strict=True):
        statuses = [status for status, _ in answers]
        assert sorted(statuses) == [303, 409, 409]
        assert len(rows(app, RequestSubmission, request_id=each.id)) == 1
        [event] = _events(app, "card.request.submitted", each.id)
        by = event["body"]["actor"]["name"]
        assert by == ("Tim" if statuses[2] == 303 else "Cleo Client")
        told = [row for row in rows(app, Notice, card_id=each.card.id) if "submitted" in row["title"]]
        assert len(told) == 1
        assert request_of(app, each.card, "survey")["status"] == "submitted"
        outcomes[by] += 1
    _is_sound(app)
    _say(capsys, "submitted by", outcomes)


@pytest.mark.race
@pytest.mark.slow
def test_e8_what_two_of_staff_decide_at_once_is_decided_once_and_never_unread(
    app: Flask, settings: Settings, ana: Person, surveys: list[Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    """Accept against return; then, where it was returned, the old page's buttons against the new answer."""
    sent = _race(
        settings, [[Press(f"{each.cleo}/review", f"{each.cleo}/answers", SIGNED_BY)] for each in surveys]
    )
    assert {status for [(status, _)] in sent} == {303}
    other = make_user(app, name="Otto", role="manager", departments=["bench"])
    seen = {each.id: rows(app, ClientRequest, id=each.id)[0]["answered_at"].isoformat() for each in surveys}

    def decide(each: Asked, act: str, by: Person) -> Press:
        gate = f"/client-gates/{each.id}"
        return Press(gate, f"{gate}/{act}", {"reason": "Mend it", "seen": seen[each.id]}, str(by.id))

    outcomes: Counter[Any] = Counter()
    rounds = [[decide(each, "acceptances", ana), decide(each, "returns", other)] for each in surveys]
    returned = []
    for each, answers in zip(surveys, _race(settings, rounds), strict=True):
        assert sorted(status for status, _ in answers) == [303, 409]
        [review] = _reviews(app, each)
        assert review["outcome"] == request_of(app, each.card, "survey")["status"]
        assert (review["outcome"] == "accepted") == (answers[0][0] == 303)
        outcomes[review["outcome"]] += 1
        returned += [each] if review["outcome"] == "returned" else []
    _say(capsys, "decided", outcomes)
    again = [
        [
            Press(f"{each.cleo}/review", f"{each.cleo}/answers", SIGNED_BY),
            decide(each, "acceptances", ana),
            decide(each, "returns", other),
        ]
        for each in returned
    ]
    for each, answers in zip(returned, _race(settings, again) if again else [], strict=True):
        assert [status for status, _ in answers] == [303, 409, 409]
        assert len(_reviews(app, each)) == 1
        assert [row["number"] for row in rows(app, RequestSubmission, request_id=each.id)] == [1, 2]
        assert request_of(app, each.card, "survey")["status"] == "submitted"
    _is_sound(app)


def _reviews(app: Flask, each: Asked) -> list[dict[str, Any]]:
    mine = {row["id"] for row in rows(app, RequestSubmission, request_id=each.id)}
    return [row for row in rows(app, RequestReview) if row["submission_id"] in mine]


@pytest.mark.race
@pytest.mark.slow
def test_e19_a_page_is_passed_on_before_the_form_is_sent_or_not_at_all(
    app: Flask, settings: Settings, surveys: list[Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = [
        [
            Press(f"{each.cleo}/review", f"{each.cleo}/answers", SIGNED_BY),
            Press(
                f"{each.tim}/pages/more",
                f"{each.tim}/pages/more/colleagues",
                {"name": "Nina", "email": f"nina{number}@client.example"},
            ),
        ]
        for number, each in enumerate(surveys)
    ]
    outcomes: Counter[Any] = Counter()
    for number, (each, answers) in enumerate(zip(surveys, _race(settings, rounds), strict=True)):
        (sent, _), (passed, where) = answers
        assert sent == 303
        assert passed == 303
        is_passed = f"{each.tim}/pages/more" in where
        links = [row for row in rows(app, ClientLink, request_id=each.id) if row["pages"] is not None]
        letters = [row for row in rows(app, OutboxMessage, request_id=each.id) if row["kind"] == "passed_on"]
        events = _events(app, "card.request.passed_on", each.id)
        colleagues = rows(app, Contact, email=f"nina{number}@client.example")
        assert [len(found) for found in (links, letters, events, colleagues)] == [int(is_passed)] * 4
        [submitted] = _events(app, "card.request.submitted", each.id)
        if is_passed:
            assert events[0]["seq"] < submitted["seq"], "passed on after it was sent"
        outcomes["passed on" if is_passed else "too late"] += 1
    _is_sound(app)
    _say(capsys, "colleagues", outcomes)
