"""Files are served so that nothing in them can act as this site."""

from __future__ import annotations

import uuid
from base64 import b64decode

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.records.files.models import FileContent, StoredFile
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import rows
from tests.factories.people import make_user
from tests.visitor import logged_in

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


@pytest.fixture
def visitor(app, services):
    return logged_in(app, make_user(app, role="viewer"))


def keep(app: Flask, name: str, content: bytes) -> uuid.UUID:
    with app.app_context(), transaction():
        return keep_file(name, content, SYSTEM).id


def test_a_picture_is_shown_locked_in(app, visitor):
    answer = visitor.open(f"/files/{keep(app, 'evil.html', PNG)}")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/png", PNG)
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "public" not in answer.headers["Cache-Control"]


def test_a_pdf_is_shown_and_can_be_downloaded(app, visitor):
    file_id = keep(app, "offer.pdf", PDF)
    shown = visitor.open(f"/files/{file_id}")
    assert shown.mimetype == "application/pdf"
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    saved = visitor.open(f"/files/{file_id}?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["page.txt", "table.csv", "talk.eml"])
def test_text_is_handed_over_and_never_shown(app, visitor, name):
    answer = visitor.open(f"/files/{keep(app, name, b'<script>alert(1)</script>')}")
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    [
        'a"; x=y.pdf',
        "../../etc/passwd.pdf",
        "naïve — 見積.pdf",
        "line\r\nSet-Cookie: a=b.pdf",
        "x" * 400 + ".pdf",
    ],
)
def test_a_name_cannot_add_headers(app, visitor, name):
    answer = visitor.open(f"/files/{keep(app, name, PDF)}")
    assert answer.status_code == 200
    assert "Set-Cookie: a=b" not in str(answer.headers)
    assert "/" not in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
        ("a.html", b"<html>"),
        ("a.exe", b"MZ\x90\x00" + b"\x00" * 300),
        ("a.txt", b"\x00\x01\x02"),
        ("a.pdf", b""),
    ],
)
def test_what_a_browser_would_run_is_not_taken(app, services, name, content):
    with app.app_context(), pytest.raises(Invalid), transaction():
        keep_file(name, content, SYSTEM)


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("offer.html", PDF, "offer.html.pdf"),
        ("OFFER.PDF", PDF, "OFFER.PDF"),
        ("run.bat", PNG, "run.bat.png"),
        ("picture", PNG, "picture.png"),
        ("export.xml", b"<html xmlns='http://www.w3.org/1999/xhtml'><script/></html>", "export.xml.txt"),
        ("router.rsc", b"/ip address add", "router.rsc"),
        ("dump.sql", b"insert into t values (1);", "dump.sql"),
        ("dump.sql.gz", b"\x1f\x8b\x08" + b"\x00" * 40, "dump.sql.gz"),
        ("dump.hta", b"\x1f\x8b\x08" + b"\x00" * 40, "dump.hta.gz"),
        (f"{'x' * 400}.html", PDF, f"{'x' * 145}.html.pdf"),
    ],
)
def test_a_file_ends_as_its_bytes_do(app, visitor, name, content, kept):
    """P9: whoever saves and opens it runs nothing, whatever its sender called it."""
    answer = visitor.open(f"/files/{keep(app, name, content)}?download=1")
    assert answer.headers["Content-Disposition"].endswith(f"filename={kept}")


def test_it_is_sent_once(app, visitor):
    file_id = keep(app, "a.png", PNG)
    tag = visitor.open(f"/files/{file_id}").headers["ETag"]
    again = visitor.open(f"/files/{file_id}", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert visitor.open(f"/files/{file_id}", headers={"Range": "bytes=0-3"}).data == PNG[:4]


def test_the_same_bytes_are_kept_once_under_both_names(app, visitor):
    keep(app, "one.png", PNG)
    two = keep(app, "two.png", PNG)
    assert "two.png" in visitor.open(f"/files/{two}").headers["Content-Disposition"]
    assert len(rows(app, StoredFile)) == 2
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FileContent)) == 1


def test_an_unknown_file_is_not_found(visitor):
    assert visitor.open(f"/files/{uuid.uuid4()}").status_code == 404
    assert visitor.open("/files/etc/passwd").status_code == 404
