"""P11: clients read in their language, and what is kept stays as it was."""

from __future__ import annotations

import re
import sys
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.core.db import db, transaction
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.inbox.models import Notice
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import TERMS, Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import FORM, publish_form
from tests.factories.people import Person, make_user
from tests.mail import received, text_of

# Of the product's own words; each stands on some page of the way below.
ENGLISH = (
    "Open", "By ", "I am stuck", "Your name", "Send", "Save", "Look it over", "Error", "(optional)",
    "Thank you", "must be", "Change", "Yes", "answer ", "answers", "Questions?", "Opening this page",
    "Page 1 of", "Skip to", "Upload", "Begin", "is missing", "The code", "Write your", "Sign it", "Sign and",
    "You sign", "Step", "Choose", "CSV or text", "Remove", "left", "row ", "Not yet", "Still to be", "Street",
    "What you told", "We got", "Town", "More rows", "Email me", "It goes to", "A code", "Clear", "Your ",
)  # fmt: skip


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app, FORM + "sign: photo\n")
    return make_user(app, name="Ana", role="manager", departments=["bench"])


def asked(app: Flask, ana: Person, language: str | None, key: str = "survey") -> KnownCard:
    """A card whose contact reads `language`, and was asked."""
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account, rights=["signatory"], language=language or "")
    card = a_card(app, ana, account=account, fields={"wish": "Blue", "price": "120"})
    moved(app, card, key, ana)
    follow_through(app)
    return card


class Reader(Client):
    """Somebody who reads, and presses the buttons of the page that they see."""

    def get(self, path: str = "", **headers: str) -> str:
        answer = self.browser.get(f"{self.path}{path}", headers=headers)
        assert answer.status_code == 200
        return answer.text

    def press(self, page: str, door: str, /, **fields: Any) -> TestResponse:
        hidden = re.findall(
            r'name="(csrf_token|edition|page|spoken|seen|seen_content)" value="([^"]*)"', page
        )
        data = {**{name: unescape(value) for name, value in hidden}, **fields}
        return self.browser.post(
            f"{self.path}/{door}",
            data=data,
            content_type="multipart/form-data",
            headers={"Accept": "text/html"},
        )

    def choose(self, language: str, page: str = "") -> TestResponse:
        shown = self.get(page)
        hidden = dict(re.findall(r'name="(csrf_token|back)" value="([^"]*)"', shown))
        return self.browser.post("/language", data={**hidden, "language": language})


def words(page: str) -> str:
    """What a person reads of a page: without its code, its addresses, and the choice of a language."""
    body = page.partition("<body")[2]
    body = re.sub(r'<form class="client-languages".*?</form>', "", body, flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|data-words|data-trouble|data-gone)="([^"]*)"', body)
    return unescape(re.sub(r"<[^>]+>", " ", body) + " ".join(spoken))


def test_whoever_is_turned_away_does_not_read_the_language_of_the_one_before(app: Flask, ana: Person) -> None:
    """P11, P9: a form without its token is refused before its link is looked up."""
    card = asked(app, ana, "fr")
    for _ in range(2):
        Reader.of(app, card, "survey").get()
        answer = app.test_client().post("/c/whatever/openings", headers={"Accept": "text/html"})
        assert answer.status_code == 400
        assert '<html lang="en"' in answer.text


def assert_french(page: str) -> None:
    assert '<html lang="fr" dir="ltr">' in page
    # What the playbook calls it, and stays.
    read = words(page).replace("Your survey", "").replace("Your towers", "")
    found = [word for word in ENGLISH if re.search(rf"(?<!\w){re.escape(word)}", read)]
    assert not found, (found, read)


