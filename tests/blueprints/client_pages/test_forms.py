"""E19, P12: a client fills a form page by page, without a script; several people, one form; mended."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from datetime import timedelta
from html import unescape
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from pypdf import PdfReader
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.exchange.imports.columns import targets
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.requests.decide import accept_submission
from lifecycle.governance.requests.fill import MOST_OF_THE_LARGEST
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.sealed import sealed_token
from lifecycle.work.client_requests.models import ClientLink, RequestReview, RequestSubmission
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, card_row, change, gate, make_account, moved, rows
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through, notices
from tests.factories.forms import FORM, publish_form
from tests.factories.people import Person, make_user
from tests.mail import received, text_of

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
YOU = {"ask-company": "Nordwind", "ask-office-street": "Am Kai 1", "ask-office-town": "Emden",
       "ask-office-country": "Germany", "ask-price": "99.50"}  # fmt: skip
TRADE = {"ask-kinds-sent": "1", "ask-kinds": "fibre", "ask-plans-rows": "3", "ask-plans-0-name": "Home",
         "ask-plans-0-price": "20"}  # fmt: skip


class Filler(Client):
    """Somebody who fills a form."""

    def page(self, key: str) -> TestResponse:
        return self.browser.get(f"{self.path}/pages/{key}")

    def save(self, key: str, act: str = "next", **fields: Any) -> TestResponse:
        return self._post(f"pages/{key}", self.page(key).text, {"act": act, **fields})

    def save_from(self, shown: str, key: str, **fields: Any) -> TestResponse:
        """Save a page as it was when it was opened."""
        return self._post(f"pages/{key}", shown, {"act": "next", **fields})

    def type(self, key: str, **fields: Any) -> TestResponse:
        """What the script does while somebody types."""
        return self._post("drafts", self.page(key).text, fields)

    def pass_on(self, key: str, name: str) -> TestResponse:
        colleague = {"name": name, "email": "tim@client.example"}
        return self._post(f"pages/{key}/colleagues", self.page(key).text, colleague)

    def review(self) -> TestResponse:
        return self.browser.get(f"{self.path}/review")

    def submit(self, **fields: Any) -> TestResponse:
        page = self.review().text
        seen = re.search(r'name="seen" value="([^"]*)"', page)
        assert seen
        given = {"seen": unescape(seen[1]), "signer": "Cleo Client", "agrees": "1", **fields}
        return self._post("answers", page, given)

    def _post(self, act: str, page: str, fields: dict[str, Any]) -> TestResponse:
        hidden = {
            name: unescape(value)
            for name, value in re.findall(
                r'name="(csrf_token|edition|page|sheet|spoken)" value="([^"]*)"', page
            )
        }
        return self.browser.post(
            f"{self.path}/{act}",
            data={**hidden, **fields},
            content_type="multipart/form-data",
            headers={"Accept": "text/html"},
        )


def cells(page: str) -> list[tuple[str, str]]:
    """The cells of the tables of a page, by the names of their columns."""
    found = re.findall(r'<td data-label="([^"]*)"[^>]*><bdi>(.*?)</bdi>', page)
    return [(unescape(name), unescape(text)) for name, text in found]


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account)
    card = a_card(app, ana, account=account, fields={"wish": "Blue"})
    moved(app, card, "survey", ana)
    follow_through(app)
    return card


@pytest.fixture
def cleo(app: Flask, card: KnownCard) -> Filler:
    client = Filler.of(app, card, "survey")
    client.open()
    return client


def colleague(app: Flask, card: KnownCard, cleo: Filler, page: str) -> Filler:
    """Somebody to whom one page was passed."""
    assert cleo.pass_on(page, "Tim").status_code == 303
    with app.app_context():
        links = sa.select(ClientLink.id).where(ClientLink.pages.is_not(None))
        link = db.session.scalars(links.order_by(ClientLink.created_at.desc()).limit(1)).one()
        return Filler(app, f"/c/{sealed_token(f'client_links/{link}')}")


def sign(app: Flask, cleo: Filler, sink: Any) -> TestResponse:
    """Look it over, ask for a code, read it in the mail, and sign."""
    cleo._post("codes", cleo.review().text, {"from": "review"})
    follow_through(app)
    code = re.search(r"^(\d{6})$", text_of(received(sink)[-1]), flags=re.MULTILINE)
    seen = re.search(r'name="seen_content" value="([0-9a-f]{64})"', cleo.review().text)
    assert code
    assert seen
    return cleo.submit(code=code[1], seen_content=seen[1])


def goes_to(answer: TestResponse) -> str:
    """The last part of the address that somebody is sent to."""
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].rpartition("/")[2]


def answers(app: Flask, card: KnownCard) -> dict[str, Any]:
    found: dict[str, Any] = request_of(app, card, "survey")["answers"]
    return found


def test_a_form_is_filled_looked_over_and_sent_without_a_script(
    app: Flask, card: KnownCard, cleo: Filler, ana: Person
) -> None:
    overview = cleo.look().text
    assert "Who you are." not in overview
    assert "Not begun" in overview
    assert "Your towers" not in overview
    first = cleo.page("you").text
    assert 'value="Nordwind Funk"' in first, "what is known need not be typed"
    assert "Page 1 of 2" in first
    assert goes_to(cleo.save("you", **YOU)) == "trade"
    # Ticking wireless opens a page.
    assert goes_to(cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})) == "wireless"
    assert goes_to(cleo.save("wireless", **{"ask-masts": "12", "ask-shared": "yes"})) == "wireless"
    assert request_of(app, card, "survey")["status"] == "in_progress"
    review = cleo.review().text
    assert "1 answer is still missing" in review
    assert cleo.submit().status_code == 422
    assert goes_to(cleo.save("wireless", **{"ask-masts": "12", "ask-shared": "no"})) == "review"
    assert cells(cleo.review().text)[:2] == [("Name", "Home"), ("Price", "20.00")]
    assert cleo.submit().status_code == 303
    assert "Sent" in cleo.look().text
    request = request_of(app, card, "survey")
    assert request["status"] == "submitted"
    assert request["answers"]["plans"] == [{"name": "Home", "price": "20.00"}]
    (frozen,) = rows(app, RequestSubmission)
    assert (frozen["number"], frozen["answers"]) == (1, request["answers"])
    assert [(score["points"], score["level"]) for score in frozen["scores"]] == [(3, "medium")]
    fields = card_row(app, card)["fields"]
    assert (fields["price"], fields["pieces"]) == ("99.50", 3)
    assert ("Ana", "Cleo Client submitted Your survey") in notices(app)


def test_a_page_with_mistakes_is_saved_and_says_what_is_wrong(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    page = cleo.save("you", **{**YOU, "ask-price": "dear", "ask-office-town": ""})
    assert page.status_code == 422
    assert "Price must be a number" in page.text
    assert 'href="#ask-office-town"' in page.text
    assert 'value="dear"' in page.text
    assert answers(app, card)["price"] == "dear"
    assert "2 left" in cleo.look().text
    assert cleo.submit().status_code == 422


def test_what_cannot_be_agreed_to_is_kept_but_not_sent(app: Flask, card: KnownCard, cleo: Filler) -> None:
    cleo.save("you", **YOU)
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    towers = {"ask-masts": "3", "ask-permitted": "no"}
    page = cleo.save("wireless", **towers)
    assert page.status_code == 422
    assert "We need the permit." in page.text
    assert "What hinders" in page.text
    refused = cleo.submit()
    assert refused.status_code == 422
    assert 'pages/wireless#ask-permitted">We need the permit.' in refused.text
    assert answers(app, card)["permitted"] == "no"
    assert rows(app, RequestSubmission) == []
    cleo.save("wireless", **{**towers, "ask-permitted": "yes"})
    assert cleo.submit().status_code == 303
    assert rows(app, RequestSubmission)[0]["answers"]["permitted"] is True


def test_what_an_answer_opens_on_the_same_page_is_shown_before_going_on(app: Flask, cleo: Filler) -> None:
    cleo.save("you", **YOU)
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    hidden = r'data-question="owner" hidden'
    assert re.search(hidden, cleo.page("wireless").text)
    assert goes_to(cleo.save("wireless", **{"ask-masts": "3", "ask-shared": "yes"})) == "wireless"
    page = cleo.page("wireless").text
    assert "Your answers opened one more question here." in page
    assert not re.search(hidden, page)


def test_typing_is_saved_in_one_small_request_that_says_what_is_asked_now(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    said = cleo.type("wireless", **{"ask-shared": "yes"}).get_json()
    assert said["asked"] == ["masts", "shared", "owner", "permitted", "story", "plan"]
    assert said["errors"] == {}
    said = cleo.type("wireless", **{"ask-masts": "0"}).get_json()
    assert said["errors"] == {"masts": "Masts must be at least 1."}
    assert answers(app, card)["masts"] == "0"
    assert len(json.dumps(said)) < 300


def test_two_people_on_one_page_do_not_undo_each_other(
    app: Flask, card: KnownCard, cleo: Filler, ana: Person
) -> None:
    cleo.pass_on("you", "Tim")
    tim = Filler.of(app, card, "survey")
    opened = cleo.page("you").text
    tim.save("you", **{**YOU, "ask-company": "Nordwind AG"})
    page = cleo.save_from(opened, "you", **{**YOU, "ask-company": "Nordwind GmbH", "ask-price": "7"})
    assert page.status_code == 422
    assert "Tim has answered “Company” meanwhile: “Nordwind AG”." in unescape(page.text)
    assert 'value="Nordwind GmbH"' in page.text, "what was typed is still there"
    kept = answers(app, card)
    assert (kept["company"], kept["price"]) == ("Nordwind AG", "99.50")
    assert "“Price” meanwhile" in unescape(page.text)
    again = cleo.save_from(page.text, "you", **{**YOU, "ask-company": "Nordwind GmbH"})
    assert again.status_code == 303
    assert answers(app, card)["company"] == "Nordwind GmbH"


def test_a_page_left_open_on_another_device_undoes_nothing(app: Flask, card: KnownCard, cleo: Filler) -> None:
    """E19: begun on a phone, gone on with at a desk, and sent from the phone that was still open."""
    phone = cleo.page("you").text
    desk = Filler.of(app, card, "survey")
    for typed in ("Nord", "Nordwind"):
        desk._post("drafts", desk.page("you").text, {"ask-company": typed})
    desk.save("you", **{**YOU, "ask-company": "Nordwind"})
    untouched = {"ask-company": "Nordwind Funk", "ask-price": ""}
    saved = cleo.save_from(phone, "you", **{**untouched, "ask-office-country": "Norway"})
    kept = answers(app, card)
    assert (kept["company"], kept["price"]) == ("Nordwind", "99.50"), "the phone showed what was before"
    assert kept["office"] == {"street": "Am Kai 1", "town": "Emden", "country": "Germany"}
    assert saved.status_code == 422
    assert "You have answered “Office” elsewhere meanwhile" in unescape(saved.text)
    assert "“Company”" not in re.findall(r'<div class="error-summary".*?</div>', saved.text, re.DOTALL)[0]


def test_a_page_does_not_get_in_its_own_way(app: Flask, card: KnownCard, cleo: Filler) -> None:
    """E19: what the script saved while one typed is of the same page as what its button saves."""
    page = cleo.page("you").text
    for typed in ("Nord", "Nordwind"):
        assert cleo._post("drafts", page, {"ask-company": typed}).get_json()["conflicts"] == []
    assert goes_to(cleo.save_from(page, "you", **{**YOU, "ask-company": "Nordwind AG"})) == "trade"
    assert goes_to(cleo.save_from(page, "you", **{**YOU, "ask-company": ""})) == "trade", "by the back button"
    assert answers(app, card)["company"] == ""


def test_a_colleague_sees_the_page_that_was_passed_on_and_nothing_else(
    app: Flask, card: KnownCard, cleo: Filler, smtp_sink: Any
) -> None:
    cleo.save("you", **YOU)
    passed = cleo._post(
        "pages/trade/colleagues",
        cleo.page("trade").text,
        {"name": "Tim {{ 7*7 }}", "email": "tim@client.example"},
    )
    assert passed.status_code == 303
    follow_through(app)
    letter = received(smtp_sink)[-1]
    assert letter["Subject"] == "Cleo Client asks you to fill in “What you sell”"
    path = re.search(r"/c/[\w-]+", text_of(letter))
    assert path
    assert "Tim {{ 7*7 }}" in text_of(letter)
    tim = Filler(app, path[0])
    whole = tim.look().text
    assert "What you sell" in whole
    assert "Look it over" not in whole
    assert "Blue" not in whole
    assert tim.page("trade").status_code == 200
    assert tim.page("you").status_code == 404
    assert tim.review().status_code == 404
    tim.save("trade", **TRADE, **{"ask-company": "Evil Ltd"})
    assert answers(app, card)["company"] == "Nordwind"
    assert answers(app, card)["plans"][0]["name"] == "Home"
    for act, fields in (
        ("answers", {"signer": "Tim", "agrees": "1", "seen": request_of(app, card, "survey")["shown_hash"]}),
        ("answers", {}),
        ("answers", {"act": "draft", "ask-company": "Evil Ltd", "ask-lists": "x"}),
        ("refusals", {"reason": "No"}),
    ):
        refused = tim._post(act, tim.page("trade").text, fields)
        assert refused.status_code == 409
        assert "Blue" not in refused.text
        assert "This is true." not in refused.text
    assert answers(app, card)["company"] == "Nordwind"
    # A new link opens no more than the old one did.
    assert tim._post("renewals", tim.page("trade").text, {}).status_code == 200
    follow_through(app)
    again = re.search(r"/c/[\w-]+", text_of(received(smtp_sink)[-1]))
    assert again
    tim = Filler(app, again[0])
    assert tim.page("trade").status_code == 200
    assert (tim.page("you").status_code, tim.review().status_code) == (404, 404)
    with time_machine.travel(now() + timedelta(days=200)):
        tim._post("renewals", tim.look().text, {})
        follow_through(app)
        late = re.search(r"/c/[\w-]+", text_of(received(smtp_sink)[-1]))
        assert late
        assert late[0] != tim.path
        assert Filler(app, late[0]).page("you").status_code == 404
    assert request_of(app, card, "survey")["status"] == "in_progress"
    cleo.submit()
    done = tim.look().text
    assert "The whole was sent." in done
    assert "Am Kai 1" not in done


def test_a_colleague_reads_that_it_was_declined(app: Flask, card: KnownCard, cleo: Filler) -> None:
    tim = colleague(app, card, cleo, "trade")
    cleo._post("refusals", cleo.look().text, {"reason": "Not now"})
    assert "The whole was sent" not in tim.look().text
    assert "Nothing is left to do here." in tim.look().text


def test_a_whole_form_is_saved_page_by_page_and_in_no_other_way(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    cleo.save("you", **YOU)
    refused = cleo._post("answers", cleo.page("trade").text, {"act": "draft", "ask-lists": "x"})
    assert refused.status_code == 409
    assert "lists" not in answers(app, card)


def test_a_colleague_takes_away_no_file_of_another_page(app: Flask, card: KnownCard, cleo: Filler) -> None:
    cleo.save("trade", act="save", **TRADE, **{"ask-lists": (BytesIO(PDF), "prices.pdf")})
    (kept,) = answers(app, card)["lists"]
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    tim = colleague(app, card, cleo, "wireless")
    tim._post("pages/wireless", tim.page("wireless").text, {"act": f"drop-file:plan:{kept['id']}"})
    assert cleo.browser.get(f"{cleo.path}/files/{kept['id']}").status_code == 200


def test_as_many_files_as_a_form_takes_can_be_sent(app: Flask, card: KnownCard, cleo: Filler) -> None:
    cleo.save("you", **YOU)
    uploads = [(BytesIO(PDF + bytes([number])), f"prices-{number}.pdf") for number in range(21)]
    files: Any = {"ask-lists": uploads}
    cleo.save("trade", **TRADE, **files)
    assert len(answers(app, card)["lists"]) == 21
    assert cleo.submit().status_code == 303


def test_what_was_typed_beside_a_refused_file_is_kept(app: Flask, card: KnownCard, cleo: Filler) -> None:
    refused: Any = {"ask-lists": (BytesIO(b"MZ\x90\0"), "prices.exe")}
    page = cleo.save("trade", **TRADE, **refused)
    assert page.status_code == 422
    assert "Saved, but please look at this" in page.text
    assert 'value="Home"' in page.text
    assert answers(app, card)["plans"][0]["name"] == "Home"


@pytest.mark.parametrize("typed", ["Nord\0wind", "Nord\x08wind"])
def test_letters_that_nobody_can_keep_are_left_out(
    app: Flask, card: KnownCard, cleo: Filler, typed: str
) -> None:
    assert cleo.type("you", **{"ask-company": typed}).status_code == 200
    assert answers(app, card)["company"].isprintable()
    assert cleo.save("trade", **{**TRADE, "ask-plans-0-name": typed}).status_code in (303, 422)
    assert cleo._post(
        "pages/you/colleagues", cleo.page("you").text, {"name": typed, "email": f"a{typed}@y.example"}
    ).status_code in (303, 422)


def test_a_text_that_is_too_long_is_said_and_never_cut_in_silence(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    lines = "\r\n".join(["x" * 99] * 200)  # As a browser sends what it counts as 19,999 characters.
    cleo.save("wireless", **{"ask-masts": "3"})
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    assert cleo.save("wireless", **{"ask-masts": "3", "ask-story": lines}).status_code == 303
    assert answers(app, card)["story"] == lines.replace("\r\n", "\n")
    page = cleo.save("wireless", **{"ask-masts": "3", "ask-story": "x" * 20_001})
    assert "20,000 characters; this has 20,001" in page.text


def test_an_answer_typed_so_far_is_read_as_it_was_meant(
    app: Flask, card: KnownCard, cleo: Filler, ana: Person
) -> None:
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless", "ask-plans-0-tags-sent": "1",
                          "ask-plans-0-tags": "old"})  # fmt: skip
    assert answers(app, card)["plans"][0]["tags"] == ["old"]
    tim = colleague(app, card, cleo, "wireless")
    opened = tim.page("wireless").text
    cleo.save("wireless", **{"ask-masts": "3", "ask-shared": "no"})
    staff = Caller(app, ana).get(f"/client-gates/{request_of(app, card, 'survey')['id']}").text
    assert re.search(r"<dt>Shared masts</dt><dd>\s*<div class=\"pre\">No</div>", staff)
    page = tim.save_from(opened, "wireless", **{"ask-masts": "3", "ask-shared": "yes"})
    assert "“Shared masts” meanwhile: “No”" in unescape(page.text)


def test_a_day_that_cannot_stand_in_a_contract_is_asked_again(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    form = FORM.replace("      price: {}\n", "      price: {}\n      since: { type: date, name: Start }\n")
    form = form.replace("rows: 3", "rows: 9")
    publish_form(app, form)
    card = a_card(app, ana, account=make_account(app, owner=ana), fields={"wish": "Blue"})
    a_contact(app, card.account)
    moved(app, card, "survey", ana)
    follow_through(app)
    cleo = Filler.of(app, card, "survey")
    cleo.open()
    for day in ("9999-12-31", "0001-01-01", "1899-12-31", "2200-01-01"):
        refused = cleo.save("you", **YOU, **{"ask-since": day})
        assert "Start must be a day between 1900 and 2199." in refused.text
    assert goes_to(cleo.save("you", **YOU, **{"ask-since": "2026-12-31"})) == "trade"
    assert "<bdi>31 December 2026</bdi>" in cleo.review().text, "as people read it, in English too"

    # "More rows" shows more, also when nothing is filled yet, and the page stays where it was pressed.
    assert cleo.page("trade").text.count('role="group"') == 3
    pressed = cleo.save("trade", act="more:plans")
    assert goes_to(pressed) == "trade?more=plans#ask-plans"
    more = cleo.browser.get(pressed.headers["Location"]).text
    assert more.count('role="group"') == 6
    for odd in ("?more=", "?more=nothing", "?more=" + "x" * 3000, "?more=plans&more=plans"):
        assert cleo.browser.get(f"{cleo.path}/pages/trade{odd}").status_code == 200


def test_uploads_stand_with_their_question_and_can_be_taken_away(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    files = {"ask-lists": (BytesIO(PDF), "prices.pdf")}
    assert cleo.save("trade", act="save", **TRADE, **files).status_code == 303
    page = cleo.page("trade").text
    (kept,) = answers(app, card)["lists"]
    assert f"/files/{kept['id']}" in page
    assert cleo.browser.get(f"{cleo.path}/files/{kept['id']}").status_code == 200
    bad = cleo.save("trade", act="save", **TRADE, **{"ask-lists": (BytesIO(b"MZ\x90\0"), "prices.exe")})
    assert bad.status_code == 422
    assert len(answers(app, card)["lists"]) == 1
    cleo.save("trade", act=f"drop-file:lists:{kept['id']}", **TRADE)
    assert answers(app, card)["lists"] == []
    assert cleo.browser.get(f"{cleo.path}/files/{kept['id']}").status_code == 404


def test_sending_and_taking_away_does_not_fill_the_disk(
    app: Flask, card: KnownCard, cleo: Filler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: no file is ever deleted, so one form takes only so much in all its life."""
    small = replace(app.extensions["settings"], max_upload_bytes=1000)
    monkeypatch.setitem(app.extensions, "settings", small)

    def send(size: int) -> TestResponse:
        files: Any = {"ask-lists": (BytesIO(PDF + secrets.token_bytes(size - len(PDF))), "prices.pdf")}
        return cleo.save("trade", act="save", **TRADE, **files)

    for _ in range(MOST_OF_THE_LARGEST):
        assert send(1000).status_code == 303
        (kept,) = answers(app, card)["lists"]
        cleo.save("trade", act=f"drop-file:lists:{kept['id']}", **TRADE)
    refused = send(100)
    assert refused.status_code == 422
    assert "Very much was sent here already" in refused.text
    assert answers(app, card)["lists"] == []
    assert answers(app, card)["plans"][0]["name"] == "Home"


