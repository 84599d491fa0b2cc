"""W12: legal documents are read in the version in force, compared, and kept word by word when signed."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import pytest
import time_machine
from flask import Flask
from pypdf import PdfReader

from jobs.papers import make_due
from lifecycle.core.clock import now
from lifecycle.records.files.store import read_file
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved
from tests.factories.clients import TERMS, Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.governance.requests.test_signing import Signer
from tests.mail import received, text_of

ONE = '  - { version: "1", since: 2026-01-01, text: "# Bread\\n\\nBread is eaten <b>fresh</b>." }\n'
TWO = '  - { version: "2", since: 2026-09-01, text: "# Bread\\n\\nBread is eaten <b>today</b>." }\n'
THREE = '  - { version: "3", since: 2027-01-01, text: "# Bread\\n\\nNo bread." }\n'


def publish_rules(app: Flask, *versions: str) -> None:
    files = {
        "legal/rules.yaml": "name: House rules\nversions:\n" + "".join(versions),
        "legal/other.yaml": "name: Other rules\nversions:\n" + ONE,
        "client_requests/terms.yaml": TERMS + "sign: photo\nlegal: rules\n",
    }
    publish_gates(app, files=files)


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_rules(app, ONE, TWO, THREE)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


def asked(app: Flask, ana: Person, account: Any) -> KnownCard:
    card = a_card(app, ana, account=account, fields={"price": "120", "wish": "Blue"})
    moved(app, card, "terms", ana)
    follow_through(app)
    return card


@pytest.fixture
def account(app: Flask, ana: Person) -> Any:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account, rights=["signatory"])
    return account


def test_the_version_in_force_is_shown_read_and_compared(
    app: Flask, ana: Person, account: Any, smtp_sink: Any
) -> None:
    card = asked(app, ana, account)
    cleo = Client.of(app, card, "terms")
    assert cleo.browser.get(f"{cleo.path}/legal/rules").status_code == 404, "a link shows nothing by itself"
    cleo.open()
    page = cleo.look().text
    assert f'{cleo.path}/legal/rules"><bdi>House rules</bdi></a>' in page
    assert "Version 2, in force since 1 September 2026" in page
    text = cleo.browser.get(f"{cleo.path}/legal/rules")
    assert text.status_code == 200
    assert "Bread is eaten &lt;b&gt;today&lt;/b&gt;." in text.text
    assert "which you accepted" not in text.text
    compared = cleo.browser.get(f"{cleo.path}/legal/rules?since=1").text
    assert "Removed: </span>fresh</del>" in compared
    assert "Added: </span>today</ins>" in compared
    # What is no earlier version of it is not compared with, and what the request does not show is not there.
    for since in ("3", "2", "x", "%00", "9" * 3000):
        assert "<del" not in cleo.browser.get(f"{cleo.path}/legal/rules?since={since}").text
    for key in ("other", "nothing", "../rules", "%00"):
        assert cleo.browser.get(f"{cleo.path}/legal/{key}").status_code == 404
    staff = Caller(app, ana)
    request = request_of(app, card, "terms")
    assert "/playbooks/lab/legal/rules/2" in staff.get(f"/client-gates/{request['id']}").text
    assert "Removed: </span>fresh</del>" in staff.get("/playbooks/lab/legal/rules/2?since=1").text
    assert "House rules, version 3" in staff.get("/playbooks/lab").text
    assert staff.get("/playbooks/lab/legal/rules/4").status_code == 404


def test_every_word_is_signed_and_stands_in_the_paper(
    app: Flask, ana: Person, account: Any, smtp_sink: Any
) -> None:
    card = asked(app, ana, account)
    cleo = Signer.of(app, card, "terms")
    cleo.open()
    cleo.sign(cleo.code(smtp_sink, app))
    request = request_of(app, card, "terms")
    (shown,) = request["proof"]["documents"]
    assert (shown["legal"], shown["version"]) == ("rules", "2")
    assert request["proof"]["content"]["documents"] == [["House rules", shown["title"], shown["sha256"]]]
    with app.app_context():
        assert make_due() == 1
    with app.app_context():
        _, pdf = read_file(request_of(app, card, "terms")["paper_id"])
    paper = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).replace("\n", " ")
    assert "Bread is eaten <b>today</b>." in paper
    assert shown["sha256"] in paper.replace(" ", "")

    # Asked again next year, another version is in force; the one they accepted is named.
    with time_machine.travel(now().replace(year=now().year + 1)):
        again = asked(app, ana, account)
        other = Client.of(app, again, "terms")
        other.open()
        text = other.browser.get(f"{other.path}/legal/rules").text
        assert "No bread." in text
        assert "What changed since 2, which you accepted" in text
        assert "What changed since 1<" in text
    assert request_of(app, card, "terms")["status"] == "accepted"
    page = Caller(app, ana).get(f"/accounts/{account}").text
    assert '/playbooks/lab/legal/rules/2">House rules, version 2</a>' in page
    assert "by <bdi>Cleo Client</bdi>" in page
    other_account = make_account(app, owner=ana, name="Südwind")
    assert "House rules" not in Caller(app, ana).get(f"/accounts/{other_account}").text


@pytest.mark.parametrize("page", ["words", "law"])
def test_a_colleague_reads_the_documents_that_their_page_is_about(
    app: Flask, ana: Person, account: Any, smtp_sink: Any, page: str
) -> None:
    form = """\
name: Your terms
answer: submit
legal: rules
pages:
  words: { asks: { wish: {} } }
  law: { asks: { agreed: { legal: rules } } }
message: asked
"""
    files = {
        "legal/rules.yaml": "name: House rules\nversions:\n" + ONE + TWO,
        "client_requests/terms.yaml": form,
    }
    publish_gates(app, files=files)
    card = asked(app, ana, account)
    cleo = Client.of(app, card, "terms")
    cleo.open()
    assert "Read: <bdi>House rules</bdi>" in cleo.browser.get(f"{cleo.path}/pages/law").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', cleo.look().text)
    assert token
    passed = {"csrf_token": token[1], "name": "Tim", "email": "tim@client.example"}
    assert cleo.browser.post(f"{cleo.path}/pages/{page}/colleagues", data=passed).status_code == 303
    follow_through(app)
    letter = text_of(received(smtp_sink)[-1])
    found = re.search(r"(/c/[\w-]+)", letter)
    assert found
    status = app.test_client().get(f"{found[1]}/legal/rules").status_code
    assert status == (200 if page == "law" else 404)


def test_a_request_keeps_the_version_it_was_asked_with(
    app: Flask, ana: Person, account: Any, smtp_sink: Any
) -> None:
    card = asked(app, ana, account)
    publish_rules(
        app, ONE, TWO.replace('"2"', '"2b"').replace("2026-09-01", "2026-09-02").replace("today", "hot")
    )
    cleo = Signer.of(app, card, "terms")
    cleo.open()
    assert "today" in cleo.browser.get(f"{cleo.path}/legal/rules").text
    assert cleo.sign(cleo.code(smtp_sink, app)).status_code == 303
    # A card on the revision before is asked under the law as it is published now.
    later = a_card(app, ana, account=account, fields={"price": "1", "wish": "Red"})
    moved(app, later, "terms", ana)
    (shown,) = request_of(app, later, "terms")["documents"]
    assert shown["version"] == "2b"