def test_the_whole_way_of_a_french_client_is_french_and_what_is_kept_is_not(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, "fr")
    cleo = Reader.of(app, card, "survey")
    first = cleo.get()
    assert_french(first)
    assert "Ouvrir" in first
    assert cleo.press(first, "openings").status_code == 303
    overview = cleo.get()
    assert_french(overview)
    assert "0\u00a0% de ce qu\u2019il nous faut" in words(overview)

    you = cleo.get("/pages/you")
    assert_french(you)
    assert "Rue et numéro" in you
    wrong = cleo.press(you, "pages/you", act="next", **{"ask-price": "much", "ask-office-street": "Kai 1"})
    assert wrong.status_code == 422
    assert_french(wrong.text)
    assert "Enregistré, mais merci de vérifier ceci" in wrong.text
    assert "doit être un nombre" in wrong.text
    assert "il manque «\u00a0Ville\u00a0»" in words(wrong.text)
    early = cleo.press(cleo.get("/review"), "answers", signer="", code="123")
    assert early.status_code == 422
    assert_french(early.text)
    office = {
        f"ask-office-{part}": text for part, text in (("street", "1"), ("town", "Uzès"), ("country", "F"))
    }
    answers = {"ask-company": "Nordwind", "ask-price": "1200.5", **office}
    assert cleo.press(cleo.get("/pages/you"), "pages/you", act="next", **answers).status_code == 303
    trade = cleo.get("/pages/trade")
    assert_french(trade)
    plans = {"ask-plans-rows": "3", "ask-plans-0-name": "Home", "ask-plans-0-price": "20"}
    kinds = {"ask-kinds-sent": "1", "ask-kinds": "wireless"}
    assert cleo.press(trade, "pages/trade", act="next", **plans, **kinds).status_code == 303
    towers = cleo.get("/pages/wireless")
    assert_french(towers)
    assert ">Oui</label>" in towers
    masts = {"ask-masts": "3", "ask-shared": "yes"}
    cleo.press(towers, "pages/wireless", act="next", **masts)

    review = cleo.get("/review")
    assert_french(review)
    assert "1\u202f200,50" in review, "numbers as they are written there"
    assert ">Oui</bdi>" in review
    assert cleo.press(review, "codes", **{"from": "review"}).status_code == 303
    assert_french(cleo.get("/review"))
    follow_through(app)
    letter = received(smtp_sink)[-1]
    assert letter["Subject"] == "Votre code pour signer « Your survey »"
    assert "Bonjour Cleo Client," in text_of(letter)
    assert '<html lang="fr" dir="ltr">' in text_of(letter, "html")
    code = re.search(r"^(\d{6})$", text_of(letter), flags=re.MULTILINE)
    assert code
    review = cleo.get("/review")
    signed = {"signer": "Cleo Client", "position": "Gérante", "agrees": "1"}
    wrong_code = cleo.press(review, "answers", code="000", **signed)
    assert_french(wrong_code.text)
    assert "Ce n\u2019est pas le code" in wrong_code.text
    assert cleo.press(cleo.get("/review"), "answers", code=code[1], **signed).status_code == 303
    done = cleo.get()
    assert_french(done)
    assert "Merci. Nous l\u2019avons reçu le" in words(done)

    request = request_of(app, card, "survey")
    proof = request["proof"]
    assert proof["language"] == "fr"
    assert ["Shared masts", "Yes"] in proof["content"]["answers"]
    assert ["Price", "1,200.50"] in proof["content"]["answers"]
    kept = [row["canonical"] for row in rows(app, Event, card_id=card.id)]
    told = [(row["title"], row["body"]) for row in rows(app, Notice)]
    for text in ("Merci", "Oui", "Enregistré", "Votre", "doit être"):
        assert text not in str(kept)
        assert text not in str(told)
    assert any("Cleo Client submitted Your survey" in title for title, _ in told)
    staff = Caller(app, ana)
    # Even a member of staff who chose French on a client's page, or whose browser asks for it.
    staff.client.set_cookie("language", "fr")
    for path in (card.url, f"/client-gates/{request['id']}", f"{card.url}/timeline", "/inbox"):
        answer = staff.get(path, Accept_Language="fr")
        assert answer.status_code == 200, path
        page = answer.text
        assert 'lang="en"' in page
        assert "Enregistrer" not in page
        assert "Oui" not in page


