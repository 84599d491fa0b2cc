"""R1-R8, "the books": for each one a violation is planted behind every guard, and it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from click.testing import CliRunner
from flask import Flask

from lifecycle.cli import cli
from lifecycle.config import Settings, sqlalchemy_url
from lifecycle.core.clock import now
from lifecycle.insight.books.reading import GRACE, Page, owed_by_moves, read_books
from lifecycle.insight.books.statements import BOOKS
from lifecycle.records.reminders.models import Reminder
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import FILES, RULES, Client, a_contact
from tests.factories.consequences import follow_through, remind
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab
from tests.installation import Addresses, SmtpSink, environment_of
from tests.records.evidence.tampering import tampering

STAGES = """
first: {}
second:
  notify: [ { departments: [office], message: hello } ]
  sla: 2 hours
terms:
  client_gate: { asks: terms, to: signatory, due: 3 days, remind: [1 day before] }
  leave: [ { client: terms, waive: nobody } ]
order: { client_gate: { asks: order, due: 3 days } }
"""
HELLO = "subject: Hello\ntext: It moved.\n"

# What each book must see, by its name: statements of somebody who can switch every guard off.
PLANTS: dict[str, str] = {
    "a card stands in the stage of its open visit": """
        update cards set stage_id = (select min(id) from stages where id <> cards.stage_id)
        where id = (select id from cards order by id limit 1)
    """,
    "a card has one open visit": """
        drop index uq_stage_visits_open;
        update stage_visits set left_at = null where id = (select min(id) from stage_visits where number = 1
            and left_at is not null)
    """,
    "visits follow each other without a gap": """
        update stage_visits set entered_at = entered_at + interval '1 second'
        where id = (select max(id) from stage_visits where number > 1)
    """,
    "a move has its passed gate report, dated before it": """
        update gate_reports set at = at + interval '1 minute'
        where id = (select max(gate_report_id) from stage_visits)
    """,
    "a gate report lets through one move": """
        alter table stage_visits drop constraint uq_stage_visits_gate_report_id;
        update stage_visits set gate_report_id = (select min(gate_report_id) from stage_visits)
        where gate_report_id is not null
    """,
    "a way in without a gate is an undo or an import": """
        update stage_visits set is_imported = true, gate_report_id = null
        where id = (select max(id) from stage_visits where number > 1)
    """,
    "a stage's totals are those of its cards": """
        delete from stage_total_changes where id = (select min(id) from stage_total_changes)
    """,
    "what entered, was won and was lost is what the visits say": """
        delete from flow_changes where id = (select min(id) from flow_changes)
    """,
    "a gate that passed has its move": """
        update gate_reports set outcome = 'passed' where outcome = 'blocked';
        update stage_visits set gate_report_id = null, continues_visit_id = id where number = 2
    """,
    "a move is on record once": """
        delete from events where id = (select id from events where kind = 'card.stage.entered' limit 1)
    """,
    "a move sets off what its playbook says": "delete from rule_firings where rule_key like '%notify%'",
    "a rule that told somebody by mail has its message": """
        delete from outbox_messages where cause like 'firing/%'
    """,
    "a client who was asked was written to": "delete from outbox_messages where cause like 'request/%'",
    "a reminder that fired told somebody": "delete from notices where cause like 'reminder/%'",
    "what a client accepted is on record with its proof": """
        delete from events where kind = 'card.request.accepted'
    """,
    "a cause owes one message": """
        alter table outbox_messages drop constraint uq_outbox_messages_cause;
        update outbox_messages set cause = 'the same'
    """,
    "a message has a Message-ID of its own": """
        alter table outbox_messages drop constraint uq_outbox_messages_message_id;
        update outbox_messages set message_id = '<the-same@localhost>'
    """,
    "a cause tells a person once in the app": """
        alter table notices drop constraint uq_notices_cause;
        update notices set cause = 'the same'
    """,
    "a cause sets off a rule once": """
        alter table rule_firings drop constraint uq_rule_firings_card_id_rule_key_cause;
        insert into rule_firings
        select (jsonb_populate_record(f, jsonb_build_object('id', gen_random_uuid()))).* from rule_firings f
    """,
    "one reminder for a subject, step and due time": """
        alter table reminders drop constraint uq_reminders_subject_step_due_at;
        insert into reminders
        select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).* from reminders r
    """,
    "a client accepts a request once": """
        insert into events (id, chain_id, seq, at, kind, actor_id, account_id, card_id, canonical, hash)
        select gen_random_uuid(), chain_id, seq + 1000, at, kind, actor_id, account_id, card_id,
            canonical, hash from events where kind = 'card.request.accepted'
    """,
    "one open request to a client for each card and key": """
        drop index uq_client_requests_open;
        insert into client_requests
        select (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*
        from client_requests r where closed_at is null
    """,
    "a message is final, or younger than its next attempt": """
        update outbox_messages set state = 'handing_over', claimed_at = now() - interval '1 hour'
    """,
    "a message that was sent says when and how often it was tried": """
        update outbox_messages set sent_at = null where state = 'sent'
    """,
    "a rule that was set off is done, failed or not yet due": """
        update rule_firings set state = 'pending', next_attempt_at = now() - interval '1 hour'
    """,
    "a reminder is settled or not yet due": """
        update reminders set state = 'pending', due_at = due_at - interval '1 year'
    """,
    "an import that runs gives signs of life": """
        insert into card_imports (pipeline_id, file_name, reading, mapping, state, run_number, rows_total,
            rows_done, rows_refused, forecast, summary, created_at, seen_at)
        select min(id), 'x.csv', '{}', '{}', 'running', 1, 9,
            1, 0, '{}', '{}', now(), now() - interval '1 hour' from pipelines
    """,
}


@pytest.fixture
def story(app: Flask, smtp_sink: SmtpSink) -> KnownCard:
    """Cards that moved, were told of, reminded of and answered by a client, with nothing left to do."""
    files = {**FILES, "messages/hello.yaml": HELLO, "rules.yaml": RULES}
    publish_lab(app, STAGES, files=files)
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    make_user(app, name="Ola", departments=["office"])
    account = make_account(app, owner=ana)
    a_contact(app, account, rights=["signatory"])
    late, card = (a_card(app, ana, account=account, fields={"price": "120"}) for _ in range(2))
    for each in (late, card):
        moved(app, each, "second", ana)
    follow_through(app)
    with time_machine.travel(now() + timedelta(hours=3)):
        remind(app)
        moved(app, card, "terms", ana)
        follow_through(app)
        client = Client.of(app, card, "terms")
        client.open()
        client.accept()
        moved(app, card, "order", ana)
        follow_through(app)
    return card


@pytest.fixture
def guardless(services: Addresses, story: KnownCard) -> Iterator[sa.Connection]:
    """A connection whose triggers and foreign keys rest, and which takes everything back at the end."""
    engine = sa.create_engine(sqlalchemy_url(services.superuser), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("set session_replication_role = replica"))
        yield connection
        connection.rollback()


def read(app: Flask, connection: sa.Connection) -> dict[str, Page]:
    with app.app_context(), time_machine.travel(now() + timedelta(hours=3, minutes=10)):
        return {page.name: page for page in read_books(connection, list(owed_by_moves()))}


def test_the_books_of_a_sound_story_are_clean_and_each_sees_what_it_is_for(
    app: Flask, guardless: sa.Connection
) -> None:
    """One story for all books: it takes seconds to make, and each violation is taken back."""
    sound = read(app, guardless)
    assert {page.name: page.examples for page in sound.values() if page.broken} == {}
    # Nothing of this story was undone or imported; every other book has looked at something.
    idle = {"a way in without a gate is an undo or an import", "an import that runs gives signs of life"}
    assert {page.name for page in sound.values() if not page.looked_at} == idle
    blind = []
    for name, plant in PLANTS.items():
        with guardless.begin_nested() as planted:
            for statement in plant.split(";"):
                guardless.execute(sa.text(statement))
            page = read(app, guardless)[name]
            if not (page.broken and page.examples):
                blind.append(name)
            planted.rollback()
    assert blind == []


def test_a_violation_is_planted_for_every_book() -> None:
    assert set(PLANTS) == {book.name for book in BOOKS}


def test_the_command_tells_what_is_late_or_tampered_with_and_exits_with_1(
    app: Flask, story: KnownCard, settings: Settings, services: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **environment_of(settings),
        "DATABASE_OWNER_URL": settings.database_owner_url or "",
    }.items():
        monkeypatch.setenv(name, value)

    def told() -> Any:
        return CliRunner().invoke(cli, ["books"])

    clean = told()
    assert (clean.exit_code, clean.output.splitlines()[-1]) == (0, "The books are clean."), clean.output
    due_at = min(row["due_at"] for row in rows(app, Reminder, state="pending"))
    for lateness, code in ((GRACE - timedelta(minutes=1), 0), (GRACE + timedelta(minutes=1), 1)):
        with time_machine.travel(due_at + lateness):
            assert told().exit_code == code
    with tampering(services) as owner:
        owner.execute("update events set canonical = canonical || ' ' where seq = 1")
        owner.commit()
        tampered = told()
        owner.execute("update events set canonical = rtrim(canonical) where seq = 1")
    assert tampered.exit_code == 1
    assert "entry 1: its text was changed" in tampered.output
