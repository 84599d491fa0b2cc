"""`lifecycle books`: whether what was promised is true of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import db
from lifecycle.insight.books.reading import Page, read_everything


@click.command()
def books() -> None:
    """Check that nothing was lost, doubled, stuck or moved past its gate; exit code 1 if something was.

    Reads every row on one snapshot and writes nothing, so it may run beside the product. Needs no rights but
    reading, and looks as the tables' owner where DATABASE_OWNER_URL is known.
    """
    settings = Settings.from_env()
    owner = replace(settings, database_url=settings.database_owner_url or settings.database_url)
    with create_app(owner).app_context():
        try:
            pages = read_everything()
        finally:
            db.session.remove()
            db.engine.dispose()
    for line in as_table(pages):
        click.echo(line)
    if any(page.broken for page in pages):
        raise click.exceptions.Exit(1)


def as_table(pages: Sequence[Page]) -> list[str]:
    """Return the pages as lines: promise, book, rows looked at, rows that break it and the first of them."""
    width = max(len(page.name) for page in pages)
    lines = [f"{'':<9} {'':<{width}} {'rows':>9} {'broken':>7}"]
    for page in pages:
        lines.append(f"{page.promise:<9} {page.name:<{width}} {page.looked_at:>9,} {page.broken:>7,}")
        lines += [f"{'':<9}   {example}" for example in page.examples]
    broken = sum(page.broken for page in pages)
    lines.append("The books are clean." if not broken else f"BROKEN: {broken:,} rows.")
    return lines
