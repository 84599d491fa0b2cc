"""Codes mailed to a contact as a second step, before they sign or see a secret (P3)."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.ids import new_id
from lifecycle.core.words import _, language_for, marked
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.letters import send_letter
from lifecycle.records.outbox.sealed import code_placeholder, sealed_code
from lifecycle.work.client_requests.models import ClientCode, ClientLink, ClientSecret

Purpose = Literal["sign", "see"]
CODE_LASTS: Final = timedelta(minutes=15)
MOST_ATTEMPTS: Final = 5
MOST_CODES: Final = 6
_WITHIN: Final = timedelta(hours=1)
_WRONG: Final = marked("That is not the code we mailed. Look at the latest message, or ask for a new code.")


def send_code(
    door: ClientLink | ClientSecret, contact: Contact, *, purpose: Purpose, about: str, **message: Any
) -> ClientCode:
    """Mail a code for a link or a secret to its contact; an earlier one is good no longer.

    Args:
        purpose, about: what it is for, and of what.
        message: its card_id and request_id.

    Raises:
        Conflict: very many were asked for; Invalid: the contact has no address.
    """
    if not contact.email:
        raise Invalid(_("We know no email address of yours. Write to us."))
    at = now()
    recent = db.session.scalar(
        sa.select(sa.func.count()).where(_of(door), ClientCode.created_at > at - _WITHIN)
    )
    if (recent or 0) >= MOST_CODES:
        raise Conflict(_("Many codes were sent in the last hour. Use the latest, or try again later."))
    db.session.execute(
        sa.update(ClientCode)
        .where(_of(door), ClientCode.used_at.is_(None), ClientCode.expires_at > at)
        .values(expires_at=at)
    )
    code = ClientCode(id=new_id(), created_at=at, expires_at=at + CODE_LASTS)
    if isinstance(door, ClientLink):
        code.link_id = door.id
    else:
        code.secret_id = door.id
    db.session.add(code)
    db.session.flush()
    minutes = int(CODE_LASTS.total_seconds() // 60)
    send_letter(
        "client_code",
        {
            "purpose": purpose,
            "about": about,
            "code": code_placeholder(_name(code), contact.id),
            "minutes": minutes,
        },
        to_address=contact.email,
        to_name=contact.name,
        language=language_for(contact.language),
        contact_id=contact.id,
        cause=f"code/{code.id}",
        resend_if_unsure=True,
        at_once=True,
        **message,
    )
    return code


def waiting_code(door: ClientLink | ClientSecret) -> ClientCode | None:
    """Return the code that can still be typed, or None."""
    return db.session.scalar(
        sa.select(ClientCode)
        .where(_of(door), *_is_good(), ClientCode.attempts < MOST_ATTEMPTS)
        .order_by(ClientCode.created_at.desc())
        .limit(1)
    )


def try_code(door: ClientLink | ClientSecret, typed: str) -> ClientCode | None:
    """Count an attempt, and return the code if that is it. Commit whatever the answer: attempts count.

    It is good once; `use_code` spends it.
    """
    code = db.session.scalar(
        sa.select(ClientCode)
        .where(_of(door), *_is_good())
        .order_by(ClientCode.created_at.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if code is None or code.attempts >= MOST_ATTEMPTS:
        return None
    code.attempts += 1
    digits = "".join(letter for letter in typed if letter.isascii() and letter.isdigit())
    return code if hmac.compare_digest(digits.encode(), sealed_code(_name(code)).encode()) else None


def use_code(code: ClientCode | None) -> ClientCode:
    """Spend a code that `try_code` found right, in the transaction of what it is for.

    Raises:
        Invalid: there is none, or it is spent.
    """
    held = (
        db.session.get(ClientCode, code.id, populate_existing=True, with_for_update=True)
        if code is not None
        else None
    )
    if held is None or held.used_at is not None or held.expires_at <= now():
        raise Invalid(_(_WRONG), {"code": _(_WRONG)})
    held.used_at = now()
    return held


def _of(door: ClientLink | ClientSecret) -> sa.ColumnElement[bool]:
    if isinstance(door, ClientLink):
        return ClientCode.link_id == door.id
    return ClientCode.secret_id == door.id


def _is_good() -> tuple[sa.ColumnElement[bool], ...]:
    return ClientCode.used_at.is_(None), ClientCode.expires_at > now()


def _name(code: ClientCode) -> str:
    return f"client_codes/{code.id}"
