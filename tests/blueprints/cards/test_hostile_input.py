"""R10: whatever is posted to a door of boards and cards, the answer is a sentence and nothing is lost."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.work.tasks.models import Task
from tests.factories.browsing import ACCEPT, Caller
from tests.factories.cards import KnownCard, a_card, ask, attach, card_row, plan, rows
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab

STAGES = """
first:
  tasks: { weigh: Weigh it }
  leave:
    - field: [colour, price, ready_on, colours, agreed, wish, code, mail, call_number, site, discount, pieces]
    - checklist: bench_clear
    - evidence: photo
    - evidence: call
    - meeting: review
    - { approval: { by: manager, of: [price] }, waive: manager }
second: { asks: { ready_on: {}, colours: {}, price: {}, note: { type: long_text, required: no } } }
"""
HOSTILE: dict[str, Any] = {
    "nothing": "",
    "blanks": " \t\u00a0\u2003 ",
    "nul": "a\x00b",
    "right to left": "\u202egnp.exe\u2066",
    "emoji": "👩‍👩‍👧‍👦🏴‍☠️" * 20,
    "controls": "\x01\x1b[31m\x7f\u0085\ufeff\ufffe",
    "long": "x" * 10_000,
    "very long": "å" * 50_000,
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}",
    "quotes": "'; drop table cards; --\"\\",
    "minus": "-1",
    "a minus of another kind": "\u2212" + "5",
    "nan": "NaN",
    "signalling nan": "sNaN",
    "infinity": "-Infinity",
    "exponent": "1e999999999",
    "tiny": "1e-999999999",
    "huge number": "9" * 400,
    "huger number": "9" * 5000,
    "above bigint": str(2**63),
    "fraction": "0.000000001",
    "other digits": "\u0661\u0662\u0663",
    "year one": "0001-01-01",
    "year one at midnight": "0001-01-01T00:00",
    "year 9999": "9999-12-31",
    "the last minute": "9999-12-31T23:59",
    "no day": "2026-02-30",
    "with a zone": "2026-11-30T10:00+14:00",
    "a foreign id": "00000000-0000-0000-0000-000000000000",
    "a half id": "01a20149-ce67",
    "a bare percent": "%",
    "a path": "../../../../etc/passwd%00",
    "an address": "javascript:alert(1)",
    "an odd address": "https://[::1",
    "several": ["red", "blue", "\x00", "9" * 1000],
    "json": '{"$ne": null}',
}


@dataclass(frozen=True)
class Door:
    """A POST: its address and fields that it would take."""

    path: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return self.path


def _doors() -> list[Door]:
    moment = "2026-11-02T10:00"
    fields = {
        f"field-{key}": "1"
        for key in (
            *(
                "colour",
                "colours",
                "pieces",
                "price",
                "discount",
                "wish",
                "why",
                "ready_on",
                "code",
                "agreed",
            ),
            *("mail", "call_number", "site", "district", "country"),
        )
    }
    answers = {f"answer-{key}": "1" for key in ("ready_on", "colours", "price", "note", "reason", "why")}
    card = "/cards/{card}"
    return [
        Door(
            f"{card}/moves",
            {
                "to_stage": "second",
                "seen_visit": "{visit}",
                "reason": "x",
                "override": "1",
                "channel": "x",
                **answers,
            },
        ),
        Door(f"{card}/undos", {"visit": "{visit}"}),
        Door(f"{card}/fields", fields),
        Door(
            f"{card}/details",
            {
                "version": "{version}",
                "title": "A title",
                "value": "1",
                "currency": "EUR",
                "owner": "{user}",
                "contact": "",
            },
        ),
        Door(f"{card}/next-action", {"text": "Call", "due": moment, "assignee": "{user}"}),
        Door(f"{card}/comments", {"body": "Hello"}),
        Door(f"{card}/tasks", {"title": "Call", "assignee": "{user}", "due": moment}),
        Door(f"{card}/tasks/{{task}}/completion", {"done": "1"}),
        Door(f"{card}/checklists/bench_clear", {"item": "wiped", "ticked": "wiped"}),
        Door(f"{card}/approvals", {"check": "first.leave.approval.manager", "note": "x"}),
        Door(f"{card}/approvals/{{request}}/decisions", {"decision": "approved", "note": "x"}),
        Door(
            f"{card}/meetings",
            {
                "key": "review",
                "starts_at": moment,
                "our_attendees": "x",
                "client_attendees": "x",
                "notes": "x",
                "decisions": "x",
                "outcomes": "x",
            },
        ),
        Door(
            f"{card}/meetings/{{meeting}}/minutes",
            {
                "key": "review",
                "starts_at": moment,
                "our_attendees": "x",
                "client_attendees": "x",
                "notes": "x",
                "decisions": "x",
                "outcomes": "x",
            },
        ),
        Door(
            f"{card}/attachments",
            {
                "key": "call",
                "kind": "talk",
                "title": "x",
                "url": "x",
                "note": "x",
                "happened_at": moment,
                "medium": "phone",
                "outcome": "replied",
            },
        ),
        Door(
            f"{card}/attachments",
            {
                "key": "",
                "kind": "talk",
                "title": "x",
                "url": "x",
                "note": "x",
                "happened_at": moment,
                "medium": "phone",
                "outcome": "x",
            },
        ),
        Door(
            f"{card}/attachments",
            {"key": "photo", "kind": "link", "title": "x", "url": "https://example.com/", "note": "x"},
        ),
        Door(f"{card}/attachments/{{attachment}}/withdrawal", {"x": "x"}),
        Door(
            f"{card}/waivers", {"gate_to": "second", "check": "first.leave.approval.manager", "reason": "x"}
        ),
        Door(f"{card}/waiting", {"waiting": "1", "reason": "x"}),
        Door(f"{card}/archive", {"archived": "0"}),
        Door(f"{card}/handoffs", {"to": "kitchen", "note": "x"}),
        Door(f"{card}/client-requests", {"request": "order", "contact": "{user}", "name": "x", "email": "x"}),
        Door(f"{card}/credentials", {"contact": "{user}", "title": "x", "text": "x"}),
        Door(
            f"/boards/{LAB}/cards",
            {"stage": "first", "account": "A new one", "title": "x", "value": "1", "currency": "EUR"},
        ),
        Door(
            f"/boards/{LAB}/moves", {"to_stage": "second", "card": "{card}:{visit}", "reason": "x", **answers}
        ),
        Door(f"/boards/{LAB}/collapsed", {"stage": "first", "collapsed": "1"}),
    ]


@dataclass
class Scene:
    """A card with one of everything, and a manager who may do all."""

    app: Flask
    card: KnownCard
    caller: Caller
    names: dict[str, str]

    def told(self, text: Any) -> Any:
        for name, value in self.names.items() if isinstance(text, str) else ():
            text = text.replace("{" + name + "}", value)
        return text


@pytest.fixture
def scene(app: Flask) -> Iterator[Scene]:
    publish_lab(app, STAGES)
    manager, member = make_user(app, role="manager"), make_user(app)
    card = a_card(app, member, value="10")
    names = {
        "card": str(card.id),
        "visit": str(card.visit),
        "user": str(manager.id),
        "task": str(rows(app, Task)[0]["id"]),
        "request": str(ask(app, card, member, "first.leave.approval.manager")),
        "meeting": str(plan(app, card, member, "review")),
        "attachment": str(attach(app, card, member, "photo")),
    }
    names["version"] = str(card_row(app, card)["version"])
    yield Scene(app, card, Caller(app, manager), names)
    with app.app_context():
        verification = verify_chains()
        assert verification.is_sound, verification.faults
        assert db.session.scalar(sa.select(Card.id).where(Card.id == card.id)) == card.id


def _still_readable(scene: Scene, after: str) -> None:
    """What was kept can be read by people in the first and the last time zone."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        with scene.app.app_context():
            db.session.execute(sa.text("update users set time_zone = :zone"), {"zone": zone})
            db.session.commit()
        for path in (scene.card.url, f"/boards/{LAB}"):
            status = scene.caller.get(path).status_code
            assert status == 200, f"{path} gives {status} after {after}"


