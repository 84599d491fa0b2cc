"""P14: every request has an id, in its answer, in its records and on the page of an error."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

import pytest
from flask import Flask
from structlog.contextvars import get_contextvars

from lifecycle.core.queue import URGENT, enqueue
from lifecycle.web.requests import HEADER
from tests.factories.browsing import Caller
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements


def _records(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "lifecycle.requests"]


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_one_record_says_who_asked_what_and_how_it_ended(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    person = make_user(app)
    caller = Caller(app, person)
    caplog.clear()
    response = caller.get("/boards")
    [record] = _records(caplog)
    assert (record.route, record.method, record.status) == ("/boards", "GET", 200)
    assert record.user == str(person.id)
    assert record.duration_ms > 0
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers[HEADER])


def test_a_clients_key_is_in_no_record(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    key = secrets.token_urlsafe(32)
    client = app.test_client()
    for path in (f"/c/{key}", f"/invitations/{key}", f"/password-resets/{key}", f"/nowhere/{key}"):
        client.get(path)
    records = _records(caplog)
    routes = [record.route for record in records]
    assert routes == ["/c/<token>", "/invitations/<token>", "/password-resets/<token>", "(none)"]
    assert key not in caplog.text
    assert not [record for record in caplog.records if key in str(record.__dict__)]


def test_a_proxys_id_is_kept_and_a_strange_one_is_not(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/healthz", headers={HEADER: "edge-17.abc_DEF"}).headers[HEADER] == "edge-17.abc_DEF"
    for strange in ("short", "x" * 65, "with space and", "ümlaut-ümlaut", "a</script>bcdef"):
        assert client.get("/healthz", headers={HEADER: strange}).headers[HEADER] != strange


def test_the_reference_on_the_page_of_an_error_is_the_requests_id(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise LookupError("something nobody thought of")

    monkeypatch.setitem(app.view_functions, "boards.list_boards", fail)
    response = Caller(app, make_user(app)).get("/boards")
    assert response.status_code == 500
    assert f"Reference {response.headers[HEADER]}" in response.text
    assert _records(caplog)[-1].levelno == logging.ERROR
    assert "unhandled error: GET /boards" in caplog.text


def test_what_is_turned_away_at_the_door_has_an_id_and_a_record_too(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """P14, R10: a form without its token, and an attempt too many, are counted and can be found."""
    client = app.test_client()
    path = f"/c/{secrets.token_urlsafe(32)}"
    caplog.clear()
    stale = client.post(f"{path}/openings")
    while (late := client.get(path)).status_code != 429:
        assert late.status_code == 404
    records = _records(caplog)
    assert (stale.status_code, records[0].route, records[0].status) == (400, "/c/<token>/openings", 400)
    assert (records[-1].route, records[-1].status) == ("/c/<token>", 429)
    assert re.fullmatch(r"[0-9a-f]{16}", stale.headers[HEADER])
    assert re.fullmatch(r"[0-9a-f]{16}", late.headers[HEADER])


def test_what_is_logged_asks_the_database_nothing_and_nothing_sticks_to_the_thread(app: Flask) -> None:
    with statements(app) as sent:
        app.test_client().get("/healthz")
    assert sent == []
    assert get_contextvars() == {}


def test_a_job_carries_the_id_of_the_request_that_queued_it(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queue() -> str:
        enqueue(URGENT, "jobs.outbox.deliver_due")
        return "queued"

    monkeypatch.setitem(app.view_functions, "health.show_liveness", queue)
    queue.is_public = True  # type: ignore[attr-defined]
    response = app.test_client().get("/healthz")
    redis = app.extensions["redis"]
    [job_id] = redis.lrange("rq:queue:urgent", 0, -1)
    assert response.headers[HEADER].encode() in redis.hget(f"rq:job:{job_id.decode()}", "meta")


def test_a_quiet_poll_of_an_open_board_is_not_in_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    publish_lab(app, "first: {}")
    caller = Caller(app, make_user(app))
    cursor = caller.get(f"/boards/{LAB}").text.partition('data-cursor="')[2].partition('"')[0]
    caplog.clear()
    assert caller.get(f"/boards/{LAB}/changes", X_Board_Cursor=cursor).status_code == 204
    assert _records(caplog) == []


@pytest.mark.parametrize(
    "address", ["/imports/{}", "/client-gates/01a2217e-6627-756c-b653-f96203b7677f/submissions/{}.pdf"]
)
def test_a_number_that_no_row_can_have_is_no_address(app: Flask, address: str) -> None:
    caller = Caller(app, make_user(app, role="admin"))
    for number in (2**63, 10**20):
        assert caller.get(address.format(number)).status_code == 404
