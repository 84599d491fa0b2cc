"""Requests to clients: those where it is our turn, and those that wait for the client (E8)."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from lifecycle.insight.boards.view import short_span
from lifecycle.insight.client_gates import STATUS_WORDS, letter_state, status_words
from lifecycle.insight.work.lines import (
    Line,
    Lines,
    Mark,
    Query,
    Reader,
    Window,
    about_cards,
    card_of,
    choose,
    due_of,
    fetch,
    is_worked_on,
)
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import Card, SlaPause
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest

# What each asks of us, and its badge.
_OUR_TURN: Final[dict[str, tuple[str, Mark]]] = {
    "submitted": ("Review “{name}”", Mark("accent", "Submitted", "file")),
    "declined": ("“{name}”: win them back, or let go", Mark("breach", "Declined", "ban")),
    "expired": ("“{name}”: ask again, or withdraw it", Mark("neutral", "Expired", "hourglass")),
    "not_asked": ("“{name}”: say whom to ask", Mark("soon", "Not asked", "alert-triangle")),
    "stuck": ("“{name}”: help them on", Mark("soon", "Stuck", "hand-stop")),
}
_IS_WAITING = ClientRequest.status.in_(WAITING_STATUSES)
_IS_STUCK = sa.and_(_IS_WAITING, ClientRequest.stuck_reason.is_not(None))


def requests_to_answer(reader: Reader, window: Window) -> Lines:
    """Return the requests about the reader's cards that wait for us, the longest waiting first. One query.

    Submitted, declined, expired, never sent for want of an address, or the client says that they are stuck.
    """
    since = sa.case(
        (_IS_STUCK, ClientRequest.stuck_at),
        (ClientRequest.status == "expired", ClientRequest.due_at),
        else_=sa.func.coalesce(ClientRequest.answered_at, ClientRequest.created_at),
    )
    ours = ClientRequest.status.in_([status for status in _OUR_TURN if status != "stuck"])
    ids = _open_requests().where(Card.owner_id == reader.user_id, sa.or_(ours, _IS_STUCK))
    chosen = choose(ids, (since, ClientRequest.id), window)
    rows, count, _ = fetch(_requests().add_columns(since.label("since")), ClientRequest.id, chosen)
    return Lines([_answer(row, reader) for row in rows], count)


def _answer(row: Any, reader: Reader) -> Line:
    is_stuck = row.status in WAITING_STATUSES
    words, mark = _OUR_TURN["stuck" if is_stuck else row.status]
    reason = row.stuck_reason if is_stuck else row.reason if row.status == "declined" else None
    return Line(
        words.format(name=row.name),
        f"/client-gates/{row.id}",
        card_of(row),
        since=short_span(reader.at - row.since),
        note=reason or "",
        marks=(mark,),
    )


def gates_of_department(department: str, reader: Reader, window: Window) -> Lines:
    """Return what the clients of a department's cards still owe, the longest waiting first. One query."""
    since = sa.func.coalesce(ClientRequest.asked_at, ClientRequest.created_at)
    ids = _open_requests().where(
        Card.department_key == department, sa.or_(_IS_WAITING, ClientRequest.status == "not_asked")
    )
    late_ones = sa.and_(_IS_WAITING, ClientRequest.due_at <= reader.at)
    query = (
        _requests()
        .add_columns(since.label("since"), User.name.label("owner"), letter_state().label("message_state"))
        .join(User, User.id == Card.owner_id)
    )
    chosen = choose(ids, (since, ClientRequest.id), window, late_ones)
    rows, count, late = fetch(query, ClientRequest.id, chosen)
    return Lines([_gate(row, reader) for row in rows], count, late)


def _gate(row: Any, reader: Reader) -> Line:
    tone = STATUS_WORDS[row.status][1]
    state = Mark(
        tone, status_words(row.status, row.message_state), "users" if tone == "client" else "alert-triangle"
    )
    stuck = row.stuck_reason if row.status in WAITING_STATUSES else None
    return Line(
        row.name,
        f"/client-gates/{row.id}",
        card_of(row),
        due=due_of(row.due_at, reader) if row.status in WAITING_STATUSES else None,
        since=short_span(reader.at - row.since),
        note=stuck or row.contact or "",
        who=row.owner,
        marks=(state, _OUR_TURN["stuck"][1]) if stuck else (state,),
    )


def cards_waiting_on_clients(reader: Reader, window: Window) -> Lines:
    """Return the reader's cards that wait on a client, with since when and for what. One query."""
    asked = (
        sa.select(ClientRequest.id, ClientRequest.name, ClientRequest.due_at)
        .where(ClientRequest.card_id == Card.id, ClientRequest.closed_at.is_(None), _IS_WAITING)
        .order_by(ClientRequest.due_at)
        .limit(1)
        .correlate(Card)
        .lateral("asked")
    )
    open_pause = sa.and_(SlaPause.visit_id == Card.visit_id, SlaPause.ended_at.is_(None))
    ids = (
        sa.select(Card.id)
        .join(SlaPause, open_pause)
        .where(Card.owner_id == reader.user_id, Card.waiting_on_client.is_(True), is_worked_on())
    )
    query = about_cards(
        sa.select(SlaPause.started_at, SlaPause.reason, asked.c.id, asked.c.name, asked.c.due_at)
        .select_from(Card)
        .join(SlaPause, open_pause)
        .outerjoin(asked, sa.true())
    )
    is_late = sa.exists().where(
        ClientRequest.card_id == Card.id,
        ClientRequest.closed_at.is_(None),
        _IS_WAITING,
        ClientRequest.due_at <= reader.at,
    )
    chosen = choose(ids, (SlaPause.started_at, Card.id), window, is_late)
    rows, count, late = fetch(query, Card.id, chosen)
    lines = []
    for row in rows:
        card = card_of(row)
        lines.append(
            Line(
                row.name or row.reason,
                f"/client-gates/{row.id}" if row.id else card.url,
                card,
                due=due_of(row.due_at, reader) if row.due_at else None,
                since=short_span(reader.at - row.started_at),
            )
        )
    return Lines(lines, count, late)


def _requests() -> Query:
    return about_cards(
        sa.select(
            ClientRequest.id,
            ClientRequest.name,
            ClientRequest.status,
            ClientRequest.reason,
            ClientRequest.stuck_reason,
            ClientRequest.due_at,
            Contact.name.label("contact"),
        )
        .join(Card, Card.id == ClientRequest.card_id)
        .outerjoin(Contact, Contact.id == ClientRequest.contact_id)
    )


def _open_requests() -> Query:
    return (
        sa.select(ClientRequest.id)
        .join(Card, Card.id == ClientRequest.card_id)
        .where(ClientRequest.closed_at.is_(None), Card.archived_at.is_(None))
    )
