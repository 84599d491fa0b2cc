"""A page that is opened while cards move shows one moment: nothing twice, nothing missing (L10, P4, E24)."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from flask import Flask

from lifecycle.config import Settings
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.installation import ROOT, environment_of
from tests.races.flow import Flow

CARDS = 12  # Fewer than a column's first page, so that a board shows all of them.
SECONDS = 12.0
_COLUMN = re.compile(r'<section class="column[^>]*data-stage="(\w+)"(.*?)</section>', re.DOTALL)
_COUNT = re.compile(r'class="column-count"[^>]*>(\d+)')
_CARD = re.compile(r'<article class="card[^>]*id="card-([0-9a-f-]{36})"')


@pytest.mark.race
@pytest.mark.slow
def test_l10_a_board_a_search_a_list_and_reports_each_show_one_moment_while_cards_move(
    app: Flask, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_lab(app, "first: {}\nsecond: {}", "- { from: second, to: first, kind: revision }")
    manager = make_user(app, role="manager")
    account = make_account(app, owner=manager, name="Zephyr Fibre")
    cards = [a_card(app, manager, account=account, value="10.00") for _ in range(CARDS)]
    caller = Caller(app, manager)
    flow = Flow(str(manager.id), ("first", "second"), [(str(card.id), card.visit) for card in cards], SECONDS)
    pages: Counter[str] = Counter()
    with _running(settings, flow) as movers:
        while movers.poll() is None:
            _check_board(caller.get(f"/boards/{LAB}").text)
            _check_lanes(caller.get(f"/boards/{LAB}/lanes").text)
            _check_list(caller.get(f"/boards/{LAB}/list").text)
            _check_search(caller.get("/search?q=zephyr").text)
            _check_funnel(caller.get(f"/reports/{LAB}.csv").text)
            _check_velocity(caller.get(f"/reports/{LAB}/velocity.csv").text)
            pages.update(("board", "lanes", "list", "search", "funnel", "velocity"))
        assert movers.stdout is not None
        moves = int(movers.stdout.read())
    with capsys.disabled():
        sys.stdout.write(f"\n  {moves / SECONDS:.0f} moves a second; pages read: {dict(pages)}\n")
    assert moves > 20 * CARDS
    assert min(pages.values()) >= 5


def _running(settings: Settings, flow: Flow) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        **environment_of(settings),
    }
    movers = subprocess.Popen(
        [sys.executable, "-m", "tests.races.flow"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert movers.stdin is not None
    movers.stdin.write(flow.as_json())
    movers.stdin.close()
    return movers


def _check_board(page: str) -> None:
    """Every card stands in one column, and each column's header counts those that stand in it."""
    columns = {
        stage: (int(_COUNT.findall(body)[0]), _CARD.findall(body)) for stage, body in _COLUMN.findall(page)
    }
    shown = [card for _, cards in columns.values() for card in cards]
    assert len(shown) == len(set(shown)) == CARDS
    assert all(count == len(cards) for count, cards in columns.values()), {
        stage: (count, len(cards)) for stage, (count, cards) in columns.items()
    }


def _check_lanes(page: str) -> None:
    """The one lane has every card, in the cells and hidden behind them, and the headers count as many."""
    shown = _CARD.findall(page)
    hidden = [int(number) for number in re.findall(r'class="column-more"[^>]*>(\d+) more', page)]
    assert len(shown) == len(set(shown))
    assert len(shown) + sum(hidden) == CARDS
    assert sum(map(int, _COUNT.findall(page))) == CARDS


def _check_list(page: str) -> None:
    """The list has every card once, and the stages of its filter count as many."""
    listed = re.findall(r'href="/cards/([0-9a-f-]{36})"', page)
    assert len(set(listed)) == CARDS
    stages = re.findall(r"<option value=\"(?:first|second)\">\w+ \((\d+)\)", page)
    assert sum(map(int, stages)) == CARDS


def _check_search(page: str) -> None:
    """As many cards are found as are listed at most, none of them twice."""
    found = re.findall(r'href="/cards/([0-9a-f-]{36})"', page)
    assert found
    assert max(Counter(found).values()) == 1


def _check_funnel(text: str) -> None:
    """The cohort is whole, and of every stage what entered less what left is what stands there."""
    rows = {row["stage"]: row for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))}
    assert int(rows["First"]["reached"]) == CARDS
    assert sum(int(row["now"]) for row in rows.values()) == CARDS
    for row in rows.values():
        assert int(row["entered"]) - int(row["left"]) == int(row["now"]), row


def _check_velocity(text: str) -> None:
    """Every card is standing somewhere."""
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert sum(int(row["now"]) for row in rows if row.get("now")) == CARDS, rows
