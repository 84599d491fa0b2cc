"""P14: a backup taken while cards move is whole, and what is restored from it keeps every promise."""

from __future__ import annotations

import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from alembic import command
from flask import Flask

from lifecycle.backup import archive
from lifecycle.config import Settings, sqlalchemy_url
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.automation.perform import perform_due
from lifecycle.governance.automation.timed import set_off_timed_rules
from lifecycle.governance.reminders.fire import fire_due
from lifecycle.migrations import NEWEST
from lifecycle.prepare import alembic_config
from lifecycle.records.evidence.heads import FILE, sign_heads
from lifecycle.records.files.store import keep_file, read_file
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.deliver import count_due, deliver_due
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.sealed import placeholder
from lifecycle.records.reminders.models import Reminder
from tests.backup.places import Place, empty_place
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, attach, fill, moved, rows
from tests.factories.clients import FILES, a_contact, request_of
from tests.factories.clients import STAGES as GATES
from tests.factories.consequences import firings, follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.installation import Addresses, SmtpSink
from tests.mail import received
from tests.records.outbox.deliverer import owe, wait_until

pytestmark = pytest.mark.slow

HELLO = "subject: '{{ card.title }} moved'\ntext: |\n  It moved.\n"
STAGES = """
first: {}
second:
  sla: 2 business days
  notify: [ { departments: [office], message: hello } ]
  on_enter: [ { task: { title: Weigh it, due: 1 business day } } ]
third: {}
"""


@pytest.fixture
def source(settings: Settings, services: Addresses, tmp_path: Path) -> Place:
    """The installation that works, with a data folder of its own."""
    folder = tmp_path / "source"
    folder.mkdir()
    return Place(replace(settings, data_dir=folder))


@pytest.fixture
def target(settings: Settings, services: Addresses, tmp_path: Path) -> Iterator[Place]:
    with empty_place(services, settings, tmp_path / "target") as place:
        yield place


@pytest.fixture
def ana(source: Place, services: Addresses) -> Person:
    with source.app() as app:
        publish_lab(app, STAGES, files={"messages/hello.yaml": HELLO})
        make_user(app, name="Ola", departments=["office"])
        return make_user(app, name="Ana", departments=["bench"])


class Load:
    """Threads that make cards and move them, until told to stop."""

    def __init__(self, app: Flask, by: Person) -> None:
        self._app, self._by = app, by
        self._stop = threading.Event()
        self.moves = 0
        self.errors: list[Exception] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                card = a_card(self._app, self._by)
                moved(self._app, card, "second", self._by)
                self.moves += 1
        except Exception as error:  # noqa: BLE001 - told by the test
            self.errors.append(error)


