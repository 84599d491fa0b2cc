"""What the client does with a request: open, save, accept, submit, decline, say that they are stuck.

The door finds the link and holds the card (`answering`); each function here is one act of the person at
the other end, who is known by the link alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.core.queue import BULK, enqueue_after_commit
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import SOURCE, _, marked, ngettext, own, prefer, speak_for
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import record_card_event, set_fields
from lifecycle.governance.fields.questions import read_questions
from lifecycle.governance.fields.values import clean_text, draft_value
from lifecycle.governance.gates.checks.client import is_changed
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef
from lifecycle.governance.requests.ask import describe, get_definition, get_request, let_the_clock_run
from lifecycle.governance.requests.codes import send_code, try_code, use_code
from lifecycle.governance.requests.contacts import may_see
from lifecycle.governance.requests.form import Scored, read_form
from lifecycle.governance.requests.signing import content_hash, content_of, read_signature
from lifecycle.records.accounts.models import Contact
from lifecycle.records.files.models import StoredFile
from lifecycle.records.inbox.record import tell
from lifecycle.records.people.actor import Actor
from lifecycle.work.attachments import record as attachments
from lifecycle.work.attachments.queries import attachments_by_card
from lifecycle.work.client_requests.models import (
    WAITING_STATUSES,
    ClientCode,
    ClientLink,
    ClientRequest,
    RequestSubmission,
)
from lifecycle.work.client_requests.queries import find_submission

CHANNEL = "client link"
MOST_FILES = 20
LONGEST_REASON = 2_000
GONE = marked("This link does not open anything. It may have expired, or a newer one took its place.")
_REPEATED = marked("This has been answered already. Nothing was changed.")


@dataclass(frozen=True)
class Opened:
    """A link that works: the request it opens, and for whom."""

    link: ClientLink
    request: ClientRequest
    contact: Contact


@dataclass(frozen=True)
class Answering:
    """A held card with the request that a client is about to answer.

    `pages` are those of a form that their link opens, None for the whole request.
    """

    subject: Subject
    request: ClientRequest
    definition: ClientRequestDef
    contact: Contact
    actor: Actor
    link: ClientLink
    pages: frozenset[str] | None = None


def find_opened(token: str) -> Opened:
    """Return what a link's token opens; reads only.

    Raises:
        NotFound: unknown, expired, revoked, or its request is closed: the answer is the same for all.
    """
    row = db.session.execute(
        sa.select(ClientLink, ClientRequest, Contact)
        .join(ClientRequest, ClientRequest.id == ClientLink.request_id)
        .join(Contact, Contact.id == ClientLink.contact_id)
        .where(ClientLink.token_hash == hash_token(token))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or not _works(*row):
        raise NotFound(_(GONE))
    prefer(row[2].language, row[2].time_zone)
    return Opened(*row)


def _works(link: ClientLink, request: ClientRequest, contact: Contact) -> bool:
    return (
        link.revoked_at is None
        and link.expires_at > now()
        and request.closed_at is None
        and contact.archived_at is None
        # A page may be passed to anybody; the whole is for whom we asked, or who has the right to it still.
        and (link.pages is not None or may_see(contact, request))
    )


@dataclass(frozen=True)
class Signing:
    """What signing takes besides a name: the strokes as JSON, the code tried, and the hash that was seen.

    `has_typed` says whether any code was typed.
    """

    drawn: str
    code: ClientCode | None
    seen_content: str
    has_typed: bool = True


@contextmanager
def answering(token: str) -> Iterator[Answering]:
    """Hold the card of a link while its client acts, in the caller's transaction.

    Raises:
        NotFound: the link opens nothing (any more).
        Invalid: the card was closed or archived.
    """
    opened = find_opened(token)
    actor = Actor(user_id=None, name=opened.contact.name, role="client", kind="client")
    with changing_card(opened.request.card_id, actor, permission="client_requests.answer") as subject:
        speak_for(subject.playbook.words)
        request = get_request(subject, opened.request.id)
        link = db.session.get(ClientLink, opened.link.id, populate_existing=True)
        contact = db.session.get(Contact, opened.contact.id, populate_existing=True)
        # Asked again under the lock: it may have been revoked while we waited for the card.
        if link is None or contact is None or not _works(link, request, contact):
            raise NotFound(_(GONE))
        link.last_used_at = now()
        pages = frozenset(link.pages) if link.pages is not None else None
        yield Answering(subject, request, get_definition(subject, request), contact, actor, link, pages)
        subject.card.client_status = request.status


def open_request(held: Answering) -> None:
    """Note that a person has opened it: somebody pressed a button, which no scanner does."""
    if held.request.status == "asked":
        held.request.status, held.request.opened_at = "opened", now()
        record_act(held, "card.request.opened")


def ask_for_code(held: Answering) -> None:
    """Mail the code that signing takes.

    Raises:
        Conflict: it is answered, a part was passed on only, or very many were asked for.
        Invalid: nothing is signed here, or no address is known.
    """
    require_open(held)
    _require_whole(held)
    if held.definition.sign is None:
        raise Invalid(_("Nothing is signed here."))
    mail_code(held)
    record_act(held, "card.request.code_sent")


def mail_code(held: Answering) -> ClientCode:
    """Mail the code that signing the request takes."""
    request = held.request
    return send_code(
        held.link,
        held.contact,
        purpose="sign",
        about=request.name,
        card_id=request.card_id,
        request_id=request.id,
    )


def try_code_of(token: str, typed: str) -> ClientCode | None:
    """Count an attempt with a code, and return it if it is right; None for a link that opens nothing."""
    try:
        return try_code(find_opened(token).link, typed)
    except NotFound:
        return None


def save_draft(held: Answering, typed: Mapping[str, Any]) -> None:
    """Keep what was typed so far, as it was typed; nothing is checked yet.

    Raises:
        Conflict: it is answered, or a form with pages, which is saved page by page.
    """
    require_open(held)
    _require_whole(held)
    if held.definition.pages:
        raise Conflict(_("This is saved page by page. Open the page you want to fill in."))
    asked = [question.key for question in held.definition.asks if question.key in typed]
    kept = {key: draft_value(typed[key]) for key in asked}
    held.request.answers = {**held.request.answers, **kept}
    if held.request.status in ("asked", "opened"):
        held.request.status, held.request.opened_at = "in_progress", held.request.opened_at or now()


def answer_request(
    held: Answering,
    typed: Mapping[str, Any],
    *,
    files: Sequence[StoredFile],
    signer: str,
    position: str,
    agrees: bool,
    came_from: Mapping[str, str],
    seen_hash: str,
    signing: Signing | None = None,
) -> None:
    """Take the client's yes, or what they submit, with its proof.

    Args:
        signer, position: who answers, as they write it themselves.
        agrees: whether they ticked the sentence they agree to.
        came_from: address, user agent and the language of the page, kept with the proof.
        seen_hash: the hash of what their page showed; another one means that it changed meanwhile.
        signing: of a request that is signed, the drawing, the code, and the hash of what they looked over.

    Raises:
        Invalid: something is missing, by field; Conflict: what they saw has changed, or it is answered.
    """
    require_open(held)
    request, subject = held.request, held.subject
    if seen_hash != request.shown_hash or is_changed(subject, request):
        raise Conflict(
            _(
                "What this page showed has been changed by us meanwhile. Nothing was sent; "
                "we will send you the new version."
            )
        )
    _require_whole(held)
    values, fields, scores = _read(held, typed)
    _check_signature(held, files, signer, agrees, signing)
    signed = _signed(held, signer, position, signing) if held.definition.sign else {}
    at = now()
    is_accepted = held.definition.answer == "accept"
    # From now on it reads as it was asked here, whatever the card is taken over to.
    request.revision_id = subject.card.revision_id
    request.answers = values
    request.files = [*request.files, *({"id": str(file.id), "name": file.name} for file in files)]
    request.answered_at, request.stuck_reason = at, None
    request.proof = {
        "at": at.isoformat(),
        "name": clean_text(signer)[:120],
        "position": clean_text(position)[:120],
        "contact": {"id": str(held.contact.id), "name": held.contact.name, "email": held.contact.email},
        "consent": request.consent,
        **_as_read(request.consent),
        "shown": request.shown,
        "shown_hash": request.shown_hash,
        "documents": request.documents,
        "address": came_from.get("address", ""),
        "user_agent": came_from.get("user_agent", "")[:400],
        "language": came_from.get("language", SOURCE),
        **signed,
    }
    request.signed_at, request.paper_id = (at, None) if signed else (None, None)
    request.status = "accepted" if is_accepted else "submitted"
    request.decided_at = at if is_accepted else None
    request.comments = {}
    for file in files or _files_of_form(held):
        _attach(held, file)
    if fields:
        set_fields(subject, fields, held.actor, CHANNEL)
    db.session.flush()
    data: dict[str, Any] = {"proof": request.proof, "answers": values, "files": request.files}
    if not is_accepted:
        data["submission"] = _freeze(held, scores).number
    record_act(held, "card.request.accepted" if is_accepted else "card.request.submitted", data)
    if signed:
        enqueue_after_commit(BULK, "jobs.papers.make_due")
    let_the_clock_run(subject, held.actor)
    tell_owner(
        held,
        f"{held.contact.name} {'accepted' if is_accepted else 'submitted'} {request.name}",
        act=not is_accepted,
    )


def _as_read(consent: str) -> dict[str, str]:
    """Return the sentence that was agreed to in the words it was read in, where they are others."""
    read = own(consent)
    return {"consent_as_read": read} if read != consent else {}


def decline_request(held: Answering, reason: str) -> None:
    """Take the client's no, with why.

    Raises:
        Invalid: no reason; Conflict: it is answered already.
    """
    require_open(held)
    _require_whole(held)
    text = _required_reason(reason, _("Say why, so that we can put it right."))
    request = held.request
    request.status, request.reason, request.answered_at = "declined", text, now()
    db.session.flush()
    record_act(held, "card.request.declined", reason=text)
    let_the_clock_run(held.subject, held.actor)
    tell_owner(held, f"{held.contact.name} declined {request.name}", act=True, body=text)


def say_stuck(held: Answering, reason: str) -> None:
    """Let the client say that they cannot go on, and why; the request stays open.

    Raises:
        Invalid: no reason; Conflict: it is answered already.
    """
    require_open(held)
    text = _required_reason(reason, _("Say what keeps you from going on."))
    held.request.stuck_reason, held.request.stuck_at = text, now()
    record_act(held, "card.request.stuck", reason=text)
    tell_owner(held, f"{held.contact.name} is stuck with {held.request.name}", act=True, body=text)


def require_open(held: Answering) -> None:
    """Raise Conflict if the request is answered already."""
    if held.request.status not in WAITING_STATUSES:
        raise Conflict(_(_REPEATED))


def _require_whole(held: Answering) -> None:
    if held.pages is not None:
        raise Conflict(_("A part of this was passed to you. Whoever has the whole decides on it."))


def _required_reason(text: str, missing: str) -> str:
    cleaned = clean_text(text, keep_lines=True)
    if not cleaned:
        raise Invalid(missing, {"reason": missing})
    if len(cleaned) > LONGEST_REASON:
        sentence = _(
            "At most %(most)s characters; this has %(has)s.",
            most=f"{LONGEST_REASON:,}",
            has=f"{len(cleaned):,}",
        )
        raise Invalid(sentence, {"reason": sentence})
    return cleaned


def _read(
    held: Answering, typed: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return values by question, by field, and the scores; a form is read from what was saved of it."""
    scores: list[Scored] = []
    if held.definition.pages:
        form = read_form(held.definition, held.subject, held.request.answers)
        read, scores = form.read(held.subject.playbook), form.scores(held.definition.scores)
    else:
        read = read_questions(held.subject.playbook, held.definition.asks, typed)
    if read.errors:
        raise Invalid(" ".join(read.errors.values()), read.errors)
    points = {score.saves: score.points for score in scores if score.saves}
    return read.values, {**read.fields, **points}, [asdict(score) for score in scores]


