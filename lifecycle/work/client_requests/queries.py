"""Reading requests to clients, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.work.client_requests.models import ClientRequest, RequestReview, RequestSubmission

# Every move asks this, so it is built once.
_OPEN = (
    select(ClientRequest)
    .where(among(ClientRequest.card_id), ClientRequest.closed_at.is_(None))
    .execution_options(populate_existing=True)
)


def requests_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, ClientRequest]]:
    """Return each card's open request of each key, closed ones left out. One query."""
    found: dict[uuid.UUID, dict[str, ClientRequest]] = defaultdict(dict)
    for request in db.session.scalars(_OPEN, {"ids": card_ids}):
        found[request.card_id][request.key] = request
    return found


def find_open_request(card_id: uuid.UUID, key: str) -> ClientRequest | None:
    """Return the open request of a card with that key, or None."""
    return requests_by_card([card_id]).get(card_id, {}).get(key)


def list_submissions(request_id: uuid.UUID) -> list[tuple[RequestSubmission, RequestReview | None]]:
    """Return what a client submitted, the latest first, each with what staff said to it. One query."""
    rows = db.session.execute(
        select(RequestSubmission, RequestReview)
        .outerjoin(RequestReview, RequestReview.submission_id == RequestSubmission.id)
        .where(RequestSubmission.request_id == request_id)
        .order_by(RequestSubmission.number.desc())
    )
    return [(submission, review) for submission, review in rows]


def find_submission(request_id: uuid.UUID, number: int | None = None) -> RequestSubmission | None:
    """Return a submission of a request by its number, the latest without one; None if there is none."""
    query = select(RequestSubmission).where(RequestSubmission.request_id == request_id)
    if number is not None:
        query = query.where(RequestSubmission.number == number)
    return db.session.scalar(query.order_by(RequestSubmission.number.desc()).limit(1))
