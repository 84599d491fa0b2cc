"""Putting a backup into a database: all of it in one transaction, or nothing.

What was due is settled in that same transaction (`settle.py`), and the roles that work get their rights last,
so nobody can find the restored rows before they are safe to find.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg

from lifecycle.app import create_app
from lifecycle.backup import archive, programs, settle
from lifecycle.backup.archive import Manifest, Unusable
from lifecycle.backup.dump import count_rows
from lifecycle.config import Settings, SettingsRefused
from lifecycle.core import clock
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Refusal
from lifecycle.core.locks import AdvisoryLock
from lifecycle.governance.automation.timed import set_off_timed_rules
from lifecycle.governance.reminders.fire import fire_due
from lifecycle.migrations import NEWEST
from lifecycle.prepare import migrate, role_of, upgrade
from lifecycle.records.evidence.heads import heads_file, kept_heads, read_heads
from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import SYSTEM

RESTORED: Final = "system.restored"

# Everything of ours in the schema, and nothing that belongs to an extension. All commands are written before
# the first is run: what a cascade has taken along has no name any more.
_EMPTY: Final = """
do $$ declare commands text[]; command text; begin
  select array_agg(format('drop %s if exists %s cascade',
      case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
          else 'table' end, c.oid::regclass)) into commands
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
      and d.objid = c.oid and d.deptype in ('e', 'a', 'i'));
  foreach command in array coalesce(commands, '{}') loop execute command; end loop;
  select array_agg(format('drop routine if exists %s cascade', p.oid::regprocedure)) into commands
  from pg_proc p where p.pronamespace = 'public'::regnamespace
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass
      and d.objid = p.oid and d.deptype = 'e');
  foreach command in array coalesce(commands, '{}') loop execute command; end loop;
