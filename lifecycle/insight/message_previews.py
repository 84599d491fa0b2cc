"""A playbook's message as it would read for a real card, before anybody is told anything (E14)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound, Refusal
from lifecycle.core.text import search_words
from lifecycle.governance.cards.subjects import get_subject, stage_of
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import MessageDef, PlaybookDef
from lifecycle.governance.messages.letters import AboutRequest, write_letter
from lifecycle.governance.playbooks.library import CurrentRevision, get_current_revision
from lifecycle.governance.requests.contacts import find_recipient
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.insight.rule_words import whom_it_tells
from lifecycle.insight.search import CardHit, cards_query
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.letters import base_url
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.records.sms.segments import count_segments

MOST_FOUND: Final = 8
_NO_KEY: Final = "…"
_KEY_LENGTH: Final = 43
_DUE_IN: Final = timedelta(days=5)
_REASON: Final = "(the reason that was given)"


@dataclass(frozen=True)
class MessagePreview:
    """A message filled in for a card. Without a card, or where it cannot be filled in, `text` is None."""

    revision: CurrentRevision
    message: MessageDef
    uses: list[str]
    is_to_client: bool
    card_id: uuid.UUID | None
    card_title: str
    account_name: str
    recipient: str
    subject: str | None
    text: str | None
    sms: str | None
    sms_parts: int
    problem: str | None
    found: list[CardHit]


def read_preview(key: str, name: str, card_id: uuid.UUID | None, query: str) -> MessagePreview:
    """Return a message of a playbook's current revision filled in for a card; nothing is written.

    Args:
        card_id: the card, None: the playbook's latest.
        query: words of a card's title or account, or its id; the best matches are listed.

    Raises:
        NotFound: no such playbook, message, or card of that playbook.
    """
    revision = get_current_revision(key)
    message = revision.playbook.messages.get(name)
    if message is None:
        raise NotFound("This playbook has no such message.")
    typed = card_id or _as_id(query)
    found = _find_cards(key, query) if typed is None else []
    # Words that find nothing are answered with nothing, not with some other card.
    wanted = typed or (found[0].id if found else None if search_words(query) else _latest(key))
    uses = list(_uses(revision.playbook, name))
    preview = MessagePreview(
        revision=revision,
        message=message,
        uses=[words for words, _ in uses],
        is_to_client=any(is_to_client for _, is_to_client in uses),
        card_id=None,
        card_title="",
        account_name="",
        recipient="",
        subject=None,
        text=None,
        sms=None,
        sms_parts=0,
        problem=None,
        found=found,
    )
    return preview if wanted is None else _filled_in(preview, _subject(wanted, revision))


def _filled_in(preview: MessagePreview, subject: Subject) -> MessagePreview:
    owner = db.session.get(User, subject.card.owner_id)
    contact = find_recipient(subject, None)
    request = _made_up(preview) if preview.message.reads_request else None
    named = replace(
        preview,
        card_id=subject.card.id,
        card_title=subject.card.title,
        account_name=subject.account.name,
        recipient=_recipient(preview, contact, subject),
    )
    try:
        letter = write_letter(
            preview.message,
            subject,
            contact=contact,
            owner=owner,
            request=request,
            to_client=preview.is_to_client,
        )
    except Refusal as refusal:
        return replace(named, problem=refusal.sentence)
    except (ArithmeticError, TypeError, ValueError):
        # A field is of another type in this revision than in that which the card runs on.
        problem = (
            "A field of this card holds what the current revision does not understand. Choose another card."
        )
        return replace(named, problem=problem)
    sms = letter.sms if preview.is_to_client else None
    # The made-up link counts as a real one: a key in the place of the dots.
    parts = count_segments(sms.replace(_NO_KEY, "x" * _KEY_LENGTH)) if sms else 0
    return replace(named, subject=letter.subject, text=letter.text, sms=sms, sms_parts=parts)


def _recipient(preview: MessagePreview, contact: Contact | None, subject: Subject) -> str:
    if not preview.is_to_client:
        return "Staff, each at their own address"
    if contact is None:
        return f"Nobody yet: {subject.account.name} has no contact with an email address"
    return f"{contact.name} ({contact.email})"


def _made_up(preview: MessagePreview) -> AboutRequest:
    """Return a request as the message needs one; its link opens nothing."""
    name = preview.message.key
    asked = next(
        (
            each
            for each in preview.revision.playbook.client_requests.values()
            if name in (each.message, each.reminder)
        ),
        None,
    )
    home = base_url()
    return AboutRequest(
        asked.name if asked else "The request", f"{home}/c/{_NO_KEY}", now() + _DUE_IN, _REASON
    )


def _subject(card_id: uuid.UUID, revision: CurrentRevision) -> Subject:
    """Return the card as if it ran on the current revision already."""
    subject, playbook = get_subject(card_id), revision.playbook
    if subject.playbook.key != playbook.key:
        raise NotFound("That card runs on another playbook. Choose one of this playbook.")
    pipeline = next(
        (each for each in playbook.pipelines if each.key == subject.pipeline.key), subject.pipeline
    )
    return replace(subject, playbook=playbook, pipeline=pipeline, stage=stage_of(pipeline, subject.stage.key))


def _latest(key: str) -> uuid.UUID | None:
    return db.session.scalar(
        sa.select(Card.id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(Pipeline.playbook_key == key, Card.archived_at.is_(None), Card.withdrawn_at.is_(None))
        .order_by(Card.created_at.desc(), Card.id.desc())
        .limit(1)
    )


def _find_cards(key: str, query: str) -> list[CardHit]:
    words = search_words(query)
    if not words:
        return []
    return [CardHit(*row) for row in db.session.execute(cards_query(words, MOST_FOUND, key))]


def _as_id(query: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(query.strip())
    except ValueError:
        return None


def _uses(playbook: PlaybookDef, name: str) -> Iterator[tuple[str, bool]]:
    """Yield where a playbook uses a message, and whether the client gets it there."""
    for request in playbook.client_requests.values():
        if request.message == name:
            yield f"Brings the request “{request.name}” to the client", True
        if request.reminder == name:
            yield f"Reminds the client of “{request.name}”", True
    for rule in playbook.rules:
        for action in rule.actions:
            params = action.params
            if isinstance(params, NotifyParams) and params.message == name:
                yield f"{rule.name}: {whom_it_tells(playbook, params)}", params.client