def test_a_page_that_is_sent_whole_undoes_nothing_that_was_left_as_it_stood(
    app: Flask, card: KnownCard, cleo: Filler
) -> None:
    """Without a script a page sends every field, whoever has answered it meanwhile."""
    cleo.save("you", **{**YOU, "ask-price": ""})
    tim = colleague(app, card, cleo, "you")
    shown, own = tim.page("you").text, cleo.page("you").text
    assert tim.save_from(shown, "you", **{**YOU, "ask-price": "5.00"}).status_code == 303
    # Cleo has typed a new name, and left the price empty that she has not seen.
    changed = {**YOU, "ask-company": "Nordwind Netze", "ask-price": ""}
    assert cleo.save_from(own, "you", **changed).status_code == 303
    assert answers(app, card)["price"] == "5.00"
    assert answers(app, card)["company"] == "Nordwind Netze"
    # And Tim, from his old page, leaves her name as he saw it.
    again = tim.save_from(shown, "you", **{**YOU, "ask-price": "6.00"})
    assert again.status_code == 303
    assert (answers(app, card)["price"], answers(app, card)["company"]) == ("6.00", "Nordwind Netze")
    # What was typed against another's answer is told, as before.
    other = tim.save_from(shown, "you", **{**YOU, "ask-company": "Nordwind Funk AG"})
    assert other.status_code == 422
    assert "Nordwind Netze" in other.text


