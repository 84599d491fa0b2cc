"""A board as a list (P4): filter, order, pages, selection and CSV."""

from __future__ import annotations

import csv
import io
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape

import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.insight.boards.board import find_board
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.listing import Listing, _page
from lifecycle.insight.boards.order import ORDERS
from lifecycle.records.cards.models import Card
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, fill, make_account, moved, stage_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements
from tests.installation import Addresses

LIST = f"/boards/{LAB}/list"
STAGES = "first: { sla: 1 day, leave: [ { field: price } ] }\nsecond: { sla: 2 days }\nthird: {}"
_BOX = re.compile(r'name="card" value="([0-9a-f-]{36}):(\d+)"')


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, STAGES)
    return make_user(app)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _listed(html: str) -> list[str]:
    return [card for card, _ in _BOX.findall(html)]


def _next(html: str, rel: str = "next") -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', html)
    return unescape(found[1]) if found else None


def _many(app: Flask, member: Person, number: int) -> list[KnownCard]:
    """Cards of which many have the same value, the same deadline, or none of either."""
    accounts = [make_account(app, owner=member, name=name) for name in ("Zeta", "Ärger", "alpha")]
    made = [
        a_card(
            app,
            member,
            account=accounts[each % 3],
            title=f"Card {each % 7}",
            value=str(each % 4) if each % 5 else None,
        )
        for each in range(number)
    ]
    with app.app_context(), transaction():
        for each, card in enumerate(made):
            due = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(hours=each % 3)
            db.session.execute(
                sa.update(Card)
                .where(Card.id == card.id)
                .values(
                    sla_due_at=due if each % 4 else None,
                    next_action_due_at=due if each % 2 else None,
                    waiting_on_client=each % 6 == 0,
                )
            )
    return made


def test_p4_every_order_shows_every_card_once_page_by_page_and_back(
    app: Flask, member: Person, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.insight.boards.listing.CARDS_A_PAGE", 4)
    made = {str(card.id) for card in _many(app, member, 14)}
    for sort in ORDERS:
        for down in ("", "&down=1"):
            address: str | None = f"{LIST}?sort={sort}{down}"
            html, pages = "", []
            while address:
                html = caller.get(address).text
                pages.append(_listed(html))
                address = _next(html)
            seen = [card for page in pages for card in page]
            assert (set(seen), len(seen), len(pages)) == (made, 14, 4), (sort, down)
            back = _next(html, "prev")
            for page in reversed(pages[:-1]):
                assert back, (sort, down)
                html = caller.get(back).text
                assert _listed(html) == page, (sort, down)
                back = _next(html, "prev")
            assert back is None, (sort, down)


def test_p4_what_has_no_value_comes_last_whichever_way(app: Flask, member: Person, caller: Caller) -> None:
    low, none, high = (a_card(app, member, value=value) for value in ("5", None, "900"))
    for query, expected in (("", [low, high, none]), ("&down=1", [high, low, none])):
        html = caller.get(f"{LIST}?sort=value{query}").text
        assert _listed(html) == [str(card.id) for card in expected]


def test_p4_texts_are_sorted_blind_to_case_and_accents(app: Flask, member: Person, caller: Caller) -> None:
    cards = {
        name: a_card(app, member, account=make_account(app, owner=member, name=name))
        for name in ("beta", "Álpha", "Gamma")
    }
    order = [str(cards[name].id) for name in ("Álpha", "beta", "Gamma")]
    assert _listed(caller.get(f"{LIST}?sort=account").text) == order
    assert _listed(caller.get(f"{LIST}?sort=account&down=1").text) == order[::-1]


def test_p4_a_header_sorts_and_a_second_click_turns_it_round(
    app: Flask, member: Person, caller: Caller
) -> None:
    a_card(app, member)
    html = caller.get(f"{LIST}?owner=me").text
    assert f'href="{LIST}?owner={member.id}&amp;sort=value"' in html
    html = caller.get(f"{LIST}?owner=me&sort=value").text
    assert 'aria-sort="ascending"' in html
    assert f'href="{LIST}?owner={member.id}&amp;sort=value&amp;down=1"' in html


def test_p4_the_list_has_the_boards_filter_and_a_stage(app: Flask, member: Person, caller: Caller) -> None:
    fibre = make_account(app, owner=member, name="Ångström Fibre", segment="fibre")
    mine = a_card(app, member, account=fibre, title="Rollout 100%", fields={"price": "1"})
    theirs = a_card(app, make_user(app, name="Grace Hopper"), title="Pilot")
    moved(app, mine, "second", member)
    for query, expected in (
        ("", {mine, theirs}),
        ("?q=angstrom", {mine}),
        ("?segment=fibre&sort=account", {mine}),
        ("?segment=fibre&sort=owner", {mine}),
        ("?stage=first", {theirs}),
        ("?stage=second&q=100%25", {mine}),
        ("?stage=nowhere", set()),
        ("?waiting=client", set()),
    ):
        html = caller.get(LIST + query).text
        assert set(_listed(html)) == {str(card.id) for card in expected}, query
    both = caller.get(f"/boards/{LAB}?q=angstrom&sla=breached").text
    assert f'href="{LIST}?q=angstrom&amp;sla=breached"' in both
    back = caller.get(f"{LIST}?q=angstrom&sla=breached&stage=second&sort=value").text
    assert f'href="/boards/{LAB}?q=angstrom&amp;sla=breached"' in back


def test_p4_a_row_says_what_a_card_face_says(app: Flask, caller: Caller) -> None:
    grace = make_user(app, name="Grace Hopper")
    account = make_account(app, owner=grace, name="<b>Müller</b>")
    card = a_card(app, grace, account=account, title="Überblick", value="1234.50")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=9), tick=False):
        html = caller.get(LIST).text
    for said in (
        "&lt;b&gt;Müller&lt;/b&gt;",
        card.title,
        "First",
        "Grace Hopper",
        "€1,234.50",
        "9 d",
        "over",
    ):
        assert said in html, said
    assert "<b>Müller" not in html


