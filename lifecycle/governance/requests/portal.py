"""Links to a contact's home: made, mailed, opened, listed and revoked (P3, W20)."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.ids import new_id
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import _, language_for, prefer
from lifecycle.governance.requests.answer import GONE
from lifecycle.governance.requests.contacts import may_see
from lifecycle.governance.requests.decide import working_link
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.outbox.letters import base_url, send_letter
from lifecycle.records.outbox.sealed import placeholder, sealed_token
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.permissions import require
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest, PortalLink

LASTS: Final = timedelta(days=180)


def send_home(contact_id: uuid.UUID, actor: Actor, *, at_once: bool = False) -> PortalLink:
    """Mail a contact the link to their home; an earlier one goes on working until it is revoked.

    Args:
        at_once: they have just asked for it.

    Raises:
        NotFound: no such contact; NotPermitted; Invalid: no address, or they are archived.
    """
    require(actor, "client_requests.ask")
    contact, account = _contact(contact_id)
    if not contact.email:
        raise Invalid(f"{contact.name} has no email address. Add one first.")
    link = _make(contact, actor.user_id)
    send_letter(
        "portal",
        {"account": account.name, "sender": actor.name, "link": _address(link)},
        to_address=contact.email,
        to_name=contact.name,
        language=language_for(contact.language),
        contact_id=contact.id,
        cause=f"portal/{link.id}",
        resend_if_unsure=True,
        at_once=at_once,
    )
    _record("contact.home_sent", contact, actor, {"to": contact.email})
    return link


def revoke_homes(contact_id: uuid.UUID, actor: Actor, but: uuid.UUID | None = None) -> int:
    """Make every link to a contact's home useless at once, one excepted; return how many worked.

    Raises:
        NotFound: no such contact; NotPermitted.
    """
    require(actor, "client_requests.ask")
    contact, _ = _contact(contact_id)
    revoked = db.session.scalars(
        sa.update(PortalLink)
        .where(
            PortalLink.contact_id == contact.id,
            PortalLink.revoked_at.is_(None),
            PortalLink.id.is_distinct_from(but),
        )
        .values(revoked_at=now())
        .returning(PortalLink.id)
        .execution_options(synchronize_session=False)
    ).all()
    if revoked:
        _record("contact.homes_revoked", contact, actor, {"links": len(revoked)})
    return len(revoked)


def list_homes(contact_id: uuid.UUID) -> list[PortalLink]:
    """Return the links to a contact's home, the latest first."""
    return list(
        db.session.scalars(
            sa.select(PortalLink)
            .where(PortalLink.contact_id == contact_id)
            .order_by(PortalLink.created_at.desc())
            .limit(20)
        )
    )


def find_opened_home(token: str) -> tuple[PortalLink, Contact]:
    """Return what a token opens that a person has opened; `find_home` also one that nobody has yet.

    Raises:
        NotFound: it opens nothing, or nobody pressed its button.
    """
    link, contact = find_home(token)
    if link.opened_at is None:
        raise NotFound(_("There is nothing here."))
    return link, contact


