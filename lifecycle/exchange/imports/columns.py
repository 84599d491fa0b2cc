"""The map as the page shows it: one target a column, what is suggested for it, and back to a map."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.exchange.imports.mapping import HOLDING_NAME, PLACE, REFUSE
from lifecycle.governance.language.model import FieldDef, PipelineDef, PlaybookDef

CLOSED = "entered:closed"
_ENOUGH = 0.86

# What a column is often called, by target; words are folded to small letters with single blanks.
_CALLED = {
    "external_id": ("id", "identifier", "external id", "opportunity id", "deal id", "lead id", "record id"),
    "title": ("title", "name", "opportunity", "opportunity name", "deal", "deal name", "subject", "lead"),
    "account": ("account", "account name", "company", "company name", "customer", "client", "organisation",
                "organization", "provider"),
    "contact_name": ("contact", "contact name", "person", "full name"),
    "contact_email": ("email", "e mail", "contact email", "mail", "email address"),
    "owner": ("owner", "sales agent", "agent", "sales rep", "rep", "assigned to", "assignee", "deal owner",
              "account manager", "responsible"),
    "value": ("value", "amount", "close value", "deal value", "price", "revenue", "worth"),
    "stage": ("stage", "deal stage", "status", "phase", "pipeline stage", "state"),
    CLOSED: ("closed", "close date", "closed on", "closed at", "closing date", "date closed", "end date"),
}  # fmt: skip
_ACCOUNT_CALLED = {
    "key": ("account", "name", "account name", "company", "company name", "customer", "organization"),
    "field:country": ("country", "office location", "location"),
    "website": ("website", "web", "url", "homepage"),
    "phone": ("phone", "telephone", "phone number"),
    "notes": ("notes", "note", "comment", "comments", "description"),
}


@dataclass(frozen=True)
class Target:
    """Something that a column can feed."""

    key: str
    name: str
    group: str = ""


def targets(playbook: PlaybookDef, pipeline: PipelineDef) -> list[Target]:
    """Return what a column of cards can feed, in the order of the choice."""
    found = [
        Target("external_id", "Identifier", "Card"),
        Target("title", "Title", "Card"),
        Target("account", "Account", "Card"),
        Target("stage", "Stage", "Card"),
        Target("value", "Value", "Card"),
        Target("owner", "Owner", "Card"),
        Target("contact_name", "Contact's name", "Contact"),
        Target("contact_email", "Contact's email", "Contact"),
        Target(CLOSED, "Date it was closed", "Dates"),
    ]
    found += [
        Target(f"entered:{stage.key}", f"Date it entered {stage.name}", "Dates")
        for stage in pipeline.stages
        if stage.is_open
    ]
    found += [Target(f"field:{field.key}", field.name, "Fields") for field in _fields(playbook, "card")]
    return found


def account_targets(playbook: PlaybookDef) -> list[Target]:
    """Return what a column of the accounts file can feed."""
    found = [Target("key", "Account's name", "Account")]
    found += [Target(f"field:{field.key}", field.name, "Account") for field in _fields(playbook, "account")]
    return [*found, *(Target(key, key.capitalize(), "Account") for key in ("website", "phone", "notes"))]


def _fields(playbook: PlaybookDef, owner: str) -> Iterator[FieldDef]:
    # One cell of a file holds no table.
    return (
        field
        for field in playbook.fields.values()
        if field.of == owner and not field.computed_by and field.type != "table"
    )


def suggest(
    header: Sequence[str], offered: Sequence[Target], *, for_accounts: bool = False
) -> dict[str, str]:
    """Return a target for each column whose name is near enough to one; each target is given once."""
    called = _ACCOUNT_CALLED if for_accounts else _CALLED
    scores: list[tuple[float, int, str, str]] = []
    for place, column in enumerate(header):
        words = _words(column)
        for target in offered:
            score = max(
                (difflib.SequenceMatcher(None, words, name).ratio() for name in _names(target, called)),
                default=0.0,
            )
            if score >= _ENOUGH:
                scores.append((score, -place, column, target.key))
    found: dict[str, str] = {}
    for _, _, column, key in sorted(scores, reverse=True):
        if column not in found and key not in found.values():
            found[column] = key
    return found


def suggest_stages(words: Sequence[str], pipeline: PipelineDef) -> dict[str, str]:
    """Return the stage that each word names, where that is plain."""
    by_name = {_words(stage.name): stage.key for stage in pipeline.stages}
    by_name |= {_words(stage.key): stage.key for stage in pipeline.stages}
    closed = {stage.kind: stage.key for stage in reversed(pipeline.stages) if not stage.is_open}
    by_name |= {"won": closed.get("won", ""), "lost": closed.get("lost", "")}
    found = {}
    for word in words:
        near = difflib.get_close_matches(_words(word), by_name, n=1, cutoff=0.66)
        if near and by_name[near[0]]:
            found[word] = by_name[near[0]]
    return found


def _names(target: Target, called: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    own = (_words(target.name.removeprefix("Date it ")),) if target.key not in called else ()
    return (*called.get(target.key, ()), *own, *_of_key(target.key))


def _of_key(key: str) -> tuple[str, ...]:
    kind, _, name = key.partition(":")
    if kind == "field":
        return (_words(name),)
    if kind == "entered" and key != CLOSED:
        ends = ("", " date", " at", " on")
        return (*(f"{_words(name)}{end}" for end in ends), f"date {_words(name)}")
    return ()


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())


def targets_of(data: Mapping[str, Any], header: Sequence[str]) -> dict[str, str]:
    """Return the target of each column that a kept map uses plainly."""
    found: dict[str, str] = {}

    def put(column: object, key: str) -> None:
        if isinstance(column, str) and column in header:
            found.setdefault(column, key)

    ids = data.get("external_id", [])
    for column in ids if isinstance(ids, list) else [ids]:
        put(column, "external_id")
    put(data.get("title"), "title")
    for part, keys in (
        ("account", {"column": "account"}),
        ("stage", {"column": "stage"}),
        ("value", {"column": "value"}),
        ("owner", {"column": "owner"}),
        ("contact", {"name": "contact_name", "email": "contact_email"}),
    ):
        for key, target in keys.items():
            put((data.get(part) or {}).get(key), target)
    for stage, column in data.get("entered", {}).items():
        put(column, CLOSED if stage.startswith("closed") else f"entered:{stage}")
    for field, column in data.get("fields", {}).items():
        put(column, f"field:{field}")
    return found


def account_targets_of(data: Mapping[str, Any], header: Sequence[str]) -> dict[str, str]:
    """Return the target of each column of the accounts file that a kept map uses plainly."""
    account = data.get("account", {})
    named = {"key": account.get("key"), **{key: account.get(key) for key in ("website", "phone", "notes")}}
    named |= {f"field:{key}": column for key, column in account.get("fields", {}).items()}
    return {column: key for key, column in named.items() if isinstance(column, str) and column in header}


@dataclass(frozen=True)
class Settings:
    """What the page asks beside the columns."""

    title: str = ""
    holding: str = HOLDING_NAME
    owner_otherwise: str = "importer"
    currency: str = ""
    decimal_mark: str = "."
    dates: str = ""
    clock: str = "import"
    aliases: str = ""


def settings_of(data: Mapping[str, Any]) -> Settings:
    """Return the settings of a kept map."""
    title = str(data.get("title", ""))
    missing = data.get("account", {}).get("missing", HOLDING_NAME)
    value = data.get("value") or {}
    dates = data.get("dates", "")
    return Settings(
        title=title if PLACE.search(title) else "",
        holding="" if missing == REFUSE else missing,
        owner_otherwise=(data.get("owner") or {}).get(
            "otherwise", REFUSE if data.get("owner") else "importer"
        ),
        currency=value.get("currency", ""),
        decimal_mark=value.get("decimal_mark", "."),
        dates=dates if isinstance(dates, str) else "",
        clock=data.get("clock", "import"),
        aliases="\n".join(
            f"{column}: {word} = {meant}"
            for column, words in data.get("aliases", {}).items()
            for word, meant in words.items()
        ),
    )


def map_of(
    chosen: Mapping[str, str],
    chosen_accounts: Mapping[str, str],
    words: Mapping[str, str],
    settings: Settings,
    pipeline: PipelineDef,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the map that the page's choices make; what the page cannot show is kept from `before`.

    Args:
        chosen: target by column. words: stage by word of the stage column.
    """
    by_target: dict[str, list[str]] = {}
    for column, key in chosen.items():
        if key:
            by_target.setdefault(key, []).append(column)

    def only(key: str) -> str | None:
        return by_target.get(key, [None])[0]

    ids = by_target.get("external_id", [])
    account_before = before.get("account", {})
    data: dict[str, Any] = {key: before[key] for key in ("pipeline", "time_zone") if key in before}
    data |= {
        "external_id": ids[0] if len(ids) == 1 else ids,
        "title": settings.title or only("title"),
        "account": {
            **{key: account_before[key] for key in ("file", "aliases") if key in account_before},
            "column": only("account"),
            "missing": settings.holding or REFUSE,
            **_account_part(chosen_accounts, account_before),
        },
        "owner": {
            "otherwise": settings.owner_otherwise,
            **({"column": only("owner")} if only("owner") else {}),
            **{key: value for key, value in before.get("owner", {}).items() if key == "people"},
        },
        "stage": {"values": {word: key for word, key in words.items() if key}},
        "entered": _entered(by_target, pipeline),
        "fields": {
            **{key: text for key, text in before.get("fields", {}).items() if PLACE.search(text)},
            **{key[6:]: columns[0] for key, columns in by_target.items() if key.startswith("field:")},
        },
        "dates": settings.dates or (before.get("dates") if isinstance(before.get("dates"), dict) else {}),
        "clock": settings.clock,
        "aliases": aliases_from(settings.aliases),
    }
    if only("stage"):
        data["stage"]["column"] = only("stage")
    else:
        data["stage"] = {"always": pipeline.first_stage.key}
    if only("value"):
        data["value"] = {
            "column": only("value"),
            "currency": settings.currency,
            "decimal_mark": settings.decimal_mark,
        }
    if only("contact_name") or only("contact_email"):
        data["contact"] = {"name": only("contact_name"), "email": only("contact_email")}
    return data


