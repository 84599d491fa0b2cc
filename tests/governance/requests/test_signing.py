"""E18, P3, W12, W16: signing over exactly what was shown, with a mailed code, and the paper of it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from hashlib import sha256
from html import unescape
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from pypdf import PdfReader
from werkzeug.test import TestResponse

from jobs.papers import make_due
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.papers import render_paper
from lifecycle.core.signatures import check_pdf
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import set_fields
from lifecycle.records.files.store import read_file
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.client_requests.models import ClientCode
from tests.factories.cards import KnownCard, a_card, gate, make_account, moved, rows
from tests.factories.clients import TERMS, Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import FORM, publish_form
from tests.factories.people import Person, make_user
from tests.mail import received, text_of

SIGNED = "sign: photo\n"
OFFICE = {f"ask-office-{part}": "x" for part in ("street", "town", "country")}
STROKES = json.dumps([[[10, 20], [30, 40], [50, 60]], [[100, 100]]])


class Signer(Client):
    """Somebody who signs from a link."""

    def code(self, sink: Any, app: Flask) -> str:
        """Ask for a code, and read it in the mail."""
        assert self.send("codes", **{"from": "request"}).status_code == 303
        follow_through(app)
        found = re.search(r"^(\d{6})$", text_of(received(sink)[-1]), flags=re.MULTILINE)
        assert found, text_of(received(sink)[-1])
        return found[1]

    def sign(self, code: str, **fields: Any) -> TestResponse:
        page = self.look().text
        seen = re.search(r'name="seen_content" value="([0-9a-f]{64})"', page)
        assert seen
        given = {"signer": "Cleo Client", "position": "Director", "agrees": "1", "code": code, **fields}
        return self.send("answers", **{"seen_content": seen[1], **given})


@pytest.fixture
def ana(app: Flask) -> Person:

    publish_gates(app, files={"client_requests/terms.yaml": TERMS + SIGNED})
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind *Funk*")
    a_contact(app, account, rights=["signatory"])
    card = a_card(app, ana, account=account, fields={"price": "120", "wish": "Blue #let x"})
    moved(app, card, "terms", ana)
    follow_through(app)
    return card


@pytest.fixture
def cleo(app: Flask, card: KnownCard) -> Signer:
    client = Signer.of(app, card, "terms")
    client.open()
    return client


def test_a_signature_takes_a_code_from_the_mail_and_is_kept_with_what_was_signed(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any
) -> None:
    code = cleo.code(smtp_sink, app)
    assert cleo.sign(code, drawn=STROKES).status_code == 303
    request = request_of(app, card, "terms")
    proof = request["proof"]
    assert request["status"] == "accepted"
    assert proof["signature"]["strokes"] == json.loads(STROKES)
    assert proof["content"]["shown"] == [["Price", "120.00"], ["Wish", "Blue #let x"]]
    assert proof["content"]["consent"] == "I accept these terms for my company."
    assert len(proof["content_hash"]) == 64
    # The code is nowhere in the database, and good for nothing any more.
    with app.app_context():
        for table in ("outbox_messages", "client_codes", "client_requests", "events"):
            held = db.session.scalar(
                sa.text(f"select count(*) from {table} t where t::text like :code"), {"code": f"%{code}%"}
            )
            assert held == 0, table
    assert [row["used_at"] is not None for row in rows(app, ClientCode)] == [True]


def test_the_paper_of_it_is_signed_carries_the_evidence_and_shows_any_change(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any
) -> None:
    cleo.sign(cleo.code(smtp_sink, app), drawn=STROKES)
    with app.app_context():
        assert make_due() == 1
        assert make_due() == 0
    request = request_of(app, card, "terms")
    with app.app_context():
        _, pdf = read_file(request["paper_id"])
    checked = check_pdf(pdf)
    assert checked
    assert checked.is_intact
    assert "Lab" in checked.by
    text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    # Whoever has the paper alone can compute the hash, and read the words of it.
    (attached,) = PdfReader(BytesIO(pdf)).attachments["signed-content.json"]
    assert sha256(attached).hexdigest() == request["proof"]["content_hash"]
    assert json.loads(attached) == request["proof"]["content"]
    for words in (
        "Nordwind *Funk*",
        "Blue #let x",
        "Cleo Client",
        "Evidence",
        "Page in",
        "English",
        request["proof"]["content_hash"],
    ):
        assert words in text.replace("\n", " ") or words in text.replace("\n", ""), words
    # One letter changed anywhere is seen, and so is a page added behind.
    for place in (200, len(pdf) // 2):
        changed = bytearray(pdf)
        changed[place] ^= 1
        assert not getattr(check_pdf(bytes(changed)), "is_intact", False)
    assert not getattr(check_pdf(pdf + b"\n% and more"), "is_intact", True)
    assert [row["key"] for row in rows(app, Attachment, card_id=card.id)] == ["photo"]
    paper = cleo.browser.get(f"{cleo.path}/paper.pdf")
    assert paper.data == pdf


def test_arabic_names_print_as_letters_on_every_machine(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any
) -> None:
    """P11: the signer writes their name as they do; the font comes with the product."""
    cleo.sign(cleo.code(smtp_sink, app), signer="فاطمة الزهراء")
    with app.app_context():
        make_due()
    with app.app_context():
        _, pdf = read_file(request_of(app, card, "terms")["paper_id"])
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in PdfReader(BytesIO(pdf)).pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }
    assert any("NotoNaskhArabic" in name for name in fonts)


def test_nobody_waits_for_a_card_while_its_paper_is_made(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleo.sign(cleo.code(smtp_sink, app))
    free = []

    def others_hold_it_meanwhile(name: str, data: Any) -> bytes:
        with db.engine.begin() as other:
            other.execute(sa.text("select 1 from cards where id = :id for update nowait"), {"id": card.id})
        free.append(name)
        return render_paper(name, data)

    monkeypatch.setattr("lifecycle.governance.requests.papers.render_paper", others_hold_it_meanwhile)
    with app.app_context():
        assert make_due() == 1
    assert free == ["signed"]


@pytest.mark.parametrize("typed", ["", "000000", "12345", "nonsense", "١٢٣٤٥٦", "9" * 4000])
def test_without_the_right_code_nothing_is_signed(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any, typed: str
) -> None:
    code = cleo.code(smtp_sink, app)
    refused = cleo.sign(typed if typed != code else "111111")
    assert refused.status_code == 422
    told = "That is not the code we mailed." if typed else "Type the code that we mailed you."
    assert told in unescape(refused.text)
    assert request_of(app, card, "terms")["status"] == "opened"
    assert cleo.sign(f" {code[:3]} {code[3:]} ").status_code == 303


def test_all_that_is_missing_is_said_at_once_and_a_code_need_not_be_typed_twice(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any
) -> None:
    code = cleo.code(smtp_sink, app)
    empty = unescape(cleo.sign("", signer="", agrees="").text)
    for told in ("Write your name.", "Tick the sentence to agree.", "Type the code that we mailed you."):
        assert told in empty
    assert [row["attempts"] for row in rows(app, ClientCode)] == [0], "nobody has guessed"
    unticked = cleo.sign(code, agrees="").text
    assert f'value="{code}"' in unticked
    assert cleo.sign(code).status_code == 303


def test_an_upload_that_is_swapped_for_one_of_the_same_name_is_not_signed(app: Flask, smtp_sink: Any) -> None:
    """E18: what is signed names a file by its digest, not by what it is called."""
    publish_form(
        app, FORM.replace("      price: {}\n", "      draft: { type: file, name: Draft }\n") + SIGNED
    )
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account, fields={"wish": "Blue"})
    moved(app, card, "survey", ana)
    follow_through(app)
    cleo = Signer.of(app, card, "survey")
    cleo.open()

    def upload(content: bytes) -> str:
        page = cleo.browser.get(f"{cleo.path}/pages/you").text
        kept = re.search(r'value="(drop-file:draft:[0-9a-f-]+)"', page)
        for act, files in (
            (kept[1] if kept else "save", {}),
            ("save", {"ask-draft": (BytesIO(content), "plan.pdf")}),
        ):
            sent = cleo.send("pages/you", act=act, **{"ask-company": "N", **OFFICE, **files})
            assert sent.status_code == 303
        return cleo.browser.get(f"{cleo.path}/review").text

    before = upload(b"%PDF-1.4 the plan")
    seen = re.search(r'name="seen_content" value="([0-9a-f]{64})"', before)
    after = upload(b"%PDF-1.4 another one")
    now_it_is = re.search(r'name="seen_content" value="([0-9a-f]{64})"', after)
    assert seen
    assert now_it_is
    assert seen[1] != now_it_is[1]


def test_five_guesses_are_all_there_are_and_a_new_code_voids_the_old(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any
) -> None:
    first = cleo.code(smtp_sink, app)
    second = cleo.code(smtp_sink, app)
    if first != second:
        assert cleo.sign(first).status_code == 422
    wrong = "000000" if second != "000000" else "111111"
    for _ in range(4):
        assert cleo.sign(wrong).status_code == 422
    assert cleo.sign(second).status_code == 422, "the sixth attempt is not looked at"
    third = cleo.code(smtp_sink, app)
    with time_machine.travel(now() + timedelta(minutes=16)):
        assert cleo.sign(third).status_code == 422
    assert request_of(app, card, "terms")["status"] == "opened"


def test_codes_are_not_mailed_without_end(app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any) -> None:
    for _ in range(9):
        assert cleo.send("codes", **{"from": "request"}).status_code == 303
    assert len(rows(app, ClientCode)) == 6
    assert "Many codes were sent" in cleo.look().text


def test_what_changed_since_it_was_looked_over_is_not_signed(
    app: Flask, card: KnownCard, cleo: Signer, ana: Person, smtp_sink: Any
) -> None:
    code = cleo.code(smtp_sink, app)
    assert cleo.sign(code, seen_content="0" * 64).status_code == 409
    with app.app_context(), transaction(), changing_card(card.id, ana.actor) as subject:
        set_fields(subject, {"price": "990.00"}, ana.actor)
    assert cleo.sign(code).status_code == 409
    assert request_of(app, card, "terms")["status"] == "opened"


def test_what_is_changed_afterwards_voids_the_signature(
    app: Flask, card: KnownCard, cleo: Signer, ana: Person, smtp_sink: Any
) -> None:
    """E18: the gate closes again; the signed paper stays."""
    cleo.sign(cleo.code(smtp_sink, app))
    assert not gate(app, card, "order").blocked
    with app.app_context(), transaction(), changing_card(card.id, ana.actor) as subject:
        set_fields(subject, {"price": "990.00"}, ana.actor)
    assert [result.type for result in gate(app, card, "order").blocked] == ["client"]


@pytest.mark.parametrize(
    "drawn",
    [
        "x",
        "[[[0,0],[601,10]]]",
        "[[[0,-1]]]",
        "[[0]]",
        "[[[1,2,3]]]",
        "[" * 5000,
        json.dumps([[[1, 1]] * 4001]),
        '[[["a","b"]]]',
        "[[[1e9,1]]]",
        "1" * 90_000,
    ],
)
def test_a_drawing_that_is_none_is_refused_and_nothing_is_lost(
    app: Flask, card: KnownCard, cleo: Signer, smtp_sink: Any, drawn: str
) -> None:
    code = cleo.code(smtp_sink, app)
    refused = cleo.sign(code, drawn=drawn)
    assert refused.status_code == 422
    assert "The drawing could not be read." in refused.text
    assert 'value="Director"' in refused.text
    assert cleo.sign(code).status_code == 303
