"""P11, E19: what a playbook says to clients is in their language too, as far as its catalogs go."""

from __future__ import annotations

import re
import time
import tracemalloc
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.language.catalogs import read_catalog
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.doctor import examine
from lifecycle.governance.playbooks.load import load
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.playbooks.words import client_sentences, updated_catalog
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM
from tests.blueprints.client_pages.test_languages import Reader
from tests.blueprints.client_pages.test_portal import mail_home
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import FORM, form_files
from tests.factories.people import Person, make_user
from tests.mail import received, text_of

STAGES = """
first: { phase: begin }
survey:
  phase: tell
  client_gate: { asks: survey, due: 3 days }
  leave: [ { client: survey, waive: nobody } ]
last: { phase: after }
"""
PHASES = """
phases:
  begin: { name: Getting to know you, purpose: We meet. }
  tell: { name: You tell us, client_gate: yes, purpose: You answer. }
  after: { name: What follows, purpose: We work. }
"""


def files(catalogs: dict[str, str] | None = None, form: str = FORM) -> dict[str, str]:
    """The lab with a signed form, its phases, and catalogs by language."""
    found = form_files(form + "sign: photo\n", STAGES)
    found["playbook.yaml"] += PHASES
    return {**found, **{f"words/{language}.po": text for language, text in (catalogs or {}).items()}}


def pseudo(form: str = FORM) -> str:
    """A catalog that says everything again between marks, so that whatever lacks them was not looked up."""
    playbook = compile_document(load(files(form=form)))
    empty = updated_catalog(playbook, "fr", None).decode()
    catalog = read_po(empty.splitlines(keepends=True))
    said = ['msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n']
    said += [
        f"msgid {quoted(str(message.id))}\nmsgstr {quoted(f'@@{message.id}@@')}\n"
        for message in catalog
        if message.id
    ]
    return "\n".join(said)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Said(HTMLParser):
    """Every text of a page, and every label that is only spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("script", "style")
        self.texts += [value for name, value in attrs if name in ("aria-label", "title") and value]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.silent and data.strip():
            self.texts.append(data.strip())


def bare(page: str, sentences: set[str]) -> list[str]:
    """What a page says of the playbook's own without having looked for a translation."""
    said = _Said()
    said.feed(page)
    return [text for text in said.texts if text in sentences]


@pytest.fixture
def ana(app: Flask) -> Person:
    return make_user(app, name="Ana", role="manager", departments=["bench"])


def asked(app: Flask, ana: Person, catalogs: dict[str, str], language: str = "fr") -> KnownCard:
    with app.app_context(), transaction():
        publish(files(catalogs), SYSTEM)
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account, rights=["signatory"], language=language)
    card = a_card(app, ana, account=account, fields={"wish": "Blue", "price": "120"})
    moved(app, card, "survey", ana)
    follow_through(app)
    return card


