"""`lifecycle doctor`: what is decoration only, and what the set-up lacks."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lifecycle.commands.application import application
from lifecycle.core.clock import now
from lifecycle.governance.language.model import PipelineDef, PlaybookDef
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.doctor import Finding, care_of, examine
from lifecycle.governance.playbooks.library import list_current_revisions
from lifecycle.governance.playbooks.load import find_folder, library_names, load
from lifecycle.governance.playbooks.setup import examine_setup


@click.command()
@click.argument("names", metavar="[FOLDER|NAME]...", nargs=-1)
@click.option(
    "--library", is_flag=True, help="Examine the playbooks that came with this version. No database."
)
def doctor(names: tuple[str, ...], library: bool) -> None:
    """Examine every published playbook and the set-up; exit code 1 if there is a gap.

    Named folders are examined instead, without a database.
    """
    setup: Sequence[Finding] = ()
    if names or library:
        playbooks = [compile_document(load(find_folder(name))) for name in names or library_names()]
    else:
        with application():
            playbooks = [revision.playbook for revision in list_current_revisions()]
            setup = examine_setup()
        if not playbooks:
            click.echo("No playbook is published. Publish one: lifecycle playbook publish wispgate")
    findings = [finding for found in playbooks for finding in examine(found, now().date())]
    for found in playbooks:
        _show(found)
    for finding in (*findings, *setup):
        click.echo(str(finding))
    gaps = sum(finding.level == "gap" for finding in (*findings, *setup))
    warnings = len(findings) + len(setup) - gaps
    click.echo(f"{_counted(gaps, 'gap')}, {_counted(warnings, 'warning')}.")
    if gaps:
        raise click.exceptions.Exit(1)


def _show(playbook: PlaybookDef) -> None:
    """Print a table of what each stage has."""
    click.echo(f"{playbook.name} ({playbook.key})")
    for pipeline in playbook.pipelines:
        for line in _table(playbook, pipeline):
            click.echo(f"  {line}".rstrip())
        click.echo()


def _table(playbook: PlaybookDef, pipeline: PipelineDef) -> list[str]:
    width = max(len(name) for name in [pipeline.name, *(stage.name for stage in pipeline.stages)])
    cares = [care_of(playbook, stage) for stage in pipeline.stages]
    heads = [name for name, _ in cares[0].items()]
    lines = [f"{pipeline.name:<{width}}  {'  '.join(heads)}"]
    for care in cares:
        marks = [_mark(words).ljust(len(head)) for head, words in care.items()]
        lines.append(f"{care.stage.name:<{width}}  {'  '.join(marks)}")
    return lines


def _mark(words: str | None) -> str:
    """Return "yes", "MISSING", or "-" for what a closed stage does not need."""
    if words is None:
        return "MISSING"
    return "yes" if words else "-"


def _counted(number: int, word: str) -> str:
    amount = str(number) if number else "no"
    return f"{amount} {word}" if number == 1 else f"{amount} {word}s"
