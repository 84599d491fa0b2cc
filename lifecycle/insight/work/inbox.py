"""The inbox as its reader sees it: notices by day, each with a mark that says what kind it is (E14)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.insight.work.lines import Mark, Reader
from lifecycle.records.inbox.models import Notice

TONES: Final = {
    "act": Mark("accent", "Your turn", "arrow-right"),
    "alert": Mark("breach", "Alert", "alert-triangle"),
    "info": Mark("neutral", "News", "info-circle"),
}


@dataclass(frozen=True)
class ShownNotice:
    """A notice with its mark and the time of day at which it came."""

    notice: Notice
    mark: Mark
    time: str

    @property
    def is_unread(self) -> bool:
        """Whether the reader has not read it yet."""
        return self.notice.read_at is None


@dataclass(frozen=True)
class Day:
    """The notices of one of the reader's days, the newest first."""

    name: str
    notices: list[ShownNotice]


def by_day(notices: Iterable[Notice], reader: Reader) -> list[Day]:
    """Return notices, which are given newest first, under the reader's days."""
    shown = (show_notice(notice, reader) for notice in notices)
    days = groupby(shown, key=lambda each: each.notice.shows_at.astimezone(reader.zone).date())
    today = reader.at.astimezone(reader.zone).date()
    names = {0: "Today", 1: "Yesterday"}
    return [
        Day(
            names.get(
                (today - day).days, f"{day:%A, %-d %B}" if day.year == today.year else f"{day:%-d %B %Y}"
            ),
            list(of_day),
        )
        for day, of_day in days
    ]


def show_notice(notice: Notice, reader: Reader) -> ShownNotice:
    """Return a notice as the inbox shows it."""
    mark = TONES.get(notice.tone, TONES["info"])
    return ShownNotice(notice, mark, f"{notice.shows_at.astimezone(reader.zone):%H:%M}")


def get_notice(notice_id: uuid.UUID, reader: Reader) -> Notice:
    """Return a notice of the reader's that shows.

    Raises:
        NotFound: there is none, or it is somebody else's; the two are not told apart.
    """
    notice = db.session.scalar(sa.select(Notice).where(Notice.id == notice_id, *_mine(reader)))
    if notice is None:
        raise NotFound("There is no such notice in your inbox.")
    return notice


def unread_until(until: datetime, reader: Reader) -> Sequence[uuid.UUID]:
    """Return which unread notices showed at a moment: those that came after it have not been seen."""
    query = sa.select(Notice.id).where(*_mine(reader), Notice.read_at.is_(None), Notice.shows_at <= until)
    return db.session.scalars(query).all()


def _mine(reader: Reader) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Notice.user_id == reader.user_id,
        Notice.withdrawn_at.is_(None),
        Notice.shows_at <= reader.at,
    )
