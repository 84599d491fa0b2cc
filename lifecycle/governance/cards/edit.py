"""Editing a card: its fields, title, value, people, next action, comments, archiving.

Each function takes a subject that `changing_card` holds, and records what changed with before and after.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from babel.numbers import list_currencies
from sqlalchemy import func, or_, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.governance.cards.limits import enter
from lifecycle.governance.fields.values import PartsRefused, ValueRefused, clean_text, read_value
from lifecycle.governance.gates.subject import Subject, field_value
from lifecycle.governance.language.model import FieldDef
from lifecycle.governance.rules.match import match_event
from lifecycle.records.accounts.countries import find_country
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import Card, Comment
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

LARGEST_VALUE = Decimal("999999999999.99")
LONGEST_TITLE = 200
LONGEST_COMMENT = 20_000


def record_card_event(
    subject: Subject,
    kind: str,
    actor: Actor,
    channel: str,
    data: dict[str, Any] | None = None,
    reason: str | None = None,
    *,
    now_as: Subject | None = None,
    undo_until: datetime | None = None,
) -> uuid.UUID:
    """Add an event about this card to its account's chain, and set off the rules that wait for it.

    Args:
        now_as: the card as it stands after the event, where that is not `subject`.
        undo_until: until then the event can be taken back.
    """
    event_id = record_event(
        kind,
        chain=account_chain(subject.card.account_id),
        actor=actor,
        channel=channel,
        account_id=subject.card.account_id,
        card_id=subject.card.id,
        data={"title": subject.card.title, "stage": subject.stage.key, **(data or {})},
        reason=reason,
    )
    match_event(
        now_as or subject,
        kind,
        data or {},
        event_id=event_id,
        actor=actor,
        channel=channel,
        undo_until=undo_until,
    )
    return event_id


def read_fields(subject: Subject, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of typed field values, by field key.

    Raises:
        Invalid: naming every field that cannot be taken, a cell of a table as `key-row-column`; nothing is
            kept then.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for key, text in typed.items():
        definition = subject.playbook.fields.get(key)
        if definition is None:
            errors[key] = f"There is no field “{clean_text(key)[:60]}”."
            continue
        if definition.computed_by is not None:
            errors[key] = f"{definition.name} is worked out from “{definition.computed_by}”."
            continue
        try:
            values[key] = _as_kept(definition, read_value(definition, text))
        except PartsRefused as refusal:
            errors |= {f"{key}-{part}": sentence for part, sentence in refusal.parts.items()}
        except ValueRefused as refusal:
            errors[key] = str(refusal)
    if errors:
        raise Invalid(" ".join(errors.values()), errors)
    return values


def _as_kept(definition: FieldDef, value: Any) -> Any:
    # A country is kept by its code wherever it was typed, so that one filter finds all of them.
    if not definition.is_column or definition.key != "country" or value is None:
        return value
    code = find_country(value)
    if code is None:
        raise ValueRefused(f"{definition.name}: “{value[:60]}” is no country; write its name or two letters.")
    return code


def set_fields(subject: Subject, values: Mapping[str, Any], actor: Actor, channel: str = "page") -> list[str]:
    """Write stored field values; return the keys that changed, and record them with before and after."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        definition = subject.playbook.fields[key]
        before = field_value(definition, subject.card, subject.account)
        if before != value:
            changes[key] = {"name": definition.name, "before": before, "after": value}
            _write_field(subject, definition, value)
    if changes:
        record_card_event(subject, "card.fields.changed", actor, channel, {"changes": changes})
    return list(changes)


def _write_field(subject: Subject, definition: FieldDef, value: Any) -> None:
    if definition.is_column:
        setattr(subject.account, definition.key, value)
    elif definition.of == "account":
        subject.account.fields = _with(subject.account.fields, definition.key, value)
    else:
        subject.card.fields = _with(subject.card.fields, definition.key, value)
    if definition.of == "account":
        subject.account.version += 1
        subject.account.updated_at = now()


