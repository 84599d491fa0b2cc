"""`lifecycle evidence`: the evidence log from the command line."""

from __future__ import annotations

import sys
import uuid

import click

from lifecycle.app import create_app
from lifecycle.records.accounts.queries import get_account
from lifecycle.records.evidence.verify import Fault, Verification, verify_chains


@click.group()
def evidence() -> None:
    """The evidence log."""


@evidence.command()
@click.option("--account", "account_id", type=click.UUID, help="Only this account's chain.")
@click.option("--quiet", is_flag=True, help="Say nothing unless something is wrong.")
def verify(account_id: uuid.UUID | None, quiet: bool) -> None:
    """Recompute the chains; exit with 1 and say where when something was tampered with."""
    with create_app().app_context():
        if account_id is not None:
            get_account(account_id)
        found = verify_chains(account_id)
    for fault in found.faults:
        click.echo(in_words(fault))
    if found.fault_count > len(found.faults):
        click.echo(f"... and {found.fault_count - len(found.faults):,} more.")
    if not (quiet and found.is_sound):
        click.echo(summary(found))
    if not found.is_sound:
        sys.exit(1)


def in_words(fault: Fault) -> str:
    """Return a fault as one line: chain, entry and what is wrong."""
    entry = f", entry {fault.seq}" if fault.seq is not None else ""
    event = f" ({fault.event_id})" if fault.event_id else ""
    return f"{fault.chain}{entry}{event}: {fault.what}."


def summary(found: Verification) -> str:
    """Return what was verified, and with what outcome, in one sentence."""
    chains = f"{found.chains:,} chain{'' if found.chains == 1 else 's'}"
    entries = f"{found.events:,} entr{'y' if found.events == 1 else 'ies'}"
    if found.is_sound:
        return f"Sound: {chains}, {entries}."
    faults = f"{found.fault_count:,} fault{'' if found.fault_count == 1 else 's'}"
    return f"BROKEN: {faults} in {chains}, {entries}."
