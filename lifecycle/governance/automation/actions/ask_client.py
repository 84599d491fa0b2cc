"""`ask_client`: ask the client for something, outside of a client gate."""

from __future__ import annotations

from lifecycle.core.clock import now
from lifecycle.core.durations import parse_duration
from lifecycle.governance.automation.actions.base import CHANNEL, CannotDo, Performing
from lifecycle.governance.language.model import ReminderSeries, ReminderStep
from lifecycle.governance.requests.ask import open_request
from lifecycle.governance.rules.actions import AskClientParams
from lifecycle.governance.sla.clock import due_after

# Without a gate of its own it is reminded of when it is due.
_SERIES = ReminderSeries((ReminderStep("on due"),))


def perform(doing: Performing, params: AskClientParams) -> str:
    """Open the request and mail its link; somebody must still be named where nobody is known."""
    subject = doing.subject
    request = open_request(
        subject,
        params.asks,
        actor=doing.actor,
        due_at=due_after(subject.playbook, subject.stage, now(), parse_duration(params.due)),
        to=params.to,
        series=_SERIES,
        channel=CHANNEL,
    )
    if request.status == "not_asked":
        raise CannotDo(f"{request.name} could not be sent: no contact with an email address is known.")
    return f"The client was asked: {request.name}."