@pytest.mark.parametrize(
    ("chosen", "own", "asks", "read"),
    [
        (None, None, "", "en"),
        (None, None, "es-MX,es;q=0.9,fr;q=0.8", "es"),
        (None, None, "de,ar-MA;q=0.7", "ar"),
        (None, None, "de,it", "en"),
        (None, "fr", "es", "fr"),
        ("ar", "fr", "es", "ar"),
        ("en", "fr", "es", "en"),
        # What nobody could have chosen counts as nothing.
        ("../../etc/passwd", "fr", "es", "fr"),
        ("de", None, "es", "es"),
        ("", None, "", "en"),
        ("fr\u00e9", None, "es", "es"),
        ("f" * 3000, "es", "", "es"),
        (None, None, "fr;q=x, *;q=nan, ;;;,,,=", "en"),
        (None, None, "x-" * 4000, "en"),
        (None, None, "*", "en"),
        (None, None, "fr-" + "a" * 500, "fr"),
    ],
)
def test_a_choice_wins_then_the_contact_then_the_browser(
    app: Flask, ana: Person, smtp_sink: Any, chosen: str | None, own: str | None, asks: str, read: str
) -> None:
    cleo = Reader.of(app, asked(app, ana, own), "survey")
    if chosen is not None:
        cleo.browser.set_cookie("language", chosen)
    page = cleo.get(**({"Accept-Language": asks} if asks else {}))
    assert f'<html lang="{read}" dir="{"rtl" if read == "ar" else "ltr"}">' in page


def test_a_language_is_chosen_by_a_button_and_leads_back(app: Flask, ana: Person, smtp_sink: Any) -> None:
    card = asked(app, ana, None)
    cleo = Reader.of(app, card, "survey")
    cleo.open()
    answer = cleo.choose("es", "/pages/you?from=mail")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{cleo.path}/pages/you?from=mail"
    assert answer.headers["Referrer-Policy"] == "no-referrer", "the address is a key"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert '<html lang="es" dir="ltr">' in cleo.get("/pages/you")
    with app.app_context():
        assert db.session.scalar(sa.select(Contact.language)) is None, "it is this browser's choice"
    # Neither another site nor an unknown language.
    token = re.search(r'name="csrf_token" value="([^"]+)"', cleo.get())
    assert token
    for back in ("https://evil.example/", "//evil.example", "/c/\\evil", "/boards", "", "/c/\t/x"):
        given = {"csrf_token": token[1], "language": "xx", "back": back}
        odd = cleo.browser.post("/language", data=given)
        assert odd.headers["Location"] == "/", back
        assert "language=" not in odd.headers.get("Set-Cookie", "")
    assert cleo.browser.get("/language").status_code == 405, "looking changes nothing"
    assert cleo.browser.post("/language", data={"language": "fr"}).status_code == 400
    assert '<html lang="es"' in cleo.get()


def test_numbers_are_typed_as_the_page_writes_them(app: Flask, ana: Person, smtp_sink: Any) -> None:
    """Whatever language another tab was turned to meanwhile: the page says how its numbers were meant."""
    card = asked(app, ana, "es")
    cleo = Reader.of(app, card, "survey")
    cleo.open()
    spanish = cleo.get("/pages/you")
    cleo.press(spanish, "pages/you", act="save", **{"ask-price": "1.234,50"})
    assert request_of(app, card, "survey")["answers"]["price"] == "1234.50"
    assert 'value="1234,50"' in cleo.get("/pages/you")
    cleo.choose("en")
    english = cleo.get("/pages/you")
    assert 'value="1234.50"' in english
    cleo.choose("fr")
    cleo.press(english, "pages/you", act="save", **{"ask-price": "2,345.00"})
    assert request_of(app, card, "survey")["answers"]["price"] == "2,345.00", (
        "an English page means thousands"
    )
    cleo.press(spanish, "pages/you", act="save", **{"ask-price": "2,5"})
    cleo.press(cleo.get("/pages/you"), "pages/you", act="save", **{"ask-price": "3,5"})
    assert request_of(app, card, "survey")["answers"]["price"] == "3.5"
    wrong = cleo.press(cleo.get("/pages/you"), "pages/you", act="save", **{"ask-price": "beaucoup"})
    assert "écrit ainsi\u00a0: 1234,50" in wrong.text
    trade = cleo.get("/pages/trade")
    cleo.press(trade, "pages/trade", act="save", **{"ask-plans-rows": "3", "ask-plans-0-price": "20,5"})
    assert request_of(app, card, "survey")["answers"]["plans"] == [{"price": "20.5"}]
    assert 'value="20,5"' in cleo.get("/pages/trade")


