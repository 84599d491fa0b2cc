"""Hand a job to RQ after the commit that made it due.

The row in PostgreSQL is the truth and a sweeper finds what was never queued, so a lost Redis delays
work and never loses it: `enqueue` logs a failure and returns.
"""

from __future__ import annotations

import logging

from flask import current_app
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from lifecycle.core import logs
from lifecycle.core.db import after_commit
from lifecycle.core.killpoint import reach

log = logging.getLogger(__name__)

URGENT = "urgent"
BULK = "bulk"
# Under this name a job carries the id of the request that queued it, through all that it queues itself.
REQUEST_ID = "request_id"


def enqueue_after_commit(queue: str, job: str, *ids: str | int) -> None:
    """Queue `job` (a dotted path) with plain ids once the open transaction has committed."""
    after_commit(lambda: enqueue(queue, job, *ids))


def enqueue(queue: str, job: str, *ids: str | int) -> bool:
    """Queue `job` now; return whether Redis took it."""
    reach("after commit")
    asked_by = logs.request_id()
    try:
        connection = current_app.extensions["redis"]
        Queue(queue, connection=connection, serializer=JSONSerializer).enqueue(
            job,
            *ids,
            result_ttl=0,
            failure_ttl=7 * 24 * 3600,
            job_timeout=600,
            meta={REQUEST_ID: asked_by} if asked_by else None,
        )
    except RedisError:
        log.warning("could not queue %s; the sweeper will", job, exc_info=True)
        return False
    return True
