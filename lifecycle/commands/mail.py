"""`lifecycle mail`: mail that a server hands to us."""

from __future__ import annotations

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from lifecycle.commands.application import application
from lifecycle.governance.messages.bounces import hear_delivery_report
from lifecycle.records.outbox.delivery_reports import LARGEST, read_delivery_reports

_TRY_LATER = 75
"""What mail servers take for "again later", as sysexits.h has it."""


@click.group()
def mail() -> None:
    """Mail that a server hands to us."""


@mail.command()
def bounce() -> None:
    """Read a message from standard input; if it says that one of ours came back, keep that.

    Whatever else it is changes nothing and is no failure: a mail server that pipes here must not answer a
    bounce with one. While the database cannot be reached it is told to try again later.
    """
    reports = read_delivery_reports(_read_input())
    try:
        with application():
            news = [report for report in reports if hear_delivery_report(report)]
    except SQLAlchemyError:
        click.echo("The database cannot be reached. Try again later.", err=True)
        sys.exit(_TRY_LATER)
    for report in news:
        how = "came back" if report.action == "failed" else "is delayed"
        click.echo(f"Message {report.message_id} {how}: {report.why}")
    if not news:
        click.echo("This says nothing new about a message of ours.")


def _read_input() -> bytes:
    """Return the beginning of what is piped here, read to its end: a broken pipe looks like a failure."""
    read = sys.stdin.buffer.read(LARGEST)
    while sys.stdin.buffer.read(LARGEST):
        pass
    return read