def find_home(token: str) -> tuple[PortalLink, Contact]:
    """Return what a token opens; reads only.

    Raises:
        NotFound: unknown, expired, revoked, or its contact is archived: the answer is the same for all.
    """
    row = db.session.execute(
        sa.select(PortalLink, Contact)
        .join(Contact, Contact.id == PortalLink.contact_id)
        .where(PortalLink.token_hash == hash_token(token))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or not _works(*row):
        raise NotFound(_(GONE))
    prefer(row[1].language, row[1].time_zone)
    return row[0], row[1]


def open_home(token: str) -> None:
    """Note that a person has opened it, in the open transaction.

    Raises:
        NotFound: the link opens nothing.
    """
    link, _ = find_home(token)
    link.opened_at = link.opened_at or now()
    link.last_used_at = now()


def renew_home(token: str) -> bool:
    """Mail a new link to the contact of an expired one; say whether it did. The answer must not show."""
    row = db.session.execute(
        sa.select(PortalLink, Contact)
        .join(Contact, Contact.id == PortalLink.contact_id)
        .where(PortalLink.token_hash == hash_token(token), PortalLink.revoked_at.is_(None))
    ).one_or_none()
    if row is None or row[1].archived_at is not None or not row[1].email:
        return False
    send_home(row[1].id, SYSTEM, at_once=True)
    return True


def link_for(contact: Contact, request_id: uuid.UUID) -> str:
    """Return the token of a link that opens a request for a contact; one is made if there is none.

    Raises:
        NotFound: the request is not one that this contact may answer.
    """
    request = _request_of(contact, request_id)
    if request is None or not may_answer(contact, request):
        raise NotFound(_("There is no such request."))
    return sealed_token(f"client_links/{working_link(request, contact).id}")


def find_paper(contact: Contact, request_id: uuid.UUID) -> uuid.UUID:
    """Return the file of the signed paper of a request that a contact may see.

    Raises:
        NotFound: there is none for them.
    """
    request = _request_of(contact, request_id)
    if request is None or request.paper_id is None or not may_see(contact, request):
        raise NotFound(_("There is no such paper."))
    return request.paper_id


def find_home_file(contact: Contact, file_id: uuid.UUID) -> uuid.UUID:
    """Return the id of a file that a request shows which the contact may see, or that was sent with it.

    Raises:
        NotFound: there is none for them.
    """
    wanted = str(file_id)
    for request in requests_of_home(contact.account_id):
        if may_see(contact, request) and wanted in {
            *(item.get("file") for item in request.documents),
            *(item.get("id") for item in request.files),
        }:
            return file_id
    raise NotFound(_("There is no such file."))


def requests_of_home(account_id: uuid.UUID) -> list[ClientRequest]:
    """Return what stands on the homes of an account's contacts, whoever it is for; what is due first."""
    return list(
        db.session.scalars(
            sa.select(ClientRequest)
            .join(Card, Card.id == ClientRequest.card_id)
            .where(*of_home(account_id))
            .order_by(ClientRequest.due_at, ClientRequest.id)
            .limit(500)
        )
    )


def may_answer(contact: Contact, request: ClientRequest) -> bool:
    """Say whether a request of the contact's own company is theirs to answer now."""
    return request.closed_at is None and request.status in WAITING_STATUSES and may_see(contact, request)


def _make(contact: Contact, by: uuid.UUID | None) -> PortalLink:
    link_id = new_id()
    link = PortalLink(
        id=link_id,
        contact_id=contact.id,
        token_hash=hash_token(sealed_token(f"portal_links/{link_id}")),
        created_at=now(),
        created_by=by,
        expires_at=now() + LASTS,
    )
    db.session.add(link)
    db.session.flush()
    return link


def _address(link: PortalLink) -> str:
    return f"{base_url()}/p/{placeholder(_name(link), link.contact_id)}"


def _name(link: PortalLink) -> str:
    return f"portal_links/{link.id}"


def _works(link: PortalLink, contact: Contact) -> bool:
    return link.revoked_at is None and link.expires_at > now() and contact.archived_at is None


def _contact(contact_id: uuid.UUID) -> tuple[Contact, Account]:
    contact = db.session.get(Contact, contact_id, populate_existing=True)
    if contact is None:
        raise NotFound("There is no such contact.")
    if contact.archived_at is not None:
        raise Invalid("This contact is archived. Restore them first.")
    return contact, db.session.get_one(Account, contact.account_id)


def _request_of(contact: Contact, request_id: uuid.UUID) -> ClientRequest | None:
    """Return a request that the home of a contact's company may show, whoever it is for."""
    return db.session.scalar(
        sa.select(ClientRequest)
        .join(Card, Card.id == ClientRequest.card_id)
        .where(ClientRequest.id == request_id, *of_home(contact.account_id))
    )


def of_home(account_id: uuid.UUID) -> tuple[sa.ColumnElement[bool], ...]:
    """Return which requests, joined to their cards, stand on the homes of an account's contacts."""
    return (
        Card.account_id == account_id,
        Card.withdrawn_at.is_(None),
        sa.or_(
            sa.and_(ClientRequest.closed_at.is_(None), Card.archived_at.is_(None)),
            ClientRequest.status == "accepted",
        ),
    )


def _record(kind: str, contact: Contact, actor: Actor, data: dict[str, Any]) -> None:
    record_event(
        kind,
        chain=account_chain(contact.account_id),
        actor=actor,
        channel="page",
        account_id=contact.account_id,
        data={"contact": contact.id, "name": contact.name, **data},
    )
