"""For machines that ask: does the process live, can it serve and what is away, and what was counted."""

from __future__ import annotations

from flask import Response, current_app, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from lifecycle.blueprints.health import health
from lifecycle.insight.health import HealthReader
from lifecycle.web.access import public
from lifecycle.web.metrics import current_metrics, require_scraper


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


@health.get("/metrics")
@public
def show_metrics() -> ResponseReturnValue:
    """Show Prometheus what it reads; whoever else asks is turned away."""
    require_scraper()
    return Response(current_metrics(), content_type=CONTENT_TYPE_LATEST)
