"""W16, E18: a client is shown a table as a table, on the page and on paper, and signs for every cell."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from pypdf import PdfReader

from jobs.papers import make_due
from lifecycle.core.db import transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import set_fields
from lifecycle.records.files.store import read_file
from tests.factories.cards import KnownCard, a_card, card_row, gate, moved
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.tables import FAILED, PASSED, publish_tables
from tests.mail import received, text_of

ASKED = "subject: The runs\ntext: |\n  {{ card.runs }}\n\n  {{ request.link }}\n"
RESULTS = """\
name: The results
answer: accept
shows: [runs, wish]
consent: I have seen them.
message: asked
sign: photo
"""
SURVEY = """\
name: Your runs
answer: submit
pages: { all: { asks: { runs: {} } } }
message: asked
"""
STAGES = """
first: {}
results:
  client_gate: { asks: results, due: 3 days }
  leave: [ { client: results, waive: nobody } ]
survey:
  client_gate: { asks: survey, due: 3 days }
  leave: [ { client: survey, waive: nobody } ]
"""
FILES = {
    "messages/asked.yaml": ASKED,
    "client_requests/results.yaml": RESULTS,
    "client_requests/survey.yaml": SURVEY,
}
ROWS = [FAILED, {**PASSED, "note": "#strong[x] *y*"}]


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_tables(app, STAGES, files=FILES)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    card = a_card(app, ana, fields={"runs": ROWS, "wish": "Blue"})
    a_contact(app, card.account)
    return card


@pytest.fixture
def shown(app: Flask, card: KnownCard, ana: Person) -> Client:
    moved(app, card, "results", ana)
    follow_through(app)
    client = Client.of(app, card, "results")
    client.open()
    return client


def _set(app: Flask, card: KnownCard, person: Person, rows: list[dict[str, Any]]) -> None:
    with app.app_context(), transaction(), changing_card(card.id, person.actor) as subject:
        set_fields(subject, {"runs": rows}, person.actor)


def test_the_page_and_the_mail_have_the_rows(
    app: Flask, card: KnownCard, shown: Client, smtp_sink: Any
) -> None:
    page = shown.look().text
    assert re.findall(r"<th scope=\"col\"><bdi>(.*?)</bdi>", page) == [
        *("Day", "Loaded", "Cost", "Result", "Signed", "Note")
    ]
    assert '<td data-label="Result"><bdi>Failed</bdi></td>' in page
    assert '<td data-label="Signed"><bdi>No</bdi></td>' in page
    assert "Two &lt;b&gt;bills&lt;/b&gt;" in page


def test_a_letter_has_a_line_for_each_row(app: Flask, card: KnownCard, ana: Person, smtp_sink: Any) -> None:
    moved(app, card, "results", ana)
    follow_through(app)
    text = text_of(received(smtp_sink)[-1])
    assert "Day: 2 Nov 2026; Loaded: 1200; Result: Failed; Note: Two <b>bills</b>\n" in text
    assert "Day: 9 Nov 2026; Loaded: 1840; Cost: 12.50; Result: Passed; Signed: No" in text


def test_what_is_signed_has_every_cell_and_the_paper_shows_them(
    app: Flask, card: KnownCard, ana: Person, shown: Client, smtp_sink: Any
) -> None:
    _sign(app, shown, smtp_sink)
    request = request_of(app, card, "results")
    runs, wish = request["proof"]["content"]["shown"]
    assert wish == ["Wish", "Blue"]
    assert runs[2]["columns"] == ["Day", "Loaded", "Cost", "Result", "Signed", "Note"]
    assert runs[2]["rows"][0] == ["2 Nov 2026", "1200", "", "Failed", "", "Two <b>bills</b>"]
    with app.app_context():
        make_due()
    with app.app_context():
        _, pdf = read_file(request_of(app, card, "results")["paper_id"])
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())
    assert "Day Loaded Cost Result Signed Note" in text
    assert "2 Nov 2026" in text
    assert "#strong[x] *y*" in text


def test_one_cell_changed_makes_the_answer_void(
    app: Flask, card: KnownCard, ana: Person, shown: Client, smtp_sink: Any
) -> None:
    _sign(app, shown, smtp_sink)
    assert not gate(app, card, "survey").blocked
    _set(app, card, ana, [FAILED, {**ROWS[1], "signed": True}])
    sentences = [check.sentence for check in gate(app, card, "survey").blocked]
    assert sentences == ["What the client was shown of “The results” has changed since; ask again."]
    _set(app, card, ana, ROWS)
    assert not gate(app, card, "survey").blocked


def test_a_forms_rows_are_kept_in_the_card(app: Flask, ana: Person, smtp_sink: Any) -> None:
    publish_tables(app, "first: {}\n" + STAGES[STAGES.index("survey:") :], files=FILES)
    card = a_card(app, ana, fields={"runs": [FAILED]})
    a_contact(app, card.account)
    moved(app, card, "survey", ana)
    follow_through(app)
    client = Client.of(app, card, "survey")
    client.open()
    first = _page(client, "pages/all")
    # What the card knows is there already.
    assert 'value="1200"' in first
    row = {"ask-runs-0-day": "2026-11-09", "ask-runs-0-loaded": "9999", "ask-runs-0-result": "passed"}
    sent = {"ask-runs-rows": "2", **row, "act": "next"}
    wrong = _post(client, "pages/all", first, sent)
    assert "Test runs, row 1: Loaded must be at most 5000." in wrong
    _post(client, "pages/all", _page(client, "pages/all"), {**sent, "ask-runs-0-loaded": "1840"})
    review = _page(client, "review")
    seen = re.search(r'name="seen" value="([^"]*)"', review)
    assert seen
    _post(client, "answers", review, {"seen": seen[1], "signer": "Cleo", "agrees": "1"})
    kept = [{"day": "2026-11-09", "loaded": 1840, "result": "passed"}]
    assert card_row(app, card)["fields"]["runs"] == kept


def _page(client: Client, place: str) -> str:
    return client.browser.get(f"{client.path}/{place}").text


def _post(client: Client, act: str, page: str, fields: dict[str, str]) -> str:
    hidden = dict(re.findall(r'name="(csrf_token|edition|page)" value="([^"]*)"', page))
    return client.browser.post(
        f"{client.path}/{act}",
        data={**hidden, **fields},
        content_type="multipart/form-data",
        headers={"Accept": "text/html"},
    ).text


def _sign(app: Flask, client: Client, sink: Any) -> None:
    client.send("codes", **{"from": "request"})
    follow_through(app)
    code = re.search(r"^(\d{6})$", text_of(received(sink)[-1]), flags=re.MULTILINE)
    seen = re.search(r'name="seen_content" value="([0-9a-f]{64})"', client.look().text)
    assert code
    assert seen
    fields = {"signer": "Cleo", "position": "", "agrees": "1", "code": code[1], "seen_content": seen[1]}
    assert client.send("answers", **fields).status_code == 303
