"""What a report is about: one pipeline, a period, and a narrowing; it lives in the address."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.governance.language.model import PipelineDef, PlaybookDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage

LONGEST_VALUE: Final = 200
MOST_CHOICES: Final = 100
_FIRST_DAY: Final = date(1900, 1, 1)
NONE: Final = "-"
"""How an address says that a card has no value in a dimension."""

# What a report can be split and narrowed by, and where the value stands. A field that a playbook declares
# for the card counts before the account's of the same name.
DIMENSIONS: Final[dict[str, tuple[str, str]]] = {
    "owner": ("Owner", "c.owner_id::text"),
    "segment": ("Segment", "nullif(a.segment, '')"),
    "source": ("Source", "nullif(coalesce(c.fields->>'source', a.fields->>'source'), '')"),
    "country": ("Country", "nullif(a.country, '')"),
    "product": ("Product", "nullif(coalesce(c.fields->>'product', a.fields->>'product'), '')"),
}


@dataclass(frozen=True)
class Scope:
    """One report's question. `first` and `last` are days of `zone`, both included; None is open-ended.

    `narrowed` maps dimensions to values; `NONE` stands for cards without a value. `at` is the present, the
    same for every figure.
    """

    pipeline_id: int
    playbook: PlaybookDef
    definition: PipelineDef
    stages: tuple[Stage, ...]
    zone: ZoneInfo
    at: datetime
    first: date | None = None
    last: date | None = None
    narrowed: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The pipeline's slug."""
        return self.definition.slug

    @property
    def has_period(self) -> bool:
        """Whether a period was asked for."""
        return self.first is not None or self.last is not None

    @property
    def path(self) -> list[Stage]:
        """The stages that forward leads through, the first success last, as the current revision says."""
        by_key = {stage.key: stage for stage in self.stages}
        return [by_key[each.key] for each in self.definition.path if each.key in by_key]

    def value_name(self, dimension: str, value: str) -> str:
        """Return how people call a value of a dimension; owners are looked up elsewhere."""
        if value == NONE:
            return "None"
        if dimension == "country":
            return country_name(value) or value
        declared = self.playbook.fields.get(dimension)
        names = {option.key: option.name for option in declared.options} if declared else {}
        return names.get(value, value)

    def stage(self, key: str) -> Stage:
        """Return a stage of the pipeline by key; raises NotFound."""
        found = next((stage for stage in self.stages if stage.key == key), None)
        if found is None:
            raise NotFound("This pipeline has no such stage.")
        return found

    def bounds(self) -> tuple[datetime, datetime]:
        """Return the period as instants, the end excluded."""
        start = _midnight(self.first, self.zone) if self.first else datetime(1, 1, 2, tzinfo=UTC)
        end = (
            _midnight(self.last + timedelta(days=1), self.zone)
            if self.last
            else datetime(9999, 1, 1, tzinfo=UTC)
        )
        return start, end

    def as_query(self, **changed: str | None) -> str:
        """Return the scope, with changes, as the query part of an address; None takes a part out."""
        parts: dict[str, Any] = {"from": self.first, "to": self.last, **self.narrowed, **changed}
        return urlencode({key: str(value) for key, value in parts.items() if value})

    def month_query(self, month: date, **changed: str | None) -> str:
        """Return `as_query` for the part of the period that lies in the month that begins on `month`."""
        last = (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        first = max(month, self.first) if self.first else month
        last = min(last, self.last) if self.last else last
        return self.as_query(**{"from": str(first), "to": str(last), **changed})

    @property
    def today(self) -> date:
        """The day it is in `zone`."""
        return self.at.astimezone(self.zone).date()

    def earlier(self) -> Scope | None:
        """Return the same question about the period of the same length just before; None without a period."""
        if self.first is None:
            return None
        length = (self.last or self.today) - self.first
        last = self.first - timedelta(days=1)
        if length < timedelta() or length > last - _FIRST_DAY:
            return None
        return replace(self, first=last - length, last=last)

    def presets(self) -> list[tuple[str, date | None]]:
        """Return the periods up to today that people ask for most, by name, with their first day."""
        today = self.today
        quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
        return [
            ("Last 30 days", today - timedelta(days=29)),
            ("Last 90 days", today - timedelta(days=89)),
            ("This quarter", quarter),
            ("This year", date(today.year, 1, 1)),
            ("All time", None),
        ]

    def narrowing(self) -> tuple[str, dict[str, Any]]:
        """Return the SQL condition on cards `c` and accounts `a`, and its parameters."""
        conditions, given = (
            ["c.pipeline_id = :pipeline", "c.withdrawn_at is null"],
            {"pipeline": self.pipeline_id},
        )
        parameters: dict[str, Any] = dict(given)
        for key, value in self.narrowed.items():
            where = DIMENSIONS[key][1]
            if value == NONE:
                conditions.append(f"{where} is null")
            else:
                conditions.append(f"{where} = :by_{key}")
                parameters[f"by_{key}"] = value
        return " and ".join(conditions), parameters


def read_scope(slug: str, args: Mapping[str, str], zone: ZoneInfo) -> Scope:
    """Read a scope from an address or a command. Two queries.

    Raises:
        NotFound: no such pipeline is published.
        Invalid: a date is none, or the period ends before it begins.
    """
    found = db.session.execute(
        select(Pipeline.id, Pipeline.key, Playbook.current_revision_id)
        .join(Playbook, Playbook.key == Pipeline.playbook_key)
        .where(Pipeline.slug == slug.replace("\x00", ""), Playbook.current_revision_id.is_not(None))
    ).first()
    if found is None or found.current_revision_id is None:
        raise NotFound("There is no such pipeline.")
    playbook = of_revision(found.current_revision_id)
    stages = db.session.scalars(
        select(Stage).where(Stage.pipeline_id == found.id).order_by(Stage.position, Stage.id)
    )
    first, last = _day(args.get("from", ""), "from"), _day(args.get("to", ""), "to")
    if first and last and last < first:
        raise Invalid("The period ends before it begins. Change one of the two dates.")
    return Scope(
        pipeline_id=found.id,
        playbook=playbook,
        definition=playbook.pipeline(found.key),
        stages=tuple(stages),
        zone=zone,
        at=now(),
        first=first,
        last=last,
        narrowed={key: value for key in DIMENSIONS if (value := _value(key, args.get(key, "")))},
    )


def read_choices(scope: Scope) -> dict[str, list[tuple[str, str]]]:
    """Return by dimension (but owner) the values that cards of the pipeline have, with their names.

    One query. At most 100 of each, the most frequent; a dimension without values is left out.
    """
    keys = [key for key in DIMENSIONS if key != "owner"]
    columns = ", ".join(f"{DIMENSIONS[key][1]} as {key}" for key in keys)
    sets = ", ".join(f"({key})" for key in keys)
    rows = db.session.execute(
        text(
            f"select {', '.join(keys)}, count(*) as cards from (select {columns} from cards c "
            "join accounts a on a.id = c.account_id "
            "where c.pipeline_id = :pipeline and c.withdrawn_at is null) as found "
            f"group by grouping sets ({sets}) order by cards desc"
        ),
        {"pipeline": scope.pipeline_id},
    ).all()
    found: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        values = [value for row in rows if (value := getattr(row, key)) is not None][:MOST_CHOICES]
        # What is asked for is offered too, however rare.
        asked = scope.narrowed.get(key)
        values += [asked] if asked and asked != NONE and asked not in values else []
        if values:
            named = sorted((scope.value_name(key, value), value) for value in values)
            found[key] = [(value, name) for name, value in named]
    return found


def _value(key: str, given: str) -> str:
    given = given.replace("\x00", "").strip()[:LONGEST_VALUE]
    if key != "owner" or given in ("", NONE):
        return given
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return ""


def _day(given: str, name: str) -> date | None:
    if not given.strip():
        return None
    try:
        day = date.fromisoformat(given.strip())
    except ValueError:
        raise Invalid(f"“{name}” takes a day like 2026-03-31.") from None
    if not 1900 <= day.year <= 9000:
        raise Invalid(f"“{name}” takes a day between the years 1900 and 9000.")
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