# Every test process must collect the same names.
SOME_ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    "query",
    [
        "sort=nothing&down=7",
        "sort=stage;drop table cards",
        "after=" + "x" * 5000,
        "after=%00",
        f"after={SOME_ID}.%00&sort=account",
        f"after={SOME_ID}.NaN&sort=value",
        f"after={SOME_ID}.1e99&sort=value",
        f"after={SOME_ID}.99999999999999&sort=value",
        f"after={SOME_ID}.99999999999999999999&sort=stage",
        f"after={SOME_ID}.999999999&sort=waiting",
        f"after={SOME_ID}.1.5&sort=stage",
        f"after={SOME_ID}.٣&sort=stage",
        f"after={SOME_ID}.2026-01-01&sort=sla",
        f"after={SOME_ID}.0001-01-01T00:00:00%2B14:00&sort=age",
        f"before={SOME_ID}.9999-12-31T23:59:59-14:00&sort=next&down=1",
        "stage=%00&q=%00",
        "stage=" + "x" * 3000,
    ],
)
def test_p4_no_address_breaks_the_list(app: Flask, member: Person, caller: Caller, query: str) -> None:
    a_card(app, member)
    for suffix in ("", ".csv"):
        response = caller.get(f"{LIST}{suffix}?{query}")
        assert response.status_code == 200
        assert response.text


def test_p4_an_empty_list_says_what_goes_there(app: Flask, member: Person, caller: Caller) -> None:
    assert "Add the first card" in caller.get(LIST).text
    a_card(app, member)
    assert "Clear the filter" in caller.get(f"{LIST}?q=nothing").text
    viewer = Caller(app, make_user(app, role="viewer"))
    html = viewer.get(LIST).text
    assert "Add card" not in html
    assert _listed(html) == []
    assert viewer.get("/boards/nobody.nothing/list").status_code == 404


# --- moving what is selected ---


def test_p4_selected_cards_move_without_a_script_and_each_refusal_is_told(
    app: Flask, member: Person, caller: Caller
) -> None:
    good, lacking, gone = (a_card(app, member) for _ in range(3))
    for card in (good, gone):
        fill(app, card, member, price="1")
    html = caller.get(f"{LIST}?sort=card").text
    chosen = [f"{card}:{visit}" for card, visit in _BOX.findall(html)]
    assert len(chosen) == 3
    back = re.search(r'name="back" value="([^"]+)"', html)
    assert back
    moved(app, gone, "second", make_user(app, name="Grace Hopper"))
    said = caller.post(
        f"/boards/{LAB}/moves", "page", to_stage="second", card=chosen, back=unescape(back[1])
    ).text
    assert "Moved 1, refused 2" in said
    assert "Price is missing." in said
    assert "Grace Hopper moved this card to Second" in said
    for card in (good, lacking, gone):
        assert f'href="{card.url}"' in said
    assert f'href="{LIST}?sort=card"' in said
    assert [stage_of(app, card) for card in (good, lacking, gone)] == ["second", "first", "second"]


def test_p4_a_move_of_nothing_leads_back_to_the_list(app: Flask, member: Person, caller: Caller) -> None:
    for back, expected in ((f"{LIST}?q=a", f"{LIST}?q=a"), ("//evil.example", f"/boards/{LAB}")):
        response = caller.post(f"/boards/{LAB}/moves", "page", to_stage="second", back=back)
        assert (response.status_code, response.location) == (303, expected)
    assert "Choose at least one card first" in caller.get(LIST).text


