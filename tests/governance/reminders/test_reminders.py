"""E11, E15, R7: reminders fire once, at the right instant, for what is still open, whatever clocks did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.language.reminders import moment_of, parse_step
from lifecycle.governance.moves.undo import undo_move
from lifecycle.governance.playbooks.library import current
from lifecycle.governance.requests.decide import extend_request
from lifecycle.insight.client_gates import list_client_gates, read_client_gate
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.reminders.models import Reminder
from lifecycle.work.tasks.models import Task
from tests.factories.cards import KnownCard, a_card, card_row, change, complete, make_account, moved, rows
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import notices, remind
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.mail import deliver

LONDON = ZoneInfo("Europe/London")


@contextmanager
def at(moment: str | datetime) -> Iterator[None]:
    """Be at a moment of London's clocks, or an instant."""
    when = datetime.fromisoformat(moment).replace(tzinfo=LONDON) if isinstance(moment, str) else moment
    with time_machine.travel(when.astimezone(UTC), tick=False):
        yield


def states(app: Flask, kind: str) -> list[tuple[str, str, datetime]]:
    found = [row for row in rows(app, Reminder) if row["kind"] == kind]
    return [
        (row["step"], row["state"], row["due_at"]) for row in sorted(found, key=lambda row: row["due_at"])
    ]


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=LONDON).astimezone(UTC)  # type: ignore[misc,arg-type]


# --- SLA (E11) ---


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(
        app,
        "first: {}\nsecond:\n  sla: 2 business days\n  due_soon: 4 business hours\n"
        "  escalate: 1 business day after\n"
        "  tasks: { weigh: { title: Weigh it, due: 1 business day } }\nthird: {}",
        main="reminders:\n"
        "  tasks: { remind: [1 business hour before, on due], escalate: 1 business day after }\n",
    )
    make_user(app, role="manager", name="Mo", departments=["bench"])
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    with at("2026-11-23 09:55"):
        made = a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"), title="Fibre")
    with at("2026-11-23 10:00"):
        moved(app, made, "second", ana)
    return made


