"""The evidence log as people read it: one sentence an event, with before and after where it has them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy import ColumnElement, Row, Text, cast, literal, or_, select, tuple_, union_all

from lifecycle.core.db import among, db
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.accounts.fields import ACCOUNT_FIELDS, CONTACT_FIELDS
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.phrases import CHANNELS, DETAILS, GROUPS, PHRASES, Phrase
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

EMPTY = "empty"
_KEY = re.compile(r"[a-z]+(_[a-z0-9]+)+")
_LONGEST_VALUE = 300
_BOUNDS = {"at_least": "the minimum stay", "at_most": "the maximum stay"}
_OWN_LABELS = frozenset({*ACCOUNT_FIELDS.values(), *CONTACT_FIELDS.values(), *DETAILS.values()})
# How a field's stored value reads, by field key; None where the reader knows nothing better.
ShowValue = Callable[[str, Any], str | None]


@dataclass(frozen=True)
class Change:
    """One value that changed, as it read before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class TimelineEntry:
    """One event. The sentence is `actor`, then `opening`, the card (where `names_card`), and `closing`.

    `quote` is what somebody wrote (a comment, a note); `happened_at` is when something that was logged
    later took place. Texts are plain, never HTML.
    """

    id: uuid.UUID
    at: datetime
    kind: str
    group: str
    icon: str
    tone: str
    actor: str
    opening: str
    closing: str
    names_card: bool
    card_id: uuid.UUID | None
    card_title: str
    channel: str
    reason: str | None
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    quote: str | None = None
    happened_at: datetime | None = None
    address: str | None = None
    file_id: uuid.UUID | None = None

    def sentence(self, card: str = "it") -> str:
        """Return the whole sentence, naming the card as `card`."""
        named = card if self.names_card else ""
        return f"{self.actor} {self.opening}{named}{self.closing}"


@dataclass(frozen=True)
class Timeline:
    """Entries, newest first; `more_before` is the id to go on from, None at the beginning of things."""

    entries: list[TimelineEntry] = field(default_factory=list)
    more_before: uuid.UUID | None = None


def timeline_of_card(
    card_id: uuid.UUID,
    kinds: Collection[str] | str | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
    show: ShowValue | None = None,
) -> Timeline:
    """Return a card's events as entries, in two queries.

    Args:
        kinds: a name of a group or several (see `phrases.GROUPS`), or nothing for all; unknown ones are
            passed over.
        before: the id of the event after which, going back, the page begins.
        show: how a playbook field's value reads.
    """
    return _timeline(Event.card_id == card_id, kinds, before, limit, show)


def timeline_of_account(
    account_id: uuid.UUID,
    kinds: Collection[str] | str | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
    show: ShowValue | None = None,
) -> Timeline:
    """Return the events of an account and its cards; arguments as for `timeline_of_card`."""
    return _timeline(Event.account_id == account_id, kinds, before, limit, show)


