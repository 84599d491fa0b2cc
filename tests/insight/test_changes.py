"""E24: a browser is told of every change once, in whatever order they are committed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import Connection

from lifecycle.core.db import db
from lifecycle.insight.boards.changes import Change, ChangeReader

INSERT = sa.text("insert into board_changes (pipeline_id, card_id) values (:pipeline, :card)")
Poll = Callable[[], list[uuid.UUID]]


@pytest.fixture
def readers(app: Flask) -> list[ChangeReader]:
    """Two processes, as far as they know."""
    with app.app_context():
        return [ChangeReader(db.engine), ChangeReader(db.engine)]


@pytest.fixture
def connections(app: Flask) -> Iterator[list[Connection]]:
    with app.app_context():
        opened = [db.engine.connect() for _ in range(2)]
    yield opened
    for connection in opened:
        connection.close()


def _polling(readers: list[ChangeReader], pipeline: int) -> Poll:
    """A browser that opens the board now and asks whichever process comes, for a second each time."""
    cursor = readers[0].cursor(pipeline)

    def poll() -> list[uuid.UUID]:
        nonlocal cursor
        told: list[Change] = []
        for turn in range(8):
            time.sleep(0.13)
            reader = readers[turn % 2]
            assert not reader.is_too_old(cursor)
            changes, cursor = reader.since(cursor)
            told += changes
        return [change.card_id for change in told]

    return poll


def _write(connection: Connection, pipeline: int = 1) -> uuid.UUID:
    card = uuid.uuid4()
    connection.execute(INSERT, {"pipeline": pipeline, "card": card})
    return card


def test_e24_a_change_that_is_committed_late_is_told_once_and_nothing_again(
    readers: list[ChangeReader], connections: list[Connection]
) -> None:
    slow, quick = connections
    late = _write(slow)
    poll = _polling(readers, 1)
    assert poll() == []
    early = _write(quick)
    quick.commit()
    assert poll() == [early]
    slow.commit()
    assert poll() == [late]
    assert poll() == []


def test_e24_what_was_taken_back_and_what_is_of_another_board_is_not_told(
    readers: list[ChangeReader], connections: list[Connection]
) -> None:
    poll = _polling(readers, 1)
    _write(connections[0])
    connections[0].rollback()
    _write(connections[1], pipeline=2)
    connections[1].commit()
    assert poll() == []


def test_e24_a_cursor_of_another_database_or_of_none_has_the_board_opened_anew(
    readers: list[ChangeReader],
) -> None:
    reader = readers[0]
    pipeline, at, snapshot = reader.cursor(1).split("/")
    xmin, xmax, _ = snapshot.split(":")
    assert not reader.is_too_old(f"{pipeline}/{at}/{snapshot}")
    further = f"{int(xmin) + 10**6}:{int(xmax) + 10**6}:"
    for cursor in (
        f"{pipeline}/{float(at) - 60:.3f}/{further}",
        f"{pipeline}/{float(at) - 1000:.3f}/{snapshot}",
        f"{pipeline}/{float(at) + 1000:.3f}/{snapshot}",
        f"{pipeline}/{at}/1:2:x",
        f"{pipeline}/nan/{snapshot}",
        "1/1.0/0",
        "",
    ):
        assert reader.is_too_old(cursor), cursor