def test_who_is_too_late_is_told(app: Flask, card: KnownCard, cleo: Filler) -> None:
    """A page that was opened before the form was sent saves nothing, passes nothing on, and says so."""
    cleo.save("you", **YOU)
    cleo.save("trade", **TRADE)
    old = cleo.page("you").text
    cleo.submit()
    for act in ("pages/you", "pages/you/colleagues"):
        late = cleo._post(act, old, {"name": "Tim", "email": "tim@client.example", "ask-company": "Other"})
        assert late.status_code == 303
        told = cleo.look().text
        assert "Nothing can be filled in here now." in told or "Nothing was changed." in told
    assert answers(app, card)["company"] == "Nordwind"
    assert rows(app, Contact, email="tim@client.example") == []


def test_staff_decide_on_what_they_have_read(app: Flask, card: KnownCard, cleo: Filler, ana: Person) -> None:
    """E8, E19: sent anew between looking and pressing, an answer is neither accepted nor returned unread."""
    cleo.save("you", **YOU)
    cleo.save("trade", **TRADE)
    cleo.submit()
    staff, gate_page = Caller(app, ana), f"/client-gates/{request_of(app, card, 'survey')['id']}"

    def read() -> str:
        seen = re.search(r'name="seen" value="([^"]+)"', staff.get(gate_page).text)
        assert seen
        return unescape(seen[1])

    first = read()
    assert staff.post(f"{gate_page}/returns", reason="The price", seen=first).status_code < 400
    cleo.save("you", **{**YOU, "ask-price": "1.00"})
    assert cleo.submit().status_code == 303
    for act in ("acceptances", "returns"):
        refused = staff.post(f"{gate_page}/{act}", "page", reason="Again", seen=first)
        assert refused.status_code == 409
        assert "sent it anew since you looked" in refused.text
    assert [row["outcome"] for row in rows(app, RequestReview)] == ["returned"]
    assert staff.post(f"{gate_page}/acceptances", seen=read()).status_code < 400
    assert request_of(app, card, "survey")["status"] == "accepted"


