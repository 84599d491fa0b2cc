"""Rows of several tables that nobody reads back are written in one statement, or not at all."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import insert_soon, transaction, written_together
from lifecycle.records.cards.models import BoardChange
from lifecycle.records.reminders.models import Reminder
from tests.factories.cards import KnownCard, a_card, rows
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements

DUE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def card(app: Flask) -> KnownCard:
    publish_lab(app, "first: {}\nsecond: {}")
    return a_card(app, make_user(app))


def _reminder(card: KnownCard, step: str) -> dict[str, Any]:
    named = {"id": uuid.uuid4(), "card_id": card.id, "kind": "series", "subject": "series:1", "step": step}
    return {**named, "says": None, "due_at": DUE, "basis_at": DUE, "state": "pending"}


def _change(card: KnownCard) -> dict[str, Any]:
    return {"pipeline_id": 1, "card_id": card.id, "actor_id": None}


def _steps(app: Flask) -> list[str]:
    return sorted(row["step"] for row in rows(app, Reminder) if row["subject"] == "series:1")


def test_p5_rows_of_several_tables_are_one_statement_that_keeps_what_is_there(
    app: Flask, card: KnownCard
) -> None:
    changes = len(rows(app, BoardChange))
    with app.app_context(), transaction():
        insert_soon(Reminder, [_reminder(card, "first")])
    with app.app_context(), transaction(), statements(app) as sent:
        with written_together():
            insert_soon(Reminder, [_reminder(card, "first"), _reminder(card, "second")])
            insert_soon(BoardChange, [_change(card)])
            insert_soon(Reminder, [_reminder(card, "third")], "subject", "step", "due_at")
            assert sent == []
        assert len(sent) == 1
    assert _steps(app) == ["first", "second", "third"]
    assert len(rows(app, BoardChange)) == changes + 1


def test_nothing_is_written_of_what_fails(app: Flask, card: KnownCard) -> None:
    def fail() -> None:
        with transaction(), written_together():
            insert_soon(Reminder, [_reminder(card, "first")])
            raise RuntimeError("in between")

    with app.app_context(), pytest.raises(RuntimeError, match="in between"):
        fail()
    with app.app_context(), transaction(), written_together():
        pass
    assert _steps(app) == []


def test_it_needs_a_transaction_and_is_not_nested(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="open transaction"), written_together():
        pass
    nested = pytest.raises(RuntimeError, match="nested")
    with app.app_context(), nested, transaction(), written_together(), written_together():
        pass
