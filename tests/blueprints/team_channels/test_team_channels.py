"""E14: administrators set channels up; addresses and secrets stay secret, and every change is on record."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.team_channels.models import TeamChannel
from tests.channels import ChannelServer, allowing, running_channel, set_up
from tests.factories.browsing import Caller
from tests.factories.cards import rows
from tests.factories.people import Person, make_user
from tests.mail import deliver as deliver_all

HOOK = "https://hooks.slack.example/services/T000/B000/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def ada(app: Flask) -> Person:
    return make_user(app, role="admin", name="Ada")


@pytest.fixture
def caller(app: Flask, ada: Person) -> Caller:
    return Caller(app, ada)


@pytest.fixture
def server(app: Flask) -> Iterator[ChannelServer]:
    with running_channel("webhook") as server, allowing(app, server.host):
        yield server


def only_channel(app: Flask) -> dict[str, object]:
    [row] = rows(app, TeamChannel)
    return row


def test_a_channel_is_set_up_and_its_address_never_shown_again(app: Flask, caller: Caller) -> None:
    response = caller.post(
        "/team-channels", "page", key="#delivery-alerts", name="Delivery", kind="slack", address=HOOK
    )
    assert response.status_code == 303
    row = only_channel(app)
    assert (row["key"], row["kind"], row["is_on"]) == ("delivery-alerts", "slack", True)
    for path in ("/team-channels", response.location):
        page = caller.get(path).text
        assert "#delivery-alerts" in page
        assert "abcdefghijkl" not in page
    assert "https://hooks.slack.example/…uvwx" in caller.get(response.location).text


def test_a_webhooks_secret_is_shown_once(app: Flask, caller: Caller, server: ChannelServer) -> None:
    made = caller.post(
        "/team-channels", "page", key="robots", name="Robots", kind="webhook", address=server.address
    )
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", unescape(made.text))
    url = f"/team-channels/{only_channel(app)['id']}"
    assert "whsec_" not in caller.get(url).text
    server.secret = secret
    assert caller.post(f"{url}/tests", "page").status_code == 303
    assert deliver_all(app) == 1
    assert server.taken[0]["type"] == "channel.test"
    page = caller.get(url).text
    assert "A test from Lifecycle to #robots" in page
    assert "Works" in page
    # Another secret is shown once too, and the first one signs beside it.
    again = caller.post(f"{url}/secrets", "page")
    [new] = re.findall(r"whsec_[A-Za-z0-9+/=]+", unescape(again.text))
    assert new != secret
    assert "With two secrets until" in caller.get(url).text
    caller.post(f"{url}/tests", "page")
    assert deliver_all(app) == 1


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "Enter the address."),
        ("http://hooks.example.com/x", "must begin with https://"),
        ("ftp://hooks.example.com/x", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("https://user:pass@hooks.example.com/x", "must not hold a user name"),
        ("https://hooks.example.com@127.0.0.1/x", "must not hold a user name"),
        ("https://hooks.example.com/x#y", "Leave out what follows the #"),
        ("https://hooks.example.com/a b", "without spaces"),
        ("https://hooks.example.com/\r\nHost: evil", "plain letters"),
        ("https://hööks.example.com/", "plain letters"),
        ("https://hooks.example.com:99999/", "Enter an address like"),
        ("https:///x", "Enter an address like"),
        ("https://[::1", "Enter an address like"),
        ("https://localhost/x", "private network"),
        ("https://a.localhost./x", "private network"),
        ("https://127.0.0.1/x", "private network"),
        ("https://127.1/x", "private network"),
        ("https://2130706433/x", "private network"),
        ("https://0x7f.1/x", "private network"),
        ("https://10.1.2.3/x", "private network"),
        ("https://172.16.0.1/x", "private network"),
        ("https://192.168.1.1/x", "private network"),
        ("https://100.64.0.1/x", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://168.63.129.16/", "private network"),
        ("https://0.0.0.0/", "private network"),
        ("https://224.0.0.1/", "private network"),
        ("https://[::1]/x", "private network"),
        ("https://[fe80::1]/x", "private network"),
        ("https://[fd00:ec2::254]/x", "private network"),
        ("https://[::ffff:10.0.0.1]/x", "private network"),
        ("https://[64:ff9b::7f00:1]/x", "private network"),
        ("https://[2002:7f00:1::]/x", "private network"),
        ("https://[::127.0.0.1]/x", "private network"),
        ("https://hooks.example.com/" + "x" * 2000, "too long"),
    ],
)
def test_a_hostile_address_is_refused_with_a_sentence(
    app: Flask, caller: Caller, address: str, says: str
) -> None:
    response = caller.post("/team-channels", "page", key="a", name="A", kind="slack", address=address)
    assert response.status_code == 422
    assert says in unescape(response.text)
    assert rows(app, TeamChannel) == []


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("key", "Delivery Alerts"),
        ("key", "a_b"),
        ("key", ""),
        ("name", " "),
        ("kind", "pigeon"),
        ("key", "taken"),
    ],
)
def test_other_fields_are_refused_with_a_sentence(
    app: Flask, caller: Caller, server: ChannelServer, field: str, typed: str
) -> None:
    set_up(app, server, "taken")
    fields = {"key": "free", "name": "A", "kind": "slack", "address": HOOK, field: typed}
    response = caller.post("/team-channels", "page", **fields)
    assert response.status_code == 422
    assert 'class="field-error"' in response.text
    assert len(rows(app, TeamChannel)) == 1


def test_every_change_is_on_record_and_no_secret_is(
    app: Flask, caller: Caller, server: ChannelServer
) -> None:
    channel_id = set_up(app, server)
    url = f"/team-channels/{channel_id}"
    for act, fields in (
        ("names", {"name": "Alerts"}),
        ("addresses", {"address": HOOK}),
        ("secrets", {}),
        ("deactivations", {}),
        ("deactivations", {}),
        ("reactivations", {}),
    ):
        assert caller.post(f"{url}/{act}", "page", **fields).status_code in (200, 303)
    with app.app_context():
        query = sa.select(Event.kind, Event.canonical).where(Event.kind.startswith("team_channel."))
        events = db.session.execute(query.order_by(Event.seq)).all()
        assert verify_chains().fault_count == 0
    assert [kind.partition(".")[2] for kind, _ in events] == [
        "created",
        "renamed",
        "address_replaced",
        "secret_replaced",
        "switched_off",
        "switched_on",
    ]
    assert not any("whsec_" in body or "abcdefgh" in body for _, body in events)
    page = caller.get(url).text
    assert "switched it off" in page
    assert "replaced its address" in page


@pytest.mark.parametrize("role", ["manager", "member", "viewer"])
def test_only_administrators_see_and_change_channels(app: Flask, server: ChannelServer, role: str) -> None:
    channel_id = set_up(app, server)
    stranger = Caller(app, make_user(app, role=role))
    url = f"/team-channels/{channel_id}"
    for path in ("/team-channels", "/team-channels/new", url):
        assert stranger.get(path).status_code == 403
    fields = {"key": "b", "name": "B", "kind": "slack", "address": HOOK}
    for act in ("", "/names", "/addresses", "/secrets", "/tests", "/deactivations", "/reactivations"):
        path = f"{url}{act}" if act else "/team-channels"
        assert stranger.post(path, "page", **fields).status_code == 403
    assert [row["name"] for row in rows(app, TeamChannel)] == ["Delivery alerts"]
    assert rows(app, OutboxMessage) == []
    assert "/team-channels" not in stranger.get("/messages").text


def test_what_is_not_there_is_not_found(app: Flask, caller: Caller) -> None:
    url = f"/team-channels/{uuid.uuid4()}"
    assert caller.get(url).status_code == 404
    assert caller.post(f"{url}/tests", "page").status_code == 404
