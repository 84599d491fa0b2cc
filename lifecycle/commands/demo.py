"""`lifecycle demo`: a Growth board with a year of history, to look at and to play with."""

from __future__ import annotations

import sys

import click

from lifecycle.commands.application import application
from lifecycle.config import Settings
from lifecycle.core.errors import Invalid
from lifecycle.exchange.demo.seed import is_wanted, seed_demo

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


def seed_if_wanted() -> None:
    """Seed the demo if the installation is empty or its demo half there; needs an application context."""
    if is_wanted():
        click.echo(seed_demo(_password(from_stdin=False)).value)


def _password(*, from_stdin: bool) -> str:
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else Settings.from_env().demo_password
    if not password:
        raise Invalid("Set LIFECYCLE_DEMO_PASSWORD, or give the log-ins' password with --password-stdin.")
    return password
