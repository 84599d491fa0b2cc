"""P9, R10: 500 hostile strings come back as text on pages, in mails, papers and tables, and do nothing."""

from __future__ import annotations

import csv
import re
import uuid
from html import unescape
from html.parser import HTMLParser
from io import BytesIO, StringIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from pypdf import PdfReader

from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import find_folder, load
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.requests.decide import return_submission
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account, moved
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab, shipped
from tests.mail import received, text_of

# Each with a word of its own, by which it is found again: {w}.
_PAYLOADS = (
    "<script>{w}()</script>",
    "<script src=//{w}.example></script>",
    "<img src=x onerror={w}()>",
    "<svg/onload={w}()>",
    "<svg><script>{w}()</script></svg>",
    "<math><mi xlink:href=javascript:{w}()>",
    "<iframe srcdoc='<script>{w}()</script>'>",
    "<a href=javascript:{w}()>{w}</a>",
    "<form action=//{w}.example><button>{w}",
    "<input autofocus onfocus={w}()>",
    "<details open ontoggle={w}()>",
    "<style>*{{background:url(//{w}.example)}}</style>",
    "<base href=//{w}.example/>",
    "<meta http-equiv=refresh content=0;url=//{w}.example>",
    "<object data=//{w}.example></object>",
    "<template><img src={w}></template>",
    "<!-- {w}",
    "--><script>{w}()</script>",
    "<![CDATA[<script>{w}()</script>]]>",
    '"><script>{w}()</script>',
    "'><img src={w}>",
    '" onmouseover="{w}()',
    "' onclick='{w}()' x='",
    "` onload=`{w}()`",
    "</textarea><script>{w}()</script>",
    "</title><script>{w}()</script>",
    "</td></tr></table><img src={w}>",
    "</option></select><img src={w}>",
    "&lt;script&gt;{w}()&lt;/script&gt;",
    "&#60;script&#62;{w}()",
    "%3Cscript%3E{w}()%3C/script%3E",
    "{{{{ 7*7 }}}} {w}",
    "{{% for x in ().__class__.__mro__ %}} {w}",
    "${{7*7}} {w}",
    "#{{7*7}} {w}",
    "<%= 7*7 %> {w}",
    '#let x = read("/etc/passwd") {w}',
    '#eval("{w}") $ x^2 $ *{w}* _a_ `b`',
    "= {w}",
    '=HYPERLINK("//{w}.example")',
    "=cmd|' /C calc'!A0 {w}",
    "+1+{w}",
    "-1-{w}",
    "@SUM({w})",
    "'; drop table cards; -- {w}",
    "\\'; select pg_sleep(9) -- {w}",
    "../../etc/passwd {w}",
    "javascript:{w}()",
    "Bcc: {w}@evil.example",
    "A@b.example>, <{w}@evil.example",
)
_FORMS = (
    "{}",
    "{} end",
    "é{}ü",
    "日本{}語",
    "\u202e{}\u202c",
    "👩\u200d👩\u200d👧 {}",
    "\t{}",
    "a\u0301\u0302\u0303{}",
    "مرحبا {}",
    "{}\\",
)
ADDED_TO = """
first:
  leave: [ { evidence: call }, { meeting: review } ]
second: {}
"""
HOSTILE = [
    form.format(payload.format(w=f"zq{at * len(_FORMS) + turn}zq"))
    for at, payload in enumerate(_PAYLOADS)
    for turn, form in enumerate(_FORMS)
]
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\ntrailer<<>>\n%%EOF\n"
_WORD = re.compile(r"zq\d+zq")
# Where people's own words may stand; of an address only what is in its path or query, encoded.
_ATTRIBUTES = {"value", "title", "aria-label", "alt", "placeholder", "content"}


class _Parsed(HTMLParser):
    """What a browser would make of a page: its text, and whatever hostile became more than text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.alive: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            is_said = name in _ATTRIBUTES or name.startswith("data-") or self._is_harmless(name, value)
            if _WORD.search(f"{name} {value}" if not is_said else name):
                self.alive.append(f"<{tag} {name}={value!r}>")
            if value and is_said:
                self.text.append(value)
        if _WORD.search(tag):
            self.alive.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and _WORD.search(data):
            self.alive.append(f"<{self._inside}>{data[:80]}")
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        if _WORD.search(data):
            self.alive.append(f"<!--{data[:80]}")

    @staticmethod
    def _is_harmless(name: str, value: str | None) -> bool:
        """A link of our own, in which somebody's words are encoded."""
        return name in ("href", "hx-get", "action") and bool(
            re.match(r"(/|\?|mailto:)[\w/?=&%.+@-]*$", value or "")
        )


def inert(page: str, expected: list[str]) -> None:
    """Assert that the strings stand on the page as they were written, and none of them lives."""
    parsed = _Parsed(page)
    assert parsed.alive == []
    told = re.sub(r"\s+", " ", " ".join(parsed.text))
    lost = [text for text in expected if re.sub(r"\s+", " ", clean_text(text)) not in told]
    assert lost == []
    assert "49 zq" not in told, "a template was computed"


