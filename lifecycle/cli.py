"""The `lifecycle` console script: thin commands over the same functions the pages call."""

from __future__ import annotations

import sys

import click
import structlog

from lifecycle.backup.archive import Unusable
from lifecycle.commands.backup import backup, restore
from lifecycle.commands.books import books
from lifecycle.commands.demo import demo
from lifecycle.commands.doctor import doctor
from lifecycle.commands.evidence import evidence
from lifecycle.commands.imports import import_
from lifecycle.commands.mail import mail
from lifecycle.commands.playbook import playbook
from lifecycle.commands.prepare import prepare
from lifecycle.commands.report import report
from lifecycle.commands.user import user
from lifecycle.config import SettingsRefused
from lifecycle.core.errors import Refusal
from lifecycle.runtime.datafolder import Refused


@click.group()
def cli() -> None:
    """Lifecycle: a governed customer lifecycle."""


for command in (
    backup, books, demo, doctor, evidence, import_, mail, playbook, prepare, report, restore, user,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run a command; a refusal is one sentence and exit code 1, never a trace."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(130)
    except (Refusal, Refused, SettingsRefused, Unusable) as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