def _timeline(
    whose: ColumnElement[bool],
    kinds: Collection[str] | str | None,
    before: uuid.UUID | None,
    limit: int,
    show: ShowValue | None,
) -> Timeline:
    query = select(Event.id, Event.at, Event.kind, Event.card_id, Event.body).where(whose)
    wanted = _of_groups([kinds] if isinstance(kinds, str) else kinds or ())
    if wanted is not None:
        query = query.where(wanted)
    if before is not None:
        place = select(Event.at, Event.id).where(Event.id == before).scalar_subquery()
        query = query.where(tuple_(Event.at, Event.id) < place)
    rows = db.session.execute(query.order_by(Event.at.desc(), Event.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    reader = _Reader(_names([row.body for row in shown]), show)
    entries = [reader.entry(row) for row in shown]
    return Timeline(entries, shown[-1].id if len(rows) > limit else None)


def _of_groups(groups: Collection[str]) -> ColumnElement[bool] | None:
    conditions: list[ColumnElement[bool]] = []
    for name in groups:
        if name in GROUPS:
            conditions += [Event.kind.like(pattern) for pattern in GROUPS[name][1]]
        if name == "people":
            conditions.append(Event.body["data"]["changes"].has_key("owner_id"))
    return or_(*conditions) if conditions else None


def group_of(kind: str) -> str:
    """Return the group that a kind of event belongs to."""
    for name, (_, patterns) in GROUPS.items():
        if any(kind == p or (p.endswith("%") and kind.startswith(p[:-1])) for p in patterns):
            return name
    return "facts"


_NAMES = union_all(
    select(cast(User.id, Text).label("key"), User.name).where(among(User.id)),
    select(cast(Contact.id, Text), Contact.name).where(among(Contact.id)),
    select((literal("stage ") + Stage.key), Stage.name).where(among(Stage.key, "stages")),
)


def _names(bodies: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names of the users, contacts and stages that events speak of by id or key, in one query."""
    ids = {value for body in bodies for value in _ids(body.get("data"))}
    stages = {str(body["data"]["back_to"]) for body in bodies if body.get("data", {}).get("back_to")}
    if not ids and not stages:
        return {}
    rows = db.session.execute(_NAMES, {"ids": list(ids), "stages": list(stages)})
    return {row.key: row.name for row in rows}


def _ids(data: Any) -> Iterator[uuid.UUID]:
    if isinstance(data, dict):
        for value in data.values():
            yield from _ids(value)
    elif isinstance(data, list):
        for value in data:
            yield from _ids(value)
    elif isinstance(data, str) and len(data) == 36:
        found = _uuid(data)
        if found is not None:
            yield found


class _Reader:
    """Turns events into entries, with the names that their page needs."""

    def __init__(self, names: Mapping[str, str], show: ShowValue | None) -> None:
        self._names = names
        self._show = show

    def entry(self, row: Row[*tuple[Any, ...]]) -> TimelineEntry:
        """Return the entry of one event, whatever its body holds."""
        body: Mapping[str, Any] = row.body
        data: Mapping[str, Any] = body.get("data") or {}
        changes = self._changes(data)
        phrase = PHRASES.get(row.kind) or _unknown(row.kind, row.card_id is not None)
        opening, named, closing = phrase.words.partition("{card}")
        places = self._places(data)
        return TimelineEntry(
            id=row.id,
            at=row.at,
            kind=row.kind,
            group=group_of(row.kind),
            icon=phrase.icon,
            tone=phrase.tone,
            actor=str((body.get("actor") or {}).get("name") or "Somebody"),
            opening=_filled(opening, places),
            closing=_filled(closing, places),
            names_card=bool(named),
            card_id=row.card_id,
            card_title=str(data.get("title") or "this card"),
            channel=CHANNELS.get(str(body.get("channel")), f"by {body.get('channel')}"),
            reason=str(body["reason"]) if body.get("reason") else None,
            changes=changes,
            notes=tuple(self._notes(row.kind, data)),
            quote=_quote(data),
            happened_at=_moment(data.get("happened_at") or data.get("held_at")),
            address=_address(data.get("url")),
            file_id=_uuid(data.get("file")),
        )

    def _places(self, data: Mapping[str, Any]) -> dict[str, str]:
        """What the places of a phrase are filled with."""
        back_to = str(data.get("back_to") or "")
        after = data.get("after")
        return {
            "from": _stage(data.get("from")),
            "to": _stage(data.get("to")),
            "back_to": self._names.get(f"stage {back_to}", _words(back_to)) or "its stage",
            "changed": _listed(self._changed_names(data)) or "something",
            "after": str(after.get("text") or EMPTY) if isinstance(after, dict) else "",
            "name": str(data.get("name") or data.get("title") or ""),
            "from_pipeline": _words(str(data.get("from_pipeline") or "")).capitalize(),
            "to_pipeline": _words(str(data.get("to_pipeline") or "")).capitalize(),
            "what": str(data.get("what") or "something"),
            "role": _words(str(data.get("role") or "somebody")),
            "check": _check_words(data.get("check") or "a check"),
        }

    def _changes(self, data: Mapping[str, Any]) -> tuple[Change, ...]:
        given = data.get("changes")
        if not isinstance(given, dict):
            return ()
        found: list[Change] = []
        for key, change in given.items():
            if not isinstance(change, dict):
                continue
            name = _name_of(key, change)
            before, after = change.get("before"), change.get("after")
            if _is_table(before) or _is_table(after):
                found += self._row_changes(key, name, before or [], after or [])
            else:
                found.append(Change(name, self._value(key, before), self._value(key, after)))
        return tuple(found)

    def _row_changes(self, key: str, name: str, before: Any, after: Any) -> Iterator[Change]:
        """Tell a table that changed row by row: what was added, changed or taken away, and nothing else."""
        old, new = list(before), list(after)
        keys = [json.dumps(row, sort_keys=True, default=str) for row in old]
        others = [json.dumps(row, sort_keys=True, default=str) for row in new]
        for tag, i, j, k, m in SequenceMatcher(None, keys, others, autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            for place in range(max(j - i, m - k)):
                was = self._value(key, [old[i + place]]) if i + place < j else EMPTY
                now = self._value(key, [new[k + place]]) if k + place < m else EMPTY
                number = k + place + 1 if k + place < m else i + place + 1
                yield Change(f"{name}, row {number}", was, now)

    def _notes(self, kind: str, data: Mapping[str, Any]) -> Iterator[str]:
        """Further facts, one line each."""
        if kind == "card.stage.entered":
            yield from self._move_notes(data)
        elif kind == "card.next_action.set":
            yield from self._action_notes(data)
        elif kind in ("account.created", "contact.created"):
            yield from self._creation_notes(kind, data)
        elif kind.startswith("card.approval."):
            yield from self._pairs(data.get("of"))
        else:
            yield from _work_notes(data)

    def _move_notes(self, data: Mapping[str, Any]) -> Iterator[str]:
        if data.get("waived"):
            yield f"Waived: {', '.join(_check_words(key) for key in data['waived'])}"
        yield from self._pairs(data.get("answers"))

    def _action_notes(self, data: Mapping[str, Any]) -> Iterator[str]:
        after = data.get("after")
        assignee = self._names.get(str(after.get("assignee"))) if isinstance(after, dict) else None
        if assignee:
            yield f"For {assignee}"

    def _creation_notes(self, kind: str, data: Mapping[str, Any]) -> Iterator[str]:
        labels = ACCOUNT_FIELDS if kind.startswith("account.") else CONTACT_FIELDS
        values = data.get("values") or {}
        for key, label in labels.items():
            if key != "name" and values.get(key):
                yield f"{label}: {self._value(key, values[key])}"

    def _pairs(self, given: Any) -> Iterator[str]:
        if isinstance(given, dict):
            for key, value in given.items():
                text = f"{len(value)} row{'' if len(value) == 1 else 's'}" if _is_table(value) else ""
                yield f"{_words(key).capitalize()}: {text or self._value(key, value)}"

    def _changed_names(self, data: Mapping[str, Any]) -> list[str]:
        given = data.get("changes")
        changes = given.items() if isinstance(given, dict) else ()
        return [self._spoken(_name_of(key, change)) for key, change in changes if isinstance(change, dict)]

    @staticmethod
    def _spoken(name: str) -> str:
        # Our own labels begin small within a sentence; a playbook's names stay as they were written.
        return name.lower() if name in _OWN_LABELS else name

    def _value(self, key: str, value: Any) -> str:
        if value in (None, "", []):
            return EMPTY
        shown = self._show(key, value) if self._show else None
        if shown:
            return shown
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return _shortened(", ".join(_spoken_item(item) for item in value))
        if key == "country":
            return country_name(str(value))
        if key == "value_amount":
            return _amount(value)
        if key.endswith("_id"):
            return self._names.get(str(value), "somebody no longer known")
        # A key that nothing names here reads as its words.
        text = str(value)
        return _words(text).capitalize() if _KEY.fullmatch(text) else _shortened(text)


def _work_notes(data: Mapping[str, Any]) -> Iterator[str]:
    """What meetings, talks, tasks and imports carry."""
    if data.get("medium"):
        yield f"By {data.get('how') or _words(str(data['medium']))}"
    if data.get("outcome"):
        yield f"Outcome: {_words(str(data['outcome']))}"
    to = data.get("to")
    if isinstance(to, dict) and to.get("email"):
        yield f"To {to.get('name')} ({to.get('email')})"
    proof = data.get("proof")
    if isinstance(proof, dict) and proof.get("name"):
        yield f"Answered by {proof['name']}" + (f", {proof['position']}" if proof.get("position") else "")
    if data.get("decisions"):
        yield f"Decided: {data['decisions']}"
    if isinstance(data.get("starts_at"), str):
        yield f"Begins {_instant(data['starts_at'])}"
    if isinstance(data.get("cards"), list):
        yield f"{len(data['cards']):,} card{'' if len(data['cards']) == 1 else 's'}"
    for task in data.get("tasks") or ():
        if isinstance(task, dict):
            yield f"To do: {task.get('what')}"


def _unknown(kind: str, has_card: bool) -> Phrase:
    """`card.task.done` becomes "card task done": odd, yet true."""
    return Phrase("history", f"{_words(kind.replace('.', ' '))}{': {card}' if has_card else ''}")


def _filled(words: str, places: Mapping[str, str]) -> str:
    # One pass: a place's text is never looked into again.
    return re.sub(r"\{(\w+)\}", lambda place: places.get(place[1], ""), words)


def _stage(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or _words(str(value.get("stage") or ""))) or "a stage"
    return _words(str(value)) if value else "a stage"


def _name_of(key: str, change: Mapping[str, Any]) -> str:
    return str(change.get("name") or DETAILS.get(key) or _words(key))


def _spoken_item(item: Any) -> str:
    if isinstance(item, dict):
        return "; ".join(f"{_words(str(key))}: {cell}" for key, cell in item.items())
    return _words(str(item))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _quote(data: Mapping[str, Any]) -> str | None:
    for key in ("body", "note", "notes"):
        if isinstance(data.get(key), str) and data[key]:
            return str(data[key])
    return None


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _words(key: str) -> str:
    return key.replace("_", " ").strip()


def _check_words(key: Any) -> str:
    """Say what a check is about: `engaged.leave.field.pain` is about pain; a time says only its bound."""
    keyword, _, about = str(key).rpartition(".")
    return _BOUNDS.get(about, _words(about)) if keyword.endswith(".time") else _words(about)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _amount(value: Any) -> str:
    try:
        return f"{Decimal(str(value)):,.2f}"
    except InvalidOperation:
        return str(value)


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _address(value: Any) -> str | None:
    # Checked again here: what an old entry holds becomes a link.
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def _instant(text: str) -> str:
    found = _moment(text)
    return f"{found:%-d %b %Y, %H:%M} UTC" if found else text
