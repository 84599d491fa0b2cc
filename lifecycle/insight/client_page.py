"""What a client sees of a request: what it is about, where their project stands, and what they sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.core.db import db
from lifecycle.core.words import _, current_language, own, reading_place, speak_for
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import ShownTable, show_answer, show_table
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import (
    ClientRequestDef,
    FormPageDef,
    PhaseDef,
    Question,
    SectionDef,
)
from lifecycle.governance.messages.letters import message_values
from lifecycle.governance.messages.template import fill_text
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.answer import Opened
from lifecycle.governance.requests.ask import get_definition
from lifecycle.governance.requests.codes import waiting_code
from lifecycle.governance.requests.decide import LOOK_AT_COMMENTS
from lifecycle.governance.requests.form import AskedPage, AskedQuestion, AskedSection, FormState, read_form
from lifecycle.governance.requests.signing import content_hash
from lifecycle.records.files.thumbnails import Thumbnail, thumbnails_of
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest

MEND: Final = "-mend"
"""The key of the page of what to mend; no page of a playbook can have it."""


@dataclass(frozen=True)
class ClientPage:
    """One request as its client sees it. `step` of `steps` is the phase their project is in."""

    opened: Opened
    subject: Subject
    definition: ClientRequestDef
    owner: User | None
    phase: PhaseDef | None
    next_phase: PhaseDef | None
    steps: int
    form: FormState | None = None

    @property
    def may_act(self) -> bool:
        """Whether the client must act."""
        return self.opened.request.status in WAITING_STATUSES

    @property
    def pages(self) -> frozenset[str] | None:
        """The pages of the form that this link opens; None for all, and for sending it."""
        return frozenset(self.opened.link.pages) if self.opened.link.pages is not None else None

    @property
    def shown_pages(self) -> list[AskedPage]:
        """The pages of the form that this link opens and that are asked."""
        asked = self.form.asked_pages if self.form else []
        return [page for page in asked if self.pages is None or page.page.key in self.pages]

    @property
    def to_mend(self) -> AskedPage | None:
        """The questions that staff have written to, as a page by themselves; None if there are none."""
        comments = self.opened.request.comments
        if self.form is None or self.opened.request.status != "returned":
            return None
        found = [each for page in self.shown_pages for each in page.asked if each.question.key in comments]
        if not found:
            return None
        section = SectionDef(MEND, "", tuple(each.question for each in found))
        return AskedPage(
            FormPageDef(MEND, _("What to mend"), (section,)), 1, [AskedSection(section, True, found)]
        )

    @property
    def reason(self) -> str:
        """What staff wrote when they returned it; a sentence of our own in the reader's language."""
        written = self.opened.request.reason or ""
        return _(written) if written == LOOK_AT_COMMENTS else written

    def find(self, key: str) -> AskedPage | None:
        """Return a page that this link opens, by its key; MEND is the page of what to mend."""
        if key == MEND:
            return self.to_mend
        return next((page for page in self.shown_pages if page.page.key == key), None)

    def after(self, key: str) -> AskedPage | None:
        """Return the page after one; None after the last, and after what was to mend."""
        keys = [page.page.key for page in self.shown_pages]
        place = keys.index(key) + 1 if key in keys else len(keys)
        return self.shown_pages[place] if place < len(keys) else None

    @property
    def next_page(self) -> AskedPage | None:
        """Where to go on: what is to be mended, else the first page on which something is missing."""
        return self.to_mend or next((page for page in self.shown_pages if page.missing), None)

    @property
    def content_hash(self) -> str:
        """The hash of what is signed here, as it stands; "" where nothing is."""
        if self.definition.sign is None:
            return ""
        return content_hash(self.subject, self.definition, self.opened.request)

    @property
    def has_code(self) -> bool:
        """Whether a code is on its way that can still be typed."""
        return waiting_code(self.opened.link) is not None

    @property
    def masked_email(self) -> str:
        """Where the code goes, as much as the one who gets it needs to know."""
        return masked(self.opened.contact.email or "")

    @property
    def questions(self) -> tuple[Question, ...]:
        """What they are asked to fill in, as far as this link opens it."""
        pages = self.pages
        return tuple(
            question
            for question in self.definition.asks
            if pages is None or self.definition.page_of.get(question.key) in pages
        )

    @property
    def thumbnails(self) -> dict[str, Thumbnail]:
        """Which of the files that they sent have a thumbnail. One query."""
        return thumbnails_of(str(item["id"]) for item in self.opened.request.files)

    def opens_file(self, file_id: uuid.UUID) -> bool:
        """Say whether a file is one that the request shows to its client, or that they sent."""
        request = self.opened.request
        if self.pages is not None:
            uploads = (question.key for question in self.questions if question.type == "file")
            sent = [item for key in uploads for item in request.answers.get(key) or []]
            return str(file_id) in {item.get("id") for item in sent}
        sent = request.files
        shown = {item.get("file") for item in request.documents} | {item.get("id") for item in sent}
        return str(file_id) in shown

    def opens_legal(self, key: str) -> bool:
        """Say whether this link lets them read a legal document: a colleague those of their own pages."""
        if self.opened.request.opened_at is None:
            return False
        return self.pages is None or any(question.legal == key for question in self.questions)

    def legal_of(self, question: Question) -> dict[str, Any] | None:
        """Return what the request shows of the legal document that a question is about, or None."""
        if question.legal is None:
            return None
        documents = self.opened.request.documents
        return next((item for item in documents if item.get("legal") == question.legal), None)

    @property
    def vendor(self) -> str:
        """Who asks: the playbook's name stands for the vendor."""
        return self.subject.playbook.name

    @property
    def intro(self) -> str:
        """What stands at the head of it, in the reader's language as long as it still says what was sent."""
        sent, written = self.opened.request.intro or "", self.definition.intro
        if not sent or own(written) == written:
            return sent
        owner, contact = self.owner, self.opened.contact
        if fill_text(written, message_values(self.subject, contact, owner)) != sent:
            return sent
        values = message_values(self.subject, contact, owner, language=current_language())
        return fill_text(own(written), values)

    @property
    def is_translated(self) -> bool:
        """Whether the reader sees other words than those that are kept."""
        return current_language() in self.subject.playbook.words

    def show(self, asked: AskedQuestion) -> str:
        """Return an answer of the form as people read it."""
        return show_answer(asked.question, asked.value, reading_place())

    def table(self, asked: AskedQuestion) -> ShownTable | None:
        """Return an answer that is a table, as people read it; None for any other."""
        return _table(asked.question, asked.value)

    def given(self) -> list[tuple[str, str, ShownTable | None]]:
        """Return what they answered, as (question, answer, the table that it is), for reading again."""
        answers: dict[str, Any] = self.opened.request.answers
        return [
            (
                own(question.name),
                show_answer(question, answers[question.key], reading_place()),
                _table(question, answers[question.key]),
            )
            for question in self.questions
            if answers.get(question.key) not in (None, "", [], {})
        ]