end $$;
"""
_NEW_IN_17: Final = b"SET transaction_timeout = 0;\n"
_HEADER: Final = 4096
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Restored:
    """What a restore did: counts as the manifest promises them, and what was settled, by kind."""

    manifest: Manifest
    rows: dict[str, int]
    settled: dict[str, int]
    heads_moved_to: Path | None


def restore(
    file: Path, settings: Settings, *, replace_all: bool = False, other_key: bool = False
) -> Restored:
    """Restore a backup into the database of `settings`, whose owner must be known.

    Args:
        replace_all: drop what the database holds; else a database that holds anything is refused.
        other_key: restore a backup that was made under another SECRET_KEY, and do without the links in mail.

    Raises:
        Unusable: the file is damaged, foreign, or of a newer version. Nothing was touched.
        Refusal, SettingsRefused: the database is not fit for it, or it failed. The database is as it was.
    """
    clock.set_by(settings.clock_file)
    manifest = archive.check(file)
    _refuse_unfit(manifest, settings, other_key=other_key)
    owner_url = settings.database_owner_url
    if owner_url is None:
        raise SettingsRefused("DATABASE_OWNER_URL is needed to restore: the address of the tables' owner.")
    try:
        with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as owner:
            version = owner.info.server_version
            if programs.major_of(manifest.postgresql) > programs.major_of(version):
                raise Refusal(
                    f"The backup is of PostgreSQL {programs.major_of(manifest.postgresql)}, and this server "
                    f"is {programs.major_of(version)}: restore it on one that is as new."
                )
            _refuse_company(owner)
            if not replace_all and _holds_anything(owner):
                raise Refusal("This database is not empty: restore into an empty one, or say --replace.")
            before = [_EMPTY] if replace_all else []
            links = [settle.without_links()] if other_key else []
            after = [each.as_string(owner) for each in (*settle.statements(manifest.made_at, now()), *links)]
        _run(file, owner_url, version, before, after)
    except psycopg.OperationalError as error:
        raise Refusal(f"The database cannot be reached: {str(error).strip()}") from None
    return _finish(file, manifest, replace(settings, database_url=owner_url), settings)


def _refuse_unfit(manifest: Manifest, settings: Settings, *, other_key: bool) -> None:
    if manifest.migration > NEWEST:
        raise Unusable(
            f"This backup has the schema {manifest.migration}, and this version knows those up to {NEWEST}: "
            "install the version that made it, or a newer one."
        )
    if manifest.secret_key != archive.key_mark(settings.secret_key) and not other_key:
        raise Refusal(
            "This backup was made under another SECRET_KEY: set that one (it is in the secrets.json of the "
            "old data folder), or say --other-key and do without the links in mail that was written then."
        )


def _refuse_company(owner: psycopg.Connection) -> None:
    row = owner.execute(
        "select count(*) from pg_stat_activity where datname = current_database() "
        # What kind of process it is, is not for every role to see; those of the server itself have no user.
        "and pid <> pg_backend_pid() and usename is not null"
    ).fetchone()
    if row and row[0]:
        raise Refusal(f"The database is in use by {row[0]} connections: stop the product first.")


def _holds_anything(owner: psycopg.Connection) -> bool:
    row = owner.execute(
        "select exists (select from pg_class c where c.relnamespace = 'public'::regnamespace "
        "and c.relkind in ('r', 'p') "
        "and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass "
        "and d.objid = c.oid and d.deptype = 'e'))"
    ).fetchone()
    return bool(row and row[0])


# --- the one transaction ---


def _run(file: Path, owner_url: str, version: int, before: Sequence[str], after: Sequence[str]) -> None:
    """Run the dump as a script of one transaction, with statements before and after it."""
    major = programs.major_of(version)
    psql, pg_restore = programs.find("psql", major), programs.find("pg_restore", major)
    with tempfile.TemporaryFile() as said_by_psql, tempfile.TemporaryFile() as said_by_restore:
        reading = subprocess.Popen(  # noqa: S603 - found by name
            [pg_restore, "--file=-", "--no-owner", "--no-privileges"],
            env=programs.environment_for(owner_url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said_by_restore,
        )
        writing = subprocess.Popen(  # noqa: S603 - found by name
            [psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"],
            env=programs.environment_for(owner_url),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said_by_psql,
        )
        feeder = threading.Thread(target=programs.feed, args=(reading, archive.read_dump(file)), daemon=True)
        feeder.start()
        try:
            programs.feed(writing, _script(reading, version, before, after))
            if writing.wait() or reading.poll():
                failed, said = (
                    ("psql", said_by_psql) if writing.returncode else ("pg_restore", said_by_restore)
                )
                raise programs.Failed(f"Nothing was restored: {failed} failed: {programs.last_words(said)}")
        finally:
            # Without its commit the transaction is undone by the server.
            for process in (writing, reading):
                process.kill()
                process.wait()
            feeder.join()
            assert reading.stdout
            reading.stdout.close()


def _script(
    reading: subprocess.Popen[bytes], version: int, before: Sequence[str], after: Sequence[str]
) -> Iterator[bytes]:
    """Yield the script; it ends without its commit when the dump could not be read to its end."""
    yield b"begin;\nset local client_min_messages = warning;\n"
    # Somebody who migrates or starts the product meanwhile waits.
    yield f"select pg_advisory_xact_lock({AdvisoryLock.MIGRATION:d});\n".encode()
    yield from _lines(before)
    assert reading.stdout
    header = reading.stdout.read(_HEADER)
    yield header if version >= 170_000 else header.replace(_NEW_IN_17, b"")
    while block := reading.stdout.read(_BLOCK):
        yield block
    if reading.wait():
        return
    yield b"\n"
    yield from _lines(after)
    yield b"commit;\n"


def _lines(statements: Iterable[str]) -> Iterator[bytes]:
    for statement in statements:
        yield statement.encode() + (b"" if statement.rstrip().endswith(";") else b";\n")


# --- afterwards, still before anybody else may look ---


def _finish(file: Path, manifest: Manifest, as_owner: Settings, settings: Settings) -> Restored:
    assert settings.database_owner_url is not None
    upgrade(settings.database_owner_url)
    app = create_app(as_owner)
    with app.app_context():
        try:
            # What else fell due until now is found here and settled, not by the scheduler: rules that waited
            # for a time, requests that expire, and what these set off.
            _settle(settings.database_owner_url, manifest)
            set_off_timed_rules()
            fire_due(for_seconds=3600)
            _settle(settings.database_owner_url, manifest)
            with psycopg.connect(settings.database_owner_url) as owner:
                rows = count_rows(owner)
                settled = _settled(owner, manifest.made_at)
            _record(file, manifest, settled)
            moved_to = _move_heads_aside(now())
        finally:
            db.session.remove()
            db.engine.dispose()
            app.extensions["redis"].close()
    reader = role_of(settings.database_reader_url or settings.database_url)
    migrate(settings.database_owner_url, role_of(settings.database_url), reader)
    return Restored(manifest, rows, settled, moved_to)


def _settle(owner_url: str, manifest: Manifest) -> None:
    with psycopg.connect(owner_url) as owner:
        for statement in settle.statements(manifest.made_at, now()):
            owner.execute(statement)


def _settled(owner: psycopg.Connection, backup_at: datetime) -> dict[str, int]:
    why = settle.reason(backup_at)
    found = owner.execute(
        "select 'messages', count(*) from outbox_messages "
        "where last_error = %(why)s and state = 'unconfirmed' union all "
        "select 'rules', count(*) from rule_firings where last_error = %(why)s and state = 'failed' "
        "union all select 'reminders', count(*) from reminders where outcome = %(why)s "
        "union all select 'imports', count(*) from card_imports where failure = %(why)s",
        {"why": why},
    )
    return {str(kind): int(count) for kind, count in found}


def _record(file: Path, manifest: Manifest, settled: dict[str, int]) -> None:
    """Put on record that what the log says of the time after the backup is not here any more."""
    data = {
        "backup_of": manifest.made_at,
        "sha256": archive.digest_of(file),
        "schema": manifest.migration,
        "settled": settled,
    }
    with transaction():
        record_event(RESTORED, chain="system", actor=SYSTEM, channel="command", data=data)


def _move_heads_aside(at: datetime) -> Path | None:
    """Keep signed heads that the backup does not know under another name, so that new ones can be signed.

    They stay the proof of what was signed after the backup, and is gone.
    """
    file = heads_file()
    kept = [head.as_line() for head in kept_heads()]
    try:
        written = [head.as_line() for head in read_heads(file.read_text(errors="replace").splitlines())]
    except FileNotFoundError:
        return None
    except Refusal:
        written = [""]
    if written == kept[: len(written)]:
        return None
    aside = file.with_name(f"{file.stem}-before-restore-{at:%Y%m%dT%H%M%SZ}{file.suffix}")
    file.rename(aside)
    return aside