def test_there_are_five_hundred_and_each_is_another() -> None:
    assert len(set(HOSTILE)) == 500
    assert len({word for text in HOSTILE for word in _WORD.findall(text)}) == 500
    with pytest.raises(AssertionError):
        inert("<p><img src=x onerror=zq1zq()></p>", [])
    with pytest.raises(AssertionError):
        inert("<p>zq1zq</p>", ["<b>zq1zq</b>"])


@pytest.fixture
def ana(app: Flask) -> Person:
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def board(app: Flask, ana: Person) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """A board of 500 cards whose titles and accounts are hostile."""
    publish_lab(app, "first: {}\n")
    made = []
    with app.app_context(), transaction():
        for text in HOSTILE:
            account = Account(name=clean_text(text), owner_id=ana.id)
            db.session.add(account)
            db.session.flush()
            card = create_card(
                LAB, actor=ana.actor, channel="page", account_id=account.id, title=text, fields={"wish": text}
            )
            made.append((card.id, account.id))
    return made


@pytest.mark.slow
def test_on_the_board_the_list_a_card_and_in_csv(
    app: Flask, ana: Person, board: list[tuple[uuid.UUID, uuid.UUID]]
) -> None:
    caller = Caller(app, ana)
    shown = caller.get(f"/boards/{LAB}").text
    inert(shown, [])
    assert len(set(_WORD.findall(shown))) >= 10
    found: set[str] = set()
    following: str | None = f"/boards/{LAB}/list"
    while following:
        page = caller.get(following).text
        inert(page, [])
        found |= set(_WORD.findall(page))
        more = re.search(r'href="([^"]*[?;&]after=[^"]+)"', page)
        following = unescape(more[1]) if more else None
    assert len(found) == 500
    with app.app_context():
        kept = db.session.scalars(sa.select(Card.title)).all()
    assert sorted(kept) == sorted(clean_text(text) for text in HOSTILE)
    for (card, account), text in list(zip(board, HOSTILE, strict=True))[::10]:
        inert(caller.get(f"/cards/{card}").text, [text])
        inert(caller.get(f"/accounts/{account}").text, [text])
    table = list(csv.reader(StringIO(caller.get(f"/boards/{LAB}/list.csv").text.lstrip("\ufeff"))))
    assert len(table) == 501
    assert [cell for row in table for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    assert len({word for row in table for cell in row for word in _WORD.findall(cell)}) == 500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wispgate", "customer-success", "implementation", "consultancy"])
def test_in_every_text_field_of_a_shipped_playbook(app: Flask, ana: Person, name: str) -> None:
    """On the card, its timeline, the list and in CSV; in wispgate until each string was in one."""
    playbook = compile_document(load(find_folder(name)))
    with app.app_context(), transaction():
        publish(shipped(name), SYSTEM)
    slug = playbook.pipelines[0].slug
    fields = [
        key
        for key, field in playbook.fields.items()
        if field.type in ("text", "long_text") and not (field.is_column or field.computed_by or field.pattern)
    ]
    account = make_account(app, owner=ana, name="Nordwind")
    caller = Caller(app, make_user(app, role="admin"))
    for start in range(0, 500 if name == "wispgate" else 1, len(fields)):
        texts = [HOSTILE[at % 500] for at in range(start, start + len(fields))]
        with app.app_context(), transaction():
            card = create_card(slug, actor=ana.actor, channel="page", account_id=account, title="Fibre")
            card_id = card.id
        typed = {f"field-{key}": text for key, text in zip(fields, texts, strict=True)}
        filled = caller.post(f"/cards/{card_id}/fields", "page", **typed)
        assert filled.status_code == 303, unescape(filled.text)
        inert(caller.get(f"/cards/{card_id}").text, texts)
        inert(caller.get(f"/cards/{card_id}/timeline").text, [])
    table = list(csv.reader(StringIO(caller.get(f"/boards/{slug}/list.csv").text.lstrip("\ufeff"))))
    assert [cell for row in table for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    for page in (f"/boards/{slug}", f"/boards/{slug}/list", f"/accounts/{account}"):
        inert(caller.get(page).text, [])


@pytest.mark.slow
def test_in_everything_that_people_add_to_a_card(app: Flask, ana: Person) -> None:
    publish_lab(app, ADDED_TO)
    account = make_account(app, owner=ana)
    caller = Caller(app, ana)
    moment = "2026-11-02T10:00"
    for start in range(0, 500, 10):
        card = a_card(app, ana, account=account)
        some = HOSTILE[start : start + 10]
        added: list[tuple[str, dict[str, Any]]] = [
            ("comments", {"body": some[0]}),
            ("tasks", {"title": some[1], "due": moment, "assignee": ""}),
            ("next-action", {"text": some[2], "due": moment, "assignee": str(ana.id)}),
            (
                "meetings",
                {
                    "key": "review",
                    "starts_at": moment,
                    "our_attendees": some[3],
                    "client_attendees": some[4],
                    "notes": some[5],
                    "decisions": some[6],
                    "outcomes": "Send it - 2027-01-15",
                },
            ),
            ("attachments", {"key": "call", "kind": "talk", "title": some[7], "note": some[8],
                             "happened_at": moment, "medium": "phone", "outcome": "replied"}),
            ("waiting", {"waiting": "1", "reason": some[9]}),
        ]  # fmt: skip
        for place, fields in added:
            answer = caller.post(f"{card.url}/{place}", "page", **fields)
            assert answer.status_code == 303, (place, unescape(answer.text))
        page = caller.get(card.url).text
        # Who came is read as names with commas.
        inert(page, [*some[:3], *some[5:]])
        assert {*_WORD.findall(some[3]), *_WORD.findall(some[4])} <= set(_WORD.findall(page))
        told = caller.get(f"{card.url}/timeline").text
        inert(told, [])
        assert len(set(_WORD.findall(told))) > 5, "the timeline has what was added"


FORM = """\
name: Your survey
answer: submit
pages:
  all:
    name: All
    asks:
      words:
        type: table
        name: Words
        rows: 250
        columns: { one: { type: text, name: One }, two: { type: text, name: Two, required: no } }
consent: This is true.
message: asked
"""


@pytest.mark.slow
def test_in_a_form_its_review_its_paper_and_on_the_page_of_its_gate(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    publish_form(app, FORM)
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "survey", ana)
    follow_through(app)
    cleo = Client.of(app, card, "survey")
    cleo.open()
    cells = {}
    for at, text in enumerate(HOSTILE):
        cells[f"ask-words-{at // 2}-{('one', 'two')[at % 2]}"] = text
    page = cleo.browser.get(f"{cleo.path}/pages/all").text
    hidden = dict(re.findall(r'name="(csrf_token|edition|page)" value="([^"]*)"', page))
    saved = cleo.browser.post(
        f"{cleo.path}/pages/all", data={**hidden, "act": "next", "ask-words-rows": "250", **cells}
    )
    assert saved.status_code == 303, _WORD.findall(saved.text)[:3]
    inert(cleo.browser.get(f"{cleo.path}/pages/all").text, HOSTILE)
    review = cleo.browser.get(f"{cleo.path}/review").text
    inert(review, HOSTILE)
    seen = re.search(r'name="seen" value="([^"]*)"', review)
    assert seen
    sent = cleo.browser.post(
        f"{cleo.path}/answers",
        data={"csrf_token": hidden["csrf_token"], "seen": seen[1], "signer": HOSTILE[2], "agrees": "1"},
    )
    assert sent.status_code == 303
    inert(cleo.look().text, HOSTILE)
    request = request_of(app, card, "survey")
    staff = Caller(app, ana)
    inert(staff.get(f"/client-gates/{request['id']}").text, HOSTILE)
    inert(staff.get(f"/cards/{card.id}").text, [])
    pdf = cleo.browser.get(f"{cleo.path}/submission.pdf").data
    paper = "".join(each.extract_text() for each in PdfReader(BytesIO(pdf)).pages)
    lost = set(_WORD.findall(" ".join(HOSTILE))) - set(_WORD.findall(re.sub(r"\s", "", paper)))
    assert lost == set()
    assert b"/JavaScript" not in pdf
    assert b"evil.example" not in re.findall(rb"/URI\s*\(([^)]*)", pdf)


@pytest.mark.slow
def test_in_mails(app: Flask, ana: Person, smtp_sink: Any) -> None:
    publish_gates(app)
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account, fields={"price": "120"})
    Caller(app, ana).post(f"/cards/{card.id}/client-requests", request="order")
    follow_through(app)
    for start in range(0, 500, 20):
        some = HOSTILE[start : start + 20]
        cleo = Client.of(app, card, "order")
        if start == 0:
            cleo.open()
        files = {} if start else {"files": (BytesIO(PDF), "order.pdf")}
        sent = cleo.send("answers", **{"ask-pieces": "7", "signer": "Cleo"}, **files)
        assert sent.status_code == 303, sent.text
        with app.app_context(), transaction():
            request = request_of(app, card, "order")
            with changing_card(card.id, ana.actor) as subject:
                return_submission(subject, ana.actor, request["id"], "\n".join(some))
        follow_through(app)
        letter = received(smtp_sink)[-1]
        assert letter["To"] == "Cleo Client <cleo@client.example>"
        assert "Bcc" not in letter
        for text in some:
            assert clean_text(text).strip() in text_of(letter)
        html = letter.get_body(("html",))
        assert html
        inert(html.get_content(), some)