def _account_part(chosen: Mapping[str, str], before: Mapping[str, Any]) -> dict[str, Any]:
    if not chosen:
        return {}
    by_target = {key: column for column, key in chosen.items() if key}
    found: dict[str, Any] = {
        key: by_target[key] for key in ("key", "website", "phone", "notes") if key in by_target
    }
    kept = before.get("notes")
    if "notes" not in found and isinstance(kept, str) and PLACE.search(kept):
        found["notes"] = kept
    found["fields"] = {key[6:]: column for key, column in by_target.items() if key.startswith("field:")}
    return found


def _entered(by_target: Mapping[str, Sequence[str]], pipeline: PipelineDef) -> dict[str, str]:
    found = {}
    for stage in pipeline.stages:
        key = f"entered:{stage.key}" if stage.is_open else CLOSED
        if key in by_target:
            found[stage.key] = by_target[key][0]
    return found


def aliases_from(text: str) -> dict[str, dict[str, str]]:
    """Return the aliases written one a line as `column: written = meant`; other lines are left out."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines()[:500]:
        column, colon, rest = line.partition(":")
        written, equals, meant = rest.partition("=")
        if colon and equals and column.strip() and written.strip():
            found.setdefault(column.strip(), {})[written.strip()] = meant.strip()
    return found


def twice(chosen: Mapping[str, str], offered: Sequence[Target]) -> list[str]:
    """Return a sentence for each target that several columns feed; only the identifier may have several."""
    names = {target.key: target.name for target in offered}
    counts: dict[str, list[str]] = {}
    for column, key in chosen.items():
        if key and key != "external_id":
            counts.setdefault(key, []).append(column)
    return [
        f"{names.get(key, key)} is fed by {' and '.join(columns)}; choose one of them."
        for key, columns in counts.items()
        if len(columns) > 1
    ]
