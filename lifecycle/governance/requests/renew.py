"""A new link for an expired one; asked for by whoever holds the old one, mailed to its contact only."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.tokens import hash_token
from lifecycle.governance.cards.subjects import lock_subject
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.requests.ask import (
    get_definition,
    get_request,
    mail_about,
    make_link,
    working_links,
)
from lifecycle.governance.requests.contacts import may_see
from lifecycle.governance.requests.decide import working_link
from lifecycle.governance.requests.fill import mail_part
from lifecycle.records.accounts.models import Contact
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientLink, ClientRequest


def renew_link(token: str) -> bool:
    """Mail a working link to the contact of an old one if its request still waits; say whether it did.

    A link that staff have revoked is not renewed. The caller must not let the answer show.
    """
    row = db.session.execute(
        sa.select(ClientLink, ClientRequest.card_id)
        .join(ClientRequest, ClientRequest.id == ClientLink.request_id)
        .where(ClientLink.token_hash == hash_token(token), ClientLink.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return False
    link, card_id = row
    subject = lock_subject(card_id, writes_account=False)
    request = get_request(subject, link.request_id)
    contact = db.session.get(Contact, link.contact_id)
    if request.closed_at is not None or request.status not in WAITING_STATUSES:
        return False
    if contact is None or not contact.email or contact.archived_at is not None:
        return False
    if link.pages is not None:
        return _renew_part(subject, request, contact, link)
    if not may_see(contact, request):
        return False
    renewed = working_link(request, contact)
    message = get_definition(subject, request).message
    cause = f"renewal/{link.id}/{renewed.id}"
    mail_about(subject, request, contact, message, renewed, cause=cause, at_once=True)
    return True


def _renew_part(subject: Subject, request: ClientRequest, contact: Contact, link: ClientLink) -> bool:
    """Mail a link to the same pages and no more: whoever was passed a page was not given the whole."""
    works = (each for each in working_links(request.id) if each.contact_id == contact.id)
    same = next((each for each in works if each.pages == link.pages), None)
    renewed = same or make_link(request, contact, link.pages)
    asking = db.session.get(Contact, request.contact_id) if request.contact_id else None
    by = asking.name if asking else subject.account.name
    cause = f"renewal/{link.id}/{renewed.id}"
    mail_part(subject, request, contact, renewed, by=by, cause=cause, at_once=True)
    return True
