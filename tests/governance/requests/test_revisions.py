"""E19, E4: what a client sent reads as it was asked, whatever revision the card is taken over to."""

from __future__ import annotations

import re
import runpy
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from pypdf import PdfReader

import lifecycle
from lifecycle.core.db import db
from lifecycle.governance.playbooks.migration import migrate_cards
from lifecycle.work.client_requests.models import RequestSubmission
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB
from tests.installation import Addresses

MIGRATIONS = Path(lifecycle.__file__).parent / "migrations" / "versions"

FIRST = """\
name: Your survey
answer: submit
pages:
  all:
    asks:
      colour_wish: { name: Favourite colour, options: { red: Red, blue: Blue } }
      towers: { type: integer, name: Towers }
      old: { type: text, name: Old question }
message: asked
"""
SECOND = """\
name: Your survey
answer: submit
pages:
  all:
    asks:
      towers: { type: integer, name: Masts }
      colour_wish: { name: Paint, options: { green: Green, blue: Azure } }
      fresh: { type: text, name: New question }
message: asked
"""
STAGES = """
first: {}
survey:
  client_gate: { asks: survey, due: 3 days }
  leave: [ { client: survey, waive: nobody } ]
"""


def _publish(app: Flask, form: str) -> None:
    publish_gates(app, STAGES, files={"client_requests/survey.yaml": form})


@pytest.fixture
def ana(app: Flask) -> Person:
    _publish(app, FIRST)
    return make_user(app, name="Ana", role="admin")


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "survey", ana)
    follow_through(app)
    return card


@pytest.fixture
def cleo(app: Flask, card: KnownCard, smtp_sink: Any) -> Client:
    client = Client.of(app, card, "survey")
    client.open()
    return client


def _send(client: Client, **answers: str) -> None:
    _post(client, "pages/all", {f"ask-{key}": text for key, text in answers.items()} | {"act": "next"})
    _post(client, "answers", {"signer": "Cleo", "agrees": "1"}, page="review")


def _post(client: Client, act: str, fields: dict[str, str], page: str = "") -> None:
    seen = client.browser.get(f"{client.path}/{page or act}").text
    hidden = dict(re.findall(r'name="(csrf_token|edition|page|seen)" value="([^"]*)"', seen))
    answer = client.browser.post(
        f"{client.path}/{act}",
        data={**hidden, **fields},
        content_type="multipart/form-data",
        headers={"Accept": "text/html"},
    )
    assert answer.status_code == 303, answer.text


def _take_over(app: Flask, card: KnownCard, ana: Person) -> None:
    _publish(app, SECOND)
    with app.app_context():
        outcome = migrate_cards(LAB, actor=ana.actor, channel="page")
        assert outcome.migrated == 1


def _words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def test_what_was_sent_reads_as_it_was_asked(app: Flask, card: KnownCard, cleo: Client, ana: Person) -> None:
    _send(cleo, colour_wish="red", towers="12", old="Yes, <b>still</b>")
    request = request_of(app, card, "survey")
    staff = Caller(app, ana)
    before = staff.get(f"/client-gates/{request['id']}/submissions/1.pdf").data
    _take_over(app, card, ana)
    ours = staff.get(f"/client-gates/{request['id']}").text
    for text in (ours, cleo.look().text):
        assert "Favourite colour" in text
        assert "Red" in text
        assert "Old question" in text
        assert "Yes, &lt;b&gt;still&lt;/b&gt;" in text
        assert "Paint" not in text
        assert "Masts" not in text
    after = staff.get(f"/client-gates/{request['id']}/submissions/1.pdf").data
    theirs = cleo.browser.get(f"{cleo.path}/submission.pdf").data
    assert _words(before) == _words(after) == _words(theirs)
    assert _words(after).index("Favourite colour Red") < _words(after).index("Towers 12")


def test_two_submissions_of_two_revisions_tell_which_questions_are_new_or_gone(
    app: Flask, card: KnownCard, cleo: Client, ana: Person
) -> None:
    _send(cleo, colour_wish="blue", towers="12", old="Gone")
    request = request_of(app, card, "survey")
    _take_over(app, card, ana)
    staff = Caller(app, ana)
    staff.post(f"/client-gates/{request['id']}/returns", reason="Once more, please.")
    follow_through(app)
    again = Client.of(app, card, "survey")
    _send(again, colour_wish="blue", towers="13", fresh="Here")
    numbers = [(row["number"], row["revision_id"]) for row in rows(app, RequestSubmission)]
    assert [number for number, _ in numbers] == [1, 2]
    assert numbers[0][1] < numbers[1][1]
    page = staff.get(f"/client-gates/{request['id']}").text
    answers = page[page.index("Their answers") :]
    assert "Changed since they sent it before: 2 answers." in answers
    # Another name of the same option is no other answer.
    assert re.search(r"<dt>Paint</dt><dd><div class=\"pre\">Azure</div>\s*(?!<div class=\"muted)", answers)
    assert "Before: Blue" not in answers
    assert "Before: 12" in answers
    assert re.search(r"<dt>New question</dt><dd>.*?Not asked before\.", answers, re.DOTALL)
    assert re.search(r"No longer asked.*?<dt>Old question</dt>.*?Before: Gone", answers, re.DOTALL)
    first = staff.get(f"/client-gates/{request['id']}/submissions/1.pdf").data
    assert "Favourite colour Blue" in _words(first)
    second = staff.get(f"/client-gates/{request['id']}/submissions/2.pdf").data
    assert "Paint Azure" in _words(second)


def test_the_migration_finds_under_which_revision_each_was_sent(
    app: Flask, card: KnownCard, cleo: Client, ana: Person, services: Addresses
) -> None:
    _send(cleo, colour_wish="blue", towers="12", old="Gone")
    request = request_of(app, card, "survey")
    _take_over(app, card, ana)
    Caller(app, ana).post(f"/client-gates/{request['id']}/returns", reason="Once more, please.")
    follow_through(app)
    _send(Client.of(app, card, "survey"), colour_wish="blue", towers="13", fresh="Here")
    was = [row["revision_id"] for row in rows(app, RequestSubmission)]
    (path,) = MIGRATIONS.glob("*_read_submissions_as_they_were_asked.py")
    with psycopg.connect(services.owner, autocommit=True) as owner:
        owner.execute("alter table request_submissions disable trigger append_only")
        owner.execute("update request_submissions set revision_id = (select max(id) from playbook_revisions)")
        owner.execute(runpy.run_path(str(path))["_FILL"])
        owner.execute("alter table request_submissions enable trigger append_only")
    assert [row["revision_id"] for row in rows(app, RequestSubmission)] == was
    assert was[0] < was[1]


def test_no_submission_is_without_its_revision(app: Flask, card: KnownCard, cleo: Client) -> None:
    _send(cleo, colour_wish="red", towers="1", old="x")
    with app.app_context():
        under = db.session.scalar(
            sa.text(
                "select s.revision_id = c.revision_id and r.revision_id = c.revision_id "
                "from request_submissions s join client_requests r on r.id = s.request_id "
                "join cards c on c.id = r.card_id"
            )
        )
    assert under is True
