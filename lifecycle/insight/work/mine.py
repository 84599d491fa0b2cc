"""My work: everything that waits for one person, and the sentence that says what matters (P4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lifecycle.insight.work.approvals import approvals_to_decide
from lifecycle.insight.work.handoffs import Handoffs, answering_departments, handoffs_to_accept
from lifecycle.insight.work.lines import Lines, Reader, Window
from lifecycle.insight.work.requests import cards_waiting_on_clients, requests_to_answer
from lifecycle.insight.work.sla import Clocks, read_clocks
from lifecycle.insight.work.tasks import next_actions_of_reader, tasks_of_reader
from lifecycle.insight.work.words import Sentence, joined, things
from lifecycle.records.cards.models import Card

# The sections that are lists of lines and can stand alone.
LISTS: Final[dict[str, Callable[[Reader, Window], Lines]]] = {
    "requests": requests_to_answer,
    "approvals": approvals_to_decide,
    "tasks": tasks_of_reader,
    "actions": next_actions_of_reader,
    "waiting": cards_waiting_on_clients,
}


@dataclass(frozen=True)
class MyWork:
    """The whole page."""

    sentence: Sentence
    handoffs: Handoffs
    requests: Lines
    approvals: Lines
    tasks: Lines
    actions: Lines
    clocks: Clocks
    waiting: Lines

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all waits."""
        lists = (self.requests, self.approvals, self.tasks, self.actions, self.waiting)
        has_cards = self.clocks.late_count or self.clocks.soon_count
        return not (self.handoffs.count or has_cards or any(each.count for each in lists))


def read_my_work(reader: Reader) -> MyWork:
    """Return what waits for the reader, the first lines of each section. At most nine queries."""
    handoffs = handoffs_to_accept(answering_departments(reader.actor), reader, Window())
    lists = {key: read(reader, Window()) for key, read in LISTS.items()}
    clocks = read_clocks(Card.owner_id == reader.user_id, reader)
    late = lists["tasks"].late + lists["actions"].late + clocks.late_count
    waits = handoffs.count + lists["requests"].count + lists["approvals"].count
    today = sum(
        1
        for each in (*lists["tasks"].lines, *lists["actions"].lines)
        if each.due is not None and each.due.state == "today"
    )
    return MyWork(_sentence(late, waits, today), handoffs, clocks=clocks, **lists)


def _sentence(late: int, waits: int, today: int) -> Sentence:
    """Say what matters: what is late (tasks, next actions, cards), then what waits for an answer.

    A handoff, a client's answer and an approval wait for somebody else, so they are not counted as late too.
    """
    parts = []
    if late:
        parts.append(things(late, "thing is late", "things are late"))
    if waits:
        parts.append(things(waits, "waits for your answer", "wait for your answer"))
    if parts:
        return Sentence(f"{joined(parts)}.", "breach" if late else "accent")
    due = f" {things(today, 'thing is', 'things are')} due today." if today else ""
    return Sentence(f"Nothing is late, and nobody waits for your answer.{due}", "passed")