# What stumbled before, or would: tried in every field alone, with all others right.
WORST = ("nul", "very long", "huge number", "the last minute")
# Fields that are all judged at once, so that they need not be tried alone.
TOGETHER = ("field-", "answer-")


@pytest.mark.parametrize("door", _doors(), ids=str)
def test_r10_no_input_in_any_field_makes_a_door_stumble(scene: Scene, door: Door) -> None:
    path = scene.told(door.path)
    alone = [name for name in door.fields if not name.startswith(TOGETHER)]
    shared = [name for name in door.fields if name.startswith(TOGETHER)]
    tries = [({name: HOSTILE[what]}, f"{name}={what}") for name in alone for what in WORST]
    for number, (what, hostile) in enumerate(HOSTILE.items()):
        one = alone[number % len(alone)] if alone and not shared else None
        tries.append((dict.fromkeys([one] if one else shared, hostile), f"{one or shared}={what}"))
    stumbled = []
    for number, (hostile_fields, what) in enumerate(tries):
        scene.names["version"] = str(card_row(scene.app, scene.card)["version"])
        fields = {key: scene.told(value) for key, value in door.fields.items()}
        response = scene.caller.post(path, ("htmx", "program")[number % 2], **{**fields, **hostile_fields})
        if response.status_code >= 500:
            stumbled.append(f"{what}: {response.status_code}")
    assert stumbled == []
    _still_readable(scene, str(door))


