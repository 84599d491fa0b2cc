"""What this process counts for Prometheus.

Labels are routes, pipelines, functions and outcomes, all of which we or a published playbook name: nothing
that a visitor types becomes a series. Processes of one host that are told the same PROMETHEUS_MULTIPROC_DIR
add up.
"""

from __future__ import annotations

import contextlib
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_JOB_SECONDS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0)

_requests = Counter(
    "lifecycle_http_requests", "Requests answered.", ("route", "method", "status"), registry=REGISTRY
)
_request_seconds = Histogram(
    "lifecycle_http_request_duration_seconds",
    "How long requests took, until their answer began.",
    ("route", "method"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_moves = Counter(
    "lifecycle_moves",
    "Attempts to move a card: moved, blocked by its gate, refused its way, or stale.",
    ("pipeline", "outcome"),
    registry=REGISTRY,
)
_jobs = Counter("lifecycle_jobs", "Jobs ended.", ("function", "queue", "outcome"), registry=REGISTRY)
_job_seconds = Histogram(
    "lifecycle_job_duration_seconds",
    "How long jobs took.",
    ("function", "queue"),
    buckets=_JOB_SECONDS,
    registry=REGISTRY,
)
# "live": what a process that has died had in use is in use no more.
_connections = Gauge(
    "lifecycle_database_connections",
    "Connections that the web processes hold to the database, open and in use.",
    ("state",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is a route's template, never a path."""
    method = method if method in _METHODS else "other"
    with _whatever_the_disk_does():
        _requests.labels(route, method, str(status)).inc()
        _request_seconds.labels(route, method).observe(seconds)


def count_move(pipeline: str, outcome: str) -> None:
    """Count one attempt to move a card; to be called once it has committed."""
    with _whatever_the_disk_does():
        _moves.labels(pipeline, outcome).inc()


def count_job(function: str, queue: str, outcome: str, seconds: float) -> None:
    """Count one job that has ended."""
    with _whatever_the_disk_does():
        _jobs.labels(function, queue, outcome).inc()
        _job_seconds.labels(function, queue).observe(seconds)


def count_connections(state: str, change: int) -> None:
    """Note that so many connections more, or fewer, are `open` or `in_use`."""
    with _whatever_the_disk_does():
        _connections.labels(state).inc(change)


def _whatever_the_disk_does() -> contextlib.AbstractContextManager[None]:
    # A full disk or a folder that was cleared away must not break what is being counted.
    return contextlib.suppress(OSError, ValueError)
