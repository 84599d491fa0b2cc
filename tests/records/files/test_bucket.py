"""P15, E5, E19: files in an S3-compatible bucket, on a real server that checks every signature."""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.playbooks.setup import reachable_files
from lifecycle.records.files import bucket as module
from lifecycle.records.files.models import PIECE, FileChunk, FileContent, StoredFile
from lifecycle.records.files.pieces import StorageAway, Unreadable
from lifecycle.records.files.receive import receive
from lifecycle.records.files.store import keep, keep_file, make_ready, open_file, read_file
from lifecycle.records.files.sweep import YOUNG, sweep_bucket
from lifecycle.records.people.actor import SYSTEM
from tests.bucket import BucketServer, keep_files_in
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user
from tests.installation import environment_of
from tests.programs import run_program

PLAN = b"%PDF-1.4\n%a plan\n" + bytes(range(256)) * 64 + b"\n%%EOF\n"
AWAY = "could not be kept just now"


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    Caller(app, ana).post(f"/cards/{card.id}/client-requests", request="survey")
    follow_through(app)
    return card


@pytest.fixture
def cleo(app: Flask, card: KnownCard) -> Client:
    client = Client.of(app, card, "survey")
    client.open()
    return client


def upload(cleo: Client, content: bytes = PLAN, name: str = "plan.pdf", kinds: str = "") -> TestResponse:
    fields = {"ask-kinds-sent": "1", "ask-kinds": kinds, "ask-lists": (BytesIO(content), name)}
    return cleo.send("pages/trade", act="save", edition="0", **fields)


def keep_one(app: Flask, content: bytes = PLAN, name: str = "plan.pdf") -> uuid.UUID:
    with app.app_context(), transaction():
        return keep_file(name, content, SYSTEM).id


def let_age(bucket: BucketServer, by: timedelta = YOUNG + timedelta(minutes=5)) -> None:
    """Make everything in the bucket look that old: a server refuses whoever's clock is a day ahead."""
    then = (now() - by).timestamp()
    for path in bucket.objects():
        os.utime(path, (then, then))


def large(pieces: int) -> bytes:
    return b"%PDF-1.4\n" + os.urandom(pieces * PIECE)


def test_a_clients_upload_goes_to_the_bucket_and_comes_back_to_both(
    app: Flask, bucket: BucketServer, ana: Person, card: KnownCard, cleo: Client
) -> None:
    assert upload(cleo).status_code == 303
    [kept] = request_of(app, card, "survey")["files"]
    [lies] = bucket.objects()
    assert lies.read_bytes() == PLAN
    assert rows_of_content(app) == [("s3", str(lies.relative_to(bucket.folder / "files")))]
    with app.app_context():
        assert db.session.scalars(sa.select(FileChunk.sha256)).all() == []
    theirs = cleo.browser.get(f"{cleo.path}/files/{kept['id']}")
    assert (theirs.status_code, theirs.data) == (200, PLAN)
    assert theirs.headers["Content-Length"] == str(len(PLAN))
    assert theirs.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    ours = Caller(app, ana).get(f"/files/{kept['id']}")
    assert (ours.status_code, ours.data, ours.mimetype) == (200, PLAN, "application/pdf")
    # Only the whole can be compared with its hash.
    part = Caller(app, ana).get(f"/files/{kept['id']}", Range="bytes=0-3")
    assert (part.status_code, part.data) == (200, PLAN)


def rows_of_content(app: Flask) -> list[tuple[str, str | None]]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(sa.select(FileContent.place, FileContent.key))]  # type: ignore[misc]


def test_a_large_file_comes_back_whole(app: Flask, bucket: BucketServer, ana: Person) -> None:
    content = large(3)
    kept = keep_one(app, content)
    assert Caller(app, ana).get(f"/files/{kept}").data == content
    with app.app_context():
        assert read_file(kept)[1] == content


def test_a_bucket_that_is_away_takes_nothing_and_loses_nothing_of_what_was_typed(
    app: Flask, bucket: BucketServer, ana: Person, card: KnownCard, cleo: Client
) -> None:
    bucket.stop()
    refused = upload(cleo, kinds="fibre")
    assert refused.status_code == 422
    assert f"“plan.pdf” {AWAY}" in refused.text
    assert request_of(app, card, "survey")["answers"]["kinds"] == ["fibre"]
    assert rows(app, StoredFile) == []
    caller = Caller(app, ana)
    attached = caller.post(f"{card.url}/attachments", kind="file", title="", file=(BytesIO(PLAN), "plan.pdf"))
    assert attached.status_code == 422
    assert AWAY in attached.text
    assert (rows(app, StoredFile), rows_of_content(app)) == ([], [])
    bucket.start()
    assert upload(cleo).status_code == 303