def test_a_refused_page_leads_back_to_where_it_can_be_looked_at(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    cleo = Reader.of(app, asked(app, ana, "fr"), "survey")
    cleo.open()
    refused = cleo.press(cleo.get(), "stuck-reports", reason="")
    assert refused.status_code == 422
    assert f'name="back" value="{cleo.path}"' in refused.text
    wrong = cleo.press(cleo.get("/pages/you"), "pages/you", act="next", **{"ask-price": "x"})
    assert f'name="back" value="{cleo.path}/pages/you"' in wrong.text


def test_an_arabic_page_is_mirrored_and_sets_names_apart(app: Flask, ana: Person, smtp_sink: Any) -> None:
    cleo = Reader.of(app, asked(app, ana, "ar"), "survey")
    page = cleo.get()
    assert '<html lang="ar" dir="rtl">' in page
    assert "<bdi>Cleo Client</bdi>" in page
    assert "icon-points" in page, "arrows turn round"
    cleo.open()
    form = cleo.get("/pages/you")
    assert '<legend class="field-label"><bdi>Office</bdi>' in form
    assert re.search(r'<input[^>]*dir="auto"[^>]*id="ask-company"|id="ask-company"[^>]*dir="auto"', form)
    wrong = cleo.press(form, "pages/you", act="next", **{"ask-price": "x"})
    assert "«\u2068Price\u2069»" in wrong.text


def test_links_that_open_nothing_and_failures_are_in_the_language_of_the_browser(
    app: Flask, ana: Person, monkeypatch: Any
) -> None:
    browser = app.test_client()
    french = {"Accept-Language": "fr", "Accept": "text/html"}
    gone = browser.get("/c/nothing", headers=french)
    assert gone.status_code == 404
    assert_french(gone.text)
    for path in ("/c/x/y/z", "/p/x/nothing"):
        missing = browser.get(path, headers=french)
        assert missing.status_code == 404
        assert_french(missing.text)
        assert "Il n\u2019y a rien ici" in missing.text
        assert 'href="/"' not in missing.text, "the boards are not theirs"
    stale = browser.post("/c/x/openings", headers=french)
    assert stale.status_code == 400
    assert_french(stale.text)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/c/x", headers=french).text)
    assert token
    for _ in range(5):
        browser.post("/c/x/renewals", data={"csrf_token": token[1]}, headers=french)
    often = browser.post("/c/x/renewals", data={"csrf_token": token[1]}, headers=french)
    assert often.status_code == 429
    assert_french(often.text)
    assert "Trop de tentatives" in often.text

    def fail(_token: str) -> Any:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(sys.modules["lifecycle.blueprints.client_pages.routes"], "find_opened", fail)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    broken = browser.get("/c/x", headers=french)
    assert broken.status_code == 500
    assert_french(broken.text)
    assert "Référence" in broken.text
    staff = Caller(app, ana).get("/nothing", Accept_Language="fr")
    assert "There is nothing here." in staff.text


def test_the_language_of_one_client_is_not_the_next_ones(app: Flask, ana: Person, smtp_sink: Any) -> None:
    paths = {language: Reader.of(app, asked(app, ana, language), "survey").path for language in ("fr", "ar")}
    plain = Reader.of(app, asked(app, ana, None), "survey").path
    for _ in range(2):
        for language, path in (*paths.items(), ("en", plain)):
            assert f'<html lang="{language}"' in app.test_client().get(path).text
        assert '<html lang="en"' in app.test_client().get("/c/nothing").text


def test_staff_say_what_a_contact_reads(app: Flask, ana: Person) -> None:
    account = make_account(app, owner=ana)
    contact = a_contact(app, account)
    staff = Caller(app, ana)
    given = {"name": "Cleo", "email": "cleo@client.example", "version": "1"}
    odd = staff.post(f"/contacts/{contact}", "page", language="xx", **given)
    assert odd.status_code == 422
    assert "Choose a language from the list." in odd.text
    assert staff.post(f"/contacts/{contact}", "page", language="ar", **given).status_code == 303
    page = staff.get(f"/contacts/{contact}").text
    assert '<span lang="ar">العربية</span>' in page
    (event,) = rows(app, Event, kind="contact.changed")
    assert event["body"]["data"]["changes"]["language"] == {"name": "Language", "before": None, "after": "ar"}


def test_letters_go_by_the_contact_whoever_asks_for_them(app: Flask, smtp_sink: Any) -> None:
    publish_gates(app, files={"client_requests/terms.yaml": TERMS + "sign: photo\n"})
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    account = make_account(app, owner=ana, name="Nordwind Funk")
    contact = a_contact(app, account, rights=["signatory"], language="ar")
    staff = Caller(app, ana)
    assert staff.post(f"/contacts/{contact}/homes").status_code < 400
    follow_through(app)
    home = received(smtp_sink)[-1]
    assert (
        home["Subject"] == "\u2068Nordwind Funk\u2069: أين وصل مشروعكم"
        or "أين وصل مشروعكم" in home["Subject"]
    )
    assert '<html lang="ar" dir="rtl">' in text_of(home, "html")
    card = a_card(app, ana, account=account, fields={"price": "120", "wish": "Blue"})
    moved(app, card, "terms", ana)
    follow_through(app)
    # The words of a playbook's letter are its own, its frame is ours.
    framed = text_of(received(smtp_sink)[-1], "html")
    assert received(smtp_sink)[-1]["Subject"].startswith("Please decide")
    assert "فتح: \u2068Your terms\u2069" in framed
    assert "لأنكم جهة الاتصال لدى" in framed
    # Somebody holds the link in a browser that was told French.
    other = Reader.of(app, card, "terms")
    other.browser.set_cookie("language", "fr")
    other.open()
    assert '<html lang="fr"' in other.get()
    assert other.send("codes", **{"from": "request"}).status_code == 303
    follow_through(app)
    assert "رمزكم لتوقيع" in received(smtp_sink)[-1]["Subject"]
    # Where nobody said what the contact reads, the page they asked on does.
    with app.app_context(), transaction():
        db.session.get_one(Contact, contact).language = None
    assert other.send("codes", **{"from": "request"}).status_code == 303
    follow_through(app)
    assert "Votre code pour signer" in received(smtp_sink)[-1]["Subject"]


def test_credentials_are_handed_over_in_the_language_of_their_reader(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    contact = a_contact(app, account, language="es")
    card = a_card(app, ana, account=account)
    given = {"contact": str(contact), "title": "Your log-in", "text": "correct horse"}
    assert Caller(app, ana).post(f"{card.url}/credentials", **given).status_code < 400
    follow_through(app)
    letter = received(smtp_sink)[-1]
    assert letter["Subject"] == "Your log-in: solo para usted"
    assert "Funciona durante 7 días." in text_of(letter)
    (path,) = set(re.findall(r"/s/[\w-]+", text_of(letter)))
    tim = Reader(app, path)
    door = tim.get()
    assert '<html lang="es" dir="ltr">' in door
    assert "Enviarme el código por correo" in door
    assert tim.press(door, "codes").status_code == 303
    assert "Es válido durante 15 minutos." in tim.get()
    follow_through(app)
    code = re.search(r"^(\d{6})$", text_of(received(smtp_sink)[-1]), flags=re.MULTILINE)
    assert code
    wrong = tim.press(tim.get(), "views", code="000")
    assert wrong.status_code == 422
    assert "No es el código que enviamos." in wrong.text
    shown = tim.press(tim.get(), "views", code=code[1]).text
    assert "Guárdelo ahora en un lugar seguro." in shown
    assert 'action="/language"' not in shown, "it is shown once, and another language would be another page"
