"""`lifecycle playbook`: check what was written, publish it, take cards over, and give editors its schema."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.commands.application import application
from lifecycle.core.db import transaction
from lifecycle.governance.language.catalogs import ENDING, FOLDER, OTHERS
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.differences import StageDifference
from lifecycle.governance.playbooks.load import canonical, digest, find_folder, library_names, load
from lifecycle.governance.playbooks.migration import Migrated, MigrationPlan, migrate_cards, plan_migration
from lifecycle.governance.playbooks.publish import Published, preview, publish
from lifecycle.governance.playbooks.schema import schema_text
from lifecycle.governance.playbooks.words import client_sentences, coverage_of, updated_catalog
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


@playbook.command(name="migrate")
@click.argument("slug")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def migrate_command(slug: str, dry_run: bool) -> None:
    """Take the cards of a pipeline, like wispgate.growth, over to its playbook's current revision.

    What changes is said first. Stopped at any point, the command goes on where it was when it is run again.
    """
    with application():
        plan = plan_migration(slug)
        _tell_plan(plan)
        if dry_run or not plan.going:
            return
        _tell_migrated(migrate_cards(slug, actor=SYSTEM, channel="command", seen_revision=plan.revision_id))


@playbook.command(name="words")
@click.argument("name", metavar="FOLDER|NAME")
@click.argument("languages", metavar="[LANGUAGE]...", nargs=-1, type=click.Choice(OTHERS))
def words_command(name: str, languages: tuple[str, ...]) -> None:
    """Bring the catalogs of a playbook, words/fr.po and so on, to what it says to clients now.

    New sentences come without a translation, and those that it no longer says go. Without a language, every
    catalog that there is.
    """
    folder = find_folder(name)
    found = compile_document(load(folder))
    for language in languages or tuple(found.words):
        path = folder / FOLDER / f"{language}{ENDING}"
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(updated_catalog(found, language, before))
        left = next((len(each.missing) for each in coverage_of(found) if each.language == language), None)
        left = len(client_sentences(found)) if left is None else left
        click.echo(f"{path}: {_counted(left, 'sentence')} to translate.")


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


def _tell_plan(plan: MigrationPlan) -> None:
    if not plan.cards:
        click.echo(
            f"{plan.name}: every card runs on revision {plan.revision}. There is nothing to take over."
        )
        return
    click.echo(f"{plan.name}: {_counted(plan.going, 'card')} can go over to revision {plan.revision}.")
    for each in plan.revisions:
        click.echo(
            f"On revision {each.number}: {each.open_cards:,} open, {each.closed_cards:,} closed. "
            + ("For them:" if each.stages else "No stage's rules change for them.")
        )
        for stage in each.stages:
            _tell_stage(stage)
    if plan.turns:
        click.echo(
            f"The way forward closes for {_counted(plan.turns.closing, 'open card')} "
            f"and opens for {plan.turns.opening:,}."
        )
    if plan.staying:
        click.echo(f"{_counted(len(plan.staying), 'card')} cannot go over:")
    for card in plan.staying[:_SHOWN_CHANGES]:
        click.echo(f"  {card.title} ({card.stage}): {card.why}")
    if len(plan.staying) > _SHOWN_CHANGES:
        click.echo(f"  and {len(plan.staying) - _SHOWN_CHANGES:,} more")
    click.echo("Deadlines that run stay as they are.")


def _tell_stage(stage: StageDifference) -> None:
    click.echo(f"  {stage.name}")
    for phrase in stage.phrases:
        click.echo(f"    {phrase}")


def _tell_migrated(migrated: Migrated) -> None:
    stayed = f"; {_counted(migrated.staying, 'card')} stayed" if migrated.staying else ""
    click.echo(f"{_counted(migrated.migrated, 'card')} went over to revision {migrated.revision}{stayed}.")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
