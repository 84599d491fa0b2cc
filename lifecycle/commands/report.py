"""`lifecycle report`: the figures of the report pages, and the visits they are computed from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from lifecycle.commands.application import application
from lifecycle.core.db import one_moment
from lifecycle.core.spreadsheets import csv_line
from lifecycle.insight.reports.funnel import read_funnel
from lifecycle.insight.reports.groups import read_groups
from lifecycle.insight.reports.scope import DIMENSIONS, Scope, read_scope
from lifecycle.insight.reports.tables import VISIT_COLUMNS, as_data, funnel_csv, list_visits, velocity_csv
from lifecycle.insight.reports.velocity import STAYS, TIMES, read_velocity


@click.group()
def report() -> None:
    """Stage reports."""


def _scoped(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--pipeline", "slug", required=True, metavar="KEY", help="Like wispgate.growth."),
        click.option("--from", "first", default="", metavar="DAY", help="First day, like 2026-01-31."),
        click.option("--to", "last", default="", metavar="DAY", help="Last day, included."),
        click.option("--zone", default="UTC", help="The time zone whose days these are."),
        click.option(
            "--only", multiple=True, metavar="WHAT=VALUE", help=f"Of {', '.join(DIMENSIONS)}; - is none."
        ),
        click.option("--format", "shape", type=click.Choice(["json", "csv"]), default="json"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@report.command()
@_scoped
def funnel(slug: str, first: str, last: str, zone: str, only: tuple[str, ...], shape: str) -> None:
    """How far cards got, what is in each stage, what was won and lost and why."""
    with application(), one_moment():
        scope = _scope(slug, first, last, zone, only)
        found = read_funnel(scope)
        click.echo(funnel_csv(found) if shape == "csv" else _json(as_data(scope, found)))


@report.command()
@_scoped
@click.option("--time", type=click.Choice(list(TIMES)), default="calendar")
@click.option("--stays", type=click.Choice(list(STAYS)), default="each")
def velocity(
    slug: str, first: str, last: str, zone: str, only: tuple[str, ...], shape: str, time: str, stays: str
) -> None:
    """How long cards stay in each stage, from entry to close, and what waits now."""
    with application(), one_moment():
        scope = _scope(slug, first, last, zone, only)
        found = read_velocity(scope, time, stays)
        cohorts = read_groups(scope, "month")
        click.echo(velocity_csv(found) if shape == "csv" else _json(as_data(scope, found, cohorts)))


@report.command()
@_scoped
def visits(slug: str, first: str, last: str, zone: str, only: tuple[str, ...], shape: str) -> None:
    """Every visit as it is kept, so that all figures can be computed again elsewhere."""
    with application(), one_moment():
        rows = list(list_visits(_scope(slug, first, last, zone, only)))
    plain = [
        [None if cell is None else getattr(cell, "isoformat", lambda c=cell: c)() for cell in row]
        for row in rows
    ]
    if shape == "json":
        click.echo(_json([dict(zip(VISIT_COLUMNS, row, strict=True)) for row in plain]))
        return
    click.echo(csv_line(VISIT_COLUMNS), nl=False)
    for row in plain:
        click.echo(csv_line(["" if cell is None else str(cell) for cell in row]), nl=False)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def _scope(slug: str, first: str, last: str, zone: str, only: tuple[str, ...]) -> Scope:
    narrowed = {}
    for each in only:
        what, found, value = each.partition("=")
        if what not in DIMENSIONS or not found:
            raise click.UsageError(
                f"--only takes one of {', '.join(DIMENSIONS)}, like segment=fibre; got {each!r}."
            )
        narrowed[what] = value
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError(f"There is no time zone {zone!r}.") from None
    return read_scope(slug, {"from": first, "to": last, **narrowed}, place)