def test_an_sla_says_due_soon_missed_and_still_missed_to_the_right_people(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    assert [(step, due) for step, _, due in states(app, "sla")] == [
        ("due soon", local(2026, 11, 24, 14, 0)),
        ("missed", local(2026, 11, 25, 10, 0)),
        ("escalate", local(2026, 11, 26, 10, 0)),
    ]
    with at("2026-11-24 13:59"):
        assert remind(app) == 2, "the task's own two come first"
    with at("2026-11-24 14:01"):
        remind(app)
    assert notices(app)[-1] == ("Ana", "Nordwind: Fibre is due soon in Second")
    with at("2026-11-25 10:01"):
        remind(app)
    late = [name for name, title in notices(app) if title == "Nordwind: Fibre is over its time in Second"]
    assert late == ["Ana", "Mo"]
    with at("2026-11-26 10:01"):
        remind(app)
        remind(app)
    assert notices(app)[-1] == ("Mo", "Nordwind: Fibre is still over its time in Second")
    assert len(notices(app)) == len(set(notices(app)))


def test_leaving_in_time_ends_it_and_an_undo_goes_on_where_it_was(
    app: Flask, ana: Person, card: KnownCard
) -> None:

    with at("2026-11-24 13:00"):
        outcome = moved(app, card, "third", ana)
        with app.app_context(), transaction():
            undo_move(card.id, outcome.visit_id, actor=ana.actor)
    with at("2026-11-24 14:01"):
        remind(app)
    assert ("Ana", "Nordwind: Fibre is due soon in Second") in notices(app)
    with at("2026-11-24 15:00"):
        moved(app, card, "third", ana)
    with at("2026-11-30 10:00"):
        remind(app)
    assert not [title for _, title in notices(app) if "over its time" in title]
    assert Counter(state for _, state, _ in states(app, "sla")) == {"fired": 1, "cancelled": 2}


def test_while_the_client_is_awaited_nothing_is_due_and_the_new_deadline_has_new_alerts(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    with at("2026-11-24 10:00"):
        change(app, card, ana, lambda subject, actor: start_waiting(subject, actor, "Their answer"))
    with at("2026-11-26 10:00"):
        remind(app)
        change(app, card, ana, stop_waiting)
    assert not [title for _, title in notices(app) if "Second" in title]
    due = card_row(app, card)["sla_due_at"]
    assert due == local(2026, 11, 27, 10, 0)
    with at(due + timedelta(minutes=1)):
        remind(app)
    assert ("Ana", "Nordwind: Fibre is over its time in Second") in notices(app)


# --- tasks ---


def test_a_task_is_reminded_of_until_it_is_done(app: Flask, ana: Person, card: KnownCard) -> None:
    with at("2026-11-24 09:30"):
        remind(app)
    assert notices(app) == [("Ana", "Nordwind: Fibre: “Weigh it” is due soon")]
    with at("2026-11-24 09:59"):
        complete(app, card, ana, rows(app, Task)[0]["id"])
    with at("2026-11-26 09:59"):
        remind(app)
    assert [title for _, title in notices(app) if "Weigh it" in title] == [
        "Nordwind: Fibre: “Weigh it” is due soon"
    ]
    assert [state for _, state, _ in states(app, "task")] == ["fired", "cancelled", "cancelled"]


def test_after_36_hours_of_downtime_the_latest_one_speaks_and_nothing_is_lost(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    """Due soon and missed fell into the night: one message, not two; the escalation has its own time."""
    with at("2026-11-25 22:00"):
        remind(app)
        remind(app)
    assert [(step, state) for step, state, _ in states(app, "sla")] == [
        ("due soon", "skipped"),
        ("missed", "fired"),
        ("escalate", "pending"),
    ]
    assert Counter(title for _, title in notices(app)) == {
        "Nordwind: Fibre is over its time in Second": 2,
        "Nordwind: Fibre: “Weigh it” is due": 1,
        "Nordwind: Fibre: “Weigh it” is still open": 2,
    }


# --- clients ---


@pytest.fixture
def asked(app: Flask, smtp_sink: Any) -> KnownCard:
    publish_gates(app)
    make_user(app, role="manager", name="Mo", departments=["bench"])
    person = make_user(app, name="Ana", role="manager", departments=["office"])
    with at("2026-11-23 10:00"):
        account = make_account(app, owner=person, name="Nordwind")
        a_contact(app, account, rights=["signatory"])
        made = a_card(app, person, account=account, title="Fibre")
        moved(app, made, "terms", person)
    return made


def reminded(app: Flask) -> list[str]:
    """Whom at the client reminders were mailed to."""
    sent = [row for row in rows(app, OutboxMessage) if (row["cause"] or "").startswith("reminder/")]
    return [row["to_address"] for row in sent if row["contact_id"]]


def test_a_client_is_reminded_before_on_and_after_and_then_it_is_escalated(
    app: Flask, asked: KnownCard
) -> None:
    for day in (25, 26, 27, 28):
        with at(f"2026-11-{day} 10:01"):
            remind(app)
            remind(app)
    assert reminded(app) == ["cleo@client.example"] * 3
    assert {name for name, title in notices(app) if "has not answered" in title} == {"Ana", "Mo"}


def test_a_reminder_that_waits_for_its_mail_does_not_unsend_the_request(
    app: Flask, asked: KnownCard, smtp_sink: Any
) -> None:
    """Its status is that of the letter that asked, in the overview and on its page."""
    with at("2026-11-23 10:05"):
        deliver(app)
    with at("2026-11-25 10:01"):
        remind(app)
    with at("2026-11-25 10:02"), app.app_context():
        (line,), _, _ = list_client_gates("waiting")
        page = read_client_gate(line.id)
    assert reminded(app) == ["cleo@client.example"]
    assert (line.words, page.words) == ("Sent", "Sent")


@pytest.mark.parametrize("act", ["accept", "decline"])
def test_it_stops_the_moment_the_client_answers(app: Flask, asked: KnownCard, act: str) -> None:
    with at("2026-11-25 10:01"):
        remind(app)
        client = Client.of(app, asked, "terms")
        client.open()
        assert (
            client.accept() if act == "accept" else client.send("refusals", reason="No")
        ).status_code == 303
    with at("2026-12-20 10:01"):
        remind(app)
    assert len(reminded(app)) == 1
    assert not [title for _, title in notices(app) if "has not answered" in title]


def test_more_time_moves_the_reminders_with_it(app: Flask, asked: KnownCard) -> None:
    person = make_user(app, role="manager")
    request = request_of(app, asked, "terms")
    with (
        at("2026-11-24 10:00"),
        app.app_context(),
        transaction(),
        changing_card(asked.id, person.actor) as subject,
    ):
        extend_request(subject, person.actor, request["id"], local(2026, 12, 3, 12, 0))
    with at("2026-11-27 10:01"):
        remind(app)
    assert reminded(app) == []
    with at("2026-12-02 12:01"):
        remind(app)
    assert len(reminded(app)) == 1


def test_unanswered_for_sixty_days_it_expires(app: Flask, asked: KnownCard) -> None:
    with at("2027-01-26 10:01"):
        remind(app)
    assert request_of(app, asked, "terms")["status"] == "expired"
    row = card_row(app, asked)
    assert (row["client_status"], row["waiting_on_client"]) == ("expired", False)


# --- clocks ---


@pytest.mark.parametrize(
    ("due", "words", "expected"),
    [
        # Clocks go forward on 28 March 2027 in London: 01:30 does not exist, so the end of the gap counts.
        ((2027, 3, 29, 1, 30), "1 day before", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        # They go back on 25 October 2026: of the two 01:30, the first one.
        ((2026, 10, 26, 1, 30), "1 day before", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        # The same time on the wall, though the day has 25 hours.
        ((2026, 10, 25, 12, 0), "1 day before", datetime(2026, 10, 24, 11, 0, tzinfo=UTC)),
        ((2026, 10, 24, 12, 0), "2 days after", datetime(2026, 10, 26, 12, 0, tzinfo=UTC)),
        # Month ends and a leap day.
        ((2028, 3, 1, 10, 0), "1 day before", datetime(2028, 2, 29, 10, 0, tzinfo=UTC)),
        ((2027, 3, 1, 10, 0), "1 day before", datetime(2027, 2, 28, 10, 0, tzinfo=UTC)),
        # Christmas is a holiday of the lab, the 26th and 27th are a weekend.
        ((2026, 12, 28, 10, 0), "1 business day before", datetime(2026, 12, 24, 10, 0, tzinfo=UTC)),
        ((2026, 12, 24, 10, 0), "1 business day after", datetime(2026, 12, 28, 10, 0, tzinfo=UTC)),
        ((2026, 12, 28, 10, 0), "2 business hours before", datetime(2026, 12, 24, 16, 0, tzinfo=UTC)),
    ],
)
def test_times_around_clock_changes_month_ends_and_holidays(
    app: Flask, due: tuple[int, ...], words: str, expected: datetime
) -> None:

    publish_lab(app, "first: {}")
    with app.app_context():
        calendar = current("lab").calendars["weekdays"]
    assert moment_of(parse_step(words), local(*due), calendar) == expected