def _table(question: Question, value: Any) -> ShownTable | None:
    return show_table(question, value, language=reading_place())


def read_client_page(opened: Opened) -> ClientPage:
    """Return the page of a link that works.

    Raises:
        Invalid: the card's playbook no longer has the request.
    """
    subject = get_subject(opened.request.card_id)
    speak_for(subject.playbook.words)
    phases = list(subject.playbook.phases.values())
    phase = subject.playbook.phase_of(subject.stage)
    definition = _definition(subject, opened.request)
    following = next((each for each in phases if phase and each.number == phase.number + 1), None)
    return ClientPage(
        opened=opened,
        subject=subject,
        definition=definition,
        owner=db.session.get(User, subject.card.owner_id),
        phase=phase,
        next_phase=following,
        steps=len(phases),
        form=read_form(definition, subject, opened.request.answers) if definition.pages else None,
    )


def _definition(subject: Subject, request: ClientRequest) -> ClientRequestDef:
    """Return the request as it stands, or as it was when it was answered: that reads as it did then."""
    if request.status in ("submitted", "accepted"):
        answered = of_revision(request.revision_id).client_requests.get(request.key)
        if answered is not None:
            return answered
    return get_definition(subject, request)


def masked(address: str) -> str:
    """Return an email address with most of its name hidden: whoever holds a link need not learn it."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}…{at}{domain}" if at else ""


def masked_number(number: str) -> str:
    """Return a number as networks write it with all but its ends hidden, as `masked` does for addresses."""
    return f"{number[:3]}…{number[-2:]}"
