"""`lifecycle prepare`: everything that must be there before the first request."""

from __future__ import annotations

import click

from lifecycle.app import create_app
from lifecycle.config import Settings, SettingsRefused
from lifecycle.prepare import migrate, role_of


@click.command()
@click.option("--demo", is_flag=True, help="Seed the demo, if the database is still empty.")
def prepare(demo: bool) -> None:
    """Migrate, publish the playbooks that came with this version and, if asked, seed the demo."""
    settings = Settings.from_env()
    if not settings.database_owner_url:
        raise SettingsRefused("DATABASE_OWNER_URL is needed to migrate: the address of the tables' owner.")
    reader = role_of(settings.database_reader_url or settings.database_url)
    migrate(settings.database_owner_url, role_of(settings.database_url), reader)
    create_app(settings)
    click.echo("Database ready.")
