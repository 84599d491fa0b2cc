"""`/healthz` says the process lives; `/readyz` says, part by part, whether it can serve and what is away."""

from __future__ import annotations

from flask import current_app, jsonify
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.health import health
from lifecycle.insight.health import HealthReader
from lifecycle.web.access import public


@health.get("/healthz")
@public
def show_liveness() -> ResponseReturnValue:
    """Answer 200 as long as the process can answer at all."""
    return jsonify(status="alive")


@health.get("/readyz")
@public
def show_readiness() -> ResponseReturnValue:
    """Answer 200 while pages can be served, else 503: without the database, or with an older schema.

    A lost queue, worker or scheduler delays work and loses none: that is `degraded`, and pages are served.
    """
    reader: HealthReader = current_app.extensions["health"]
    found = reader.read()
    parts = {part.name: part.as_json() for part in found.parts}
    return jsonify(status=found.status, parts=parts), 200 if found.is_ready else 503
