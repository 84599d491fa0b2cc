"""The map of an import: which column feeds what. Written as YAML, or made on the import's page.

The models know shapes; `unmet` holds a map against a pipeline and the columns that a file has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from babel.numbers import list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lifecycle.core.errors import Invalid
from lifecycle.exchange.imports.dates import DateOrder
from lifecycle.governance.language.errors import nearest, path_in_words, shown
from lifecycle.governance.language.model import PipelineDef, PlaybookDef
from lifecycle.governance.language.reading import read_text
from lifecycle.governance.language.shape import misfits

PLACE = re.compile(r"\{([^{}]+)\}")
REFUSE = "refuse"
IMPORTER = "importer"
HOLDING_NAME = "Imported without an account"


def _as_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError("there is no such time zone; write one like Europe/London") from None
    return name


def _as_currency(code: str) -> str:
    if code.upper() not in list_currencies():
        raise ValueError("give the currency by its three letters, like EUR")
    return code.upper()


Text = Annotated[str, Field(min_length=1, max_length=500)]
Aliases = dict[str, dict[str, str]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AccountMap(_Part):
    """Where a card's account comes from, and what a second file tells about new accounts.

    `missing` is the name of the account that holds cards which name none, or `refuse`. `fields`, `website`,
    `phone` and `notes` name columns of `file`, or are texts with {columns}; `key` is its column of names.
    """

    column: Text
    missing: Text = HOLDING_NAME
    file: Text | None = None
    key: Text | None = None
    fields: dict[str, Text] = {}
    website: Text | None = None
    phone: Text | None = None
    notes: Text | None = None
    aliases: Aliases = {}


class ContactMap(_Part):
    """The person on their side: found or made in the account by email, else by name."""

    name: Text | None = None
    email: Text | None = None


class OwnerMap(_Part):
    """Who owns the cards: a user by name or email in `column`, or through `people`.

    `otherwise` decides on names that are nobody's here: `importer`, a user's email, or `refuse` the row.
    """

    column: Text | None = None
    people: dict[str, str] = {}
    otherwise: Text = REFUSE


class ValueMap(_Part):
    """What a card is worth, always in one currency. `decimal_mark` is the mark before the cents."""

    column: Text
    currency: Annotated[str, AfterValidator(_as_currency)]
    decimal_mark: Literal[".", ","] = "."


class StageMap(_Part):
    """Where a card stands: the words in `column` and the stage that each means; or `always` one stage."""

    column: Text | None = None
    values: dict[str, Text] = {}
    always: Text | None = None


class CardMap(_Part):
    """A whole map.

    `external_id` names the column (or columns) by which a row is known again. `title` is a column or a text
    with {columns}. `fields` are card fields by key. `entered` names the column with the date on which a
    stage was entered. `dates` is the order of day, month and year, for all columns or by column.
    `aliases` replace values of a column before anything else reads them. `clock` says from when the SLA of
    open cards counts: the import, or the day they entered.
    """

    pipeline: Text | None = None
    external_id: Text | Annotated[list[Text], Field(min_length=1, max_length=5)]
    title: Text
    account: AccountMap
    contact: ContactMap | None = None
    owner: OwnerMap = OwnerMap(otherwise=IMPORTER)
    value: ValueMap | None = None
    stage: StageMap
    entered: dict[str, Text] = {}
    fields: dict[str, Text] = {}
    dates: DateOrder | dict[str, DateOrder] = {}
    time_zone: Annotated[str, AfterValidator(_as_zone)] = "UTC"
    aliases: Aliases = {}
    clock: Literal["import", "entry"] = "import"

    @property
    def id_columns(self) -> list[str]:
        """The columns by which a row is known again."""
        return [self.external_id] if isinstance(self.external_id, str) else list(self.external_id)

    def declared_order(self, column: str) -> DateOrder | None:
        """Return the order declared for a column's dates, or None."""
        return self.dates if isinstance(self.dates, str) else self.dates.get(column)