def test_returned_with_comments_the_client_sees_what_to_mend_and_each_submission_is_kept(
    app: Flask, card: KnownCard, cleo: Filler, ana: Person
) -> None:
    cleo.save("you", **YOU)
    cleo.save("trade", **TRADE)
    cleo.submit()
    staff = Caller(app, ana)
    request = request_of(app, card, "survey")
    page = staff.get(f"/client-gates/{request['id']}").text
    assert 'name="comment-plans"' in page
    assert "Several plans." not in page
    sent = staff.post(
        f"/client-gates/{request['id']}/returns",
        reason="",
        **{"comment-plans": "Is this the <b>whole</b> list?"},
    )
    assert sent.status_code in (200, 204, 303)
    overview = cleo.look().text
    assert "Mend 1 answer" in overview
    mend = cleo.page("-mend").text
    assert "Is this the &lt;b&gt;whole&lt;/b&gt; list?" in mend
    assert 'name="ask-company"' not in mend
    theirs = colleague(app, card, cleo, "trade").look().text
    assert "Mend 1 answer" in theirs
    assert "/review" not in theirs, "whoever was passed a page does not send the whole"
    more = {**TRADE, "ask-plans-1-name": "Work", "ask-plans-1-price": "40"}
    assert goes_to(cleo.save("-mend", **more)) == "review"
    assert cleo.submit().status_code == 303
    assert [row["number"] for row in rows(app, RequestSubmission)] == [1, 2]
    assert [(row["outcome"], row["comments"]) for row in rows(app, RequestReview)] == [
        ("returned", {"plans": "Is this the <b>whole</b> list?"})
    ]
    again = staff.get(f"/client-gates/{request['id']}").text
    assert "Changed since they sent it before" in again
    named = [text for name, text in cells(again) if name == "Name"]
    assert named == ["Home", "Work", "Home"], "the rows of now, and those of before"
    assert "Several plans." in again, "the score gives its reasons"
    staff.post(f"/client-gates/{request['id']}/acceptances")
    assert request_of(app, card, "survey")["status"] == "accepted"
    assert not gate(app, card, "last").blocked
    with app.app_context(), pytest.raises(DBAPIError, match="permission denied"), transaction():
        db.session.execute(sa.text("update request_submissions set answers = '{}'"))


