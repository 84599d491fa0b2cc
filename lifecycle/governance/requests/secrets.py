"""Credentials handed over: by a link that works once, after a mailed code, and then gone from here (W13)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.core.ids import new_id
from lifecycle.core.sealing import Unreadable, seal, unseal
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import _, language_for, prefer
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import lock_subject
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.requests.answer import CHANNEL, GONE
from lifecycle.governance.requests.codes import send_code, use_code
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.letters import base_url, send_letter
from lifecycle.records.outbox.sealed import placeholder, sealed_token
from lifecycle.records.people.actor import Actor
from lifecycle.work.client_requests.models import ClientCode, ClientSecret

LASTS: Final = timedelta(days=7)
LONGEST: Final = 4000


def send_secret(
    subject: Subject, actor: Actor, *, contact_id: uuid.UUID | None, title: str, text: str
) -> ClientSecret:
    """Keep credentials encrypted, and mail a contact of the card's account the link to them.

    Raises:
        Invalid: by field: no title, no text, too long, or nobody to send it to.
    """
    errors: dict[str, str] = {}
    name, kept = clean_text(title)[:120], text.replace("\r\n", "\n").strip()
    contact = db.session.get(Contact, contact_id) if contact_id else None
    is_theirs = contact is not None and contact.account_id == subject.account.id
    if contact is None or not is_theirs or contact.archived_at is not None or not contact.email:
        errors["contact"] = "Choose a contact of this account who has an email address."
    if not name:
        errors["title"] = "Say what it is, as they will read it."
    if not kept or len(kept) > LONGEST:
        errors["text"] = "Write what they need." if not kept else f"At most {LONGEST:,} characters."
    if errors or contact is None:
        raise Invalid(" ".join(errors.values()), errors)
    secret_id = new_id()
    secret = ClientSecret(
        id=secret_id,
        card_id=subject.id,
        contact_id=contact.id,
        title=name,
        sealed=seal(kept),
        token_hash=hash_token(sealed_token(f"client_secrets/{secret_id}")),
        created_at=now(),
        created_by=actor.user_id,
        expires_at=now() + LASTS,
    )
    db.session.add(secret)
    db.session.flush()
    _mail(subject, secret, contact, actor)
    to = {"to": {"name": contact.name, "email": contact.email}}
    record_card_event(subject, "card.secret.sent", actor, "page", {**_described(secret), **to})
    return secret


def revoke_secret(subject: Subject, actor: Actor, secret_id: uuid.UUID) -> None:
    """Take credentials back before they were shown; they are gone from here at once.

    Raises:
        NotFound: the card has no such credentials; Conflict: they were shown already.
    """
    secret = db.session.get(ClientSecret, secret_id, populate_existing=True)
    if secret is None or secret.card_id != subject.id:
        raise NotFound("This card has no such credentials.")
    if secret.viewed_at is not None:
        raise Conflict("They have been seen already. Change them where they are used.")
    if secret.revoked_at is None:
        secret.revoked_at, secret.sealed = now(), None
        record_card_event(subject, "card.secret.revoked", actor, "page", _described(secret))


def list_secrets(card_id: uuid.UUID) -> list[tuple[ClientSecret, Contact]]:
    """Return what was handed over about a card, the latest first; nothing of it can be read here."""
    rows = db.session.execute(
        sa.select(ClientSecret, Contact)
        .join(Contact, Contact.id == ClientSecret.contact_id)
        .where(ClientSecret.card_id == card_id)
        .order_by(ClientSecret.created_at.desc(), ClientSecret.id.desc())
        .limit(50)
    )
    return [(secret, contact) for secret, contact in rows]


def find_secret(token: str) -> tuple[ClientSecret, Contact]:
    """Return what a token opens; reads only, and nothing of the text.

    Raises:
        NotFound: unknown, shown, revoked or expired: the answer is the same for all.
    """
    row = db.session.execute(
        sa.select(ClientSecret, Contact)
        .join(Contact, Contact.id == ClientSecret.contact_id)
        .where(ClientSecret.token_hash == hash_token(token))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or row[0].sealed is None or row[0].expires_at <= now() or row[1].archived_at is not None:
        raise NotFound(_(GONE))
    prefer(row[1].language, row[1].time_zone)
    return row[0], row[1]


def ask_for_code(token: str) -> str:
    """Mail the code that opens a secret, in the open transaction; return the address it goes to.

    Raises:
        NotFound: the link opens nothing; Conflict, Invalid: as `codes.send_code`.
    """
    secret, contact = find_secret(token)
    send_code(secret, contact, purpose="see", about=secret.title, card_id=secret.card_id)
    return contact.email or ""


def show_secret(token: str, code: ClientCode | None, came_from: Mapping[str, str]) -> tuple[str, str]:
    """Return title and text, once: the code is spent, the text is deleted, and that it was seen is on record.

    Raises:
        NotFound: the link opens nothing; Invalid: the code is not right, or the text cannot be read.
    """
    card_id = find_secret(token)[0].card_id
    subject = lock_subject(card_id, writes_account=False)
    # Asked again under the lock: of two that press at once, one sees it.
    secret, contact = find_secret(token)
    use_code(code)
    assert secret.sealed is not None
    try:
        text = unseal(secret.sealed)
    except Unreadable:
        raise Invalid(_("This cannot be read any more. Write to us, and we send it anew.")) from None
    secret.sealed, secret.viewed_at = None, now()
    client = Actor(user_id=None, name=contact.name, role="client", kind="client")
    data: dict[str, Any] = {**_described(secret), "from": dict(came_from)}
    record_card_event(subject, "card.secret.viewed", client, CHANNEL, data)
    return secret.title, text


def forget_expired() -> int:
    """Delete the text of what nobody fetched in time, in the open transaction; return how many."""
    forgotten = db.session.scalars(
        sa.update(ClientSecret)
        .where(ClientSecret.sealed.is_not(None), ClientSecret.expires_at <= now())
        .values(sealed=None)
        .returning(ClientSecret.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all())


def _mail(subject: Subject, secret: ClientSecret, contact: Contact, actor: Actor) -> None:
    token = placeholder(f"client_secrets/{secret.id}", contact.id)
    words = {
        "title": secret.title,
        "account": subject.account.name,
        "sender": actor.name,
        "link": f"{base_url()}/s/{token}",
        "days": LASTS.days,
    }
    send_letter(
        "secret",
        words,
        to_address=contact.email or "",
        to_name=contact.name,
        language=language_for(contact.language),
        contact_id=contact.id,
        card_id=subject.id,
        cause=f"secret/{secret.id}",
        resend_if_unsure=True,
    )


def _described(secret: ClientSecret) -> dict[str, Any]:
    return {"secret": secret.id, "name": secret.title}
