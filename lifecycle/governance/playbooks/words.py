"""Which sentences of a playbook clients read, and what its catalogs (`words/fr.po`) make of them (P11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from lifecycle.core.words import LANGUAGES
from lifecycle.governance.language.errors import shown
from lifecycle.governance.language.model import (
    ClientRequestDef,
    MessageDef,
    Option,
    PlaybookDef,
    Question,
)
from lifecycle.governance.messages.template import mistakes_in, names_in
from lifecycle.governance.playbooks.references import Findings
from lifecycle.governance.rules.actions import NotifyParams

_OF_REQUEST: Final = "request."
_LINK: Final = "request.link"
_WIDTH: Final = 110
_HEAD: Final = """\
# What clients read of the playbook {playbook}, in {language}.
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

"""


@dataclass(frozen=True)
class Sentence:
    """Something a client reads, and where it is written.

    `shows` says what its {{ places }} may hold: nothing, the card, or the card and a request.
    """

    text: str
    place: str
    shows: Literal["nothing", "card", "request"] = "nothing"


@dataclass(frozen=True)
class Coverage:
    """How much of a playbook a language has. `stale` are translations of what it no longer says."""

    language: str
    missing: tuple[Sentence, ...]
    stale: tuple[str, ...]
    all: int


def client_sentences(playbook: PlaybookDef) -> dict[str, Sentence]:
    """Return everything that clients read of a playbook, each sentence once, by its text.

    Legal documents are left out: what is agreed to are the words that were published.
    """
    found: dict[str, Sentence] = {}
    for sentence in _sentences(playbook):
        if any(letter.isalpha() for letter in sentence.text):
            found.setdefault(sentence.text.strip(), sentence)
    return found


def coverage_of(playbook: PlaybookDef) -> list[Coverage]:
    """Return how far each language of a playbook goes."""
    sentences = client_sentences(playbook)
    return [
        Coverage(
            language,
            tuple(each for text, each in sentences.items() if text not in words),
            tuple(text for text in words if text not in sentences),
            len(sentences),
        )
        for language, words in playbook.words.items()
    ]


def check_words(playbook: PlaybookDef, places: Sequence[str], findings: Findings) -> None:
    """Note every translation that could not be filled in, or that loses the way to a request."""
    of_card = [place for place in places if not place.startswith(_OF_REQUEST)]
    templates = {text: each for text, each in client_sentences(playbook).items() if each.shows != "nothing"}
    for language, words in playbook.words.items():
        for text in sorted(templates.keys() & words.keys()):
            known = of_card if templates[text].shows == "card" else places
            _check(words[text], templates[text], known, ("words", language, text), findings)


def updated_catalog(playbook: PlaybookDef, language: str, before: bytes | None) -> bytes:
    """Return the catalog of a language brought to what the playbook says.

    New sentences come without a translation, and those that the playbook no longer says go.
    """
    known = {str(each.id).strip(): each.string for each in read_po(BytesIO(before or b"")) if each.id}
    catalog = Catalog()
    for text, sentence in client_sentences(playbook).items():
        # Lines change daily, and say nothing that the file does not.
        catalog.add(text, known.get(text, ""), [(sentence.place, None)])  # type: ignore[list-item]
    written = BytesIO()
    write_po(written, catalog, width=_WIDTH, omit_header=True)
    head = _HEAD.format(playbook=playbook.name, language=LANGUAGES[language])
    return head.encode() + written.getvalue()


def _check(
    said: str, sentence: Sentence, places: Sequence[str], path: tuple[str, ...], findings: Findings
) -> None:
    mistakes = list(mistakes_in(said, places))
    for mistake in mistakes:
        findings.note(path, mistake.sentence, mistake.remedy)
    if not mistakes and _LINK in names_in(sentence.text) - names_in(said):
        lost = f"the translation of '{shown(sentence.text)}' loses the link"
        findings.note(path, lost, "add {{ request.link }}")


def _sentences(playbook: PlaybookDef) -> Iterator[Sentence]:
    for phase in playbook.phases.values():
        yield from _plain("playbook.yaml", phase.client_name, phase.client_purpose)
    for meeting in playbook.meetings.values():
        yield from _plain("playbook.yaml", meeting.name)
    for request in playbook.client_requests.values():
        yield from _of_request(playbook, request)
    for key in _client_messages(playbook):
        if message := playbook.messages.get(key):
            yield from _of_message(message)


def _of_request(playbook: PlaybookDef, request: ClientRequestDef) -> Iterator[Sentence]:
    place = f"client_requests/{request.key}.yaml"
    yield from _plain(place, request.name)
    if request.intro:
        yield Sentence(request.intro, place, "card")
    for key in request.shows:
        field = playbook.fields[key]
        yield from _plain("playbook.yaml", field.name, *_names(field.options))
        yield from _of_questions("playbook.yaml", field.columns)
    papers = [*request.documents, *([request.attach] if request.attach else [])]
    yield from _plain("playbook.yaml", *(playbook.evidence[key].name for key in papers))
    for key in request.legal:
        yield from _plain(f"legal/{key}.yaml", playbook.legal[key].name)
    for page in request.pages:
        yield from _plain(place, page.name, page.intro)
        for section in page.sections:
            yield from _plain(place, section.name, section.help)
            yield from _of_questions(place, section.questions)
    if not request.pages:
        yield from _of_questions(place, request.asks)
    for saved in (playbook.fields.get(question.saves or "") for question in request.asks):
        # A refusal of what is saved into a field speaks of the field.
        yield from _plain("playbook.yaml", *((saved.name, saved.pattern_says) if saved else ()))
    yield from _plain(place, request.consent, request.button)


def _of_questions(place: str, questions: Sequence[Question]) -> Iterator[Sentence]:
    for question in questions:
        yield from _plain(place, question.name, question.help, *_names(question.options), question.valid_says)
        yield from _of_questions(place, question.columns)


def _of_message(message: MessageDef) -> Iterator[Sentence]:
    for text in (message.subject, message.text, message.html, message.sms):
        if text:
            yield Sentence(text, f"messages/{message.key}.yaml", "request")


def _client_messages(playbook: PlaybookDef) -> Iterator[str]:
    """Yield the keys of the messages that reach clients."""
    for request in playbook.client_requests.values():
        yield from filter(None, (request.message, request.reminder))
    for rule in playbook.rules:
        for action in rule.actions:
            if isinstance(action.params, NotifyParams) and action.params.client and action.params.message:
                yield action.params.message
    for pipeline in playbook.pipelines:
        for stage in pipeline.stages:
            yield from (each.message for each in stage.notify if each.client and each.message)


def _plain(place: str, *texts: str) -> Iterator[Sentence]:
    return (Sentence(text, place) for text in texts if text)


def _names(options: Sequence[Option]) -> list[str]:
    return [option.name for option in options]
