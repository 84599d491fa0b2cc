"""E9, E10: what entering a stage gives a card: owner, department, tasks, next action, dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from sqlalchemy.exc import DBAPIError

from lifecycle.core.db import db, transaction
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.models import User
from lifecycle.work.tasks.models import Task
from tests.factories.cards import a_card, card_row, make_account, moved, rows
from tests.factories.people import Person, make_department, make_user
from tests.factories.playbooks import publish_lab


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


def _leave(app: Flask, person: Person, **changed) -> None:
    with app.app_context(), transaction():
        db.session.execute(sa.update(User).where(User.id == person.id).values(**changed))


def test_e9_keep_leaves_the_owner_and_another_department_takes_over(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: { owner: keep, department: office }")
    card = a_card(app, member)
    assert card_row(app, card)["department_key"] == "bench"
    moved(app, card, "second", make_user(app))
    row = card_row(app, card)
    assert (row["owner_id"], row["department_key"]) == (member.id, "office")
    visit = rows(app, StageVisit, card_id=card.id)[-1]
    assert (visit["owner_id"], visit["department_key"]) == (member.id, "office")


def test_e9_the_account_owner_takes_the_card_unless_they_left_or_may_only_look(
    app: Flask, member: Person
) -> None:
    publish_lab(app, "first: {}\nsecond: { owner: account owner }")
    keeper = make_user(app)
    account = make_account(app, owner=keeper)
    card = a_card(app, member, account=account)
    moved(app, card, "second", member)
    assert card_row(app, card)["owner_id"] == keeper.id
    for gone in ({"is_active": False}, {"is_active": True, "role": "viewer"}):
        _leave(app, keeper, **gone)
        kept = a_card(app, member, account=account)
        moved(app, kept, "second", member)
        assert card_row(app, kept)["owner_id"] == member.id
    orphan = a_card(app, member, account=make_account(app))
    moved(app, orphan, "second", member)
    assert card_row(app, orphan)["owner_id"] == member.id


def test_e9_round_robin_goes_around_the_department(app: Flask, member: Person) -> None:
    make_department(app, "office")
    publish_lab(app, "first: {}\nsecond: { owner: round robin, department: office }")
    team = [make_user(app, departments=("office",)) for _ in range(3)]
    make_user(app, departments=("office",), is_active=False)
    make_user(app, departments=("office",), role="viewer")
    owners = []
    for _ in range(6):
        card = a_card(app, member)
        moved(app, card, "second", member)
        owners.append(card_row(app, card)["owner_id"])
    assert set(owners[:3]) == {person.id for person in team}
    assert owners[3:] == owners[:3]


def test_e9_least_loaded_chooses_whoever_has_the_fewest_open_cards(app: Flask, member: Person) -> None:
    make_department(app, "office")
    publish_lab(app, "first: {}\nsecond: { owner: least loaded, department: office }")
    busy, idle = (make_user(app, departments=("office",)) for _ in range(2))
    for _ in range(2):
        a_card(app, busy)
    closed = [a_card(app, idle) for _ in range(3)]
    for card in closed:
        moved(app, card, "lost", idle, answers={"why": "Enough"})
    card = a_card(app, member)
    moved(app, card, "second", member)
    assert card_row(app, card)["owner_id"] == idle.id


def test_e9_a_rule_that_finds_nobody_keeps_the_owner(app: Flask, member: Person) -> None:
    for rule in ("round robin", "least loaded", "nobody@demo.example"):
        publish_lab(app, f"first: {{}}\nsecond: {{ owner: {rule}, department: office }}")
        card = a_card(app, member)
        moved(app, card, "second", member)
        assert card_row(app, card)["owner_id"] == member.id


def test_e9_an_email_address_names_the_owner_blind_to_case(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: { owner: Boss@Demo.Example }")
    boss = make_user(app, email="boss@demo.example")
    card = a_card(app, member)
    moved(app, card, "second", member)
    assert card_row(app, card)["owner_id"] == boss.id


def test_e9_e10_stage_tasks_and_the_next_action_are_due_in_business_time(app: Flask, member: Person) -> None:
    publish_lab(
        app,
        """
first: {}
second:
  next_action: { do: Call them, due: 4 business hours }
  tasks: { weigh: { title: Weigh it, due: 1 business day }, sweep: Sweep the floor }
  sla: 2 business days