def _freeze(held: Answering, scores: list[dict[str, Any]]) -> RequestSubmission:
    request = held.request
    before = find_submission(request.id)
    frozen = RequestSubmission(
        request_id=request.id,
        number=before.number + 1 if before else 1,
        revision_id=held.subject.card.revision_id,
        answers=request.answers,
        files=request.files,
        scores=scores,
        proof=request.proof,
    )
    db.session.add(frozen)
    db.session.flush()
    return frozen


def _signed(held: Answering, signer: str, position: str, signing: Signing | None) -> dict[str, Any]:
    """Return what the proof keeps of a signature; the code is spent with it."""
    signature = read_signature(signer, position, signing.drawn if signing else "")
    digest = content_hash(held.subject, held.definition, held.request)
    if signing is None or signing.seen_content != digest:
        raise Conflict(
            _("What you looked over has changed meanwhile. Nothing was signed; look it over again.")
        )
    code = use_code(signing.code)
    return {
        "signature": signature.as_proof(),
        "content_hash": digest,
        "content": content_of(held.subject, held.definition, held.request),
        "code": {"sent_to": held.contact.email, "sent_at": code.created_at.isoformat()},
    }


def _check_signature(
    held: Answering, files: Sequence[StoredFile], signer: str, agrees: bool, signing: Signing | None
) -> None:
    errors: dict[str, str] = {}
    if not clean_text(signer):
        errors["signer"] = _("Write your name.")
    if held.request.consent and not agrees:
        errors["agrees"] = _("Tick the sentence to agree.")
    if held.definition.sign and signing is not None and not signing.has_typed:
        errors["code"] = _("Type the code that we mailed you.")
    if held.definition.must_attach and not files and not held.request.files:
        errors["files"] = _("Attach the file.")
    if not held.definition.pages and len(files) + len(held.request.files) > MOST_FILES:
        errors["files"] = ngettext("At most %(num)s file.", "At most %(num)s files.", MOST_FILES)
    if errors:
        raise Invalid(" ".join(errors.values()), errors)


