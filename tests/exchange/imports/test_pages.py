"""The pages of imports, walked as a manager does, with the jobs run as their worker runs them."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import text

from jobs.imports import check, resume_silent, run
from lifecycle.core.db import db, transaction
from tests.exchange.imports.conftest import BOARD, as_csv
from tests.factories.people import make_user
from tests.visitor import logged_in

HEADER = ("id", "name", "company", "stage", "engaged", "closed", "amount")
ROWS = [
    ("1", "First", "Acme", "Talking", "03/04/2024", "", "100"),
    ("2", "<script>alert(1)</script>", "Acme", "Won", "01/02/2024", "05/06/2024", "250"),
    ("3", "", "Beta", "Won", "01/02/2024", "05/06/2024", "=1+1"),
]


@pytest.fixture
def mary(app, manager):
    return logged_in(app, manager)


def _upload(visitor, content=None, name="deals.csv", **files):
    sent = {key: (io.BytesIO(data), f"{key}.yaml") for key, data in files.items()}
    content = as_csv(ROWS, HEADER) if content is None else content
    return visitor.send(
        "/imports/", page="/imports/new", board=BOARD, file=(io.BytesIO(content), name), **sent
    )


def _work(app, job, import_id):
    with app.app_context():
        job(import_id)
        db.session.remove()


def _id(response):
    found = re.search(r"/imports/(\d+)", response.headers["Location"])
    assert found, response.text
    return int(found[1])


def _mapping(visitor, import_id, **changes):
    fields = {
        "target-0": "external_id",
        "target-1": "title",
        "target-2": "account",
        "target-3": "stage",
        "target-4": "entered:engaged",
        "target-5": "entered:closed",
        "target-6": "value",
        "word": ["Won", "Talking"],
        "word-stage": ["closed_won", "engaged"],
        "currency": "eur",
        "holding": "",
        "owner": "importer",
        "action": "check",
    }
    path = f"/imports/{import_id}/mapping"
    return visitor.send(path, page=path, **{**fields, **changes})


def test_a_file_comes_onto_the_board_and_is_taken_back(app, mary):
    import_id = _id(_upload(mary))
    page = mary.open(f"/imports/{import_id}/mapping").text
    assert 'value="external_id" selected' in page
    assert "First" in page
    assert "<script>alert" not in page

    assert _mapping(mary, import_id).status_code == 303
    assert "Waiting for its turn" in mary.open(f"/imports/{import_id}").text
    _work(app, check, import_id)
    page = mary.open(f"/imports/{import_id}").text
    assert "Which comes first, the day or the month?" in page
    assert "03/04/2024 is 3 Apr 2024" in page
    refused = mary.send(f"/imports/{import_id}/runs", page=f"/imports/{import_id}")
    assert refused.status_code == 422
    assert "Answer the questions about dates first" in refused.text

    answers = {"order-0": "day-month-year", "order-1": "month-day-year"}
    assert (
        mary.send(f"/imports/{import_id}/dates", page=f"/imports/{import_id}", **answers).status_code == 303
    )
    _work(app, check, import_id)
    page = mary.open(f"/imports/{import_id}").text
    assert "Nothing was written yet." in page
    assert "Give the card a title." in page
    assert "<code>=1+1</code>" in page

    assert mary.send(f"/imports/{import_id}/runs", page=f"/imports/{import_id}").status_code == 303
    polled = mary.open(f"/imports/{import_id}/progress", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in polled.text
    _work(app, run, import_id)
    polled = mary.open(f"/imports/{import_id}/progress", headers={"HX-Request": "true"})
    assert polled.headers["HX-Redirect"] == f"/imports/{import_id}"
    page = mary.open(f"/imports/{import_id}").text
    assert f"/boards/{BOARD}?import={import_id}" in page
    board = mary.open(f"/boards/{BOARD}?import={import_id}").text
    assert "First" in board

    download = mary.open(f"/imports/{import_id}/errors.csv")
    assert download.headers["Content-Disposition"].startswith("attachment")
    assert "'=1+1" in download.text
    again = mary.open(f"/imports/{import_id}/map.yaml")
    assert "closed_won: closed" in again.text

    assert "2 cards leave" in mary.open(f"/imports/{import_id}/withdrawal").text
    path = f"/imports/{import_id}/withdrawal"
    assert mary.send(path, page=path).status_code == 303
    page = mary.open(f"/imports/{import_id}").text
    assert "Withdrawn" in page
    assert "First" not in mary.open(f"/boards/{BOARD}?import={import_id}").text
    assert mary.send(path, page=path).status_code == 409


def test_a_map_that_was_downloaded_maps_the_next_file(app, mary):
    import_id = _id(_upload(mary))
    _mapping(mary, import_id, dates="day-month-year")
    saved = mary.open(f"/imports/{import_id}/map.yaml").data
    answer = _upload(mary, map=saved)
    assert answer.headers["Location"] == f"/imports/{_id(answer)}"
    _work(app, check, _id(answer))
    assert "Cards that would come" in mary.open(answer.headers["Location"]).text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "Excel workbook"),
        (b"a,a\n1,2\n", "are both called"),
        (b'a,b\n1,"2\n', "opens a quotation mark that is never closed"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_on_the_page(mary, content, said):
    answer = _upload(mary, content)
    assert answer.status_code == 422
    assert said in answer.text


def test_an_upload_without_a_file_or_with_a_broken_map_is_refused(mary):
    assert "Choose a CSV file." in mary.send("/imports/", page="/imports/new", board=BOARD).text
    answer = _upload(mary, map=b"title: [")
    assert answer.status_code == 422
    assert "map.yaml:1" in answer.text


def test_choices_that_do_not_fit_are_told_and_kept(mary):
    import_id = _id(_upload(mary))
    answer = _mapping(mary, import_id, **{"target-0": "", "target-6": "title", "currency": "ZZZ"})
    assert answer.status_code == 422
    assert "Title is fed by name and amount" in answer.text
    assert "Choose the column that identifies a row" in answer.text
    answer = _mapping(mary, import_id, currency="ZZZ")
    assert answer.status_code == 422
    assert "three letters, like EUR" in answer.text
    assert 'value="ZZZ"' in answer.text


def test_without_a_script_the_stage_words_come_with_a_button(mary):
    import_id = _id(_upload(mary))
    page = _mapping(mary, import_id, **{"target-3": "", "target-2": "stage", "action": "show"}).text
    assert "What each word in “company” means here." in page
    words = _mapping_words(mary, import_id)
    assert 'id="stage-words"' in words
    assert "<html" not in words


def _mapping_words(visitor, import_id):
    path = f"/imports/{import_id}/stage-words"
    return visitor.send(path, page=f"/imports/{import_id}/mapping", **{"target-3": "stage"}).text


def test_members_may_not_even_look(app, manager, mary):
    import_id = _id(_upload(mary))
    member = logged_in(app, make_user(app, role="member"))
    pages = ("/imports/", "/imports/new", f"/imports/{import_id}", f"/imports/{import_id}/mapping")
    for path in (*pages, f"/imports/{import_id}/errors.csv", f"/imports/{import_id}/withdrawal"):
        assert member.open(path).status_code == 403, path
    assert mary.open("/imports/999999").status_code == 404


def test_a_job_that_was_lost_is_queued_again(app, mary):
    import_id = _id(_upload(mary))
    _mapping(mary, import_id)
    with app.app_context():
        assert resume_silent() == 0
        with transaction():
            db.session.execute(text("update card_imports set created_at = created_at - interval '5 minutes'"))
        assert resume_silent() == 1
        with transaction():
            db.session.execute(text("update card_imports set created_at = created_at + interval '1 hour'"))
        assert resume_silent() == 1, "the clock was set back: nobody waits until it was asked for"
        db.session.remove()
