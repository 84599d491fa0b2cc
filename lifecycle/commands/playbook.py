"""`lifecycle playbook`: check what was written, publish it, and give editors its schema."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.commands.application import application
from lifecycle.core.db import transaction
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import canonical, digest, find_folder, library_names, load
from lifecycle.governance.playbooks.publish import Published, preview, publish
from lifecycle.governance.playbooks.schema import schema_text
from lifecycle.records.people.actor import SYSTEM

_SHOWN_CHANGES = 40


@click.group()
def playbook() -> None:
    """Check, publish and describe playbooks."""


@playbook.command()
@click.argument("names", metavar="[FOLDER|NAME]...", nargs=-1)
def validate(names: tuple[str, ...]) -> None:
    """Say whether a playbook can be published, and every mistake if not. Needs no database.

    Without a name, every playbook that came with this version is checked.
    """
    broken = False
    for name in names or library_names():
        try:
            loaded = load(find_folder(name))
            found = compile_document(loaded)
        except BrokenPlaybook as error:
            broken = True
            click.echo(error.sentence, err=True)
            continue
        stages = sum(len(pipeline.stages) for pipeline in found.pipelines)
        checks = sum(
            len(stage.enter) + len(stage.leave) for pipeline in found.pipelines for stage in pipeline.stages
        )
        counts = ", ".join(
            _counted(number, word)
            for number, word in ((len(found.pipelines), "pipeline"), (stages, "stage"), (checks, "check"))
        )
        click.echo(
            f"{found.key} can be published: {counts}; content {digest(canonical(loaded.content))[:12]}."
        )
    if broken:
        raise click.exceptions.Exit(1)


@playbook.command(name="publish")
@click.argument("names", metavar="[FOLDER|NAME]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def publish_command(names: tuple[str, ...], dry_run: bool) -> None:
    """Make a playbook's content the revision that new cards start on.

    Without a name, every playbook that came with this version is published.
    """
    folders = [find_folder(name) for name in names or library_names()]
    with application():
        for folder in folders:
            if dry_run:
                _tell(preview(folder), "would become")
                continue
            with transaction():
                published = publish(folder, SYSTEM, channel="command")
            _tell(published, "is now")


@playbook.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of a playbook's files, for editors."""
    if output is None:
        click.echo(schema_text(), nl=False)
    else:
        output.write_text(schema_text(), encoding="utf-8")


def _tell(published: Published, verb: str) -> None:
    if not published.changed:
        click.echo(f"{published.playbook} is at revision {published.revision}; nothing changed.")
        return
    click.echo(f"{published.playbook} {verb} revision {published.revision}:")
    for change in published.changes[:_SHOWN_CHANGES]:
        click.echo(f"  {change}")
    if len(published.changes) > _SHOWN_CHANGES:
        click.echo(f"  and {len(published.changes) - _SHOWN_CHANGES} more")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
