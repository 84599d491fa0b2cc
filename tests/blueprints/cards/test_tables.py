"""W15, E7: a card's field may be a table: filled in row by row, judged by gates, told row by row."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import set_fields
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, card_row, gate
from tests.factories.people import Person, make_user
from tests.factories.tables import FAILED, PASSED, cells, publish_tables


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app, name="Ada Lovelace")


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    publish_tables(app)
    return a_card(app, member)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _save(caller: Caller, card: KnownCard, *rows: Any, **more: str) -> Any:
    return caller.post(f"{card.url}/fields", **{**cells("runs", *rows), "form": "table-runs", **more})


def _sentences(app: Flask, card: KnownCard) -> list[str]:
    return [check.sentence for check in gate(app, card, "second").blocked]


def test_rows_are_kept_by_column_and_empty_ones_are_left_out(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    assert _save(caller, card, FAILED, {"note": " "}, {}, PASSED).status_code in (200, 303)
    assert card_row(app, card)["fields"]["runs"] == [FAILED, PASSED]
    page = caller.get(card.url).text
    assert "2 Nov 2026" in page
    assert "Two &lt;b&gt;bills&lt;/b&gt;" in page
    assert '<th scope="col"><bdi>Loaded</bdi></th>' in page


def test_what_is_wrong_is_said_at_its_cell_and_nothing_typed_is_lost(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    answer = _save(caller, card, FAILED, {**PASSED, "loaded": 9000, "day": ""})
    assert answer.status_code == 422
    page = answer.text
    assert "Test runs, row 2: Loaded must be at most 5000." in page
    assert "Test runs, row 2: Day is missing." in page
    cell = next(tag for tag in page.split("<") if 'name="field-runs-1-loaded"' in tag)
    assert 'value="9000"' in cell
    assert 'aria-invalid="true"' in cell
    assert "runs" not in card_row(app, card)["fields"]


def test_a_table_takes_so_many_rows_and_no_more(app: Flask, card: KnownCard, caller: Caller) -> None:
    answer = _save(caller, card, *[PASSED] * 7)
    assert answer.status_code == 422
    assert "Test runs takes 6 rows; this has 7." in answer.text
    assert _save(caller, card, *[PASSED] * 6).status_code in (200, 303)


def test_rows_are_added_and_taken_away_without_a_script_and_nothing_is_saved_by_it(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    more = _save(caller, card, FAILED, PASSED, rows="more:runs")
    assert more.status_code == 200
    assert 'name="field-runs-rows" value="5"' in more.text
    less = _save(caller, card, FAILED, PASSED, rows="drop:runs:0")
    page = less.text
    assert 'name="field-runs-rows" value="2"' in page
    assert 'value="1840"' in page
    assert 'value="1200"' not in page
    for odd in ("drop:runs:x", "drop:runs:99999999", "more:nothing", "drop::", "\x00", "more:wish"):
        assert _save(caller, card, FAILED, rows=odd).status_code == 200
    assert card_row(app, card)["fields"] == {}


def test_who_would_save_away_the_rows_of_another_is_told_first(
    app: Flask, card: KnownCard, caller: Caller, member: Person
) -> None:
    page = caller.get(card.url).text
    seen = page.split('name="field-runs-seen" value="')[1].split('"')[0]
    _set(app, card, member, [FAILED])
    refused = _save(caller, card, PASSED, **{"field-runs-seen": seen})
    assert refused.status_code == 422
    assert "Somebody has changed Test runs meanwhile." in refused.text
    assert card_row(app, card)["fields"]["runs"] == [FAILED]
    again = refused.text.split('name="field-runs-seen" value="')[1].split('"')[0]
    assert _save(caller, card, PASSED, **{"field-runs-seen": again}).status_code in (200, 303)
    assert card_row(app, card)["fields"]["runs"] == [PASSED]


def test_a_gate_looks_at_the_last_row(app: Flask, card: KnownCard, member: Person) -> None:
    assert _sentences(app, card) == ["Test runs: nothing is written down yet."]
    _set(app, card, member, [PASSED, FAILED])
    assert _sentences(app, card) == ["The last run has not passed."]
    _set(app, card, member, [FAILED, PASSED])
    assert _sentences(app, card) == []


def test_the_history_tells_which_rows_changed(
    app: Flask, card: KnownCard, caller: Caller, member: Person
) -> None:
    _set(app, card, member, [FAILED])
    _set(app, card, member, [FAILED, PASSED])
    _set(app, card, member, [{**FAILED, "loaded": 1300}, PASSED])
    _set(app, card, member, [PASSED])
    page = caller.get(card.url).text
    timeline = page[page.index("Timeline") :]
    assert "changed Test runs of" in timeline
    assert "Test runs, row 2" in timeline
    assert "Loaded: 1,840" not in timeline
    assert "Day: 2 Nov 2026; Loaded: 1300; Result: Failed" in timeline
    # The row that stayed as it was is told once, when it was added.
    assert timeline.count("Day: 9 Nov 2026") == 1


def test_a_gate_panel_has_the_rows_and_its_other_fields_in_one_form(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    page = caller.get(f"{card.url}/gate?to=second").text
    assert 'name="field-runs-0-day"' in page
    assert 'value="more:runs"' in page
    answer = caller.post(
        f"{card.url}/fields",
        "page",
        **cells("runs", PASSED),
        form="gate-fields",
        gate_to="second",
        place="gate",
        rows="more:runs",
    )
    assert answer.status_code == 200
    assert 'name="field-runs-rows" value="4"' in answer.text


def _set(app: Flask, card: KnownCard, person: Person, rows: list[dict[str, Any]]) -> None:
    with app.app_context(), transaction(), changing_card(card.id, person.actor) as subject:
        set_fields(subject, {"runs": rows}, person.actor)
