"""A pooled connection that has rested is asked whether it is still there, one in use just now is not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from lifecycle.config import Settings, sqlalchemy_url
from lifecycle.core import db
from lifecycle.core.db import check_rested
from tests.installation import Addresses

WHO = sa.text("select pg_backend_pid()")


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    """An engine with two connections, both in the pool."""
    made = sa.create_engine(sqlalchemy_url(settings.database_url), pool_size=2)
    check_rested(made)
    with made.connect() as one, made.connect() as other:
        one.execute(WHO)
        other.execute(WHO)
    yield made
    made.dispose()


def _cut_all(engine: sa.Engine, services: Addresses) -> None:
    with engine.connect() as one, engine.connect() as other:
        pids = [one.scalar(WHO), other.scalar(WHO)]
    with psycopg.connect(services.superuser, autocommit=True) as administrator:
        administrator.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) pid", (pids,))


def test_connections_that_were_cut_while_they_rested_are_replaced_unnoticed(
    engine: sa.Engine, services: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "A_MOMENT", 0.05)
    _cut_all(engine, services)
    time.sleep(0.1)
    with engine.connect() as one, engine.connect() as other:
        assert one.scalar(WHO) != other.scalar(WHO)


def test_one_that_was_cut_within_a_moment_fails_one_request_and_is_replaced_too(
    engine: sa.Engine, services: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "A_MOMENT", 60.0)
    _cut_all(engine, services)
    with pytest.raises(sa.exc.OperationalError), engine.connect() as one:
        one.execute(WHO)
    with engine.connect() as one, engine.connect() as other:
        assert one.scalar(WHO) != other.scalar(WHO)
