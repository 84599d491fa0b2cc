"""`remind`: start a series of reminders to the owner about the card, or stop it."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.automation.actions.base import Performing
from lifecycle.governance.language.reminders import moment_of, parse_step
from lifecycle.governance.rules.actions import RemindParams
from lifecycle.governance.sla.clock import calendar_of
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import Plan, plan_reminders


def perform(doing: Performing, params: RemindParams) -> str:
    """Keep the times of the series, counted from now; a series that runs already begins anew."""
    subject = doing.subject
    name = f"series:{subject.card.id}:{params.series}"
    db.session.execute(
        sa.update(Reminder)
        .where(Reminder.subject == name, Reminder.state == "pending")
        .values(state="cancelled", settled_at=now(), outcome="The series was stopped.")
    )
    words = params.series.replace("_", " ")
    if params.stop:
        return f"The series “{words}” was stopped."
    calendar, at = calendar_of(subject.playbook, subject.stage), now()
    plan_reminders(
        subject.card.id,
        [
            Plan("series", name, step.words, moment_of(step, at, calendar), at, params.says or None)
            for step in map(parse_step, params.at)
        ],
    )
    return f"The series “{words}” began: {', '.join(params.at)}."
