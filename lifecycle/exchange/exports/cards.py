"""The list of a board's cards as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from lifecycle.core.clock import now
from lifecycle.core.spreadsheets import UTF8_MARK, csv_line
from lifecycle.insight.boards.board import BoardIdentity
from lifecycle.insight.boards.listing import Listing, each_card
from lifecycle.insight.boards.view import CLIENT_WORDS
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

_LINES_A_PIECE = 200


def cards_as_csv(
    identity: BoardIdentity, listing: Listing, actor: Actor, zone: ZoneInfo, base_url: str
) -> Iterator[str]:
    """Return the pieces of a CSV of every card of the list, in its order; no cell is taken for a formula.

    Times are in `zone`, which the head of each such column names. The permission is judged at once, the
    cards are read while the pieces are taken.

    Raises:
        NotPermitted: the actor may not read boards.
    """
    require(actor, "boards.read")
    return _pieces(each_card(identity, listing), identity, zone, base_url)


def _pieces(rows: Iterator[Any], identity: BoardIdentity, zone: ZoneInfo, base_url: str) -> Iterator[str]:
    at = now()
    piece = [UTF8_MARK + csv_line(_head(zone))]
    for row in rows:
        piece.append(csv_line(_cells(row, identity, at, zone, base_url)))
        if len(piece) >= _LINES_A_PIECE:
            yield "".join(piece)
            piece = []
    if piece:
        yield "".join(piece)


def _head(zone: ZoneInfo) -> tuple[str, ...]:
    return (
        "Account",
        "Card",
        "Stage",
        "Owner",
        "Department",
        "Value",
        "Currency",
        f"In this stage since ({zone.key})",
        f"SLA due ({zone.key})",
        "SLA",
        "Next action",
        f"Next action due ({zone.key})",
        "Waiting on client",
        "Asked of the client",
        "Checks met",
        "Checks",
        f"Created ({zone.key})",
        "Address",
    )


def _cells(
    row: Row[*tuple[Any, ...]], identity: BoardIdentity, at: datetime, zone: ZoneInfo, base_url: str
) -> tuple[str, ...]:
    def local(moment: datetime | None) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment else ""

    return (
        row.account_name,
        row.title,
        row.stage_name,
        row.owner_name,
        identity.playbook.name_of(row.department_key),
        "" if row.value_amount is None else str(row.value_amount),
        row.value_currency or "",
        local(row.entered_at),
        local(row.sla_due_at),
        _sla(row, at),
        row.next_action or "",
        local(row.next_action_due_at),
        "yes" if row.waiting_on_client else "no",
        CLIENT_WORDS.get(row.client_status or "", ""),
        str(row.gate_passed),
        str(row.gate_total),
        local(row.created_at),
        f"{base_url}/cards/{row.id}",
    )


def _sla(row: Row[*tuple[Any, ...]], at: datetime) -> str:
    if row.is_paused:
        return "paused"
    if row.sla_due_at is None:
        return ""
    return "past" if row.sla_due_at < at else "on time"
