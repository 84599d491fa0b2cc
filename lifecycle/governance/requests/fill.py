"""What the client's people do with a form before it is submitted: save, upload, pass a part on (E19).

Several of them fill one form, on several devices. An answer is saved by itself, so that two people on one
page do not undo each other; whoever saves an answer that somebody else has changed meanwhile is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from flask import current_app

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.words import _, language_for, ngettext, own, reading_place, said_in
from lifecycle.governance.fields.values import clean_text, draft_value, show_answer
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import Question
from lifecycle.governance.messages.letters import due_on
from lifecycle.governance.requests.answer import Answering, record_act, require_open
from lifecycle.governance.requests.ask import get_definition, link_address, make_link
from lifecycle.governance.requests.contacts import known_or_new
from lifecycle.records.accounts.models import Contact
from lifecycle.records.files.models import StoredFile
from lifecycle.records.outbox.letters import send_letter
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import ClientLink, ClientRequest
from lifecycle.work.client_requests.subject import hash_content

MOST_UPLOADS: Final = 60
# What a form ever takes, with what is taken away again: so many files, and the bytes of so many large ones.
MOST_SENT: Final = 300
MOST_OF_THE_LARGEST: Final = 40
MOST_LINKS: Final = 30
_MOST_PAST: Final = 8


@dataclass(frozen=True)
class Saved:
    """What became of what was typed: `conflicts` are sentences by question, for what was not kept."""

    edition: int
    changed: list[str]
    conflicts: dict[str, str]


def save_answers(
    held: Answering,
    typed: Mapping[str, Any],
    seen: int,
    seen_of: Mapping[str, int] | None = None,
    sheet: str = "",
) -> Saved:
    """Keep what was typed, as it was typed; whether it can stay is said when the form is read.

    A page sends all its fields. What it left as it was, and was changed elsewhere meanwhile, stays changed.

    Args:
        typed: by question; what this link does not open, and files, are passed over.
        seen: the edition that the page was made from; `seen_of`: of single questions that were seen later.
        sheet: the page on somebody's screen, one of several that the same person may have open.

    Raises:
        Conflict: it is answered already.
    """
    require_open(held)
    request = held.request
    answers, marks = dict(request.answers), dict(request.marks)
    changed: list[str] = []
    conflicts: dict[str, str] = {}
    for question in held.definition.asks:
        if question.key not in typed or question.type == "file" or not _opens(held, question):
            continue
        value = draft_value(typed[question.key])
        before = answers.get(question.key)
        if value == before or (value in ("", [], {}) and before is None):
            continue
        mark = marks.get(question.key)
        known = (seen_of or {}).get(question.key, seen)
        if mark and mark["n"] > known and not _is_of(mark, held, sheet):
            if _print_of(value) != _print_at(mark, known):
                conflicts[question.key] = _conflict(held, question, mark, before)
            continue
        answers[question.key] = value
        changed.append(question.key)
    if changed:
        _mark(held, changed, answers, marks, sheet)
    return Saved(request.edition, changed, conflicts)


def add_files(held: Answering, key: str, files: Sequence[StoredFile]) -> None:
    """Add uploads to a question of type file.

    Raises:
        NotFound: there is no such question here; Invalid: too many or too much; Conflict: it is answered.
    """
    question = _file_question(held, key)
    request = held.request
    if len(request.files) + len(files) > MOST_UPLOADS:
        sentence = ngettext(
            "At most %(num)s file altogether. Remove some first, or put them into an archive.",
            "At most %(num)s files altogether. Remove some first, or put them into an archive.",
            MOST_UPLOADS,
        )
        raise Invalid(sentence, {question.key: sentence})
    _count_sent(request, question, files)
    new = [{"id": str(file.id), "name": file.name} for file in files]
    request.files = [*request.files, *new]
    kept = [*(request.answers.get(key) or []), *new]
    _mark(held, [key], {**request.answers, key: kept}, dict(request.marks))


def _count_sent(request: ClientRequest, question: Question, files: Sequence[StoredFile]) -> None:
    """Count what a form takes in all its life: a link must not fill the disk by sending and taking away."""
    sent_files = request.sent_files + len(files)
    sent_bytes = request.sent_bytes + sum(file.size for file in files)
    most_bytes = MOST_OF_THE_LARGEST * current_app.extensions["settings"].max_upload_bytes
    if sent_files > MOST_SENT or sent_bytes > most_bytes:
        sentence = _(
            "Very much was sent here already, and this was not kept. What is here stays. "
            "Write to us, and we take the rest another way."
        )
        raise Invalid(sentence, {question.key: sentence})
    request.sent_files, request.sent_bytes = sent_files, sent_bytes


def drop_file(held: Answering, key: str, file_id: str) -> None:
    """Take an upload away again; the file itself is never deleted.

    Raises:
        NotFound: there is no such question here; Conflict: it is answered already.
    """
    _file_question(held, key)
    request = held.request
    there = request.answers.get(key) or []
    kept = [item for item in there if item["id"] != file_id]
    if len(kept) == len(there):
        return
    request.files = [item for item in request.files if item["id"] != file_id]
    _mark(held, [key], {**request.answers, key: kept}, dict(request.marks))


def pass_on(held: Answering, page_key: str, name: str, email: str) -> Contact:
    """Mail a colleague a link that opens one page of the form, and no more.

    Raises:
        NotFound: there is no such page here; Invalid: no usable address, or too many links.
        Conflict: it is answered already.
    """
    require_open(held)
    page = held.definition.page(page_key)
    if page is None or (held.pages is not None and page_key not in held.pages):
        raise NotFound(_("There is no such page."))
    request = held.request
    contact = _colleague(held, name, email)
    if _count_links(held) >= MOST_LINKS:
        sentence = _("This was passed on very often already. Write to us, and we send the links.")
        raise Invalid(sentence, {"email": sentence})
    link = make_link(request, contact, [page_key])
    cause = f"request/{request.id}/passed/{link.id}"
    mail_part(held.subject, request, contact, link, by=held.contact.name, cause=cause)
    to = {"to": {"name": contact.name, "email": contact.email}, "page": page.name}
    record_act(held, "card.request.passed_on", to)
    return contact


def mail_part(
    subject: Subject,
    request: ClientRequest,
    contact: Contact,
    link: ClientLink,
    *,
    by: str,
    cause: str,
    at_once: bool = False,
) -> None:
    """Owe somebody the letter with a link to the pages that were passed to them.

    Args:
        by: who asks them, by name.
        at_once: they have just asked for it.
    """
    owner = db.session.get(User, subject.card.owner_id)
    definition = get_definition(subject, request)
    language, words_of = language_for(contact.language), subject.playbook.words
    passed = [page.name for page in definition.pages if page.key in (link.pages or ())]
    pages = [said_in(words_of, name, language) for name in passed]
    words = {
        "by": by,
        "account": subject.account.name,
        "request": said_in(words_of, request.name, language),
        "page": ", ".join(pages),
        "due": due_on(request.due_at, subject).isoformat(),
        "link": link_address(link),
    }
    send_letter(
        "passed_on",
        words,
        to_address=contact.email or "",
        to_name=contact.name,
        language=language,
        contact_id=contact.id,
        card_id=subject.id,
        request_id=request.id,
        reply_to=owner.email if owner else None,
        cause=cause,
        at_once=at_once,
        # The same link twice does no harm; none at all leaves somebody outside.
        resend_if_unsure=True,
    )


def _mark(
    held: Answering, keys: Sequence[str], answers: dict[str, Any], marks: dict[str, Any], sheet: str = ""
) -> None:
    request, at = held.request, now()
    request.edition += 1
    by = {
        "by": held.contact.name,
        "contact": str(held.contact.id),
        "at": at.isoformat(),
        "n": request.edition,
        "sheet": sheet,
    }
    made = {key: {**by, "past": _past(held, key, marks.get(key), sheet)} for key in keys}
    request.answers, request.marks = answers, {**marks, **made}
    if request.status in ("asked", "opened"):
        request.status, request.opened_at = "in_progress", request.opened_at or at


def _past(held: Answering, key: str, mark: Mapping[str, Any] | None, sheet: str) -> list[list[Any]]:
    """Return what an answer was: [edition in which that ended, fingerprint], without a page's own steps."""
    past = mark.get("past", []) if mark else []
    if past and mark and sheet and mark["sheet"] == sheet:
        return list(past)
    return [*past, [held.request.edition, _print_of(held.request.answers.get(key))]][-_MOST_PAST:]