ARABIC = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "Tell us how you work, {{ account.name }}."
msgstr "{{ account.name }}، أخبرونا كيف تعملون."
"""


def test_p11_a_sentence_is_written_the_way_of_its_words_not_of_the_name_it_begins_with(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, {"ar": ARABIC}, language="ar")
    cleo = Reader.of(app, card, "survey")
    cleo.press(cleo.get(), "openings")
    assert '<p class="client-intro" dir="rtl">Nordwind Funk، أخبرونا كيف تعملون.</p>' in cleo.get()
    # What has no translation is English, also on a page that is mirrored.
    assert '<p class="client-intro pre" dir="ltr">Who you are.</p>' in cleo.get("/pages/you")
    assert re.search(r'<p dir="ltr" [^>]*>\s*By ', text_of(received(smtp_sink)[-1], "html"))


def test_everything_a_client_reads_of_a_playbook_is_looked_up(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, {"fr": pseudo()})
    sentences = {*client_sentences(compile_document(load(files())))}
    assert {
        "Your survey",
        "As on your list.",
        "We need the permit.",
        "You tell us",
        "This is true.",
    } <= sentences
    letter = received(smtp_sink)[-1]
    assert letter["Subject"].startswith("@@")
    assert re.match(r"@@By \d+ [a-zéû]+ \d{4}:", text_of(letter)), "days as they are written there"

    cleo = Reader.of(app, card, "survey")
    pages = [cleo.get()]
    cleo.press(pages[0], "openings")
    pages.append(cleo.get())
    assert "@@Tell us how you work, Nordwind Funk.@@" in pages[-1]
    assert "@@You tell us@@" in pages[-1]
    you = cleo.get("/pages/you")
    wrong = cleo.press(you, "pages/you", act="next", **{"ask-price": "much"}).text
    assert "«\u00a0@@Price@@\u00a0»" in wrong or "@@Price@@" in wrong
    you_say = {f"ask-office-{part}": "x" for part in ("street", "town", "country")}
    you_say |= {"ask-company": "N", "ask-price": "1"}
    cleo.press(cleo.get("/pages/you"), "pages/you", act="next", **you_say)
    trade = cleo.get("/pages/trade")
    plans = {
        "ask-plans-rows": "3",
        "ask-plans-0-name": "Home",
        "ask-plans-0-price": "20",
        "ask-plans-0-kind": "fibre",
        "ask-kinds-sent": "1",
        "ask-kinds": "wireless",
    }
    cleo.press(trade, "pages/trade", act="next", **plans)
    towers = cleo.get("/pages/wireless")
    forbidden = cleo.press(
        towers, "pages/wireless", act="next", **{"ask-masts": "3", "ask-permitted": "no"}
    ).text
    assert "@@We need the permit.@@" in forbidden
    early = cleo.press(cleo.get("/review"), "answers", signer="", code="123").text
    cleo.press(cleo.get("/pages/wireless"), "pages/wireless", act="next", **{"ask-permitted": "yes"})
    review = cleo.get("/review")
    assert "@@Fibre@@" in review
    assert 'data-label="@@Name@@"><bdi>Home' in review
    for page in (*pages, you, wrong, trade, towers, forbidden, early, review):
        assert bare(page, sentences) == []

    cleo.press(review, "codes", **{"from": "review"})
    follow_through(app)
    code = re.search(r"^(\d{6})$", text_of(received(smtp_sink)[-1]), flags=re.MULTILINE)
    assert code
    signed = {"signer": "Cleo", "position": "", "agrees": "1", "code": code[1]}
    assert cleo.press(cleo.get("/review"), "answers", **signed).status_code == 303
    assert bare(cleo.get(), sentences) == []

    # What is kept says what the playbook says, and in which words the sentence was read.
    proof = request_of(app, card, "survey")["proof"]
    assert proof["consent"] == "This is true."
    assert proof["consent_as_read"] == "@@This is true.@@"
    assert "@@" not in str(proof["content"])
    kept = str([row["canonical"] for row in rows(app, Event, card_id=card.id)])
    assert kept.count("@@") == 2 * kept.count("@@This is true.@@")


def test_a_contacts_home_and_a_colleagues_letter_are_looked_up_too(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, {"fr": pseudo()})
    sentences = {*client_sentences(compile_document(load(files())))}
    contact = request_of(app, card, "survey")["contact_id"]
    home = mail_home(app, ana, contact, smtp_sink)
    home.press("openings")
    page = home.look()
    assert "@@Your survey@@" in page
    assert "@@You tell us@@" in page
    assert "@@We work.@@" in page
    assert bare(page, sentences) == []

    cleo = Reader.of(app, card, "survey")
    cleo.open()
    cleo.choose("fr")
    passed = {"name": "Tom", "email": "tom@client.example"}
    assert cleo.press(cleo.get("/pages/you"), "pages/you/colleagues", **passed).status_code == 303
    follow_through(app)
    assert "@@You@@" in text_of(received(smtp_sink)[-1])


def test_a_reader_of_a_language_without_a_catalog_reads_the_playbooks_own(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, {"fr": pseudo()}, language="es")
    cleo = Client.of(app, card, "survey")
    cleo.open()
    page = cleo.look().text
    assert "@@" not in page
    assert "Tell us how you work, Nordwind Funk." in page
    assert "@@" not in received(smtp_sink)[-1]["Subject"]


def test_a_head_that_no_longer_says_what_was_sent_stays_as_it_was_sent(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card = asked(app, ana, {"fr": pseudo()})
    with app.app_context(), transaction():
        publish(files({"fr": pseudo()}, FORM.replace("Tell us how", "Tell us why")), SYSTEM)
    cleo = Client.of(app, card, "survey")
    cleo.open()
    assert "Tell us how you work, Nordwind Funk." in cleo.look().text


@pytest.mark.parametrize(
    ("catalog", "says"),
    [
        ('msgid "x"\nnonsense\n', "this is not a catalog"),
        ('msgid "This is true."\nmsgid_plural "These"\nmsgstr[0] "C"\nmsgstr[1] "D"\n', "have no plural"),
        ('msgid "This is true."\nmsgstr "C\\u0007est"\n'.replace("\\u0007", "\x07"), "hidden mark"),
        ('msgid "Tell us how you work, {{ account.name }}."\nmsgstr "{{ account.nme }}"\n', "account.nme"),
        ('msgid "Tell us how you work, {{ account.name }}."\nmsgstr "{{ request.link }}"\n', "request.link"),
        ('msgid "Tell us how you work, {{ account.name }}."\nmsgstr "{% set x = 1 %}"\n', "cannot stand"),
    ],
)
def test_a_translation_that_could_not_be_sent_is_not_published(catalog: str, says: str) -> None:
    with pytest.raises(BrokenPlaybook) as broken:
        compile_document(load(files({"fr": catalog})))
    assert says in broken.value.sentence
    assert "words/fr.po:" in broken.value.sentence


@pytest.mark.parametrize("deep", [100, 2000])
def test_what_stands_too_deep_to_be_filled_in_is_not_published(deep: int) -> None:
    """A hundred deep it could be read when it was published, and no page or letter be made of it."""
    said = "{% if account.name %}" * deep + "x" + "{% endif %}" * deep
    text = "Tell us how you work, {{ account.name }}."
    with pytest.raises(BrokenPlaybook, match="too much stands within other"):
        compile_document(load(files({"fr": f'msgid "{text}"\nmsgstr "{said}"\n'})))


def test_a_letter_keeps_its_link() -> None:
    whole = files()
    text = next(
        each.text
        for each in client_sentences(compile_document(load(whole))).values()
        if "{{ request.link }}" in each.text
    )
    with pytest.raises(BrokenPlaybook, match="loses the link"):
        compile_document(load(files({"fr": f'msgid {quoted(text.strip())}\nmsgstr "Bonjour"\n'})))


HOSTILE = {
    "fifty million plurals": (
        'msgid ""\nmsgstr "Plural-Forms: nplurals=50000000; plural=0;\\n"\n\nmsgid "a"\nmsgid_plural "b"\n',
        "words/fr.po:5: a playbook's sentences have no plural",
    ),
    "a zero byte in what is translated": ('msgid "a\0"\nmsgstr "b"\n', "hidden mark (U+0000)"),
    "one sentence with ever new remarks": (
        "".join(f'# {at}\n#: {at}:1\n#, {at}\nmsgid "a"\nmsgstr "b"\n' for at in range(20_000))
        + "nonsense\n",
        "this is not a catalog",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_catalog_costs_little_and_gets_a_sentence(case: str) -> None:
    """Neither as much memory as it asks for nor as much time."""
    text, says = HOSTILE[case]
    begun = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(BrokenPlaybook) as broken:
            load(files({"fr": text}))
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()
    assert says in broken.value.sentence
    assert time.monotonic() - begun < 20


def test_remarks_of_translators_decide_nothing_but_that_they_are_unsure() -> None:
    one = '# of somebody\n#: a:1\n#, python-format\nmsgid "One"\nmsgstr "Un"\n\n'
    two = '#, c-format, fuzzy\n#| msgid "Former"\nmsgid "Two"\nmsgstr "Deux"\n\n'
    catalog = one + two + '#~ msgid "Three"\n#~ msgstr "Trois"\n'
    assert read_catalog("words/fr.po", catalog).data == {"One": "Un"}


def test_a_catalog_of_an_unknown_language_is_refused() -> None:
    with pytest.raises(BrokenPlaybook, match="'frr' is not a language"):
        compile_document(load(files({"frr": 'msgid ""\nmsgstr ""\n'})))


def test_unsure_and_empty_translations_count_as_none_and_the_doctor_says_so() -> None:
    catalog = (
        'msgid "Masts"\nmsgstr "Pylônes"\n\n#, fuzzy\nmsgid "Story"\nmsgstr "Histoire"\n\n'
        'msgid "Kinds"\nmsgstr ""\n\nmsgid "Gone"\nmsgstr "Parti"\n'
    )
    playbook = compile_document(load(files({"fr": catalog})))
    assert dict(playbook.words["fr"]) == {"Masts": "Pylônes", "Gone": "Parti"}
    said = [str(each) for each in examine(playbook, date(2026, 1, 1)) if "words/fr" in str(each)]
    assert len(said) == 2
    assert "sentences are not translated" in said[0]
    assert "'Gone', which the playbook does not say" in said[1]


def test_a_catalog_is_brought_to_what_the_playbook_says_and_keeps_what_is_translated() -> None:
    playbook = compile_document(load(files()))
    first = updated_catalog(playbook, "fr", None)
    begun = first.replace(b'msgid "Masts"\nmsgstr ""', 'msgid "Masts"\nmsgstr "Pylônes"'.encode())
    assert begun != first
    renamed = compile_document(load(files(form=FORM.replace("name: Story", "name: Tale"))))
    second = updated_catalog(renamed, "fr", begun)
    assert 'msgid "Masts"\nmsgstr "Pylônes"'.encode() in second
    assert b'msgid "Tale"\nmsgstr ""' in second
    assert b"Story" not in second
    assert updated_catalog(renamed, "fr", second) == second, "the same again"


def test_publishing_says_how_many_sentences_changed(app: Flask) -> None:
    with app.app_context(), transaction():
        publish(files(), SYSTEM)
    with app.app_context(), transaction():
        published = publish(files({"fr": 'msgid "Masts"\nmsgstr "Pylônes"\n'}), SYSTEM)
    assert [str(change) for change in published.changes] == ["words/fr: 1 sentence changed"]


@pytest.mark.parametrize("folder", sorted(Path("lifecycle/playbooks_library").glob("*/")))
def test_the_playbooks_that_come_along_speak_every_language_of_clients(folder: Path) -> None:
    playbook = compile_document(load(folder))
    assert {"fr", "es", "ar"} <= playbook.words.keys()
    assert [each for each in map(str, examine(playbook, date(2026, 1, 1))) if "words/" in each] == []