def _with(fields: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return the fields with one written; an empty one is not kept at all."""
    others = {name: kept for name, kept in fields.items() if name != key}
    return others if value is None else {**others, key: value}


def edit_details(
    subject: Subject,
    actor: Actor,
    *,
    title: str,
    value_amount: Decimal | None,
    value_currency: str | None,
    contact_id: uuid.UUID | None,
    owner_id: uuid.UUID,
) -> list[str]:
    """Change a card's title, value, contact and owner; return what changed.

    Raises:
        Invalid: a value that cannot be taken, by field.
    """
    after = {
        "title": read_title(title),
        **read_money(value_amount, value_currency),
        "contact_id": _contact_of(subject, contact_id),
        "owner_id": get_working_user(owner_id).id,
    }
    changes = {
        key: {"before": getattr(subject.card, key), "after": value}
        for key, value in after.items()
        if getattr(subject.card, key) != value
    }
    if changes:
        record_card_event(subject, "card.details.changed", actor, "page", {"changes": changes})
        for key, change in changes.items():
            setattr(subject.card, key, change["after"])
    return list(changes)


def read_title(title: str) -> str:
    """Return a card's title as it is kept.

    Raises:
        Invalid: empty, or longer than 200 characters.
    """
    text = clean_text(title)
    if not text:
        raise Invalid("A card needs a title.", {"title": "Give the card a title."})
    if len(text) > LONGEST_TITLE:
        sentence = f"A title may have {LONGEST_TITLE} characters; this has {len(text):,}."
        raise Invalid(sentence, {"title": sentence})
    return text


def read_money(amount: Decimal | None, currency: str | None) -> dict[str, Any]:
    """Return a card's value and currency as they are kept: both or neither.

    Raises:
        Invalid: negative, too large, too precise, or a currency that does not exist.
    """
    if amount is None:
        return {"value_amount": None, "value_currency": None}
    code = (currency or "").strip().upper()
    if not amount.is_finite() or amount < 0 or amount > LARGEST_VALUE:
        sentence = "The value must lie between 0 and 999,999,999,999.99."
        raise Invalid(sentence, {"value_amount": sentence})
    if amount != amount.quantize(Decimal("0.01")):
        raise Invalid("The value may have two decimals.", {"value_amount": "At most two decimals."})
    if code not in list_currencies():
        sentence = "Give the currency by its three letters, like EUR."
        raise Invalid(sentence, {"value_currency": sentence})
    return {"value_amount": amount.quantize(Decimal("0.01")), "value_currency": code}


def _contact_of(subject: Subject, contact_id: uuid.UUID | None) -> uuid.UUID | None:
    if contact_id is None:
        return None
    contact = db.session.get(Contact, contact_id)
    if contact is None or contact.account_id != subject.card.account_id:
        raise Invalid(
            "That contact belongs to another account.", {"contact_id": "Choose one of this account."}
        )
    return contact.id


def get_working_user(user_id: uuid.UUID) -> User:
    """Return an active user who may own work.

    Raises:
        Invalid: there is none, they left, or they may only look.
    """
    user = db.session.get(User, user_id)
    if user is None or not user.is_active or user.role == "viewer":
        sentence = "Choose somebody who works here and may edit."
        raise Invalid(sentence, {"owner_id": sentence})
    return user


def find_worker_by_name(name: str) -> uuid.UUID | None:
    """Return the one active user whose name or email this is, blind to case; None when nobody or several."""
    folded = name.lower()
    found = db.session.scalars(
        select(User.id).where(
            User.is_active,
            User.role != "viewer",
            or_(func.lower(User.name) == folded, func.lower(User.email) == folded),
        )
    ).all()
    return found[0] if len(found) == 1 else None


def set_next_action(
    subject: Subject, actor: Actor, *, text: str, due_at: datetime, assignee_id: uuid.UUID
) -> None:
    """Say what is to be done next, by whom and by when (E10).

    Raises:
        Invalid: no text, or nobody who may do it.
    """
    card = subject.card
    action = clean_text(text)[:300]
    if not action:
        raise Invalid("Say what is to be done next.", {"next_action": "Say what is to be done next."})
    assignee = get_working_user(assignee_id)
    before = {
        "text": card.next_action,
        "due_at": card.next_action_due_at,
        "assignee": card.next_action_assignee_id,
    }
    card.next_action, card.next_action_due_at, card.next_action_assignee_id = action, due_at, assignee.id
    after = {"text": action, "due_at": due_at, "assignee": assignee.id}
    record_card_event(subject, "card.next_action.set", actor, "page", {"before": before, "after": after})


def add_comment(subject: Subject, actor: Actor, body: str) -> Comment:
    """Add a comment in plain text.

    Raises:
        Invalid: empty or too long.
    """
    text = clean_text(body, keep_lines=True)
    if not text:
        raise Invalid("The comment is empty.", {"body": "Write something first."})
    if len(text) > LONGEST_COMMENT:
        sentence = f"A comment may have {LONGEST_COMMENT:,} characters; this has {len(text):,}."
        raise Invalid(sentence, {"body": sentence})
    comment = Comment(card_id=subject.card.id, author_id=actor.user_id, body=text)
    db.session.add(comment)
    db.session.flush()
    record_card_event(subject, "card.comment.added", actor, "page", {"comment": comment.id, "body": text})
    return comment


def archive_card(subject: Subject, actor: Actor) -> None:
    """Take a card off its board; its history stays, and it can be restored."""
    if subject.card.archived_at is None:
        subject.card.archived_at = now()
        record_card_event(subject, "card.archived", actor, "page")


def restore_card(subject: Subject, actor: Actor) -> None:
    """Put an archived card back on its board.

    Raises:
        StageFull: others have taken its place meanwhile.
    """
    if subject.card.archived_at is not None:
        enter(db.session.get_one(Stage, subject.card.stage_id), actor)
        subject.card.archived_at = None
        record_card_event(subject, "card.restored", actor, "page")


def get_card(card_id: uuid.UUID) -> Card:
    """Return a card.

    Raises:
        NotFound: there is none, or its import was withdrawn.
    """
    card = db.session.get(Card, card_id)
    if card is None or card.withdrawn_at is not None:
        raise NotFound("There is no such card.")
    return card