def test_a_signed_form_that_was_returned_is_mended_and_signed_again(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    publish_form(app, FORM + "sign: photo\n")
    account = make_account(app, owner=ana, name="Südwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "survey", ana)
    follow_through(app)
    cleo = Filler.of(app, card, "survey")
    cleo.open()
    cleo.save("you", **YOU)
    cleo.save("trade", **TRADE)
    assert sign(app, cleo, smtp_sink).status_code == 303
    request = request_of(app, card, "survey")
    Caller(app, ana).post(f"/client-gates/{request['id']}/returns", reason="", **{"comment-price": "Sure?"})
    cleo.save("-mend", **{"ask-price": "77"})
    assert sign(app, cleo, smtp_sink).status_code == 303
    request = request_of(app, card, "survey")
    assert request["status"] == "submitted"
    assert card_row(app, card)["fields"]["price"] == "77.00"
    stated = {each[0]: each[1:] for each in request["proof"]["content"]["answers"]}
    assert stated["Plans"][1] == {
        "columns": ["Name", "Price", "Kind", "Tags"],
        "rows": [["Home", "20.00", "", ""]],
    }
    assert cells(cleo.look().text)[:2] == [("Name", "Home"), ("Price", "20.00")]


def test_what_was_submitted_is_there_as_pdf_for_both_sides(
    app: Flask, card: KnownCard, cleo: Filler, ana: Person
) -> None:
    """E19: as it was submitted, whatever is typed since; markup in an answer is text."""
    cleo.save("you", **{**YOU, "ask-company": "#set text(red) *Nord* $x$ <b>"})
    cleo.save("trade", **TRADE)
    assert cleo.browser.get(f"{cleo.path}/submission.pdf").status_code == 404
    cleo.submit()
    request = request_of(app, card, "survey")
    ours = Caller(app, ana).get(f"/client-gates/{request['id']}/submissions/1.pdf")
    theirs = cleo.browser.get(f"{cleo.path}/submission.pdf")
    assert theirs.headers["Cache-Control"] == "no-store"
    for answer in (ours, theirs):
        assert answer.mimetype == "application/pdf"
        text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(answer.data)).pages)
        assert "#set text(red) *Nord* $x$ <b>" in text
        assert "Home" in text
        assert "20.00" in text
        assert "Cleo Client" in text
    assert Caller(app, ana).get(f"/client-gates/{request['id']}/submissions/2.pdf").status_code == 404


