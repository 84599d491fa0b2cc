"""Papers of what clients signed: made soon after, each in a transaction of its own."""

from __future__ import annotations

import logging

from jobs.stopping import is_asked_to_stop
from lifecycle.core.db import transaction
from lifecycle.core.queue import BULK, enqueue
from lifecycle.governance.requests.papers import make_paper, requests_without_paper

log = logging.getLogger(__name__)

MAKE_DUE = "jobs.papers.make_due"


def make_due() -> int:
    """Make the papers that are missing, and queue itself again for more; return how many were made.

    One that fails stops no other, and is tried again at the next sweep.
    """
    made = 0
    for card_id, request_id in requests_without_paper():
        if is_asked_to_stop():
            break
        try:
            with transaction():
                made += make_paper(card_id, request_id)
        except Exception:
            # What was signed stays signed.
            log.exception("the paper of request %s could not be made", request_id)
    if made and requests_without_paper(1):
        enqueue(BULK, MAKE_DUE)
    return made


def sweep() -> bool:
    """Queue the making of papers when any is missing; say whether one is."""
    is_any = bool(requests_without_paper(1))
    if is_any:
        enqueue(BULK, MAKE_DUE)
    return is_any
