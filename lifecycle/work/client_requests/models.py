"""Requests to clients, and the links that open them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

STATUSES = (
    "not_asked",
    "asked",
    "opened",
    "in_progress",
    "submitted",
    "returned",
    "accepted",
    "declined",
    "expired",
)
WAITING_STATUSES = frozenset({"asked", "opened", "in_progress", "returned"})
"""In these the client must act, and the clock of the stage stands still."""


class ClientRequest(Model):
    """Something asked of a client about a card (E8): one open request for each card and key.

    `shown` is what the client was shown, as a list of {"key", "name", "value"}; `shown_hash` is of its stored
    values, so that changing what was accepted invalidates it. `proof` is kept with the answer and never
    changes: when, by whom, from where, with which consent, over which hash.

    `revision_id` is that of the playbook it was asked under, and once it is answered the one it was answered
    under: answers read as that revision names questions and options.

    `not_asked` waits for a contact with an address. A request is closed when its card moves on without it,
    when a newer one takes its place, or when the move that opened it is taken back.
    """

    __tablename__ = "client_requests"
    __table_args__ = (
        Index(
            "uq_client_requests_open",
            "card_id",
            "key",
            unique=True,
            postgresql_where=text("closed_at is null"),
        ),
        Index("ix_client_requests_card", "card_id"),
        Index(
            "ix_client_requests_without_paper",
            "signed_at",
            postgresql_where=text("signed_at is not null and paper_id is null"),
        ),
        Index("ix_client_requests_search", text("lifecycle_fold(name) gin_trgm_ops"), postgresql_using="gin"),
        CheckConstraint("status in (" + ",".join(f"'{status}'" for status in STATUSES) + ")", name="status"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    key: Mapped[str]
    name: Mapped[str]
    # The right of the contact it is meant for, None: the card's contact.
    to_right: Mapped[str | None]
    contact_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("contacts.id"))
    status: Mapped[str] = mapped_column(default="not_asked")
    intro: Mapped[str] = mapped_column(default="")
    consent: Mapped[str] = mapped_column(default="")
    shown: Mapped[list[Any]] = mapped_column(default=list)
    shown_hash: Mapped[str] = mapped_column(default="")
    documents: Mapped[list[Any]] = mapped_column(default=list)
    answers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Of a form: by question, who wrote the answer, when, and in which edition; several people fill it.
    marks: Mapped[dict[str, Any]] = mapped_column(default=dict)
    edition: Mapped[int] = mapped_column(default=0)
    # By question, what staff want mended while it is returned.
    comments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    files: Mapped[list[Any]] = mapped_column(default=list)
    # All that was ever uploaded into a form, with what was taken away again: no file is deleted.
    sent_files: Mapped[int] = mapped_column(default=0, server_default="0")
    sent_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    due_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    # Why the client declined, or what staff want mended.
    reason: Mapped[str | None]
    stuck_reason: Mapped[str | None]
    stuck_at: Mapped[datetime | None]
    proof: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # When it was signed, if it asks for a signature, and the paper made of it soon after.
    signed_at: Mapped[datetime | None]
    paper_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id"))
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str | None]


class ClientLink(Model):
    """An emailed link to one request for one contact; only its hash is kept (records/outbox/sealed.py).

    `pages` are the pages of a form that it opens, None for the whole request: a colleague who was passed a
    part sees nothing else, and does not submit.
    """

    __tablename__ = "client_links"
    __table_args__ = (Index("ix_client_links_request", "request_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("client_requests.id"))
    contact_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("contacts.id"))
    token_hash: Mapped[str] = mapped_column(unique=True)
    pages: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class RequestSubmission(Model):
    """What a client submitted, frozen: the first, and another each time it was returned. Never changed.

    `answers` are stored values by question, as `revision_id` asked them: the card may go to another one
    later, and what was sent reads as it did then. `scores` are as `governance.requests.form.Scored`,
    `proof` as in the request at that moment.
    """

    __tablename__ = "request_submissions"
    __table_args__ = (UniqueConstraint("request_id", "number"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("client_requests.id"))
    number: Mapped[int]
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    answers: Mapped[dict[str, Any]]
    files: Mapped[list[Any]]
    scores: Mapped[list[Any]]
    proof: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class RequestReview(Model):
    """What staff said to a submission; `comments` are sentences by question. Never changed."""

    __tablename__ = "request_reviews"
    __table_args__ = (CheckConstraint("outcome in ('accepted','returned')", name="outcome"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    submission_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("request_submissions.id"), unique=True)
    outcome: Mapped[str]
    reason: Mapped[str]
    comments: Mapped[dict[str, Any]]
    reviewed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)


class ClientCode(Model):
    """A code mailed to a link's contact, as a second step before they sign or see a secret (P3).

    The code itself is nowhere: it is computed from the id under the installation's key when it is mailed.
    """

    __tablename__ = "client_codes"
    __table_args__ = (
        Index("ix_client_codes_link", "link_id"),
        Index("ix_client_codes_secret", "secret_id"),
        CheckConstraint("num_nonnulls(link_id, secret_id) = 1", name="of_one"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    link_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("client_links.id"))
    secret_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("client_secrets.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class PortalLink(Model):
    """An emailed link to the home of a contact: all that concerns their company (P3); only its hash is kept.

    `opened_at` is when a person pressed its button first; until then it shows nothing.
    """

    __tablename__ = "portal_links"
    __table_args__ = (Index("ix_portal_links_contact", "contact_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    contact_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("contacts.id"))
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ClientSecret(Model):
    """Credentials for a contact, encrypted (`core.sealing`), shown once after a code, then gone (W13).

    `sealed` is emptied when they were shown, revoked, or never fetched.
    """

    __tablename__ = "client_secrets"
    __table_args__ = (Index("ix_client_secrets_card", "card_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    contact_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("contacts.id"))
    title: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    viewed_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
