"""`lifecycle prepare`: everything that must be there before the first request."""

from __future__ import annotations

import click

from lifecycle.commands.application import application
from lifecycle.commands.demo import seed_if_wanted
from lifecycle.config import Settings, SettingsRefused
from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.load import find_folder, library_names
from lifecycle.governance.playbooks.publish import publish
from lifecycle.prepare import migrate, role_of
from lifecycle.records.people.actor import SYSTEM


@click.command()
@click.option("--demo", is_flag=True, help="Seed the demo, if the database is still empty.")
def prepare(demo: bool) -> None:
    """Migrate, publish the playbooks that came with this version and, if asked, seed the demo."""
    settings = Settings.from_env()
    if not settings.database_owner_url:
        raise SettingsRefused("DATABASE_OWNER_URL is needed to migrate: the address of the tables' owner.")
    reader = role_of(settings.database_reader_url or settings.database_url)
    migrate(settings.database_owner_url, role_of(settings.database_url), reader)
    with application():
        publish_library()
        if demo:
            seed_if_wanted()
    click.echo("Database ready.")


def publish_library() -> None:
    """Publish every playbook that came with this version and is not current yet."""
    for name in library_names():
        with transaction():
            published = publish(find_folder(name), SYSTEM)
        if published.changed:
            click.echo(f"Published {published.playbook}, revision {published.revision}.")
