"""What happened cannot be unmade, even by plain SQL as the application's role (E6, E16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import errors

from tests.factories.cards import KnownCard, a_card, card_row, move, moved
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab


@dataclass(frozen=True)
class History:
    """A card that moved once and was refused once."""

    card: KnownCard
    event: Any
    finished_visit: int
    open_visit: int
    passed_report: int
    revision: int
    third_stage: int


@pytest.fixture
def history(app: Flask, services) -> History:
    publish_lab(app, "first: {}\nsecond: { leave: [ { field: colour } ] }\nthird: {}")
    ana = make_user(app, role="member", name="Ana", departments=["bench"])
    card = a_card(app, ana)
    moved(app, card, "second", ana)
    move(app, card, "third", ana)
    with psycopg.connect(services.app) as connection:

        def one(question: str) -> Any:
            row = connection.execute(question).fetchone()
            assert row is not None, question
            return row[0]

        return History(
            card,
            one("select id from events where card_id is not null order by seq limit 1"),
            one("select id from stage_visits where left_at is not null"),
            one("select id from stage_visits where left_at is null"),
            one("select id from gate_reports where outcome = 'passed'"),
            one("select id from playbook_revisions limit 1"),
            one("select id from stages where key = 'third'"),
        )


@pytest.fixture
def plain(services) -> Iterator[psycopg.Connection]:
    """Plain SQL as the application's role, with everything committed that the database lets pass."""
    with psycopg.connect(services.app, autocommit=True) as connection:
        yield connection


REFUSED = (errors.InsufficientPrivilege, psycopg.IntegrityError)


FORBIDDEN = (
    "update events set kind = 'nothing.happened' where id = %(event)s",
    "update events set seq = seq + 100",
    "delete from events where id = %(event)s",
    "delete from events",
    "truncate events",
    "truncate events cascade",
    "update gate_reports set outcome = 'passed'",
    "delete from gate_reports where id = %(passed_report)s",
    "truncate gate_reports cascade",
    "update playbook_revisions set content = '{}' where id = %(revision)s",
    "delete from playbook_revisions",
    "update stage_visits set left_at = now() where id = %(finished_visit)s",
    "update stage_visits set left_at = null where id = %(finished_visit)s",
    "update stage_visits set sla_due_at = now() where id = %(finished_visit)s",
    "update stage_visits set stage_id = %(third_stage)s where id = %(open_visit)s",
    "update stage_visits set entered_at = now() - interval '1 year' where id = %(open_visit)s",
    "update stage_visits set entered_by = null where id = %(open_visit)s",
    "delete from stage_visits where id = %(open_visit)s",
    "delete from stage_visits where id = %(finished_visit)s",
    "truncate stage_visits cascade",
    "update stage_visits set left_at = now() where id = %(open_visit)s",
    "update cards set stage_id = %(third_stage)s where id = %(card)s",
    "update cards set stage_id = %(third_stage)s, visit_id = %(finished_visit)s where id = %(card)s",
    "update cards set visit_id = %(finished_visit)s where id = %(card)s",
    "delete from cards where id = %(card)s",
    "truncate cards cascade",
    "delete from evidence_chains",
    "delete from accounts",
    "delete from users",
    "update files set name = 'another.pdf'",
    "update file_contents set place = 's3', key = 'forged'",
    "delete from file_contents",
    "update file_chunks set content = 'forged'",
    "delete from file_chunks",
    "update cards set import_id = 1 where id = %(card)s",
)


def _is_refused(plain: psycopg.Connection, statement: str, values: dict[str, Any] | None = None) -> bool:
    try:
        plain.execute(statement, values)
    except REFUSED:
        return True
    return False


def test_plain_sql_is_refused(history: History, plain: psycopg.Connection) -> None:
    values = {**vars(history), "card": history.card.id}
    for statement in FORBIDDEN:
        assert _is_refused(plain, statement, values), f"The database took: {statement}"


def test_a_visit_without_a_passed_gate_is_refused(app, history, plain):
    """Finishing the open visit and opening the next one by hand needs a report that says the gate passed."""
    for report in (
        "null",
        str(history.passed_report),
        "(select id from gate_reports where outcome = 'blocked')",
    ):
        with pytest.raises(REFUSED), plain.transaction():
            _jump(plain, history, report)
    assert card_row(app, history.card)["visit_id"] == history.open_visit


def test_a_move_cannot_be_passed_off_as_an_undo_or_an_import(app, history, plain):
    """Both need no gate report, so each is held to what it is for."""
    other = a_card(app, make_user(app))
    for entrance in (
        {"continues": str(history.finished_visit)},
        {"continues": str(history.open_visit)},
        {"continues": str(other.visit)},
        {"imported": "true"},
    ):
        with pytest.raises(REFUSED), plain.transaction():
            _jump(plain, history, "null", **entrance)
    assert card_row(app, history.card)["visit_id"] == history.open_visit


def _jump(
    plain: psycopg.Connection, history: History, report: str, continues: str = "null", imported: str = "false"
) -> None:
    at = plain.execute("select clock_timestamp()").fetchone()
    assert at is not None
    plain.execute("update stage_visits set left_at = %s where id = %s", (at[0], history.open_visit))
    visit = plain.execute(
        "insert into stage_visits (card_id, number, stage_id, revision_id, owner_id, department_key, "
        "entered_at, entered_channel, entered_by_edge, answers, is_imported, gate_report_id, "
        "continues_visit_id) "
        "select card_id, number + 1, %s, revision_id, owner_id, department_key, %s, 'sql', 'forward', '{}', "
        f"{imported}, {report}, {continues} from stage_visits where id = %s returning id",
        (history.third_stage, at[0], history.open_visit),
    ).fetchone()
    assert visit is not None
    plain.execute(
        "update cards set stage_id = %s, visit_id = %s where id = %s",
        (history.third_stage, visit[0], history.card.id),
    )


GUARDS = (
    "alter table events disable trigger all",
    "alter table events disable trigger append_only",
    "alter table stage_visits disable trigger user",
    "alter table cards disable trigger user",
    "alter table events drop constraint ck_events_hash_of_canonical",
    "drop trigger append_only on events",
    "drop table events cascade",
    "create or replace function lifecycle_refuse_change() returns trigger language sql as ''",
    "set session_replication_role = replica",
    "alter role current_user superuser",
    "create table public.events_of_mine ()",
)


def test_the_guards_cannot_be_taken_down(plain: psycopg.Connection) -> None:
    for statement in GUARDS:
        assert _is_refused(plain, statement), f"The database took: {statement}"


def test_a_grant_to_oneself_grants_nothing(history, plain, services):
    """GRANT by somebody without the right only warns; what matters is that the update stays refused."""
    plain.execute("grant all on events to current_user")
    assert _is_refused(plain, "update events set kind = 'x'")


def test_the_reader_only_reads(history, services):
    with psycopg.connect(services.reader, autocommit=True) as reader:
        assert reader.execute("select count(*) from events").fetchone() != (0,)
        for statement in ("update cards set title = 'x'", "insert into departments values ('x', 'x')"):
            assert _is_refused(reader, statement)
