"""What Prometheus reads: the counters of all processes here, and how the installation is now."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from flask import Flask, abort, current_app, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from lifecycle.config import Settings
from lifecycle.core import metrics
from lifecycle.core.db import db
from lifecycle.insight.health import Health, HealthReader, Part

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_FORWARDED: Final = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Forwarded",
    "Via",
)


def require_scraper() -> None:
    """Turn away whoever is neither given METRICS_TOKEN nor, where there is none, on this very machine.

    What a proxy hands on comes from elsewhere, however near the proxy is.
    """
    settings: Settings = current_app.extensions["settings"]
    if settings.metrics_token is not None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {settings.metrics_token}".encode()):
            abort(401)
        return
    # As the server saw it, before our own middleware believed a proxy.
    original = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
    if original.get("REMOTE_ADDR") not in _LOOPBACK or any(name in request.headers for name in _FORWARDED):
        abort(403)


def current_metrics() -> bytes:
    """Return every metric in Prometheus' text format, in a few statements whatever there is to count."""
    settings: Settings = current_app.extensions["settings"]
    reader: HealthReader = current_app.extensions["health"]
    measured = CollectorRegistry()
    measured.register(_Measured(reader.read()))
    if settings.metrics_dir is None:
        return generate_latest(metrics.REGISTRY) + generate_latest(measured)
    MultiProcessCollector(measured, str(settings.metrics_dir))  # type: ignore[no-untyped-call]
    return generate_latest(measured)


def watch_pool(app: Flask) -> None:
    """Count the connections of this process's pool from now on."""
    with app.app_context():
        engine = db.engine
    for event, state, change in (
        ("connect", "open", 1),
        ("close", "open", -1),
        ("close_detached", "open", -1),
        ("checkout", "in_use", 1),
        ("checkin", "in_use", -1),
    ):
        sa.event.listen(engine, event, _counting(state, change))


def _counting(state: str, change: int) -> Any:
    return lambda *_about: metrics.count_connections(state, change)


class _Measured(Collector):
    """Gauges of the whole installation, the same whichever web process is asked."""

    def __init__(self, health: Health) -> None:
        self._parts = {part.name: part for part in health.parts}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("lifecycle_part_ok", "1 where a part is as it should be.", labels=["part"])
        for name, part in self._parts.items():
            up.add_metric([name], part.state == "ok")
        yield up
        yield from self._outbox(self._parts["outbox"])
        yield from self._queues()

    def _outbox(self, outbox: Part) -> Iterator[GaugeMetricFamily]:
        if outbox.state == "unknown":
            return
        states = GaugeMetricFamily(
            "lifecycle_outbox_messages", "Messages that have not left, by state.", labels=["state"]
        )
        for state, count in outbox.figures.items():
            states.add_metric([state], count)
        yield states
        yield GaugeMetricFamily(
            "lifecycle_outbox_oldest_due_seconds",
            "For how long the oldest message has been due.",
            value=outbox.measured["oldest_due_seconds"],
        )

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("lifecycle_queue_jobs", "Jobs that wait in a queue.", labels=["queue"])
        alive = GaugeMetricFamily(
            "lifecycle_workers_alive", "Workers of a queue that live.", labels=["queue"]
        )
        age = GaugeMetricFamily(
            "lifecycle_heartbeat_age_seconds", "Since the last sign of life.", labels=["process"]
        )
        for name, part in self._parts.items():
            kind, _, queue = name.partition(" ")
            if kind == "worker" and part.state != "unknown":
                waiting.add_metric([queue], part.measured["waiting"])
                alive.add_metric([queue], part.measured["alive"])
            if "seen_seconds_ago" in part.measured:
                age.add_metric([name], part.measured["seen_seconds_ago"])
        yield from (waiting, alive, age)
