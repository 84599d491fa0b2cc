"""The figures as a table for the terminal and as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.cases import Figure

_HEAD = ("case", "cards", "", "product", "p95", "floor", "times the floor", "")


def as_table(figures: Sequence[Figure], *, head: bool = True) -> str:
    """Return lines of aligned columns."""
    rows = [_row(figure) for figure in figures]
    if head:
        rows.insert(0, _HEAD)
    widths = (26, 8, 9, 9, 9, 9, 16, 0)
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_page(figures: Sequence[Figure]) -> str:
    """Return a page: how to run it, on what it ran, the table, and how each case grows."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `./dev bench --write docs/benchmarks.md`; run it where you want to know. The product",
        "runs as `./dev up` starts it, with its workers; the load comes from the same machine, and takes a",
        "part of it. A *floor* is measured in the same run: the same web server answering as many bytes",
        "after one plain SQL statement, or writing as many rows as wide in one transaction, without rights,",
        "gates, evidence or templates. Milliseconds are of whole requests over HTTP, the median of requests",
        "that alternate with the floor's. Only the ratio travels between machines.",
        "",
        f"{datetime.now(UTC):%d %B %Y}, {_machine()}.",
        "",
        "| case | open cards | unit | product | p95 | floor | times the floor | |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += ["| " + " | ".join(_row(figure)) + " |" for figure in figures]
    lines += [
        "",
        "## How it grows",
        "",
        "| case | smallest | largest | times |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [f"| {case} | {small} | {large} | {times} |" for case, small, large, times in _growth(figures)]
    lines += ["", "## What was aimed at", "", "At the largest board:", ""]
    lines += [
        f"- {aim}: {'met' if is_met else '**missed**'}, {shown}." for aim, is_met, shown in _aims(figures)
    ]
    return "\n".join(lines) + "\n"


def _aims(figures: Sequence[Figure]) -> list[tuple[str, bool, str]]:
    """Return each aim, whether it is met, and the figure, for the cases that were measured."""
    largest = {figure.case: figure for figure in sorted(figures, key=lambda figure: figure.cards)}
    found = []
    for case, unit, most in (
        ("board", "ms", 20.0),
        ("move", "ms", 10.0),
        ("search", "ms", 10.0),
        ("a move is seen on all", "s", 2.0),
        ("polls of open boards", "cores", 0.5),
    ):
        value = largest[case].value
        found.append((f"{case} under {most:g} {unit}", value < most, f"{_short(value)} {unit}"))
    rate = largest["moves"].value
    found.append(("200 gated moves a second with 8 users", rate >= 200, f"{_short(rate)}"))
    for case, most in (("board", 3.0), ("move", 3.0), ("funnel", 2.0)):
        ratio = largest[case].ratio or 0.0
        found.append((f"{case} under {most:g} times the floor", ratio < most, f"{ratio:.1f} times"))
    return found


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.case,
        f"{figure.cards:,}",
        figure.unit,
        _short(figure.value),
        _short(figure.p95),
        _short(figure.floor),
        f"{figure.ratio:.1f}" if figure.ratio else "",
        figure.note,
    )


def _growth(figures: Sequence[Figure]) -> list[tuple[str, str, str, str]]:
    """Return each case in ms at the smallest and the largest board."""
    found = []
    for case in dict.fromkeys(figure.case for figure in figures if figure.unit == "ms"):
        of_case = sorted((f for f in figures if f.case == case), key=lambda figure: figure.cards)
        first, last = of_case[0], of_case[-1]
        if first is not last:
            found.append((case, _short(first.value), _short(last.value), f"{last.value / first.value:.1f}"))
    return found


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _machine() -> str:
    memory = next((int(line.split()[1]) // 2**20 for line in _meminfo() if line.startswith("MemTotal:")), 0)
    packages = ", ".join(f"{name} {version(name)}" for name in ("flask", "gunicorn", "sqlalchemy"))
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory} GiB of memory, Python {platform.python_version()}, {packages}"


def _meminfo() -> list[str]:
    source = Path("/proc/meminfo")
    return source.read_text().splitlines() if source.is_file() else []