class BrokenMap(Invalid):
    """A map that cannot be used; `errors` are sentences, all of them."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        super().__init__("The map cannot be used. " + " ".join(self.errors))


def read_map(name: str, text: str) -> CardMap:
    """Read a map file.

    Raises:
        BrokenMap: with every mistake, by line where it has one.
    """
    source = read_text(name, text)
    if source.errors:
        raise BrokenMap(f"{error}." for error in source.errors)
    if not isinstance(source.data, dict):
        raise BrokenMap([f"{name} must hold keys with values, like 'title: name'."])
    data = _with_text_values(source.data)
    try:
        return CardMap.model_validate(data)
    except ValidationError as error:
        raise BrokenMap(
            f"{source.error(path, sentence, remedy, key=is_key)}."
            for path, sentence, remedy, is_key in misfits(CardMap, error)
        ) from None


def map_from(data: dict[str, Any]) -> CardMap:
    """Return the map that was kept, or made on the page.

    Raises:
        BrokenMap: with every mistake.
    """
    try:
        return CardMap.model_validate(data)
    except ValidationError as error:
        raise BrokenMap(
            f"{path_in_words(path)}: {sentence}{'; ' + remedy if remedy else ''}."
            for path, sentence, remedy, _ in misfits(CardMap, error)
        ) from None


def _with_text_values(data: Any) -> Any:
    """Return the data with every scalar as text: in a map, 1054 and true are words of a file."""
    if isinstance(data, dict):
        return {str(key): _with_text_values(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_text_values(item) for item in data]
    if isinstance(data, bool):
        return "true" if data else "false"
    return str(data) if isinstance(data, int | float) else data


def places(template: str) -> list[str]:
    """Return the columns that a text with {columns} names; one without any is a column itself."""
    return PLACE.findall(template) or [template]


def unmet(
    mapping: CardMap,
    playbook: PlaybookDef,
    pipeline: PipelineDef,
    header: Sequence[str],
    accounts_header: Sequence[str] | None,
) -> list[str]:
    """Return a sentence for everything in the map that the pipeline or the files do not have."""
    found = _unknown_columns(mapping, header)
    if mapping.pipeline and mapping.pipeline != pipeline.slug:
        found.append(f"The map is for the board {shown(mapping.pipeline)}; this is {pipeline.slug}.")
    found += _unmet_fields(playbook, pipeline, mapping.fields, "card")
    found += _unmet_fields(playbook, pipeline, mapping.account.fields, "account")
    found += _unmet_stages(mapping, pipeline)
    if mapping.contact and not (mapping.contact.name or mapping.contact.email):
        found.append("contact: name the column of their name, of their email, or both.")
    account = mapping.account
    if account.file or account.fields or account.website or account.phone or account.notes:
        if accounts_header is None:
            found.append(
                f"The map takes account fields from {shown(account.file or 'a second file')}; give it too."
            )
        else:
            found += _unknown_account_columns(account, accounts_header)
    return found


def _unknown_columns(mapping: CardMap, header: Sequence[str]) -> list[str]:
    named: list[tuple[str, str]] = [("external_id", column) for column in mapping.id_columns]
    named += [("title", column) for column in places(mapping.title)]
    named.append(("account.column", mapping.account.column))
    if mapping.contact:
        named += [
            (f"contact.{key}", column)
            for key, column in (("name", mapping.contact.name), ("email", mapping.contact.email))
            if column
        ]
    if mapping.owner.column:
        named.append(("owner.column", mapping.owner.column))
    if mapping.value:
        named.append(("value.column", mapping.value.column))
    if mapping.stage.column:
        named.append(("stage.column", mapping.stage.column))
    named += [(f"entered.{stage}", column) for stage, column in mapping.entered.items()]
    named += [(f"fields.{key}", column) for key, text in mapping.fields.items() for column in places(text)]
    named += [("aliases", column) for column in mapping.aliases]
    if isinstance(mapping.dates, dict):
        named += [("dates", column) for column in mapping.dates]
    return _not_in(named, header, "the file")


def _unknown_account_columns(account: AccountMap, header: Sequence[str]) -> list[str]:
    if not account.key:
        return ["account.key: name the column of the accounts file that holds the account's name."]
    named = [("account.key", account.key), *(("account.aliases", column) for column in account.aliases)]
    texts = {f"fields.{key}": text for key, text in account.fields.items()}
    texts |= {"website": account.website or "", "phone": account.phone or "", "notes": account.notes or ""}
    named += [(f"account.{key}", column) for key, text in texts.items() if text for column in places(text)]
    return _not_in(named, header, "the accounts file")


def _not_in(named: Iterable[tuple[str, str]], header: Sequence[str], what: str) -> list[str]:
    known = set(header)
    return [
        f"{where}: {what} has no column “{shown(column)}”.{_hint(column, header)}"
        for where, column in named
        if column not in known
    ]


def _unmet_fields(
    playbook: PlaybookDef, pipeline: PipelineDef, fields: Iterable[str], owner: Literal["card", "account"]
) -> list[str]:
    known = {key: field for key, field in playbook.fields.items() if field.of == owner}
    found = []
    for key in fields:
        if key in known:
            if known[key].type == "table":
                found.append(f"{known[key].name} is a table, which no cell of a file can hold; leave it out.")
            continue
        if key in playbook.fields:
            other = playbook.fields[key].of
            found.append(
                f"{key} is a field of the {other}, not of the {owner}; put it under the {other}'s fields."
            )
        else:
            found.append(
                f"The playbook of {pipeline.slug} has no {owner} field “{shown(key)}”.{_hint(key, known)} "
                "Add it to the playbook, or take it out of the map; the row as it came is kept in any case."
            )
    return found


def _unmet_stages(mapping: CardMap, pipeline: PipelineDef) -> list[str]:
    keys = [stage.key for stage in pipeline.stages]
    stage = mapping.stage
    found = []
    if (stage.column is None) == (stage.always is None):
        found.append("stage: give either the column that tells the stage, or `always` one stage.")
    if stage.column is not None and not stage.values:
        found.append(f"stage.values: say which stage each word in “{shown(stage.column)}” means.")
    named = [*stage.values.values(), *mapping.entered, *([stage.always] if stage.always else [])]
    found += [
        f"{pipeline.slug} has no stage “{shown(key)}”.{_hint(key, keys)}"
        for key in dict.fromkeys(named)
        if key not in keys
    ]
    return found


def _hint(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the nearest name, or with what there is."""
    hint = nearest(word, known)
    if not hint:
        return ""
    return f" {hint[0].upper()}{hint[1:]}{'' if hint.endswith('?') else '.'}"