def test_nobody_writes_a_score_by_hand(app: Flask, card: KnownCard, ana: Person) -> None:
    """W14: what the client's answers score opens or closes a gate; the page, the rules and imports cannot."""
    typed = Caller(app, ana).post(f"/cards/{card.id}/fields", **{"field-pieces": "0"})
    assert typed.status_code == 422
    assert "Pieces is worked out from “Your survey”." in unescape(typed.text)
    with app.app_context():
        playbook = get_subject(card.id).playbook
        offered = {target.key for target in targets(playbook, playbook.pipeline("trials"))}
    assert "field:price" in offered
    assert "field:pieces" not in offered


def test_an_old_page_and_a_second_press_change_nothing(app: Flask, card: KnownCard, cleo: Filler) -> None:
    cleo.save("you", **YOU)
    cleo.save("trade", **TRADE)
    old_page, old_review = cleo.page("you").text, cleo.review().text
    assert cleo.submit().status_code == 303
    before = request_of(app, card, "survey")
    assert cleo.save_from(old_page, "you", **{**YOU, "ask-company": "Other"}).status_code in (303, 404)
    seen = {"seen": before["shown_hash"], "signer": "Cleo", "agrees": "1"}
    assert cleo._post("answers", old_review, seen).status_code == 409
    assert cleo._post("drafts", old_page, {"ask-company": "Other"}).status_code in (404, 409)
    assert request_of(app, card, "survey") == before
    assert len(rows(app, RequestSubmission)) == 1