def test_e7_what_a_move_asks_is_given_once_for_all_that_it_kept(
    app: Flask, member: Person, caller: Caller
) -> None:
    cards = [a_card(app, member) for _ in range(2)]
    fields = {"to_stage": "lost", "card": [f"{card.id}:{card.visit}" for card in cards]}
    said = caller.post(f"/boards/{LAB}/moves", "page", **fields)
    assert "Once for 2 cards" in said.text
    assert 'name="answer-why"' in said.text
    again = {"to_stage": "lost", "card": [":".join(pair) for pair in _BOX.findall(said.text)]}
    assert (
        "Moved 2 cards"
        in caller.post(f"/boards/{LAB}/moves", "page", **again, **{"answer-why": "Too dear"}).text
    )
    assert [stage_of(app, card) for card in cards] == ["lost", "lost"]


def test_e2_going_back_takes_a_reason_given_once_and_only_a_manager_may(
    app: Flask, member: Person, caller: Caller
) -> None:
    card = a_card(app, member, fields={"price": "1"})
    visit = moved(app, card, "second", member).visit_id
    fields = {"to_stage": "first", "card": [f"{card.id}:{visit}"]}
    said = caller.post(f"/boards/{LAB}/moves", "page", **fields).text
    assert "only a manager may move a card back" in said
    assert 'name="override"' not in said
    forced = caller.post(f"/boards/{LAB}/moves", "page", **fields, override="1", reason="Because").text
    assert "only a manager may move a card back" in forced
    manager = Caller(app, make_user(app, role="manager"))
    said = manager.post(f"/boards/{LAB}/moves", "page", **fields).text
    assert "confirm the override and give a reason" in said
    assert 'name="override"' in said
    assert 'name="reason"' in manager.post(f"/boards/{LAB}/moves", "page", **fields, override="1").text
    assert stage_of(app, card) == "second"
    said = manager.post(f"/boards/{LAB}/moves", "page", **fields, override="1", reason="Priced wrongly").text
    assert "Moved 1 card" in said
    assert stage_of(app, card) == "first"


# --- CSV ---


def _csv(response_text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response_text.removeprefix("\ufeff"))))


def test_p4_csv_has_every_card_of_the_list_in_its_order_and_no_formula(
    app: Flask, member: Person, caller: Caller
) -> None:
    evil = make_account(app, owner=member, name="=cmd|' /C calc'!A0")
    for value in ("30", "10", "20"):
        a_card(app, member, account=evil, title='+1, "two"\u202e', value=value)
    a_card(app, make_user(app), title="Not mine")
    response = caller.get(f"{LIST}.csv?owner=me&sort=value&down=1")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{LAB}.csv"'
    assert response.text.startswith("\ufeffAccount,Card,Stage,Owner,Department,Value,Currency,")
    lines = _csv(response.text)
    assert [line["Value"] for line in lines] == ["30.00", "20.00", "10.00"]
    assert {line["Account"] for line in lines} == {"'=cmd|' /C calc'!A0"}
    assert {line["Card"] for line in lines} == {'\'+1, "two"'}
    assert {line["Department"] for line in lines} == {"Bench"}
    assert lines[0]["Address"].startswith("http://localhost/cards/")
    assert lines[0]["Waiting on client"] == "no"


def test_p4_csv_comes_in_pieces_and_costs_the_same_statements_however_long(
    app: Flask, member: Person, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.exchange.exports.cards._LINES_A_PIECE", 3)
    counts, pieces = [], []
    for more in (2, 6):
        _many(app, member, more)
        with statements(app) as sent:
            pieces = list(caller.client.get(f"{LIST}.csv", buffered=False).iter_encoded())
        counts.append(len(sent))
    assert len(pieces) == 3
    assert len(_csv(b"".join(pieces).decode())) == 8
    assert counts[0] == counts[1]


# --- how it is read ---


def test_p5_the_usual_order_is_read_from_its_index(app: Flask, services: Addresses, member: Person) -> None:
    """100,000 cards need no sorting for their first fifty, nor for the fifty after some card."""
    card = a_card(app, member)
    with psycopg.connect(services.owner, autocommit=True) as owner:
        owner.execute("select pg_clear_relation_stats('public', 'cards')")
    with app.app_context():
        identity = find_board(LAB)
        position = ORDERS["sla"].position(f"{card.id}.2026-11-02T00:00:00+00:00")
        for start in (None, position):
            query = _page(identity, Listing(BoardFilter()), datetime.now(UTC), start, None)
            compiled = query.compile(db.engine)
            for way in ("seqscan", "sort", "bitmapscan"):
                db.session.execute(sa.text(f"set local enable_{way} = off"))
            connection = db.session.connection()
            plan = connection.exec_driver_sql(f"explain {compiled}", compiled.params).scalars().all()
            used = next(line for line in plan if "ix_cards_due" in line)
            condition = plan[plan.index(used) + 1]
            assert "Index Cond" in condition
            assert ("ROW" in condition) == (start is not None), condition
