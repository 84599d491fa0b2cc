"""How a request that only reads ends: keeping what the driver has prepared, and nothing uncommitted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.insight.boards.queries import faces
from lifecycle.insight.boards.view import FaceRow
from lifecycle.records.accounts.models import Account
from tests.factories.cards import rows


@pytest.fixture
def ends(app: Flask) -> Iterator[list[str]]:
    """How the transactions end that are begun meanwhile."""
    told: list[str] = []
    with app.app_context():
        engine = db.engine
    listeners = [(name, lambda _, name=name: told.append(name)) for name in ("commit", "rollback")]
    for name, listener in listeners:
        sa.event.listen(engine, name, listener)
    yield told
    for name, listener in listeners:
        sa.event.remove(engine, name, listener)


def test_p5_reading_ends_without_a_rollback_which_would_forget_prepared_statements(
    app: Flask, ends: list[str]
) -> None:
    with app.app_context():
        db.session.scalar(sa.select(sa.func.count(Account.id)))
    assert ends == ["commit"]


def test_what_was_changed_outside_a_transaction_is_not_committed(app: Flask, ends: list[str]) -> None:
    with app.app_context():
        db.session.scalar(sa.select(sa.func.count(Account.id)))
        db.session.add(Account(name="Nobody meant this"))
    assert "commit" not in ends
    assert rows(app, Account) == []


def test_what_a_statement_changed_outside_a_transaction_is_not_committed_either(
    app: Flask, ends: list[str]
) -> None:
    with app.app_context():
        db.session.execute(sa.insert(Account).values(name="Nobody meant this"))
    assert ends == ["rollback"]
    assert rows(app, Account) == []


def test_what_failed_is_rolled_back(app: Flask, ends: list[str]) -> None:
    with pytest.raises(sa.exc.DataError), app.app_context():
        db.session.scalar(sa.select(sa.literal(1) / 0))
    assert ends == ["rollback"]


def test_faces_are_selected_in_the_order_in_which_they_are_read(app: Flask) -> None:
    with app.app_context():
        assert tuple(column.key for column in faces().selected_columns) == FaceRow._fields
