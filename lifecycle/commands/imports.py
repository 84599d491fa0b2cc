"""`lifecycle import`: put a CSV file's cards on a board, list imports, withdraw one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

from lifecycle.app import create_app
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.exchange.imports.mapping import CardMap
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.queries import count_errors, list_errors, list_imports
from lifecycle.exchange.imports.run import check_import, run_import
from lifecycle.exchange.imports.start import begin_import, read_map_file
from lifecycle.exchange.imports.withdraw import withdraw_import
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True, readable=True)
_SHOWN_ERRORS = 50


@click.group(name="import")
def import_() -> None:
    """Put cards from files on boards."""


@import_.command()
@click.argument("file", type=_FILE)
@click.option("--pipeline", required=True, metavar="KEY", help="The board, like wispgate.growth.")
@click.option("--map", "map_file", required=True, type=_FILE, help="Which column feeds what.")
@click.option("--accounts", type=_FILE, help="The accounts file; by default the map's, beside FILE.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and write nothing to the board.")
@click.option("--as", "email", metavar="EMAIL", help="Who imports; by default the only administrator.")
def cards(
    file: Path, pipeline: str, map_file: Path, accounts: Path | None, dry_run: bool, email: str | None
) -> None:
    """Put the rows of a CSV file on a board as cards.

    Importing a file again changes what changed in it and doubles nothing.
    """
    mapping = read_map_file(map_file.name, map_file.read_bytes())
    with create_app().app_context():
        with transaction():
            record = begin_import(
                pipeline,
                file.name,
                file.read_bytes(),
                actor=_actor(email),
                accounts=_accounts(file, mapping, accounts),
                mapping=mapping,
            )
        for note in record.reading["notes"]:
            click.echo(note, err=True)
        record = check_import(record.id) if dry_run else run_import(record.id)
        _tell(record, is_forecast=dry_run)


@import_.command(name="list")
def list_command() -> None:
    """List the imports, newest first."""
    with create_app().app_context():
        lines = list_imports(SYSTEM)
        for line in lines:
            figures = line.record.summary
            created = f"{figures.get('created', 0):,} cards" if figures else "no cards"
            click.echo(
                f"{line.record.id:>5}  {line.record.created_at:%Y-%m-%d %H:%M}  {line.record.state:<9}  "
                f"{line.slug}  {created}  {line.record.file_name}"
            )
        if not lines:
            click.echo("Nothing was imported yet.")


@import_.command()
@click.argument("import_id", metavar="ID", type=int)
@click.option("--as", "email", metavar="EMAIL", help="Who withdraws; by default the only administrator.")
def withdraw(import_id: int, email: str | None) -> None:
    """Take an import back whole: its cards are kept, hidden, and out of all figures."""
    with create_app().app_context(), transaction():
        count = withdraw_import(import_id, actor=_actor(email), channel="command")
    click.echo(f"Import {import_id} is withdrawn: {count:,} cards.")


def _actor(email: str | None) -> Actor:
    if email:
        user = db.session.scalar(
            select(User).where(func.lower(User.email) == email.strip().lower(), User.is_active)
        )
        if user is None:
            raise Invalid(f"Nobody who works here has the address {email}.")
        return Actor.of(user)
    admins = db.session.scalars(select(User).where(User.role == "admin", User.is_active).limit(2)).all()
    if len(admins) != 1:
        raise Invalid("Say who does this with --as EMAIL: their name stands with the cards.")
    return Actor.of(admins[0])


def _accounts(file: Path, mapping: CardMap, given: Path | None) -> tuple[str, bytes] | None:
    if given is not None:
        return given.name, given.read_bytes()
    if mapping.account.file is None:
        return None
    # Only a name: the map says which file, never where on this machine to look.
    beside = file.parent / Path(mapping.account.file).name
    if not beside.is_file():
        raise Invalid(f"The map takes account fields from {beside.name}, which is not beside {file.name}.")
    return beside.name, beside.read_bytes()


def _tell(record: CardImport, *, is_forecast: bool) -> None:
    questions = record.forecast.get("questions", [])
    for mistake in record.forecast.get("map_errors", []):
        click.echo(mistake, err=True)
    if record.failure:
        raise Invalid(
            f"{record.failure} Nothing was imported." if record.state == "draft" else record.failure
        )
    if questions:
        for question in questions:
            _ask(question)
        raise Invalid("Say it in the map under `dates`, then import again. Nothing was imported.")
    figures = record.forecast if is_forecast else record.summary
    for sentence in sentences(figures, is_forecast=is_forecast):
        click.echo(sentence)
    errors = list_errors(record.id)
    for error in errors[:_SHOWN_ERRORS]:
        where = f"{error.column}: " if error.column else ""
        shown = f" [{error.value}]" if error.value else ""
        click.echo(f"  Row {error.row_number:,}: {where}{error.sentence}{shown}", err=True)
    count = count_errors(record.id)
    if count > len(errors):
        click.echo(
            f"  and {count - len(errors):,} more; the page of import {record.id} lists them all.", err=True
        )
    click.echo(f"{'Checked as' if is_forecast else 'This is'} import {record.id}.")


def _ask(question: dict[str, Any]) -> None:
    click.echo(question["sentence"], err=True)
    for sample in question["samples"]:
        click.echo(
            f"  {sample['value']}: {sample['day-month-year']} (day-month-year), "
            f"or {sample['month-day-year']} (month-day-year)",
            err=True,
        )


def sentences(figures: dict[str, Any], *, is_forecast: bool) -> list[str]:
    """Return an import's figures as sentences."""
    verb = "would be put" if is_forecast else "were put"
    money = f", worth {figures['currency']} {float(figures['value']):,.2f}" if figures["value"] else ""
    found = [f"{figures['rows']:,} rows read; {figures['created']:,} cards {verb} on the board{money}."]
    for stage in figures["stages"]:
        worth = f", {figures['currency']} {float(stage['value']):,.2f}" if stage["value"] else ""
        found.append(f"  {stage['name']}: {stage['count']:,}{worth}")
    parts = (
        ("changed", "{:,} cards that were there changed"),
        ("moved", "{:,} of them moved"),
        ("unchanged", "{:,} rows said nothing new"),
        ("new_accounts", "{:,} accounts are new"),
        ("restored_accounts", "{:,} archived accounts came back"),
        ("new_contacts", "{:,} contacts are new"),
        ("held", "{:,} cards name no account and are held apart"),
        ("undated", "{:,} cards have no date; they count, and say nothing about velocity"),
        ("unknown_owner_count", "{:,} owners are no users here; the map decided who owns their cards"),
        ("refused", "{:,} rows were refused"),
    )
    found += [f"{words.format(figures[key])}." for key, words in parts if figures.get(key)]
    return found