@pytest.mark.parametrize("door", _doors(), ids=str)
def test_r10_missing_fields_and_files_in_their_place_are_refused(scene: Scene, door: Door) -> None:
    path = scene.told(door.path)
    assert scene.caller.post(path, "htmx").status_code < 500
    files = {name: (io.BytesIO(b"\x00\xff" * 10), "a\x00b/..\u202e.exe") for name in (*door.fields, "file")}
    assert scene.caller.post(path, "page", **files).status_code < 500
    raw = scene.caller.client.post(
        path,
        data=b"\xff\xfe{",
        headers={"X-CSRFToken": scene.caller.token, "Content-Type": "application/json"},
    )
    assert raw.status_code < 500


ADDRESSES = (
    "/boards/{odd}",
    "/boards/lab.trials?q={odd}&owner={odd}&department={odd}&sla={odd}&segment={odd}&account={odd}&import={odd}",
    "/boards/lab.trials/columns/{odd}?after=1.00000000-0000-0000-0000-000000000000",
    "/boards/lab.trials/columns/first?after={odd}",
    "/boards/lab.trials/columns/first?after={odd}.00000000-0000-0000-0000-000000000000",
    "/boards/lab.trials/cards/new?stage={odd}",
    "/boards/{odd}/cards/new",
    "/boards/{odd}/changes",
    "{card}?show={odd}",
    "{card}/gate?to={odd}",
    "/cards/{odd}",
    "/cards/{odd}/targets",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_r10_no_address_makes_a_page_stumble(scene: Scene, address: str) -> None:
    for what, odd in HOSTILE.items():
        if isinstance(odd, str):
            from_here = {"odd": "", "card": scene.card.url}
            path, _, query = address.partition("?")
            bare = path.format(**{**from_here, "odd": _quoted(odd[:3000])})
            asked = query.format(**{**from_here, "odd": _quoted(odd[:3000])})
            for how in ("page", "htmx"):
                status = scene.caller.get(f"{bare}?{asked}", how).status_code
                assert status < 500, f"{what}: {status}"


def test_r10_no_cursor_makes_live_changes_stumble(scene: Scene) -> None:
    for odd in (*HOSTILE.values(), "1/nan/0", "1/inf/0", "1/-inf/ff", "x/1/1", "1/1", "9" * 79, "1/1e400/0"):
        if isinstance(odd, str) and odd.isprintable() and odd.isascii():
            response = scene.caller.get(f"/boards/{LAB}/changes", "htmx", X_Board_Cursor=odd)
            assert response.status_code in (200, 204)


@pytest.mark.parametrize("how", ["page", "program"])
def test_r10_a_body_that_is_too_large_is_told_so(scene: Scene, how: str) -> None:
    long = scene.caller.post(f"{scene.card.url}/comments", how, body="x" * (3 * 1024 * 1024))
    assert long.status_code == 422
    assert "A comment may have 20,000 characters; this has 3,145,728." in long.text
    # Written by hand: the test client would leave a temporary file open.
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * (
        26 * 1024 * 1024
    )
    for place, status in (("attachments", 422), ("comments", 413)):
        large = scene.caller.client.post(
            f"{scene.card.url}/{place}",
            data=body + b"\r\n--x--\r\n",
            content_type="multipart/form-data; boundary=x",
            headers={"X-CSRFToken": scene.caller.token, "Accept": ACCEPT[how]},
        )
        assert large.status_code == status
        assert "too large" in large.text
    many = {f"field-{number}": "x" for number in range(3000)}
    assert scene.caller.post(f"{scene.card.url}/fields", how, **many).status_code in (413, 422)


def test_a_due_date_outside_of_any_calendar_is_refused_with_a_sentence(scene: Scene) -> None:
    for due in ("0001-01-01T00:00", "9999-12-31T23:59", "1899-12-31T23:59"):
        response = scene.caller.post(
            f"{scene.card.url}/next-action", "page", text="Call", due=due, assignee=""
        )
        assert response.status_code == 422
        assert "calendar" in response.text
    assert card_row(scene.app, scene.card)["next_action_due_at"] is None
    right = scene.caller.post(
        f"{scene.card.url}/next-action",
        "page",
        text="Call",
        due="2026-12-01T10:00",
        assignee=str(uuid.uuid4()),
    )
    assert right.status_code == 422
    kept = scene.caller.post(f"{scene.card.url}/next-action", "page", text="Call", due="2026-12-01T10:00")
    assert kept.status_code in (303, 422)


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
