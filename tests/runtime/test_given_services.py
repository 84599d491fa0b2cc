"""P1, E16: services that a person brings along are used only as far as they are safe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from lifecycle.config import OwnServices
from lifecycle.runtime.database import EXTENSIONS, prepare_given, with_login
from lifecycle.runtime.datafolder import DataFolder, Refused
from lifecycle.runtime.embedded import Embedded
from lifecycle.runtime.keyring import Keyring
from lifecycle.runtime.redis_safety import check_redis
from tests.installation import Addresses


@pytest.fixture
def humble(services: Addresses) -> Iterator[str]:
    """A database whose owner may make nothing but tables."""
    with psycopg.connect(services.superuser, autocommit=True) as server:
        server.execute("create role humble login password 'secret'")
        server.execute("create database humble owner humble")
        yield with_login(services.superuser, "humble", "secret", "humble")
        server.execute("drop database humble with (force)")
        for role in ("humble_app", "humble_reader", "humble"):
            server.execute(f"drop role if exists {role}")


def test_an_owner_who_may_not_make_roles_is_told_the_sql_and_it_works(
    humble: str, services: Addresses, tmp_path: Path
) -> None:
    keyring, own = Keyring(tmp_path), OwnServices(database_url=humble)
    with psycopg.connect(services.superuser, autocommit=True) as superuser:
        for _role in ("app", "reader"):
            with pytest.raises(Refused) as refused:
                prepare_given(own, keyring)
            statement = str(refused.value).split("run: ")[1].split("; --")[0]
            assert statement.startswith("CREATE ROLE humble_")
            superuser.execute(statement)
    addresses = prepare_given(own, keyring)
    with psycopg.connect(addresses.app) as app:
        assert app.execute("select current_user").fetchone() == ("humble_app",)
    with psycopg.connect(addresses.owner) as owner:
        present = {row[0] for row in owner.execute("select extname from pg_extension")}
    assert present >= set(EXTENSIONS)


def test_an_app_that_would_log_in_as_a_superuser_is_refused(services: Addresses, tmp_path: Path) -> None:
    own = OwnServices(database_url=services.superuser, database_owner_url=services.owner)
    with pytest.raises(Refused, match="superuser"):
        prepare_given(own, Keyring(tmp_path))


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    own = OwnServices(database_url=f"postgresql://u:p@/db?host={tmp_path}")
    with pytest.raises(Refused, match="The database cannot be reached"):
        prepare_given(own, Keyring(tmp_path))


def test_a_redis_that_drops_jobs_is_refused_and_a_forgetful_one_is_named(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    data.take()
    server = Embedded(data, Keyring(data.path), postgres=False, durable=False)
    server.start()
    assert server.valkey is not None
    try:
        assert "append-only" in check_redis(server.valkey.url)[0]
        client = redis.Redis.from_url(server.valkey.url)
        client.config_set("appendonly", "yes")
        assert check_redis(server.valkey.url) == []
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.close()
        with pytest.raises(Refused, match="allkeys-lru"):
            check_redis(server.valkey.url)
    finally:
        server.stop()
        data.release()
    with pytest.raises(Refused, match="Redis cannot be reached"):
        check_redis(server.valkey.url)


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / ("long" * 30))
    data.take()
    sockets = data.sockets(data.path)
    assert len(str(sockets / ".s.PGSQL.5432")) < 100
    sockets.rmdir()
    data.release()