def _files_of_form(held: Answering) -> list[StoredFile]:
    """Return what was uploaded in a form and should count as evidence, and does not yet."""
    if not held.definition.pages or held.definition.attach is None:
        return []
    known = {item.file_id for item in attachments_by_card([held.subject.id]).get(held.subject.id, [])}
    wanted = [uuid.UUID(str(item["id"])) for item in held.request.files]
    return [db.session.get_one(StoredFile, each) for each in wanted if each not in known]


def _attach(held: Answering, file: StoredFile) -> None:
    """Let a file count as the evidence that the request asks for."""
    key = held.definition.attach
    if key is None:
        sentence = _("Nothing can be sent along here.")
        raise Invalid(sentence, {"files": sentence})
    item = attachments.attach(
        held.subject.card.id,
        held.subject.visit.id,
        held.actor,
        key=key,
        kind="file",
        title=file.name,
        file_id=file.id,
    )
    data = {**attachments.describe(item), "name": held.subject.playbook.evidence[key].name}
    record_card_event(held.subject, "card.evidence.added", held.actor, CHANNEL, data)


def record_act(
    held: Answering, kind: str, data: Mapping[str, Any] | None = None, reason: str | None = None
) -> None:
    """Put on record what the client did."""
    by = {"contact": {"id": held.contact.id, "name": held.contact.name, "email": held.contact.email}}
    record_card_event(
        held.subject,
        kind,
        held.actor,
        CHANNEL,
        {**describe(held.request), **by, **(data or {})},
        reason=reason,
    )


def tell_owner(held: Answering, title: str, *, act: bool, body: str | None = None) -> None:
    """Tell the card's owner; `act` if it is their turn."""
    card, request = held.subject.card, held.request
    tell(
        [card.owner_id],
        title=title,
        body=body,
        tone="act" if act else "info",
        link=f"/client-gates/{request.id}",
        cause=f"request/{request.id}/{request.status}/{now().isoformat()}",
        card_id=card.id,
    )
