"""E26: a board in swimlanes shows each card once, where its lane crosses its stage, and counts the rest."""

from __future__ import annotations

import re
import time

import pytest
from flask import Flask

from lifecycle.insight.boards.lanes import CARDS_A_CELL, MOST_LANES
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

ADDRESS = f"/boards/{LAB}/lanes"


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, "first: { sla: 2 hours }\nsecond: {}")
    return make_user(app, name="Mina Okafor")


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _lanes(text: str) -> dict[str, str]:
    """The lanes of a page, by what they are called."""
    parts = text.split('<details class="lane"')[1:]
    names = [re.search(r"<h2>(.*?)</h2>", part) for part in parts]
    return {name[1]: part for name, part in zip(names, parts, strict=True) if name}


def _cell(lane: str, stage: str) -> str:
    return lane.partition(f'data-stage="{stage}"')[2].partition("</section>")[0]


def _has(cell: str, card: KnownCard) -> bool:
    return f'id="card-{card.id}"' in cell


@pytest.mark.parametrize("by", ["owner", "segment", "account", "", "nonsense", "%00"])
def test_e26_every_open_card_stands_once_in_its_lane_and_stage(
    app: Flask, member: Person, caller: Caller, by: str
) -> None:
    other = make_user(app, name="Jonas Keller")
    small = make_account(app, owner=member, name="Small Fibre", segment="smb")
    large = make_account(app, owner=other, name="Large Fibre", segment="enterprise")
    first = a_card(app, member, account=small)
    second = a_card(app, other, account=large)
    moved(app, second, "second", other)
    page = caller.get(f"{ADDRESS}?by={by}")
    assert page.status_code == 200
    names = {"segment": ("smb", "enterprise"), "account": ("Small Fibre", "Large Fibre")}
    mine, theirs = names.get(by, ("Mina Okafor", "Jonas Keller"))
    lanes = _lanes(page.text)
    assert set(lanes) == {mine, theirs}
    assert _has(_cell(lanes[mine], "first"), first)
    assert _has(_cell(lanes[theirs], "second"), second)
    assert page.text.count('<article class="card') == 2


def test_e26_a_cell_counts_what_it_does_not_show_and_leads_to_all_of_it(
    app: Flask, member: Person, caller: Caller
) -> None:
    account = make_account(app, owner=member)
    for _ in range(CARDS_A_CELL + 3):
        a_card(app, member, account=account)
    lane = _lanes(caller.get(f"{ADDRESS}?q=rollout").text)["Mina Okafor"]
    cell = _cell(lane, "first")
    assert cell.count('<article class="card') == CARDS_A_CELL
    assert "3 more" in cell
    link = re.search(r'class="column-more" href="([^"]+)"', cell)
    assert link
    listed = caller.get(link[1].replace("&amp;", "&")).text
    assert f"{CARDS_A_CELL + 3} cards match" in " ".join(listed.split())


def test_e26_of_many_lanes_the_latest_are_shown_and_the_rest_counted(
    app: Flask, member: Person, caller: Caller
) -> None:
    for _ in range(MOST_LANES + 2):
        a_card(app, member)
    page = caller.get(f"{ADDRESS}?by=account").text
    assert len(_lanes(page)) == MOST_LANES
    assert "2 more lanes" in page


def test_e26_a_change_says_in_which_lane_the_card_stands(app: Flask, member: Person, caller: Caller) -> None:
    card = a_card(app, member)
    page = caller.get(f"{ADDRESS}?by=account").text
    assert "by=account" in page.partition('data-changes-url="')[2].partition('"')[0]
    cursor = page.partition('data-cursor="')[2].partition('"')[0]
    moved(app, card, "second", member)
    answer = caller.get(f"/boards/{LAB}/changes?by=account", "htmx", X_Board_Cursor=cursor)
    for _ in range(40):
        answer = caller.get(f"/boards/{LAB}/changes?by=account", "htmx", X_Board_Cursor=cursor)
        if 'data-stage="second"' in answer.text:
            break
        time.sleep(0.1)
    assert f'data-lane="{card.account}"' in answer.text
    plain = caller.get(f"/boards/{LAB}/changes", "htmx", X_Board_Cursor=cursor).text
    assert "data-lane" not in plain


def test_without_open_cards_it_says_so(caller: Caller) -> None:
    assert "No open cards" in caller.get(ADDRESS).text