def test_looking_at_any_page_of_a_form_changes_nothing(app: Flask, card: KnownCard) -> None:
    client = Filler.of(app, card, "survey")
    before = request_of(app, card, "survey")
    for path in ("", "/pages/you", "/pages/trade", "/review", "/pages/-mend"):
        for method in (client.browser.get, client.browser.head):
            assert method(client.path + path).status_code in (200, 303)
    assert client.page("you").status_code == 303, "nothing is shown before a person pressed the button"
    assert request_of(app, card, "survey") == before
    with app.app_context():
        kinds = db.session.scalars(sa.select(Event.kind).where(Event.kind.like("card.request.%"))).all()
    assert list(kinds) == ["card.request.asked"]


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "{{ 7*7 }}", "=1+1", "\u202e\u0000x", "a" * 30_000]
)
def test_hostile_text_comes_back_inert(app: Flask, card: KnownCard, cleo: Filler, text: str) -> None:
    cleo.save("you", **{**YOU, "ask-company": text, "ask-office-street": text})
    cleo.save("trade", **{**TRADE, "ask-plans-0-name": text, "ask-plans-rows": "9999999"})
    for page in (cleo.page("you").text, cleo.page("trade").text, cleo.review().text):
        assert "<script>alert" not in page
        assert not text.startswith("{{") or "{{ 7*7 }}" in page
    assert len(answers(app, card)["company"]) == len(clean_text(text)), "what is too long is said, not cut"
    assert cleo.submit().status_code == (422 if len(text) > 500 else 303)


