"""`/healthz` says the process lives; `/readyz` says that what it needs answers too."""

from __future__ import annotations

import sqlalchemy as sa
from flask import current_app, jsonify
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from lifecycle.blueprints.health import health
from lifecycle.core.db import db
from lifecycle.web.access import public


@health.get("/healthz")
@public
def show_liveness() -> ResponseReturnValue:
    """Answer 200 as long as the process can answer at all."""
    return jsonify(status="alive")


@health.get("/readyz")
@public
def show_readiness() -> ResponseReturnValue:
    """Answer 200 when database and queue answer, else 503 with the parts that do not.

    A lost queue delays jobs and loses none, yet it is told: somebody should look.
    """
    parts = {"database": _database_answers(), "queue": _queue_answers()}
    ready = all(parts.values())
    return jsonify(status="ready" if ready else "not ready", parts=parts), 200 if ready else 503


def _database_answers() -> bool:
    try:
        db.session.execute(sa.text("select 1 from alembic_version"))
    except SQLAlchemyError:
        return False
    return True


def _queue_answers() -> bool:
    try:
        return bool(current_app.extensions["redis"].ping())
    except RedisError:
        return False
