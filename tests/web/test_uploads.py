"""P9: every upload is looked at by the house's virus scanner, a real process, before it is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.records.files import scan
from lifecycle.records.files.models import StoredFile
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB

ILL = b"EICAR"
SCANNER = """\
import sys, time
content = sys.stdin.buffer.read()
with open(__file__ + ".log", "a") as log:
    log.write(f"{len(content)}\\n")
if b"SLOW" in content:
    time.sleep(60)
sys.exit(2 if b"BROKEN" in content else 1 if b"EICAR" in content else 0)
"""


def pdf(words: bytes) -> bytes:
    return b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + words + b"\ntrailer<<>>\n%%EOF\n"


@pytest.fixture
def looked_at(app: Flask, tmp_path: Path) -> Iterator[Path]:
    """The list of what the scanner was given."""
    script = tmp_path / "scanner.py"
    script.write_text(SCANNER)
    settings = app.extensions["settings"]
    app.extensions["settings"] = replace(settings, scan_command=(sys.executable, "-I", str(script)))
    yield Path(f"{script}.log")
    app.extensions["settings"] = settings


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_gates(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account, fields={"price": "120"})
    Caller(app, ana).post(f"/cards/{card.id}/client-requests", request="order")
    follow_through(app)
    return card


def attach(app: Flask, ana: Person, card: KnownCard, content: bytes) -> TestResponse:
    return Caller(app, ana).post(
        f"/cards/{card.id}/attachments", kind="file", title="", file=(BytesIO(content), "terms.pdf")
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (ILL, "our virus scanner found something in it"),
        (b"BROKEN", "could not be checked for viruses just now"),
        (b"SLOW", "could not be checked for viruses just now"),
    ],
)
def test_what_the_scanner_does_not_let_pass_is_not_kept(
    app: Flask,
    ana: Person,
    card: KnownCard,
    looked_at: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: bytes,
    says: str,
) -> None:
    monkeypatch.setattr(scan, "PATIENCE", 3)
    refused = attach(app, ana, card, pdf(words))
    assert refused.status_code == 422
    assert says in refused.text
    assert rows(app, StoredFile) == []
    assert attach(app, ana, card, pdf(b"fine")).status_code < 400
    assert [row["name"] for row in rows(app, StoredFile)] == ["terms.pdf"]
    assert looked_at.read_text().split() == [str(len(pdf(words))), str(len(pdf(b"fine")))]


def test_a_clients_file_is_looked_at_and_what_they_typed_stays(
    app: Flask, card: KnownCard, looked_at: Path
) -> None:
    cleo = Client.of(app, card, "order")
    cleo.open()
    given = {"ask-pieces": "7", "signer": "Cleo Client"}
    refused = cleo.send("answers", **given, files=(BytesIO(pdf(ILL)), "order.pdf"))
    assert refused.status_code == 422
    assert "our virus scanner found something in it" in refused.text
    assert 'value="7"' in refused.text
    assert request_of(app, card, "order")["status"] != "submitted"
    taken = cleo.send("answers", **given, files=(BytesIO(pdf(b"fine")), "order.pdf"))
    assert taken.status_code == 303, taken.text
    assert request_of(app, card, "order")["status"] == "submitted"


def test_the_files_of_an_import_are_looked_at_too(app: Flask, ana: Person, looked_at: Path) -> None:
    caller = Caller(app, make_user(app, role="admin"))
    for name in ("file", "accounts", "map"):
        files = {"file": (BytesIO(b"title,account\nFibre,Nordwind\n"), "cards.csv")}
        files[name] = (BytesIO(b"title,account\nEICAR,Nordwind\n"), "ill.csv")
        refused = caller.post("/imports/", board=LAB, **files)
        assert refused.status_code == 422, name
        assert "“ill.csv” was not taken: our virus scanner found something in it." in refused.text
    assert rows(app, StoredFile) == []


def test_nobody_without_a_link_keeps_the_scanner_busy(app: Flask, card: KnownCard, looked_at: Path) -> None:
    stranger = Client.of(app, card, "order")
    stranger.open()
    token = stranger.look().text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = stranger.browser.post(
        "/c/no-such-link/answers", data={"csrf_token": token, "files": (BytesIO(pdf(b"x")), "x.pdf")}
    )
    assert answer.status_code == 404
    assert not looked_at.exists()


@pytest.mark.parametrize("field", ["files", "anything"])
def test_more_files_than_anybody_sends_at_once_are_refused_unseen(
    app: Flask, card: KnownCard, looked_at: Path, field: str
) -> None:
    """Each costs a process and a place in the bucket, also in a field that is not asked for."""
    cleo = Client.of(app, card, "order")
    cleo.open()
    files = [(BytesIO(pdf(b"%d" % number)), f"{number}.pdf") for number in range(100)]
    refused = cleo.send("answers", **{"ask-pieces": "7", "signer": "Cleo Client", field: files})
    assert refused.status_code == 422
    assert "At most 60 files." in refused.text
    assert 'value="7"' in refused.text
    assert not looked_at.exists()
    assert rows(app, StoredFile) == []


def test_who_may_not_attach_keeps_neither_scanner_nor_bucket_busy(
    app: Flask, card: KnownCard, looked_at: Path
) -> None:
    answer = attach(app, make_user(app, role="viewer"), card, pdf(b"x"))
    assert "may not do this" in answer.text
    assert not looked_at.exists()


def test_without_a_scanner_files_are_taken_by_their_bytes_alone(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    assert attach(app, ana, card, pdf(ILL)).status_code < 400
    assert attach(app, ana, card, b"<html>").status_code == 422


def test_a_file_that_is_too_large_costs_nothing_else_that_was_typed(app: Flask, card: KnownCard) -> None:
    """Without a script nothing says so before it is sent: it is read past, however large, and told."""
    cleo = Client.of(app, card, "order")
    cleo.open()
    given = {"ask-pieces": "7", "signer": "Cleo Client"}
    most = app.extensions["settings"].max_upload_bytes
    refused = cleo.send("answers", **given, files=(BytesIO(pdf(b"x" * (2 * most))), "order.pdf"))
    assert refused.status_code == 422
    assert "is too large: a file may have 25 MB." in refused.text
    assert 'value="7"' in refused.text
    assert rows(app, StoredFile) == []


def test_several_files_may_be_larger_together_than_one_may_be(app: Flask, card: KnownCard) -> None:
    cleo = Client.of(app, card, "order")
    cleo.open()
    some = [(BytesIO(pdf(letter * 10 * 2**20)), f"{name}.pdf") for letter, name in ((b"a", "a"), (b"b", "b"))]
    files = [*some, (BytesIO(pdf(b"c" * 10 * 2**20)), "c.pdf")]
    sent = cleo.send("answers", **{"ask-pieces": "7", "signer": "Cleo Client"}, files=files)
    assert sent.status_code == 303
    assert sorted(row["name"] for row in rows(app, StoredFile)) == ["a.pdf", "b.pdf", "c.pdf"]


def test_a_view_that_takes_no_files_reads_no_more_than_a_form(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    most = app.extensions["settings"].max_upload_bytes
    sent = Caller(app, ana).post(
        f"/cards/{card.id}/comments", "page", body="Hello", file=(BytesIO(b"x" * (most + 100_000)), "x.pdf")
    )
    assert sent.status_code == 413
