"""`lifecycle evidence`: the evidence log from the command line."""

from __future__ import annotations

import sys
import uuid
from typing import TextIO

import click

from lifecycle.commands.application import application
from lifecycle.records.accounts.queries import get_account
from lifecycle.records.evidence.export import export_evidence
from lifecycle.records.evidence.heads import public_key, read_heads, sign_heads
from lifecycle.records.evidence.verify import Fault, Verification
from lifecycle.records.evidence.witness import verify_log
from lifecycle.records.people.actor import SYSTEM


@click.group()
def evidence() -> None:
    """The evidence log."""


@evidence.command()
@click.option("--account", "account_id", type=click.UUID, help="Only this account's chain.")
@click.option("--quiet", is_flag=True, help="Say nothing unless something is wrong.")
@click.option("--heads", type=click.File(errors="replace"), help="Signed heads to compare with.")
@click.option("--public-key", "trusted", multiple=True, help="Whose signature to trust, besides our own.")
def verify(account_id: uuid.UUID | None, quiet: bool, heads: TextIO | None, trusted: tuple[str, ...]) -> None:
    """Recompute the chains; exit with 1 and say where when something was tampered with.

    They are compared with the signed heads in the data folder, or with those of another copy.
    """
    with application():
        if account_id is not None:
            get_account(account_id)
        found = verify_log(account_id, heads=read_heads(heads) if heads else None, trusted=trusted)
    for fault in found.faults:
        click.echo(in_words(fault))
    if found.fault_count > len(found.faults):
        click.echo(f"... and {found.fault_count - len(found.faults):,} more.")
    if not (quiet and found.is_sound):
        click.echo(summary(found))
    if not found.is_sound:
        sys.exit(1)


@evidence.command()
def head() -> None:
    """Sign how every chain ends now, keep that outside the database too, and print it."""
    with application():
        signed = sign_heads()
    assert signed is not None
    click.echo(signed.as_line())


@evidence.command()
def key() -> None:
    """Print the public key that verifies what this installation signs."""
    with application():
        click.echo(public_key())


@evidence.command()
@click.option("--account", "account_id", type=click.UUID, required=True, help="Whose chain.")
def export(account_id: uuid.UUID) -> None:
    """Print an account's entries with their proofs, to be verified anywhere (see docs/operations.md)."""
    with application():
        for line in export_evidence(account_id, actor=SYSTEM):
            click.echo(line, nl=False)


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