def test_a_wrong_secret_is_told_like_a_bucket_that_is_away(
    app: Flask, bucket: BucketServer, ana: Person, card: KnownCard, cleo: Client
) -> None:
    kept = keep_one(app)
    wrong = replace(bucket.account, secret_key="another secret")
    keep_files_in(app, replace(app.extensions["settings"], bucket=wrong))
    assert AWAY in upload(cleo, b"another text", "a.txt").text
    assert len(rows(app, StoredFile)) == 1
    assert Caller(app, ana).get(f"/files/{kept}").status_code == 503


@pytest.mark.parametrize("who", ["staff", "client"])
def test_a_download_from_a_bucket_that_is_away_is_a_page_with_a_sentence(
    app: Flask, bucket: BucketServer, ana: Person, card: KnownCard, cleo: Client, who: str
) -> None:
    upload(cleo)
    [kept] = request_of(app, card, "survey")["files"]
    bucket.stop()
    ask = cleo.browser.get if who == "client" else Caller(app, ana).get
    path = f"{cleo.path}/files/{kept['id']}" if who == "client" else f"/files/{kept['id']}"
    answer = ask(path)
    assert answer.status_code == 503
    assert "Files cannot be reached just now." in answer.text
    bucket.start()
    assert ask(path).data == PLAN


def test_a_bucket_that_dies_in_the_middle_breaks_the_download_off(
    app: Flask, bucket: BucketServer, ana: Person
) -> None:
    content = large(3)
    kept = keep_one(app, content)
    answer = Caller(app, ana).get(f"/files/{kept}")
    arriving = iter(answer.response)
    first = next(arriving)
    assert isinstance(first, bytes)
    assert content.startswith(first)
    bucket.stop()
    with pytest.raises(StorageAway):
        list(arriving)
    answer.close()


def test_readiness_and_the_doctor_say_so(app: Flask, bucket: BucketServer) -> None:
    def parts() -> Any:
        return app.test_client().get("/readyz").get_json()["parts"]["files"]

    assert parts() == {"state": "ok"}
    with app.app_context():
        assert list(reachable_files()) == []
    bucket.stop()
    keep_files_in(app, app.extensions["settings"])
    assert parts()["state"] == "degraded"
    assert app.test_client().get("/readyz").status_code == 200, "pages are served"
    with app.app_context():
        [finding] = reachable_files()
    assert "does not answer, or does not let us in" in str(finding)


def test_what_is_rolled_back_leaves_only_what_can_be_swept(app: Flask, bucket: BucketServer) -> None:
    named = keep_one(app)

    def fails() -> None:
        with app.app_context(), transaction():
            keep_file("other.pdf", PLAN + b"%other", SYSTEM)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert len(bucket.objects()) == 2
    assert len(rows(app, StoredFile)) == 1
    with app.app_context():
        assert sweep_bucket() == 0, "it is young"
        let_age(bucket, YOUNG - timedelta(minutes=5))
        assert sweep_bucket() == 0, "it is young still"
        let_age(bucket)
        assert sweep_bucket() == 1
        assert sweep_bucket() == 0
        assert read_file(named)[1] == PLAN
    assert len(bucket.objects()) == 1


def test_a_sweep_leaves_alone_what_another_installation_put_there(app: Flask, bucket: BucketServer) -> None:
    settings = app.extensions["settings"]
    keep_files_in(app, replace(settings, secret_key="of another installation"))
    with app.app_context():
        make_ready(receive("a.txt", BytesIO(b"theirs")))
    keep_files_in(app, settings)
    let_age(bucket)
    with app.app_context():
        assert sweep_bucket() == 0
    assert len(bucket.objects()) == 1