def _print_at(mark: Mapping[str, Any], edition: int) -> str | None:
    """Return the fingerprint of an answer as it was in an edition; None if that is not known any more."""
    return next((kept for ended, kept in mark.get("past", []) if ended > edition), None)


def _is_of(mark: Mapping[str, Any], held: Answering, sheet: str) -> bool:
    """Say whether an answer was written on the same page; one that tells no sheet is known by its person."""
    return bool(mark.get("sheet") == sheet if sheet else mark["contact"] == str(held.contact.id))


def _print_of(value: Any) -> str:
    """Return a fingerprint of an answer, the same for a stored one and for what a field makes of it."""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value in (None, "", [], {}):
        return ""
    return hash_content({"": value if isinstance(value, list | dict) else str(value)})[:16]


def _conflict(held: Answering, question: Question, mark: Mapping[str, Any], kept: Any) -> str:
    words = {"by": mark["by"], "name": own(question.name), "answer": _quoted(question, kept)}
    if mark["contact"] == str(held.contact.id):
        return _(
            "You have answered “%(name)s” elsewhere meanwhile: %(answer)s. "
            "What you have here was not kept; save again to put it in its place.",
            **words,
        )
    return _(
        "%(by)s has answered “%(name)s” meanwhile: %(answer)s. "
        "Yours was not kept; save again to put it in its place.",
        **words,
    )


def _opens(held: Answering, question: Question) -> bool:
    return held.pages is None or held.definition.page_of.get(question.key) in held.pages


def _file_question(held: Answering, key: str) -> Question:
    require_open(held)
    found = next((each for each in held.definition.asks if each.key == key and each.type == "file"), None)
    if found is None or not _opens(held, found):
        raise NotFound(_("There is no such question."))
    return found


def _quoted(question: Question, typed: Any) -> str:
    text = show_answer(question, typed, reading_place()).replace("\n", ", ")
    return _("“%(text)s”", text=text[:200]) if text else _("nothing")


def _colleague(held: Answering, name: str, email: str) -> Contact:
    address = clean_text(email)
    if not address:
        sentence = _("Give the email address of your colleague.")
        raise Invalid(sentence, {"email": sentence})
    try:
        return known_or_new(held.subject, clean_text(name), address)
    except Invalid as refusal:
        # Its sentence is for staff; those of its fields are for whoever typed them.
        if not refusal.field_errors:
            raise
        raise Invalid(" ".join(refusal.field_errors.values()), refusal.field_errors) from None


def _count_links(held: Answering) -> int:
    return (
        db.session.scalar(
            sa.select(sa.func.count()).where(
                ClientLink.request_id == held.request.id, ClientLink.pages.is_not(None)
            )
        )
        or 0
    )
