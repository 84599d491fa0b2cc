"""P9, E5: a file is never held whole, neither on its way in nor on its way out, and no transaction waits."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import tempfile
import time
import tracemalloc
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask
from psycopg import sql

from lifecycle.config import sqlalchemy_url
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.prepare import alembic_config, role_of
from lifecycle.records.files.models import PIECE, FileChunk, StoredFile
from lifecycle.records.files.pieces import Unreadable
from lifecycle.records.files.receive import receive
from lifecycle.records.files.scan import scan
from lifecycle.records.files.store import keep, keep_file, make_ready, open_file, read_file
from lifecycle.records.people.actor import SYSTEM
from lifecycle.runtime.database import EXTENSIONS, with_database
from tests.factories.browsing import Caller
from tests.factories.cards import a_card
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab

HEAD = b"%PDF-1.4\n"
LARGE = 20 * PIECE + 17


def large(size: int = LARGE, seed: int = 1) -> IO[bytes]:
    """A file on the disk whose every piece is another."""
    numbers = random.Random(seed)
    made = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks for it closes it
    made.write(HEAD)
    for at in range(len(HEAD), size, PIECE):
        made.write(numbers.randbytes(min(PIECE, size - at)))
    made.seek(0)
    return made


@contextmanager
def at_most(pieces: int) -> Iterator[None]:
    """Fail when more than so many pieces of memory were held at once inside."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < pieces * PIECE, f"{peak / PIECE:.1f} pieces were held at once"


def test_a_large_file_goes_in_and_out_in_pieces(app: Flask, services: Any) -> None:
    with large() as source, app.app_context():
        db.session.scalar(sa.select(1))
        with at_most(7):
            ready = make_ready(receive("large.pdf", source))
            scan(ready.received, ["cat"])
            with transaction():
                kept = keep(ready, SYSTEM).id
        source.seek(0)
        digest = hashlib.sha256(source.read()).hexdigest()
        assert (ready.received.size, ready.received.sha256) == (LARGE, digest)
        read = hashlib.sha256()
        with at_most(7):
            for piece in open_file(kept).pieces:
                read.update(piece)
        assert read.hexdigest() == digest
        sizes = db.session.scalars(
            sa.select(sa.func.octet_length(FileChunk.content)).order_by(FileChunk.number)
        ).all()
    assert sizes == [PIECE] * 20 + [17]


@pytest.mark.parametrize("at", [0, PIECE - 1, PIECE, 3 * PIECE + 5])
def test_a_zero_byte_anywhere_makes_it_no_text(app: Flask, services: Any, at: int) -> None:
    content = bytearray(b"a" * (3 * PIECE + 9))
    assert receive("a.txt", BytesIO(bytes(content))).media_type == "text/plain"
    content[at] = 0
    with app.app_context(), pytest.raises(Invalid, match="is not taken"):
        make_ready(receive("a.txt", BytesIO(bytes(content))))