def test_a_sweep_goes_on_past_a_page_of_the_bucket(
    app: Flask, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    keep_one(app)
    [lies] = bucket.objects()
    for number in range(6):
        lies.with_name(f"{number}").write_bytes(b"x")
    let_age(bucket)
    with app.app_context():
        assert sweep_bucket() == 6
    assert bucket.objects() == [lies]


@pytest.mark.parametrize(
    "now_it_is",
    [PLAN.replace(b"plan", b"trap"), PLAN[:-5], PLAN + b"more", b""],
    ids=["changed", "cut", "longer", "empty"],
)
def test_an_object_that_was_changed_underneath_is_refused(
    app: Flask, bucket: BucketServer, ana: Person, now_it_is: bytes
) -> None:
    kept = keep_one(app)
    [lies] = bucket.objects()
    lies.write_bytes(now_it_is)
    refused = Caller(app, ana).get(f"/files/{kept}")
    assert refused.status_code == 503
    # One that ends too soon may be the network's fault, too.
    assert "what is kept of it is not what was uploaded" in refused.text or len(now_it_is) < len(PLAN)
    with app.app_context(), pytest.raises((Unreadable, StorageAway)):
        read_file(kept)


def test_a_large_object_that_was_changed_never_ends_cleanly(
    app: Flask, bucket: BucketServer, ana: Person
) -> None:
    content = bytearray(large(2))
    kept = keep_one(app, bytes(content))
    [lies] = bucket.objects()
    content[-1] ^= 1
    lies.write_bytes(content)
    arrived: list[Any] = []
    with pytest.raises(Unreadable):
        arrived.extend(Caller(app, ana).get(f"/files/{kept}").response)
    assert 0 < sum(map(len, arrived)) < len(content)


def test_an_object_that_is_gone_is_told(app: Flask, bucket: BucketServer, ana: Person) -> None:
    kept = keep_one(app)
    bucket.objects()[0].unlink()
    assert Caller(app, ana).get(f"/files/{kept}").status_code == 503


def test_the_same_bytes_twice_are_kept_once_and_the_rest_is_swept(
    app: Flask, bucket: BucketServer, ana: Person
) -> None:
    first, second = keep_one(app), keep_one(app, name="again.pdf")
    assert len(bucket.objects()) == 2
    assert len(rows_of_content(app)) == 1
    let_age(bucket)
    with app.app_context():
        assert sweep_bucket() == 1
    for kept in (first, second):
        assert Caller(app, ana).get(f"/files/{kept}").data == PLAN


def test_files_stay_readable_wherever_they_were_put(app: Flask, bucket: BucketServer, ana: Person) -> None:
    in_bucket, settings = keep_one(app), app.extensions["settings"]
    keep_files_in(app, replace(settings, file_storage="database"))
    in_database = keep_one(app, PLAN + b"%more")
    caller = Caller(app, ana)
    assert caller.get(f"/files/{in_bucket}").data == PLAN
    keep_files_in(app, settings)
    assert caller.get(f"/files/{in_database}").data == PLAN + b"%more"
    keep_files_in(app, replace(settings, file_storage="database", bucket=None))
    assert caller.get(f"/files/{in_bucket}").status_code == 503
    with app.app_context():
        [finding] = reachable_files()
    assert "1 files lie in a bucket, and none is set" in str(finding)


def test_papers_of_our_own_go_there_too_and_are_verified(app: Flask, bucket: BucketServer) -> None:
    with app.app_context():
        ready = make_ready(receive("paper.pdf", BytesIO(PLAN)))
        assert len(bucket.objects()) == 1
        with transaction():
            kept = keep(ready, SYSTEM).id
        assert b"".join(open_file(kept).pieces) == PLAN


_PROGRAM = """
import sys
from lifecycle.app import create_app
from lifecycle.core.db import transaction
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import SYSTEM
with create_app().app_context(), transaction():
    keep_file("a.txt", b"what was typed", SYSTEM)
"""


def test_a_process_that_is_killed_between_bucket_and_commit_leaves_no_row(
    app: Flask, bucket: BucketServer, settings: Settings
) -> None:
    told = {
        **environment_of(settings),
        "LIFECYCLE_KILL_AT": "file in the bucket",
        **bucket.environment,
    }
    ended = run_program("-c", _PROGRAM, environment={**os.environ, **told})
    assert ended.returncode == -signal.SIGKILL
    assert len(bucket.objects()) == 1
    assert (rows(app, StoredFile), rows_of_content(app)) == ([], [])
    let_age(bucket)
    with app.app_context():
        assert sweep_bucket() == 1


def test_a_backup_says_what_is_not_in_it(
    app: Flask, bucket: BucketServer, settings: Settings, tmp_path: Path
) -> None:
    keep_one(app)
    told = {
        **environment_of(settings),
        "DATABASE_OWNER_URL": settings.database_owner_url or "",
    }
    file = str(tmp_path / "backup.zip")
    for arguments in (["backup", file], ["restore", "--check", file]):
        done = run_program("-m", "lifecycle.cli", *arguments, environment={**os.environ, **told})
        assert done.returncode == 0, done.stderr
        assert "1 file lies in the bucket and not in this backup" in done.stdout
