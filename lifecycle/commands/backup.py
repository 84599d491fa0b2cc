"""`lifecycle backup` and `lifecycle restore`: the whole installation in one file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.backup import archive
from lifecycle.backup.dump import back_up
from lifecycle.backup.restore import Restored
from lifecycle.backup.restore import restore as put_back
from lifecycle.runtime.standalone import installation


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write a backup to FILE while the product works; FILE must not exist.

    It holds the database with all uploaded files that are kept in it, as of one moment, and no keys: keep
    secrets.json elsewhere. Files in a bucket are not in it.
    """
    with installation() as settings:
        url = settings.database_owner_url or settings.database_url
        manifest = back_up(file, url, settings.secret_key)
    size = file.stat().st_size / 1_000_000
    click.echo(f"Backed up {_what(manifest.rows)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    click.echo(f"{file}: {size:,.1f} MB, SHA-256 {archive.digest_of(file)}")
    if manifest.in_bucket:
        click.echo(f"{_elsewhere(manifest)}: back that up by itself (docs/operations.md).")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Drop what the database holds.")
@click.option("--other-key", is_flag=True, help="Restore under another SECRET_KEY; links in mail are lost.")
@click.option("--check", is_flag=True, help="Only say whether FILE is whole, and what it is of.")
def restore(file: Path, replace: bool, other_key: bool, check: bool) -> None:
    """Restore FILE into an empty database, all or nothing; the product must be stopped.

    Mail, rules and reminders that were due are not done again: they wait for somebody to look at them.
    """
    manifest = archive.check(file)
    if check:
        click.echo(f"Whole: {_what(manifest.rows)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
        if manifest.in_bucket:
            click.echo(f"{_elsewhere(manifest)}.")
        return
    with installation(new=other_key) as settings:
        restored = put_back(file, settings, replace_all=replace, other_key=other_key)
    for line in _told(restored):
        click.echo(line)


def _what(rows: dict[str, int]) -> str:
    accounts, cards = _counted(rows["accounts"], "account"), _counted(rows["cards"], "card")
    entries, files = _counted(rows["events"], "entry", "entries"), _counted(rows["files"], "file")
    return f"{accounts}, {cards}, {entries} of evidence and {files}"


def _elsewhere(manifest: archive.Manifest) -> str:
    lie = "lies" if manifest.in_bucket == 1 else "lie"
    return f"{_counted(manifest.in_bucket, 'file')} {lie} in the bucket and not in this backup"


def _told(restored: Restored) -> list[str]:
    manifest, settled = restored.manifest, restored.settled
    lines = [f"Restored {_what(restored.rows)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC."]
    waits = {
        "messages": (
            "message",
            "that had not left: send again what did not arrive, under Messages, Unconfirmed",
        ),
        "rules": ("rule", "that {} due: try again or let rest, under Automation"),
        "reminders": ("reminder", "that {} due: skipped"),
        "imports": ("import", "that ran: stopped; start again"),
    }
    for kind, (word, rest) in waits.items():
        if count := settled[kind]:
            lines.append(f"{_counted(count, word)} {rest.format('was' if count == 1 else 'were')}.")
    if manifest.in_bucket:
        lines.append(
            f"{_elsewhere(manifest)}: see that the bucket holds them, and that its settings are set."
        )
    if restored.heads_moved_to:
        lines.append(f"Signed heads that are newer than the backup are kept in {restored.heads_moved_to}.")
    return lines


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
