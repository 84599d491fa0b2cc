"""What a rule can wait for: the words an author writes, and the kind of event behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class EventWord:
    """An event as authors write it. `of` is the kind of thing it can be narrowed to, None: to nothing."""

    event: str
    of: str | None = None


EVENT_WORDS: Final[dict[str, EventWord]] = {
    "card.created": EventWord("card.created"),
    "stage.entered": EventWord("card.stage.entered"),
    "field.changed": EventWord("card.fields.changed", "field"),
    "task.done": EventWord("card.task.done", "task"),
    "evidence.added": EventWord("card.evidence.added", "evidence"),
    "talk.logged": EventWord("card.talk.logged", "evidence"),
    "meeting.held": EventWord("card.meeting.held", "meeting"),
    "approval.given": EventWord("card.approval.given", "role"),
    "approval.rejected": EventWord("card.approval.rejected", "role"),
    "check.waived": EventWord("card.check.waived"),
    "request.asked": EventWord("card.request.asked", "client_request"),
    "request.opened": EventWord("card.request.opened", "client_request"),
    "request.submitted": EventWord("card.request.submitted", "client_request"),
    "request.accepted": EventWord("card.request.accepted", "client_request"),
    "request.returned": EventWord("card.request.returned", "client_request"),
    "request.declined": EventWord("card.request.declined", "client_request"),
    "request.stuck": EventWord("card.request.stuck", "client_request"),
    "request.expired": EventWord("card.request.expired", "client_request"),
    "handoff.accepted": EventWord("card.handoff.accepted", "pipeline"),
    "handoff.returned": EventWord("card.handoff.returned", "pipeline"),
    "sla.due_soon": EventWord("card.sla.due_soon"),
    "sla.breached": EventWord("card.sla.breached"),
    "sla.escalated": EventWord("card.sla.escalated"),
}

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME: Final = re.compile(r"(day|[a-z]+day) at ([01][0-9]|2[0-3]):([0-5][0-9])")


def is_about(event: str, data: Mapping[str, Any], of: str) -> bool:
    """Say whether an event is about the thing a rule is narrowed to."""
    if event == "card.fields.changed":
        return of in (data.get("changes") or {})
    if event.startswith("card.approval."):
        return bool(data.get("role") == of)
    if event.startswith("card.handoff."):
        return of in (data.get("from_pipeline"), data.get("to_pipeline"))
    return bool(data.get("key") == of)


def parse_schedule(words: str) -> tuple[int | None, int]:
    """Return weekday (0 is Monday, None every day) and minutes after midnight of `day at 08:00`.

    Raises:
        ValueError: with a sentence for the author.
    """
    found = _TIME.fullmatch(" ".join(words.lower().split()))
    if found is None or found[1] not in ("day", *WEEKDAYS):
        raise ValueError(f"'{words[:40]}' is not a schedule; write 'day at 08:00' or 'monday at 09:30'")
    weekday = None if found[1] == "day" else WEEKDAYS.index(found[1])
    return weekday, int(found[2]) * 60 + int(found[3])
