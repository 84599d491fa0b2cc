"""The board's doors: exact totals, filters in the address, scrolling, quick add, bulk moves, live changes."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.db import db
from lifecycle.governance.cards.edit import archive_card
from lifecycle.insight.boards.board import CARDS_A_PAGE
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, CollapsedColumn, StageVisit
from tests.factories.browsing import Caller
from tests.factories.cards import (
    KnownCard,
    a_card,
    change,
    fill,
    make_account,
    moved,
    rows,
    stage_of,
    visit_of,
)
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_growth, publish_lab

BOARD = f"/boards/{LAB}"
STAGES = "first: { sla: 1 day, leave: [ { field: price } ] }\nsecond: { sla: 2 days }\nthird: {}"


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, STAGES)
    return make_user(app)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _cards_shown(html: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r'data-card="([0-9a-f-]{36})"', html)))


def test_columns_and_cards_carry_the_names_that_tools_drive_by(
    app: Flask, member: Person, caller: Caller
) -> None:
    card = a_card(app, member)
    html = caller.get(BOARD).text
    stages = set(re.findall(r'data-stage="([a-z_]+)"', html))
    assert stages == {"first", "second", "third", "done", "lost"}
    assert f'data-card="{card.id}"' in html
    assert f'data-visit="{card.visit}"' in html


def test_the_list_of_boards_counts_open_cards(app: Flask, member: Person, caller: Caller) -> None:
    publish_growth(app)
    a_card(app, member)
    moved(app, a_card(app, member), "lost", member, answers={"why": "x"})
    html = caller.get("/boards").text
    assert BOARD in html
    assert "/boards/wispgate.growth" in html


def test_p5_a_column_loads_as_it_scrolls_and_shows_every_card_once(
    app: Flask, member: Person, caller: Caller
) -> None:
    account = make_account(app, owner=member)
    made = {str(a_card(app, member, account=account).id) for _ in range(45)}
    html = caller.get(BOARD).text
    seen = _cards_shown(html)
    assert len(seen) == CARDS_A_PAGE
    more = re.search(rf"{BOARD}/columns/first\?after=[^\"&]+", html)
    pages = 0
    while more:
        page = caller.get(more[0], "htmx").text
        found = _cards_shown(page)
        assert not set(found) & set(seen)
        seen += found
        pages += 1
        more = re.search(rf"{BOARD}/columns/first\?after=[^\"&]+", page)
    assert (set(seen), len(seen), pages) == (made, 45, 3)


def test_cards_stand_in_the_order_of_their_deadlines(app: Flask, member: Person, caller: Caller) -> None:
    made = []
    with time_machine.travel(datetime(2026, 11, 2, 10, tzinfo=UTC), tick=False) as clock:
        for hours in (5, 1, 3):
            clock.move_to(datetime(2026, 11, 2, 10, tzinfo=UTC) + timedelta(hours=hours))
            made.append(str(a_card(app, member).id))
    assert _cards_shown(caller.get(BOARD).text) == [made[1], made[2], made[0]]


def test_filters_narrow_cards_and_totals_alike(app: Flask, member: Person, caller: Caller) -> None:
    other = make_user(app, name="Grace Hopper")
    fibre = make_account(app, owner=member, name="Ångström Fibre", segment="fibre")
    mine = a_card(app, member, account=fibre, title="Rollout 100% _ done", value="10")
    theirs = a_card(app, other, title="Pilot", value="20")
    for query, expected in (
        ("", {mine, theirs}),
        ("?owner=me", {mine}),
        (f"?owner={other.id}", {theirs}),
        ("?q=angstrom", {mine}),
        ("?q=100%25 _", {mine}),
        ("?q=%25", {mine}),
        ("?q=PILOT", {theirs}),
        ("?segment=fibre", {mine}),
        (f"?account={fibre}", {mine}),
        ("?waiting=client", set()),
        ("?owner=nonsense&sla=nonsense", {mine, theirs}),
    ):
        assert set(_cards_shown(caller.get(BOARD + query).text)) == {str(c.id) for c in expected}, query


def test_an_archived_card_is_off_the_board(app: Flask, member: Person, caller: Caller) -> None:
    card = a_card(app, member)
    change(app, card, member, archive_card)
    assert _cards_shown(caller.get(BOARD).text) == []
    assert caller.get(card.url).status_code == 200


def test_e26_a_retired_stage_is_a_column_while_cards_stand_in_it(
    app: Flask, member: Person, caller: Caller
) -> None:
    card = a_card(app, member, fields={"price": "1"})
    moved(app, card, "second", member)
    publish_lab(app, "first: {}\nthird: {}")
    html = caller.get(BOARD).text
    assert f'data-card="{card.id}"' in html
    assert 'data-stage="second"' in html
    assert caller.get(f"{card.url}/gate?to=third").status_code == 200
    assert caller.get(card.url).status_code == 200
    moved(app, card, "third", member)
    assert 'data-stage="second"' not in caller.get(BOARD).text


# --- quick add ---


def test_quick_add_makes_a_card_for_an_account_that_exists_or_a_new_one(
    app: Flask, member: Person, caller: Caller
) -> None:
    make_account(app, owner=member, name="Northern Fibre Ltd")
    fields = {"stage": "first", "title": "Rollout", "value": "1200.50", "currency": "eur"}
    response = caller.post(f"{BOARD}/cards", "page", account="northern fibre ltd", **fields)
    assert response.status_code == 303
    assert len(rows(app, Account)) == 1
    added = caller.post(f"{BOARD}/cards", "htmx", account="Somebody new", **fields)
    assert added.status_code == 200
    assert "Somebody new is a new account" in added.text
    assert len(rows(app, Account)) == 2
    for card in rows(app, Card):
        assert (str(card["value_amount"]), card["value_currency"]) == ("1200.50", "EUR")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"account": ""}, "Say which account the card is for."),
        ({"title": ""}, "Give the card a title."),
        ({"title": "x" * 201}, "200"),
        ({"value": "-1"}, "The value must lie between 0 and 999,999,999,999.99."),
        ({"value": "NaN"}, "The value must lie between"),
        ({"value": "1.005"}, "At most two decimals."),
        ({"currency": "XXY"}, "Give the currency by its three letters, like EUR."),
        ({"stage": "second"}, "A card cannot begin there"),
    ],
)
def test_quick_add_says_at_its_field_what_is_wrong_and_makes_nothing(
    app: Flask, member: Person, caller: Caller, wrong: dict[str, str], sentence: str
) -> None:
    fields = {"stage": "first", "account": "New one", "title": "Rollout", "value": "1", "currency": "EUR"}
    for how in ("page", "htmx"):
        response = caller.post(f"{BOARD}/cards", how, **{**fields, **wrong})
        assert response.status_code == 422
        assert sentence in response.text
    assert rows(app, Card) == rows(app, Account) == []


# --- bulk ---


def _chosen(*cards: KnownCard) -> list[str]:
    return [f"{card.id}:{card.visit}" for card in cards]


def test_e5_a_bulk_move_tells_of_every_card_what_became_of_it(
    app: Flask, member: Person, caller: Caller
) -> None:
    good, lacking, gone, archived = (a_card(app, member) for _ in range(4))
    for card in (good, gone, archived):
        fill(app, card, member, price="1")
    moved(app, gone, "second", make_user(app, name="Grace Hopper"))
    change(app, archived, member, archive_card)
    nobody = KnownCard(uuid.uuid4(), 1, uuid.uuid4(), "")
    chosen = _chosen(good, good, lacking, gone, archived, nobody)
    answer = caller.post(f"{BOARD}/moves", to_stage="second", card=chosen).get_json()
    assert (answer["moved"], answer["refused"]) == (1, 5)
    assert [each["outcome"] for each in answer["cards"]] == [
        "moved",
        "stale",
        "blocked",
        "stale",
        "refused",
        "refused",
    ]
    assert answer["cards"][2]["says"] == ["Price is missing."]
    assert "Grace Hopper moved this card to Second" in answer["cards"][3]["says"][0]
    assert "archived" in answer["cards"][4]["says"][0]
    assert [stage_of(app, card) for card in (good, lacking)] == ["second", "first"]
    assert {visit["entered_channel"] for visit in rows(app, StageVisit, card_id=good.id)} == {"page", "bulk"}


def test_e5_a_bulk_move_stays_on_its_board(app: Flask, member: Person, caller: Caller) -> None:
    publish_growth(app)
    card = a_card(app, member)
    answer = caller.post("/boards/wispgate.growth/moves", to_stage="verified", card=_chosen(card)).get_json()
    assert answer["cards"][0]["says"] == ["This card is on another board."]
    assert caller.post(f"{BOARD}/moves", to_stage="nowhere", card=_chosen(card)).status_code == 404
    for odd in ("", "x", f"{card.id}", f"{card.id}:x", ":1"):
        assert caller.post(f"{BOARD}/moves", to_stage="second", card=odd).status_code == 422


def test_e7_one_form_answers_for_all_cards_of_a_bulk_move(app: Flask, member: Person, caller: Caller) -> None:
    cards = [a_card(app, member) for _ in range(3)]
    fields = {"to_stage": "lost", "card": _chosen(*cards)}
    assert caller.post(f"{BOARD}/moves", **fields).get_json()["moved"] == 0
    shown = caller.post(f"{BOARD}/moves", "page", **fields, **{"answer-why": "Too dear"})
    assert shown.status_code == 200
    answers = [visit["answers"] for visit in rows(app, StageVisit, number=2)]
    assert answers == [{"why": "Too dear"}] * 3


# --- folding and live changes ---


def test_a_folded_column_stays_folded_for_its_reader_only(app: Flask, member: Person, caller: Caller) -> None:
    assert caller.post(f"{BOARD}/collapsed", "htmx", stage="first", collapsed="1").status_code == 204
    assert caller.post(f"{BOARD}/collapsed", "page", stage="first", collapsed="0").status_code == 303
    with app.app_context():
        (kept,) = db.session.scalars(sa.select(CollapsedColumn)).all()
    assert (kept.user_id, kept.is_collapsed) == (member.id, False)
    assert caller.post(f"{BOARD}/collapsed", stage="nowhere").status_code == 404


def test_e24_a_move_by_another_shows_on_an_open_board_within_two_seconds(
    app: Flask, member: Person, caller: Caller
) -> None:
    card = a_card(app, member, fields={"price": "1"})
    cursor = caller.get(BOARD).text.partition('data-cursor="')[2].partition('"')[0]
    moved(app, card, "second", make_user(app, name="Grace Hopper"))
    started = time.monotonic()
    while True:
        response = caller.get(f"{BOARD}/changes", "htmx", X_Board_Cursor=cursor)
        cursor = response.headers.get("X-Board-Cursor", cursor)
        if f'data-visit="{visit_of(app, card)}"' in response.text:
            break
        assert time.monotonic() - started < 2, "it was not told in time"
        time.sleep(0.1)
    assert str(card.id) in response.text
    assert caller.get(f"{BOARD}/changes", "htmx", X_Board_Cursor="1/1.0/0").headers["HX-Refresh"] == "true"
    stranger = app.test_client().get(f"{BOARD}/changes", headers={"X-Board-Cursor": cursor})
    assert stranger.status_code == 401


def test_a_viewer_sees_the_board_and_adds_nothing(app: Flask, member: Person) -> None:
    a_card(app, member)
    viewer = Caller(app, make_user(app, role="viewer"))
    assert len(_cards_shown(viewer.get(BOARD).text)) == 1
    assert viewer.get(f"{BOARD}/cards/new").status_code == 403
    fields = {"stage": "first", "account": "New one", "title": "Rollout"}
    assert viewer.post(f"{BOARD}/cards", **fields).status_code == 403
    assert rows(app, Account, name="New one") == []


def test_a_board_that_is_not_published_is_not_found(caller: Caller) -> None:
    for slug in ("nobody.nothing", "lab", "lab.trials.more", "%20"):
        assert caller.get(f"/boards/{slug}").status_code == 404
