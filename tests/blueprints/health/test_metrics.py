"""P14: what Prometheus reads, who may read it, and that no visitor can make a series."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.insight.health import HealthReader
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.browsing import Caller
from tests.factories.cards import a_card
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements
from tests.installation import close_connections, free_port
from tests.records.outbox.deliverer import owe

TOKEN = secrets.token_urlsafe(24)
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((name, frozenset(labels.items())), 0.0)


def scrape(app: Flask) -> Series:
    app.extensions["health"] = HealthReader(app.extensions["settings"])
    response = app.test_client().get("/metrics")
    assert response.status_code == 200
    return parse(response.text)


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Flask]:
    app = create_app(replace(settings, metrics_token=TOKEN, trusted_proxies=1))
    yield app
    close_connections(app)


@pytest.fixture
def behind_a_proxy(settings: Settings) -> Iterator[Flask]:
    app = create_app(replace(settings, trusted_proxies=1))
    yield app
    close_connections(app)


def test_requests_are_counted_by_route_and_moves_by_outcome(app: Flask) -> None:
    publish_lab(app, "first: { leave: [ { field: colour } ] }\nsecond: {}")
    member = make_user(app)
    caller = Caller(app, member)
    card = a_card(app, member)
    before = scrape(app)
    caller.get(card.url)
    caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    caller.post(f"{card.url}/moves", to_stage="lost", seen_visit=card.visit, **{"answer-why": "no budget"})
    caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    after = scrape(app)

    def grew(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    route = "/cards/<uuid:card_id>"
    assert grew("lifecycle_http_requests_total", route=route, method="GET", status="200") == 1
    assert grew("lifecycle_http_request_duration_seconds_count", route=route, method="GET") == 1
    moves = f"{route}/moves"
    for status in ("200", "409", "422"):
        assert grew("lifecycle_http_requests_total", route=moves, method="POST", status=status) == 1
    for outcome in ("moved", "blocked", "stale"):
        assert grew("lifecycle_moves_total", pipeline=LAB, outcome=outcome) == 1, outcome


def test_the_outbox_and_the_parts_are_measured_when_it_is_asked(app: Flask) -> None:
    owe(app, 3)
    with app.app_context(), transaction():
        one = db.session.scalars(sa.select(OutboxMessage).limit(1)).one()
        one.state = "failed"
    series = scrape(app)
    assert value(series, "lifecycle_outbox_messages", state="due") == 2
    assert value(series, "lifecycle_outbox_messages", state="failed") == 1
    assert ("lifecycle_outbox_messages", frozenset({("state", "sent")})) not in series
    assert value(series, "lifecycle_part_ok", part="database") == 1
    assert value(series, "lifecycle_part_ok", part="scheduler") == 0
    assert value(series, "lifecycle_workers_alive", queue="urgent") == 0
    assert value(series, "lifecycle_queue_jobs", queue="urgent") == 1


def test_what_a_visitor_types_makes_no_series(app: Flask) -> None:
    client = app.test_client()
    client.get("/healthz")
    client.get("/nowhere")
    client.open("/healthz", method="PROPFIND")
    scrape(app)  # It is counted itself, from the next one on.
    before = set(scrape(app))
    for _ in range(20):
        word = secrets.token_hex(4)
        client.get(f"/{word}/{word}?{word}={word}", headers={"Host": word, "X-Request-ID": word * 2})
        client.open("/healthz", method=word.upper())
        client.get(f"/c/{word}")
    new = {name for name in set(scrape(app)) - before if "/c/<token>" not in dict(name[1]).get("route", "")}
    assert new == set()


def test_with_a_token_only_whoever_shows_it_may_read(guarded: Flask) -> None:
    client = guarded.test_client()
    assert client.get("/metrics").status_code == 401
    for wrong in ("Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \u00fc"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401, wrong
    far = {"REMOTE_ADDR": "203.0.113.7"}
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base=far)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


def test_without_a_token_only_this_machine_may_and_no_proxy_on_it(app: Flask, behind_a_proxy: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 200
    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
    for where in ("203.0.113.7", "10.0.0.5", ""):
        assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": where}).status_code == 403
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        answer = app.test_client().get("/metrics", headers={header: "127.0.0.1"})
        assert answer.status_code == 403, header
    # Believing the proxy, the address is the one it names; the proxy itself is what counts here.
    forged = behind_a_proxy.test_client().get(
        "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, environ_base={"REMOTE_ADDR": "203.0.113.7"}
    )
    assert forged.status_code == 403
    assert behind_a_proxy.test_client().get("/metrics").status_code == 200


def test_it_answers_while_every_server_is_away(settings: Settings) -> None:
    away = replace(
        settings,
        database_url=f"postgresql://u:p@127.0.0.1:{free_port()}/x",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )
    app = create_app(away)
    series = scrape(app)
    assert value(series, "lifecycle_part_ok", part="database") == 0
    assert not [name for name, _ in series if name.startswith("lifecycle_outbox")]


def test_a_scrape_takes_no_connection_from_the_pages(app: Flask) -> None:
    owe(app, 2)
    with statements(app) as sent:
        scrape(app)
    assert sent == []
