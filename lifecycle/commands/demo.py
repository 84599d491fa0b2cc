"""`lifecycle demo`: a Growth board with a year of history, to look at and to play with."""

from __future__ import annotations

import sys

import click

from lifecycle.commands.application import application
from lifecycle.config import Settings
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.exchange.demo.load import load_cards
from lifecycle.exchange.demo.seed import is_wanted, seed_demo
from lifecycle.exchange.demo.tell import PIPELINE
from lifecycle.records.people.first_admin import has_no_users

LOGINS = ("admin", "manager", "member", "viewer")


@click.group()
def demo() -> None:
    """A team that never existed, with a year of work."""


@demo.command()
@click.option("--password-stdin", is_flag=True, help="Read the log-ins' password from standard input.")
def seed(password_stdin: bool) -> None:
    """Seed the demo into an empty installation; what an interrupted seeding left out is added."""
    with application():
        click.echo(seed_demo(_password(from_stdin=password_stdin)).value)
    click.echo("Log in as " + ", ".join(f"{name}@demo.example" for name in LOGINS) + ".")


@demo.command()
@click.option("--cards", required=True, type=int, help="How many open cards the board is to have of a load.")
@click.option("--pipeline", default=PIPELINE, show_default=True, help="The board, as in its address.")
@click.option("--anyway", is_flag=True, help="Load even where people work who are not the demo's.")
@click.option("--password-stdin", is_flag=True, help="Read the log-ins' password from standard input.")
def load(cards: int, pipeline: str, anyway: bool, password_stdin: bool) -> None:
    """Fill a board with open cards, and a fifth as many closed ones, to see how it bears them.

    Into an empty installation or a demo. An interrupted load goes on where it stopped; withdraw it under
    Imports.
    """
    with application():
        password = _password(from_stdin=password_stdin) if has_no_users() else ""
        db.session.rollback()
        came = load_cards(pipeline, cards, password=password, anyway=anyway, tell=_tell)
    click.echo(f"{came:,} cards came." if came else "They are there already.")


def _tell(done: int, wanted: int) -> None:
    click.echo(f"{done:,} of {wanted:,} cards")


def seed_if_wanted() -> None:
    """Seed the demo if the installation is empty or its demo half there; needs an application context."""
    if is_wanted():
        click.echo(seed_demo(_password(from_stdin=False)).value)


def _password(*, from_stdin: bool) -> str:
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else Settings.from_env().demo_password
    if not password:
        raise Invalid("Set LIFECYCLE_DEMO_PASSWORD, or give the log-ins' password with --password-stdin.")
    return password