""",
    )
    with time_machine.travel(datetime(2026, 12, 24, 14, 0, tzinfo=UTC), tick=False) as clock:
        card = a_card(app, member)
        clock.shift(timedelta(hours=1))
        moved(app, card, "second", member)
    row = card_row(app, card)
    # Thursday 15:00; Friday is Christmas, then a weekend: two hours are left to Monday 11:00.
    assert row["next_action"] == "Call them"
    assert row["next_action_due_at"] == datetime(2026, 12, 28, 11, 0, tzinfo=UTC)
    assert row["next_action_assignee_id"] == member.id
    tasks = {task["key"]: task for task in rows(app, Task, card_id=card.id)}
    assert tasks["weigh"]["title"] == "Weigh it"
    assert tasks["weigh"]["due_at"] == datetime(2026, 12, 28, 15, 0, tzinfo=UTC)
    assert tasks["sweep"]["due_at"] == row["sla_due_at"] == datetime(2026, 12, 29, 15, 0, tzinfo=UTC)
    assert {task["assignee_id"] for task in tasks.values()} == {member.id}


def test_e9_a_task_of_the_playbook_goes_to_somebody_of_the_department_it_names(
    app: Flask, member: Person
) -> None:
    make_department(app, "office")
    publish_lab(
        app,
        "first: {}\nsecond: { tasks: { weigh: { title: Weigh it, assignee: office }, sweep: Sweep,"
        " sign: { title: Sign it, assignee: bench_manager } } }",
    )
    clerk = make_user(app, departments=("office",))
    make_user(app, departments=("office",), is_active=False)
    card = a_card(app, member)
    moved(app, card, "second", member)
    assigned = {task["key"]: task["assignee_id"] for task in rows(app, Task)}
    # Nobody manages the bench: the card's owner sees to it.
    assert assigned == {"weigh": clerk.id, "sweep": member.id, "sign": member.id}


def test_closing_a_card_cancels_the_playbooks_open_tasks_only(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { tasks: { weigh: Weigh it, sweep: Sweep } }")
    card = a_card(app, member)
    with app.app_context(), transaction():
        weigh = db.session.scalars(sa.select(Task).where(Task.key == "weigh")).one()
        weigh.done_at = datetime.now(UTC)
    moved(app, card, "lost", member, answers={"why": "Enough"})
    tasks = {task["key"]: task for task in rows(app, Task)}
    assert tasks["sweep"]["cancelled_at"] is not None
    assert tasks["weigh"]["cancelled_at"] is None


def test_e6_the_engine_alone_stamps_dates(app: Flask, member: Person) -> None:
    """A finished visit, and when an open one was entered, are refused to plain SQL as the app's role."""
    publish_lab(app, "first: {}\nsecond: {}")
    start = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        card = a_card(app, member)
        clock.shift(timedelta(days=3))
        moved(app, card, "second", member)
    first, second = rows(app, StageVisit, card_id=card.id)
    assert (first["entered_at"], first["left_at"]) == (start, start + timedelta(days=3))
    assert second["entered_at"] == start + timedelta(days=3)
    for statement in (
        f"update stage_visits set left_at = now() where id = {first['id']}",
        f"update stage_visits set entered_at = now() where id = {second['id']}",
        f"delete from stage_visits where id = {first['id']}",
    ):
        with app.app_context(), pytest.raises(DBAPIError), transaction():
            db.session.execute(sa.text(statement))


def test_e6_a_clock_that_was_set_back_never_makes_a_visit_end_before_it_began(
    app: Flask, member: Person
) -> None:
    publish_lab(app, "first: {}\nsecond: {}")
    with time_machine.travel(datetime(2026, 11, 2, 10, 0, tzinfo=UTC), tick=False):
        card = a_card(app, member)
    with time_machine.travel(datetime(2026, 11, 2, 9, 0, tzinfo=UTC), tick=False):
        moved(app, card, "second", member)
    first, second = rows(app, StageVisit, card_id=card.id)
    assert first["entered_at"] < first["left_at"] == second["entered_at"]


def test_a_card_begins_only_where_cards_may_begin(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: {}\nthird: { new_cards: yes }")
    assert card_row(app, a_card(app, member, stage="third"))["stage_id"]
    with pytest.raises(Exception, match="A card cannot begin there; it can in First, Third"):
        a_card(app, member, stage="second")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Card)) == 1