QUESTIONNAIRE = """
first: {}
survey:
  client_gate: { asks: survey, due: 3 days }
  leave:
    - questionnaire: { name: survey, pages: you }
    - questionnaire: { name: survey, pages: [trade, wireless] }
    - questionnaire: survey
      waive: nobody
last: {}
"""


def test_e19_a_gate_says_what_is_left_on_which_page_and_may_ask_for_some_pages_only(
    app: Flask, smtp_sink: Any
) -> None:
    publish_form(app, stages=QUESTIONNAIRE)
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    account = make_account(app, owner=ana, name="Nordwind Funk")
    card = a_card(app, ana, account=account, fields={"wish": "Blue"})

    def told() -> list[tuple[bool, str]]:
        return [(result.state == "passed", result.sentence) for result in gate(app, card, "last").results]

    moved(app, card, "survey", ana)
    assert told()[0] == (False, "“Your survey” has not been sent: nobody with an email address is known.")
    a_contact(app, account)
    request = request_of(app, card, "survey")
    contact = rows(app, Contact)[0]["id"]
    Caller(app, ana).post(f"/client-gates/{request['id']}/askings", contact=str(contact))
    follow_through(app)
    cleo = Filler.of(app, card, "survey")
    cleo.open()
    left = "20% is filled in; left: You (2), What you sell (2)."
    assert told() == [
        (False, "“Your survey” waits for the client: You (2)."),
        (False, "“Your survey” waits for the client: What you sell (2)."),
        (False, f"“Your survey” waits for the client, who has opened it. {left}"),
    ]
    cleo.save("you", **YOU)
    cleo.save("trade", **{**TRADE, "ask-kinds": "wireless"})
    assert [passed for passed, _ in told()] == [True, False, False]
    assert told()[1][1] == "“Your survey” waits for the client: Your towers (1)."
    cleo.save("wireless", **{"ask-masts": "3"})
    assert told()[1] == (True, "“Your survey” is filled in as far as needed: What you sell, Your towers.")
    assert told()[2][1].endswith("Everything is filled in; it has only to be sent.")
    assert goes_to(cleo.submit()) != "review"
    assert told()[2] == (False, "“Your survey” was submitted; accept it or return it.")
    sent = request_of(app, card, "survey")["id"]
    change(app, card, ana, lambda subject, actor: accept_submission(subject, actor, sent))
    assert [passed for passed, _ in told()] == [True, True, True]
