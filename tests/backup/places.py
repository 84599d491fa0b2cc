"""Two installations on one server: the one that works, and an empty database to restore into."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from flask import Flask
from psycopg import sql

from lifecycle.app import create_app
from lifecycle.backup.dump import back_up
from lifecycle.backup.restore import restore
from lifecycle.config import Settings
from lifecycle.prepare import role_of
from lifecycle.runtime.database import EXTENSIONS, with_database
from tests.installation import Addresses, close_connections, environment_of
from tests.programs import run_program


@dataclass(frozen=True)
class Place:
    """An installation whose commands can be run, as whoever runs it runs them."""

    settings: Settings

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_program(
            "-m", "lifecycle.cli", *arguments, environment={**self._environment(), **environment}
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that is left to run."""
        return subprocess.Popen(
            [sys.executable, "-m", "lifecycle.cli", *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        assert settings.evidence_key
        told = {
            **environment_of(settings),
            "DATABASE_OWNER_URL": settings.database_owner_url or "",
            "DATABASE_READER_URL": settings.database_reader_url or "",
            "EVIDENCE_KEY": base64.urlsafe_b64encode(settings.evidence_key).decode(),
            "LIFECYCLE_DATA": str(settings.data_dir),
        }
        return {**os.environ, **told}

    def done(self, *arguments: str, **environment: str) -> str:
        """What a command says that must succeed."""
        ended = self.run(*arguments, **environment)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def refused(self, *arguments: str, **environment: str) -> str:
        """The one sentence of a command that must be refused."""
        ended = self.run(*arguments, **environment)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
        return ended.stderr.strip()

    def back_up(self, file: Path) -> None:
        """Take a backup in this process, which is quicker than the command."""
        back_up(file, self.settings.database_owner_url or "", self.settings.secret_key)

    def restore(self, file: Path, *, replace_all: bool = False) -> None:
        """Restore a backup in this process."""
        restore(file, self.settings, replace_all=replace_all)

    @contextmanager
    def app(self) -> Iterator[Flask]:
        app = create_app(self.settings)
        try:
            yield app
        finally:
            close_connections(app)
            app.extensions["redis"].close()


@contextmanager
def empty_place(services: Addresses, settings: Settings, data: Path) -> Iterator[Place]:
    """A database that nobody has prepared, with a data folder of its own; it is gone afterwards."""
    # Another test process has its own at the same time, on the same server.
    name = f"lifecycle_{uuid.uuid4().hex[:12]}"
    database = sql.Identifier(name)
    with psycopg.connect(services.superuser, autocommit=True) as server:
        owner = sql.Identifier(role_of(services.owner))
        server.execute(sql.SQL("create database {} owner {} template template0").format(database, owner))
    with psycopg.connect(with_database(services.superuser, name), autocommit=True) as superuser:
        for extension in EXTENSIONS:
            superuser.execute(sql.SQL("create extension {}").format(sql.Identifier(extension)))
    data.mkdir(exist_ok=True)
    yield Place(
        replace(
            settings,
            database_url=with_database(services.app, name),
            database_owner_url=with_database(services.owner, name),
            database_reader_url=with_database(services.reader, name),
            data_dir=data,
        )
    )
    with psycopg.connect(services.superuser, autocommit=True) as server:
        server.execute(sql.SQL("drop database {} with (force)").format(database))
