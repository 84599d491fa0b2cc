"""E7: every fix of a gate works inline, keeps what was typed when refused, and answers where it was asked."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.cards.models import Comment, SlaPause
from lifecycle.work.approvals.models import ApprovalRequest
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.tasks.models import Task
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, attach, card_row, gate, moved, plan, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first:
  tasks: { weigh: Weigh it }
  leave:
    - field: [colour, price, ready_on, colours, agreed, wish]
    - checklist: bench_clear
    - task: weigh
    - evidence: photo
    - evidence: call
    - meeting: review
    - approval: { by: manager, of: [price] }
    - { field: site, waive: manager }
second: {}
"""


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    publish_lab(app, STAGES)
    return a_card(app, member)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _yesterday() -> str:
    return (now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")


def test_the_whole_panel_is_worked_off_by_posts_and_the_card_advances(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    boss = Caller(app, make_user(app, role="manager"))
    inline = {"gate_to": "second", "place": "board"}

    def fix(path: str, by: Any = caller, **fields: object) -> None:
        response = by.post(f"{card.url}/{path}", "htmx", **inline, **fields)
        assert response.status_code == 200, response.text[:2000]
        assert "<html" not in response.text

    fix(
        "fields",
        **{
            "field-colour": "red",
            "field-price": "12.50",
            "field-ready_on": "2026-11-30",
            "field-colours": ["red", "blue"],
            "field-agreed": "yes",
            "field-wish": "Rye\nand wheat",
        },
    )
    fix("checklists/bench_clear", item=["wiped", "empty", "lit"], ticked=["wiped", "empty", "lit"])
    fix(f"tasks/{rows(app, Task)[0]['id']}/completion")
    fix("attachments", key="photo", kind="file", file=(io.BytesIO(b"%PDF-1.4 a picture"), "photo.pdf"))
    fix("attachments", key="call", kind="talk", happened_at=_yesterday(), medium="phone", outcome="replied")
    fix("meetings", key="review", starts_at=_yesterday(), notes="We agreed.", outcomes="Send it - 2027-01-15")
    fix("approvals", check="first.leave.approval.manager", note="Please")
    request = rows(app, ApprovalRequest)[0]["id"]
    fix(f"approvals/{request}/decisions", boss, decision="approved")
    fix("waivers", boss, check="first.leave.field.site", reason="They have none.")
    assert [result.state for result in gate(app, card, "second").results].count("blocked") == 0
    done = caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    assert done.status_code == 200


def test_a_refused_fix_says_why_keeps_what_was_typed_and_changes_nothing(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    before = card_row(app, card)
    for how in ("htmx", "page"):
        response = caller.post(
            f"{card.url}/fields",
            how,
            form="all-fields",
            **{"field-price": "twelve", "field-wish": "A long wish of mine", "field-ready_on": "tomorrow"},
        )
        assert response.status_code == 422
        assert "Price must be a number, written like 1234.50." in response.text
        assert "A long wish of mine" in response.text
        assert 'value="tomorrow"' in response.text
    assert card_row(app, card) == before


def test_a_card_whose_every_type_of_field_is_filled_can_be_shown_and_edited(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    filled = {
        "field-colour": "red",
        "field-colours": ["red", "blue"],
        "field-pieces": "3",
        "field-price": "12.50",
        "field-discount": "7.5 %",
        "field-wish": "Rye",
        "field-why": "Because",
        "field-ready_on": "2026-11-30",
        "field-code": "ABC",
        "field-agreed": "no",
        "field-mail": "ana@example.com",
        "field-call_number": "+44 20 7946 0018",
        "field-site": "https://example.com/?a=1&b=2",
        "field-district": "North",
    }
    inline = {"form": "all-fields"}
    assert caller.post(f"{card.url}/fields", "page", **filled).status_code == 303
    for how in ("page", "htmx"):
        shown = caller.get(card.url, how)
        assert shown.status_code == 200
        assert "ana@example.com" in shown.text
    wrong = caller.post(f"{card.url}/fields", "htmx", **inline, **{**filled, "field-price": "x"})
    assert wrong.status_code == 422
    assert "2026-11-30" in wrong.text


def test_details_are_not_overwritten_by_a_form_that_is_out_of_date(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    version = card_row(app, card)["version"]
    fields = {
        "title": "A new title",
        "value": "10",
        "currency": "EUR",
        "owner": str(member.id),
        "contact": "",
    }
    assert caller.post(f"{card.url}/details", "page", version=version, **fields).status_code == 303
    late = caller.post(
        f"{card.url}/details", "page", form="details", version=version, **{**fields, "title": "My own title"}
    )
    assert late.status_code == 422
    assert "Somebody changed this card while you were writing" in late.text
    assert "My own title" in late.text
    assert card_row(app, card)["title"] == "A new title"


def test_a_closed_or_archived_card_takes_comments_only(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    assert caller.post(f"{card.url}/fields", "page", **{"field-price": "1"}).status_code == 422
    assert caller.post(f"{card.url}/comments", "page", body="What a pity.").status_code == 303
    assert caller.post(f"{card.url}/archive", "page").status_code == 303
    assert card_row(app, card)["archived_at"] is not None
    assert caller.post(f"{card.url}/archive", "page", archived="0").status_code == 303
    assert card_row(app, card)["archived_at"] is None
    assert [comment["body"] for comment in rows(app, Comment)] == ["What a pity."]


def test_a_refusal_is_told_when_the_form_it_belongs_to_is_gone(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    for form, gate_to in (("gate-fields-card", ""), ("all-fields", ""), ("gate-fields", "second")):
        sent = {"form": form, "gate_to": gate_to, "field-price": "1"}
        for how in ("page", "htmx"):
            response = caller.post(f"{card.url}/fields", how, **sent)
            assert response.status_code == 422, (form, how)
            assert "This card is closed" in response.text, (form, how)
            assert (how == "page") or response.headers["HX-Retarget"] == "#notices"


def test_a_viewer_who_forges_a_fix_is_told_why_not(app: Flask, card: KnownCard) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    for how in ("page", "htmx"):
        response = viewer.post(f"{card.url}/comments", how, form="comment", body="Hello")
        assert response.status_code == 403
        assert "Your role (viewer) may not do this" in response.text


def test_e11_waiting_on_the_client_begins_and_ends_by_a_button(
    app: Flask, card: KnownCard, caller: Caller
) -> None:
    assert caller.post(f"{card.url}/waiting", "page", reason="").status_code == 422
    assert caller.post(f"{card.url}/waiting", "page", reason="Their data").status_code == 303
    assert card_row(app, card)["waiting_on_client"] is True
    assert caller.post(f"{card.url}/waiting", "page", waiting="0").status_code == 303
    assert rows(app, SlaPause)[0]["ended_at"] is not None


def test_what_belongs_to_another_card_is_not_found(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    other = a_card(app, member)
    meeting, proof = plan(app, other, member, "review"), attach(app, other, member, "photo")
    task = next(task["id"] for task in rows(app, Task, card_id=other.id))
    with app.app_context():
        before = db.session.scalar(sa.text("select count(*) from events"))
    for path in (
        f"tasks/{task}/completion",
        f"meetings/{meeting}/minutes",
        f"attachments/{proof}/withdrawal",
        f"approvals/{proof}/decisions",
    ):
        response = caller.post(f"{card.url}/{path}", notes="x", decision="approved")
        assert response.status_code == 404, path
    assert rows(app, Meeting)[0]["held_at"] is None
    assert rows(app, Attachment)[0]["withdrawn_at"] is None
    with app.app_context():
        assert db.session.scalar(sa.text("select count(*) from events")) == before
