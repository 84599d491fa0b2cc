"""Jobs that go through an import's file. Each is safe to run twice: a live run is not disturbed."""

from __future__ import annotations

import logging

from rq.timeouts import JobTimeoutException
from sqlalchemy import func, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict
from lifecycle.core.queue import BULK, enqueue
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.run import SILENCE, check_import, run_import

log = logging.getLogger(__name__)


def check(import_id: int) -> None:
    """Go through the file without writing to the board."""
    try:
        check_import(import_id)
    except Conflict as refusal:
        log.info("import %s is not checked: %s", import_id, refusal.sentence)


def run(import_id: int) -> None:
    """Put the file's cards on the board; what does not fit into one job's time goes on in the next."""
    try:
        run_import(import_id)
    except JobTimeoutException:
        enqueue(BULK, "jobs.imports.run", import_id)
    except Conflict as refusal:
        log.info("import %s is not run: %s", import_id, refusal.sentence)


def resume_silent() -> int:
    """Queue again what was asked for and lost, or died; return how many. For the sweeper, every minute."""
    # Of a time that is yet to come nobody knows when it was: the clock has been set back since.
    last_sign = func.coalesce(CardImport.seen_at, CardImport.created_at)
    rows = db.session.execute(
        select(CardImport.id, CardImport.state).where(
            CardImport.state.in_(("checking", "running")),
            ~last_sign.between(now() - SILENCE, now() + SILENCE),
        )
    ).all()
    db.session.rollback()
    for import_id, state in rows:
        enqueue(BULK, "jobs.imports.check" if state == "checking" else "jobs.imports.run", import_id)
    return len(rows)