@pytest.mark.parametrize("size", [9, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_a_file_of_any_size_comes_back_whole_and_in_parts(app: Flask, services: Any, size: int) -> None:
    caller = Caller(app, make_user(app))
    with large(size) as source:
        content = source.read()
    with app.app_context(), transaction():
        kept = keep_file("a.pdf", content, SYSTEM).id
    with app.app_context():
        assert read_file(kept)[1] == content
    answer = caller.get(f"/files/{kept}")
    assert answer.data == content
    assert answer.headers["Content-Length"] == str(size)
    assert caller.client.head(f"/files/{kept}").headers["Content-Length"] == str(size)
    for start, end in [(0, 3), (size - 4, size - 1), (size // 2, size - 1), (PIECE - 1, PIECE + 1)]:
        part = caller.get(f"/files/{kept}", Range=f"bytes={start}-{end}")
        if start < size:
            assert (part.status_code, part.data) == (206, content[start : end + 1])
        else:
            assert part.status_code == 416


def test_the_limit_holds_and_says_so(app: Flask, services: Any) -> None:
    with app.app_context(), pytest.raises(Invalid, match="a file may have 1 MB"):
        receive("a.txt", BytesIO(b"a" * (PIECE + 1)), PIECE)


def tampered(services: Any, statement: str) -> None:
    """Change what is kept, as only somebody above the application can."""
    with psycopg.connect(services.superuser, options="-c session_replication_role=replica") as above:
        above.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update file_chunks set content = set_byte(content, 5, 1) where number = 2",
        "delete from file_chunks where number = 2",
        "update file_chunks set content = content || 'more' where number = 2",
    ],
)
def test_bytes_that_are_not_those_of_the_hash_never_end_cleanly(
    app: Flask, services: Any, statement: str
) -> None:
    with large(2 * PIECE + 100) as source, app.app_context(), transaction():
        kept = keep(make_ready(receive("a.pdf", source)), SYSTEM).id
    tampered(services, statement)
    caller = Caller(app, make_user(app))
    arrived: list[Any] = []
    with pytest.raises(Unreadable):
        arrived.extend(caller.client.get(f"/files/{kept}").response)
    assert sum(map(len, arrived)) < 2 * PIECE + 100
    with app.app_context(), pytest.raises(Unreadable):
        read_file(kept)


def test_a_small_file_that_was_tampered_with_is_refused_in_a_sentence(app: Flask, services: Any) -> None:
    with app.app_context(), transaction():
        kept = keep_file("a.txt", b"the truth", SYSTEM).id
    tampered(services, "update file_chunks set content = 'the trick'")
    refused = Caller(app, make_user(app)).get(f"/files/{kept}")
    assert refused.status_code == 503
    assert "what is kept of it is not what was uploaded" in refused.text


def test_a_large_upload_by_a_door_is_kept_as_it_was_sent(app: Flask, services: Any) -> None:
    publish_lab(app, "first: { leave: [ { evidence: photo } ] }\nsecond: {}")
    ana = make_user(app)
    card, caller = a_card(app, ana), Caller(app, ana)
    with large() as source:
        source.seek(0)
        digest = hashlib.sha256(source.read()).hexdigest()
        source.seek(0)
        answer = caller.post(f"{card.url}/attachments", kind="file", title="", file=(source, "large.pdf"))
    assert answer.status_code < 400
    with app.app_context():
        kept = db.session.scalars(sa.select(StoredFile)).one()
        assert (kept.sha256, kept.size, kept.media_type) == (digest, LARGE, "application/pdf")
        assert b"".join(open_file(kept.id).pieces)[-17:] == read_file(kept.id)[1][-17:]


def test_a_slow_reader_holds_no_transaction(app: Flask, services: Any, live_server: str) -> None:
    with large() as source, app.app_context(), transaction():
        kept = keep(make_ready(receive("a.pdf", source)), SYSTEM).id
    caller = Caller(app, make_user(app))
    cookie = caller.client.get_cookie("session")
    assert cookie
    host, _, port = live_server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as reader:
        request = (
            f"GET /files/{kept} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: session={cookie.value}\r\n\r\n"
        )
        reader.sendall(request.encode())
        assert reader.recv(12) == b"HTTP/1.1 200"
        time.sleep(1)  # The server has filled every buffer by now, and waits for us.
        with psycopg.connect(services.superuser) as above:
            row = above.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and state like 'idle in transaction%'"
            ).fetchone()
        assert row == (0,)
        received = 12
        while received < LARGE and (block := reader.recv(1 << 16)):
            received += len(block)
    assert received >= LARGE


def test_a_reader_at_the_other_end_sees_that_it_broke_off(
    app: Flask, services: Any, live_server: str
) -> None:
    with large(4 * PIECE) as source, app.app_context(), transaction():
        kept = keep(make_ready(receive("a.pdf", source)), SYSTEM).id
    tampered(services, "update file_chunks set content = set_byte(content, 5, 1) where number = 0")
    cookie = Caller(app, make_user(app)).client.get_cookie("session")
    assert cookie
    request = urllib.request.Request(
        f"{live_server}/files/{kept}", headers={"Cookie": f"session={cookie.value}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer, pytest.raises(http.client.IncompleteRead):
        answer.read()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("true", None),
        ("false", "found something"),
        ("exit 3", "could not be checked"),
        ("kill -9 $$", "could not"),
    ],
)
def test_a_scanner_may_make_up_its_mind_before_the_end(
    app: Flask, services: Any, command: str, says: str | None
) -> None:
    with large() as source, app.test_request_context():
        received = receive("large.pdf", source)
        if says is None:
            scan(received, ["sh", "-c", command])
            return
        with pytest.raises(Invalid, match=says):
            scan(received, ["sh", "-c", command])


def test_files_of_before_are_carried_over_and_back(services: Any) -> None:
    """The migration itself, on a file of three pieces and one of a few bytes."""
    name = f"carried_{uuid.uuid4().hex[:8]}"
    with large(2 * PIECE + 5) as source:
        contents = [b"few", source.read()]
    with psycopg.connect(services.superuser, autocommit=True) as server:
        owner = sql.Identifier(role_of(services.owner))
        server.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), owner))
        with psycopg.connect(with_database(services.superuser, name), autocommit=True) as new:
            for extension in EXTENSIONS:
                new.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(extension)))
    engine = sa.create_engine(sqlalchemy_url(with_database(services.owner, name)), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0021")
            for content in contents:
                digest = hashlib.sha256(content).hexdigest()
                connection.execute(
                    sa.text("insert into file_contents values (:a, :b)"), {"a": digest, "b": content}
                )
            before = connection.execute(sa.text("select * from file_contents order by 1")).all()
            command.upgrade(alembic_config(connection), "0022")
            found = connection.execute(
                sa.text(
                    "select string_agg(content, null order by number), count(*) "
                    "from file_chunks group by sha256"
                )
            ).all()
            command.downgrade(alembic_config(connection), "0021")
            after = connection.execute(sa.text("select * from file_contents order by 1")).all()
    finally:
        engine.dispose()
        with psycopg.connect(services.superuser, autocommit=True) as server:
            server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    assert {(bytes(content), count) for content, count in found} == {(contents[0], 1), (contents[1], 3)}
    assert after == before