def row_counts(place: Place) -> dict[str, int]:
    assert place.settings.database_owner_url
    with psycopg.connect(place.settings.database_owner_url) as owner:
        tables = owner.execute(
            "select tablename from pg_tables where schemaname = 'public' order by 1"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            row = owner.execute(f'select count(*) from "{table}"').fetchone()
            assert row
            counts[table] = row[0]
        return counts


def test_a_backup_taken_while_cards_move_is_restored_and_sends_nothing_old(
    source: Place, target: Place, ana: Person, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    file = tmp_path / "backup.zip"
    with source.app() as app:
        with time_machine.travel(now() - timedelta(days=10)):
            late = a_card(app, ana)
            moved(app, late, "second", ana)
        with app.app_context(), transaction():
            kept = keep_file("notes.txt", b"what was said", ana.actor).id
        attach(app, late, ana, "photo", kind="file", file_id=kept)
        with time_machine.travel(now() - timedelta(days=10)), app.app_context():
            perform_due()  # Its rule has written a message, which waits for the end of the undo window.
        owe(app)
        with app.app_context():
            sign_heads()
        with Load(app, ana) as load:
            while load.moves < 5 and not load.errors:
                pass
            before = load.moves
            said = source.done("backup", str(file))
            during = load.moves - before
    assert load.errors == []
    assert during > 0, "no card moved while the backup was taken"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert archive.digest_of(file) in said

    said = target.done("restore", str(file))
    manifest = archive.check(file)
    counts = row_counts(target)
    # One entry of evidence is the restore's own.
    assert {name: counts[name] for name in manifest.rows} == manifest.rows | {
        "events": manifest.rows["events"] + 1
    }
    assert manifest.rows["cards"] >= 6
    assert manifest.rows["files"] == 1
    books = target.done("books")
    assert "The books are clean." in books
    assert re.match(r"Sound: \d+ chains", target.done("evidence", "verify"))

    with target.app() as app, app.app_context():
        assert read_file(kept)[1] == b"what was said"
        assert count_due() == 0
        with time_machine.travel(now() + timedelta(hours=1)):
            assert deliver_due() == (0, False)
            assert perform_due()[0] == 0
            assert fire_due()[0] == 0
        states = set(db.session.scalars(sa.select(OutboxMessage.state)))
        reasons = set(db.session.scalars(sa.select(OutboxMessage.last_error)))
    assert states == {"unconfirmed"}
    assert len(reasons) == 1
    assert str(reasons.pop()).startswith("Restored from a backup of ")
    assert smtp_sink.received == []
    for words in ("messages that had not left", "due: try again", "due: skipped"):
        assert words in said

    with target.app() as app:
        caller = Caller(app, ana)
        page = caller.get("/messages?state=unconfirmed").text
        assert "Restored from a backup of" in page
        with app.app_context():
            message = db.session.scalars(
                sa.select(OutboxMessage).where(OutboxMessage.card_id == late.id)
            ).one()
        assert caller.post(f"/messages/{message.id}/resends").status_code < 400
        with app.app_context():
            assert deliver_due()[0] == 1
    assert [mail["Subject"] for mail in received(smtp_sink)] == [f"{late.title} moved"]


def test_the_restored_database_refuses_what_the_old_one_did(
    source: Place, target: Place, ana: Person, tmp_path: Path
) -> None:
    file = tmp_path / "backup.zip"
    with source.app() as app:
        card = a_card(app, ana)
    source.back_up(file)
    target.restore(file)
    with psycopg.connect(target.settings.database_url, autocommit=True) as app_role:
        for statement in (
            "delete from events",
            "update events set kind = 'x'",
            "delete from cards",
            "drop table cards",
            "alter table events disable trigger all",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app_role.execute(statement)
        with pytest.raises(psycopg.errors.IntegrityError, match="its stage is not that of its open visit"):
            app_role.execute("update cards set stage_id = (select max(id) from stages)")
    assert target.settings.database_owner_url
    with (
        psycopg.connect(target.settings.database_owner_url) as owner,
        pytest.raises(psycopg.errors.IntegrityError, match="append-only"),
    ):
        owner.execute("delete from events")
    assert target.settings.database_reader_url
    with psycopg.connect(target.settings.database_reader_url) as reader:
        assert reader.execute("select id from cards").fetchall() == [(card.id,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select * from outbox_messages")


@pytest.fixture
def backup(source: Place, ana: Person, tmp_path: Path) -> Path:
    file = tmp_path / "backup.zip"
    with source.app() as app:
        a_card(app, ana)
        owe(app)
    source.back_up(file)
    return file


def rewritten(file: Path, **changes: object) -> Path:
    """The same backup with another manifest, or another dump, whole in itself."""
    manifest = archive.check(file)
    dump = changes.pop("dump", None)
    blocks = [dump] if isinstance(dump, bytes) else archive.read_dump(file)
    made = file.with_name("rewritten.zip")
    made.unlink(missing_ok=True)

    def write(into: object) -> None:
        for block in blocks:
            into.write(block)  # type: ignore[attr-defined]

    archive.write(made, replace(manifest, parts={}, **changes), write)  # type: ignore[arg-type]
    return made


def test_a_file_that_is_damaged_foreign_or_too_new_is_one_sentence_and_nothing_is_touched(
    backup: Path, target: Place, tmp_path: Path
) -> None:
    whole = backup.read_bytes()
    middle = len(whole) // 2
    spoilt = tmp_path / "spoilt.zip"
    for content, word in (
        (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], "damaged"),
        (whole[:-100], "damaged"),
        (whole[:middle], "damaged"),
        (b"", "damaged"),
        (b"PK\x03\x04 but not really", "damaged"),
        (b"name,account\nFibre,Nordwind\n", "no backup"),
    ):
        spoilt.write_bytes(content)
        with pytest.raises(archive.Unusable, match=word):
            archive.check(spoilt)
    assert "no backup of Lifecycle" in target.refused("restore", str(spoilt))
    assert "no backup of Lifecycle" in target.refused("restore", "--check", str(spoilt))
    assert "cannot be read: No such file" in target.refused("restore", str(tmp_path / "nowhere"))
    newer = target.refused("restore", str(rewritten(backup, migration="9999")))
    assert "has the schema 9999" in newer
    assert "PostgreSQL 99" in target.refused("restore", str(rewritten(backup, postgresql=990001)))
    assert row_counts(target) == {}


def test_a_restore_that_fails_halfway_leaves_the_database_as_it_was(
    backup: Path, target: Place, ana: Person
) -> None:
    target.restore(backup)
    before = row_counts(target)
    dump = b"".join(archive.read_dump(backup))
    for broken in (b"this is no dump", dump[: len(dump) // 2]):
        said = target.refused("restore", "--replace", str(rewritten(backup, dump=broken)))
        assert said.startswith("Nothing was restored"), said
        assert row_counts(target) == before


def test_a_restore_that_is_killed_has_done_all_or_nothing(
    backup: Path, target: Place, ana: Person, services: Addresses
) -> None:
    target.restore(backup)
    with target.app() as app:
        a_card(app, ana)
    before = row_counts(target)
    restored = before["cards"] - 1
    killed = 0
    for seconds in (0.0, 0.05, 0.1, 0.2, 0.5):
        process = target.start("restore", "--replace", str(backup))
        # From its first connection on it takes about half a second.
        wait_until(lambda: connected(services, target) > 0, 60)
        time.sleep(seconds)
        killed += process.poll() is None
        process.kill()
        process.communicate()
        wait_until(lambda: not connected(services, target), 20)
        after = row_counts(target)
        # One card was made after the backup; with it, nothing has happened, and without it, all of it has.
        assert after == before or after["cards"] == restored
        assert unsettled(target) == 0 or after == before
        before = after
    assert killed >= 4
    # Whatever it left behind, the next one works.
    target.restore(backup, replace_all=True)
    assert "The books are clean." in target.done("books")


def connected(services: Addresses, place: Place) -> int:
    """How many are connected to a place's database, seen from another one so as not to be among them."""
    name = psycopg.conninfo.conninfo_to_dict(place.settings.database_url)["dbname"]
    with psycopg.connect(services.superuser) as server:
        row = server.execute("select count(*) from pg_stat_activity where datname = %s", [name]).fetchone()
        assert row
        return int(row[0])


def unsettled(place: Place) -> int:
    """How many messages would be sent."""
    with psycopg.connect(place.settings.database_owner_url or "") as owner:
        row = owner.execute(
            "select count(*) from outbox_messages where state in ('held', 'due', 'claimed', 'handing_over')"
        ).fetchone()
        assert row
        return int(row[0])


def test_a_database_that_holds_something_is_replaced_only_when_told(
    backup: Path, target: Place, ana: Person
) -> None:
    target.restore(backup)
    assert "not empty" in target.refused("restore", str(backup))
    with target.app() as app:
        a_card(app, ana, title="Made after the backup")
        assert "in use" in target.refused("restore", "--replace", str(backup))
    with psycopg.connect(target.settings.database_owner_url or "", autocommit=True) as owner:
        owner.execute("create table from_elsewhere (id bigint generated always as identity, at date)")
        owner.execute("create view seen as select title from cards")
    counts = row_counts(target)
    target.restore(backup, replace_all=True)
    after = row_counts(target)
    assert after["cards"] == counts["cards"] - 1
    assert "from_elsewhere" not in after
    assert "The books are clean." in target.done("books")


def test_what_fell_due_between_the_backup_and_its_restore_is_told_and_not_done(
    source: Place, target: Place, services: Addresses, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Two months pass: a client was reminded and their request has expired, a date's rule was performed."""
    file, clock = tmp_path / "backup.zip", tmp_path / "clock"
    gap = timedelta(days=66)
    with source.app() as app:
        soon = "soon: { at: 1 day before ready_on, do: [ { task: { title: Get it ready, due: 1 day } } ] }"
        publish_lab(app, GATES, files={**FILES, "rules.yaml": f"rules:\n  {soon}\n"})
        ana = make_user(app, name="Ana", role="manager", departments=["bench", "office"])
        card = a_card(app, ana)
        a_contact(app, card.account, rights=["signatory"])
        fill(app, card, ana, ready_on=f"{now() + gap:%Y-%m-%d}")
        moved(app, card, "terms", ana)
        follow_through(app)
        sent = len(smtp_sink.received)
        assert sent > 0
    source.back_up(file)
    clock.write_text(str(gap.total_seconds()))
    said = target.done("restore", str(file), LIFECYCLE_CLOCK=str(clock))
    assert "1 rule that was due: try again" in said
    assert "reminders that were due: skipped" in said
    with target.app() as app, time_machine.travel(now() + gap + timedelta(minutes=1)):
        assert request_of(app, card, "terms")["status"] == "expired"
        [firing] = firings(app)
        assert (firing.rule_key, firing.state) == ("soon", "failed")
        assert str(firing.last_error).startswith("Restored from a backup of ")
        due = {(row["state"], row["step"]) for row in rows(app, Reminder) if row["due_at"] <= now()}
        assert ("fired", "expire") in due
        assert {state for state, step in due if step != "expire"} == {"skipped"}
        with app.app_context():
            assert set_off_timed_rules() == 0
            assert (perform_due()[0], fire_due()[0], deliver_due()[0]) == (0, 0, 0)
    assert len(smtp_sink.received) == sent


def test_heads_signed_after_the_backup_are_kept_aside_and_signing_goes_on(
    source: Place, target: Place, ana: Person, tmp_path: Path
) -> None:
    first, file = tmp_path / "first.zip", target.settings.data_dir / FILE
    with source.app() as app, app.app_context():
        sign_heads()
    source.back_up(first)
    target.restore(first)
    target.done("evidence", "head")
    assert len(file.read_text().splitlines()) == 2
    newer = file.read_text()
    said = target.done("restore", "--replace", str(first))
    [aside] = target.settings.data_dir.glob("evidence-heads-before-restore-*.jsonl")
    assert str(aside) in said
    assert aside.read_text() == newer
    assert target.done("evidence", "verify").startswith("Sound")
    target.done("evidence", "head")
    assert target.done("evidence", "verify").startswith("Sound")
    # What was signed then, and is gone, stays provable.
    lost = target.run("evidence", "verify", "--heads", str(aside))
    assert lost.returncode == 1
    assert "system" in lost.stdout


def test_under_another_key_links_in_mail_are_gone_rather_than_wrong(
    source: Place, target: Place, ana: Person, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    file = tmp_path / "backup.zip"
    with source.app() as app:
        card = a_card(app, ana)
        with app.app_context(), transaction():
            place = placeholder(f"client_links/{card.id}", card.id)
            send_message(
                "test",
                to_address="client@demo.example",
                to_name=None,
                subject="Your link",
                text=f"Open {place} please.\n",
                html=f"<p>Open {place} please.</p>",
                sms=f"Open {place}",
                card_id=card.id,
            )
    source.back_up(file)
    key = secrets.token_urlsafe(32)
    assert "another SECRET_KEY" in target.refused("restore", str(file), SECRET_KEY=key)
    assert row_counts(target) == {}
    target.done("restore", "--other-key", str(file), SECRET_KEY=key)
    with psycopg.connect(target.settings.database_owner_url or "") as owner:
        [bodies] = owner.execute("select text_body, html_body, sms_text from outbox_messages").fetchall()
    for body in bodies:
        assert "token" not in body
        assert "this link is gone" in body


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    source: Place, target: Place, services: Addresses, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "old.zip"
    with empty_place(services, settings, tmp_path / "old") as old:
        engine = sa.create_engine(
            sqlalchemy_url(old.settings.database_owner_url or ""), poolclass=sa.NullPool
        )
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0008")
        old.back_up(file)
    assert archive.check(file).migration == "0008"
    target.restore(file)
    with psycopg.connect(target.settings.database_url) as app_role:
        assert app_role.execute("select version_num from alembic_version").fetchone() == (NEWEST,)


def test_a_backup_never_replaces_a_file_and_a_broken_one_leaves_none(
    source: Place, target: Place, ana: Person, tmp_path: Path
) -> None:
    file = tmp_path / "backup.zip"
    file.write_text("an earlier one")
    assert "exists already" in source.refused("backup", str(file))
    assert file.read_text() == "an earlier one"
    assert "never prepared" in target.refused("backup", str(tmp_path / "other.zip"))
    assert "cannot be written" in source.refused("backup", str(tmp_path / "nowhere" / "b.zip"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["backup.zip"]


def test_what_a_backup_holds_can_be_asked_without_restoring_it(backup: Path, target: Place) -> None:
    assert target.done("restore", "--check", str(backup)).startswith("Whole: 1 account, 1 card, ")
    assert row_counts(target) == {}
