"""P5, E24: the bench runs, and every case it names has a figure. How fast is not asked of a busy machine."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import measure
from tests.bench.cases import SHORT, Figure
from tests.bench.report import as_page, as_table

CASES = {
    *("board", "column page", "list", "card", "search", "funnel", "velocity", "command center"),
    *("client: page of a form", "client: home", "client: one answer saved", "client: form sent"),
    *("move", "blocked move", "moves", "boards", "memory of the web server"),
    *("polls of open boards", "a move is seen on all", "mail of a backlog"),
}


@pytest.mark.slow
@pytest.mark.xdist_group("product")
def test_p5_every_case_is_measured_on_the_running_product_beside_its_floor() -> None:
    figures = measure([300], SHORT)
    assert {figure.case for figure in figures} == CASES
    assert all(figure.value > 0 for figure in figures)
    beside = {figure.case for figure in figures if figure.floor}
    assert beside == CASES - {
        "blocked move",
        "memory of the web server",
        "polls of open boards",
        "a move is seen on all",
    }
    assert "| board | 300 | ms |" in as_page(figures)
    assert len(as_table(figures).splitlines()) == len(figures) + 1


def test_a_ratio_says_how_many_times_the_floor_whatever_the_unit() -> None:
    assert Figure("board", 1, "ms", 30.0, 10.0).ratio == 3.0
    assert Figure("moves", 1, "a second", 100.0, 500.0).ratio == 5.0
    assert Figure("memory", 1, "MiB", 100.0).ratio is None
