"""What the client's people do with a form before it is submitted: save, upload, pass a part on (E19).

Several of them fill one form, on several devices. An answer is saved by itself, so that two people on one
page do not undo each other; whoever saves an answer that somebody else has changed meanwhile is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.governance.fields.values import filled_rows, show_value
from lifecycle.governance.language.model import Question
from lifecycle.governance.requests.answer import Answering, record_act, require_open
from lifecycle.governance.requests.ask import link_address, make_link
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.files.models import StoredFile
from lifecycle.records.outbox.letters import send_letter
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import ClientLink

MOST_FILES: Final = 60
MOST_LINKS: Final = 30
LONGEST_DRAFT: Final = 20_000


@dataclass(frozen=True)
class Saved:
    """What became of what was typed: `conflicts` are sentences by question, for what was not kept."""

    edition: int
    changed: list[str]
    conflicts: dict[str, str]


def save_answers(
    held: Answering, typed: Mapping[str, Any], seen: int, seen_of: Mapping[str, int] | None = None
) -> Saved:
    """Keep what was typed, as it was typed; whether it can stay is said when the form is read.

    Args:
        typed: by question; what this link does not open, and files, are passed over.
        seen: the edition that the page was made from; `seen_of`: of single questions that were seen later.

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
        value = _draft(typed[question.key])
        before = answers.get(question.key)
        if value == before or (value in ("", [], {}) and before is None):
            continue
        mark = marks.get(question.key)
        known = (seen_of or {}).get(question.key, seen)
        if mark and mark["n"] > known and mark["contact"] != str(held.contact.id):
            conflicts[question.key] = (
                f"{mark['by']} has answered “{question.name}” meanwhile: {_shown(question, before)}. "
                "Yours was not kept; save again to put it in its place."
            )
            continue
        answers[question.key] = value
        changed.append(question.key)
    if changed:
        _mark(held, changed, answers, marks)
    return Saved(request.edition, changed, conflicts)


def add_files(held: Answering, key: str, files: Sequence[StoredFile]) -> None:
    """Add uploads to a question of type file.

    Raises:
        NotFound: there is no such question here; Invalid: too many; Conflict: it is answered already.
    """
    question = _file_question(held, key)
    request = held.request
    if len(request.files) + len(files) > MOST_FILES:
        sentence = f"At most {MOST_FILES} files altogether. Remove some first, or put them into one archive."
        raise Invalid(sentence, {question.key: sentence})
    new = [{"id": str(file.id), "name": file.name} for file in files]
    request.files = [*request.files, *new]
    kept = [*(request.answers.get(key) or []), *new]
    _mark(held, [key], {**request.answers, key: kept}, dict(request.marks))


def drop_file(held: Answering, key: str, file_id: str) -> None:
    """Take an upload away again; the file itself is never deleted.

    Raises:
        NotFound: there is no such question here; Conflict: it is answered already.
    """
    _file_question(held, key)
    request = held.request
    kept = [item for item in request.answers.get(key) or [] if item["id"] != file_id]
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
        raise NotFound("There is no such page.")
    request = held.request
    contact = _colleague(held, name, email)
    if _count_links(held) >= MOST_LINKS:
        sentence = "This was passed on very often already. Write to us, and we send the links."
        raise Invalid(sentence, {"email": sentence})
    link = make_link(request, contact, [page_key])
    _write_to(held, contact, page.name, link)
    to = {"to": {"name": contact.name, "email": contact.email}, "page": page.name}
    record_act(held, "card.request.passed_on", to)
    return contact


def _write_to(held: Answering, contact: Contact, page: str, link: ClientLink) -> None:
    request = held.request
    owner = db.session.get(User, held.subject.card.owner_id)
    words = {
        "by": held.contact.name,
        "account": held.subject.account.name,
        "request": request.name,
        "page": page,
        "due": f"{request.due_at:%-d %B %Y}",
        "link": link_address(link),
    }
    send_letter(
        "passed_on",
        words,
        to_address=contact.email or "",
        to_name=contact.name,
        contact_id=contact.id,
        card_id=held.subject.id,
        request_id=request.id,
        reply_to=owner.email if owner else None,
        cause=f"request/{request.id}/passed/{link.id}",
        # The same link twice does no harm; none at all leaves somebody outside.
        resend_if_unsure=True,
    )


def _draft(value: Any) -> Any:
    """Return what was typed without what nobody could read: endless text, rows with nothing in them."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{key: str(cell)[:LONGEST_DRAFT] for key, cell in row.items()} for row in filled_rows(value)]
    if isinstance(value, list):
        return [str(each)[:200] for each in value]
    if isinstance(value, dict):
        parts = {part: str(text).strip()[:LONGEST_DRAFT] for part, text in value.items()}
        return parts if any(parts.values()) else {}
    return str(value).strip()[:LONGEST_DRAFT]


def _mark(held: Answering, keys: Sequence[str], answers: dict[str, Any], marks: dict[str, Any]) -> None:
    request, at = held.request, now()
    request.edition += 1
    by = {
        "by": held.contact.name,
        "contact": str(held.contact.id),
        "at": at.isoformat(),
        "n": request.edition,
    }
    request.answers, request.marks = answers, {**marks, **dict.fromkeys(keys, by)}
    if request.status in ("asked", "opened"):
        request.status, request.opened_at = "in_progress", request.opened_at or at


def _opens(held: Answering, question: Question) -> bool:
    return held.pages is None or held.definition.page_of.get(question.key) in held.pages


def _file_question(held: Answering, key: str) -> Question:
    require_open(held)
    found = next((each for each in held.definition.asks if each.key == key and each.type == "file"), None)
    if found is None or not _opens(held, found):
        raise NotFound("There is no such question.")
    return found


def _shown(question: Question, value: Any) -> str:
    try:
        text = show_value(question, value).replace("\n", ", ")
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        text = str(value)
    return f"“{text[:200]}”" if text else "nothing"


def _colleague(held: Answering, name: str, email: str) -> Contact:
    address = email.strip()
    if not address:
        sentence = "Give the email address of your colleague."
        raise Invalid(sentence, {"email": sentence})
    known = db.session.scalar(
        sa.select(Contact)
        .where(
            Contact.account_id == held.subject.account.id,
            sa.func.lower(Contact.email) == address.lower(),
            Contact.archived_at.is_(None),
        )
        .limit(1)
    )
    # A client may name somebody of their own company, and nothing else; the system writes them down.
    return known or create_contact(
        held.subject.account.id, {"name": name.strip() or address, "email": address}, actor=SYSTEM
    )


def _count_links(held: Answering) -> int:
    return (
        db.session.scalar(
            sa.select(sa.func.count()).where(
                ClientLink.request_id == held.request.id, ClientLink.pages.is_not(None)
            )
        )
        or 0
    )
