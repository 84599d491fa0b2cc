"""`lifecycle user`: for whoever runs the installation, when no page helps."""

from __future__ import annotations

import sys

import click

from lifecycle.app import create_app
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.people import first_admin, password_resets, queries
from lifecycle.records.people.models import ROLES
from lifecycle.records.people.passwords import find_fault


@click.group()
def user() -> None:
    """Create and list users, and reset their passwords."""


@user.command()
@click.option("--email", required=True, help="The address they log in with.")
@click.option("--name", required=True, help="Their name, as colleagues see it.")
@click.option("--admin", is_flag=True, help="The same as --role admin.")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.option("--time-zone", default="UTC", show_default=True, help="Like Europe/Paris.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create(*, email: str, name: str, admin: bool, role: str, time_zone: str, password_stdin: bool) -> None:
    """Create somebody who can log in at once."""
    password = _password(email, from_stdin=password_stdin)
    with create_app().app_context(), transaction():
        created = first_admin.create_user(
            email=email,
            name=name,
            password=password,
            role="admin" if admin else role,
            time_zone=time_zone,
            channel="command",
        )
    click.echo(f"{created.email} can log in as {created.role}.")


@user.command("list")
def list_all() -> None:
    """List everybody: address, role, standing, name."""
    with create_app().app_context():
        page = 1
        while users := queries.list_users(page=page)[0]:
            for person in users:
                click.echo(f"{person.email:<40} {person.role:<8} {person.standing:<12} {person.name}")
            page += 1


@user.command("reset-password")
@click.option("--email", required=True, help="The address they log in with.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def reset_password(*, email: str, password_stdin: bool) -> None:
    """Set somebody's password, unlock them, and sign them out everywhere."""
    with create_app().app_context():
        person = queries.find_user_by_email(email)
        if person is None or person.standing != "active":
            raise NotFound(f"Nobody with the address {email} can log in.")
        password = _password(email, from_stdin=password_stdin)
        with transaction():
            password_resets.reset_password_by_hand(person.id, password=password, channel="command")
    click.echo(f"{person.email} has a new password and is signed out everywhere.")


def _password(email: str, *, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str)
    else:
        raise Invalid("Give the password with --password-stdin, or run this in a terminal.")
    if fault := find_fault(password, email):
        raise Invalid(fault)
    return password
