"""A playbook as its author writes it: one model for each kind of file, with the short forms they may use.

A short form becomes the long one while it is read, so that two ways of saying the same are the same. These
models know shapes only; whether a name leads anywhere is for the compiler.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WithJsonSchema,
    WrapSerializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from lifecycle.governance.language.channels import as_channel_key
from lifecycle.governance.language.model import (
    AnswerKind,
    ContactRight,
    EdgeKind,
    EvidenceKind,
    FieldOwner,
    Severity,
    StageKind,
)

LANGUAGE: Final = 1
"""Raised when stored revisions would be read differently; the compiler keeps reading older ones."""

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
PLAYBOOK_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
EVERY_OPEN_STAGE: Final = "every open stage"

T = TypeVar("T")


def _as_key(text: str) -> str:
    if not KEY.fullmatch(text):
        raise ValueError("a key is made of small letters, digits and _, and begins with a letter")
    return text


def _as_playbook_key(text: str) -> str:
    if not PLAYBOOK_KEY.fullmatch(text):
        raise ValueError(
            "a playbook's key is made of small letters, digits, _ and -, and begins with a letter"
        )
    return text


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) or value is None else [value]


def _as_mapping(value: Any) -> Any:
    """Read what stands for an ordered mapping: a mapping, a list of keys, or its stored form of pairs."""
    if not isinstance(value, list):
        return {} if value is None else value
    if all(isinstance(item, str) for item in value):
        if len(set(value)) < len(value):
            twice = next(item for item in value if value.count(item) > 1)
            raise ValueError(f"'{twice}' is in the list twice")
        return dict.fromkeys(value)
    if all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in value):
        return dict(value)
    return value


def _as_pairs(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    return [[key, item] for key, item in handler(value).items()]


Key = Annotated[str, AfterValidator(_as_key)]
ChannelKey = Annotated[str, AfterValidator(as_channel_key)]
PlaybookKey = Annotated[str, AfterValidator(_as_playbook_key)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]
LegalWords = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
VersionLabel = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Condition = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Ordered = Annotated[
    dict[Key, T], BeforeValidator(_as_mapping), WrapSerializer(_as_pairs), Field(max_length=500)
]
"""A mapping whose order means something. It is stored as a list of pairs."""
Several = Annotated[list[T], BeforeValidator(_as_list), Field(max_length=200)]
"""A list; one thing may be written without brackets."""


_KEYS_OR_NAMES: Final[JsonSchemaValue] = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "additionalProperties": {"type": "string"}},
    ]
}


class Written(BaseModel):
    """Base of everything an author writes. `short` is the key that a bare word stands for."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        serialize_by_alias=True,
        validate_by_name=True,
    )
    short: ClassVar[str | None] = None
    short_schemas: ClassVar[tuple[JsonSchemaValue, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: Any) -> Any:
        """Turn a short form into the long one; nothing at all is an empty mapping where that is enough."""
        if value is None:
            return {}
        if cls.short is not None and isinstance(value, str | int | float) and not isinstance(value, bool):
            return {cls.short: value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell editors of the short forms too."""
        found = handler(schema)
        long = handler.resolve_ref_schema(found)
        short = cls.short_schemas or (({"type": "string"},) if cls.short is not None else ())
        if short:
            inner = dict(long)
            long.clear()
            long.update({"anyOf": [*short, inner]})
        return found


class OptionDocument(Written):
    """A thing of a list: its name, in words of its key unless written."""

    short = "name"
    name: Name | None = None


Options = Ordered[OptionDocument]


class QuestionDocument(Written):
    """A question of a move. A bare word is a type, a list, or a field of the card that takes the answer."""

    short = "type"
    name: Name | None = None
    type: Words | None = None
    list: Key | None = None
    options: Options = {}
    required: bool = True
    help: Text = ""
    saves: Key | None = None


class ColumnDocument(QuestionDocument):
    """A column of a table: a simple question, asked in every row, with bounds of its own."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None


Columns = Ordered[ColumnDocument]
MostRows = Annotated[int, Field(ge=1, le=500)]


class FieldDocument(Written):
    """A field. A bare word is its type, or the list its value comes from."""

    short = "type"
    name: Name | None = None
    type: Words | None = None
    of: FieldOwner = "card"
    help: Text = ""
    list: Key | None = None
    options: Options = {}
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    pattern: Text | None = None
    pattern_says: Text = ""
    columns: Columns = {}
    rows: MostRows = 50


class FormQuestionDocument(QuestionDocument):
    """A question of a form: what a move may ask, and more types, conditions and a first filling."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    when: Condition | None = None
    required_when: Condition | None = None
    valid_when: Condition | None = None
    valid_says: Text = ""
    prefill: Words | None = None
    legal: Key | None = None
    columns: Columns = {}
    rows: MostRows = 50


class SectionDocument(Written):
    """Questions that belong together."""

    name: Name | None = None
    help: Text = ""
    when: Condition | None = None
    asks: Annotated[Ordered[FormQuestionDocument], Field(min_length=1)]


class FormPageDocument(Written):
    """A page of a form. Questions under `asks` stand before its sections."""

    name: Name | None = None
    intro: Text = ""
    when: Condition | None = None
    asks: Ordered[FormQuestionDocument] = {}
    sections: Ordered[SectionDocument] = {}


class ScoreReasonDocument(Written):
    """What adds points to a score."""

    points: Annotated[int, Field(ge=1, le=100)]
    when: Condition
    says: Text


class ScoreDocument(Written):
    """A score computed from the answers."""

    name: Name | None = None
    saves: Key | None = None
    medium: Annotated[int, Field(ge=1)] = 3
    high: Annotated[int, Field(ge=1)] = 6
    reasons: Annotated[list[ScoreReasonDocument], Field(min_length=1, max_length=100)]


class CheckDocument(Written):
    """A check: one keyword of a check type with what it needs, and what every check may say."""

    model_config = ConfigDict(extra="allow")
    severity: Annotated[
        Severity,
        BeforeValidator(lambda word: "warn" if word == "warning" else word),
        WithJsonSchema({"enum": ["block", "warning"], "default": "block"}),
    ] = "block"
    waive: Words = "nobody"
    when: Condition | None = None
    says: Text | None = None

    @property
    def written(self) -> dict[str, Any]:
        """What is written beside the common keys."""
        return dict(self.__pydantic_extra__ or {})


class ChecklistDocument(Written):
    """A checklist; its items may be written directly, without `items:`."""

    short_schemas = (_KEYS_OR_NAMES,)

    name: Name | None = None
    help: Text = ""
    items: Options

    @model_validator(mode="before")
    @classmethod
    def _of_items(cls, value: Any) -> Any:
        if isinstance(value, list) or (
            isinstance(value, dict) and not isinstance(value.get("items"), dict | list)
        ):
            return {"items": value}
        return value


class EvidenceDocument(Written):
    """A proof; a bare list says what is accepted."""

    short_schemas = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})

    name: Name | None = None
    help: Text = ""
    accepts: Several[EvidenceKind] = ["file", "link", "note"]
    list: Key | None = None
    outcomes: Annotated[Options, WithJsonSchema({"anyOf": [{"type": "string"}, _KEYS_OR_NAMES]})] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_kinds(cls, value: Any) -> Any:
        if isinstance(value, str | list):
            return {"accepts": value}
        if isinstance(value, dict) and isinstance(value.get("outcomes"), str):
            return {
                **{key: item for key, item in value.items() if key != "outcomes"},
                "list": value["outcomes"],
            }
        return value


class MeetingDocument(Written):
    """A kind of meeting; the agenda gives topics, with minutes where they matter."""

    short = "name"
    name: Name | None = None
    minutes: Annotated[int, Field(ge=5, le=24 * 60)] | None = None
    agenda: Annotated[
        dict[Name, Annotated[int, Field(ge=0, le=24 * 60)] | None],
        BeforeValidator(_as_mapping),
        WrapSerializer(_as_pairs),
    ] = {}
    help: Text = ""


class ReminderDocument(Written):
    """When to remind of something that is due; a bare list is its times.

    A time is `on due`, or a length of time `before` or `after` it.
    """

    short_schemas = ({"type": "string"}, {"type": "array", "items": {"type": "string"}})

    remind: Several[Words] = []
    escalate: Words | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_times(cls, value: Any) -> Any:
        return {"remind": value} if isinstance(value, str | list) else value


class TaskDocument(Written):
    """A task; a bare word is its title."""

    short = "title"
    title: Name | None = None
    due: Words | None = None
    assignee: Words = "owner"
    reminders: ReminderDocument | None = None


class NextActionDocument(Written):
    """The next action; a bare word is what to do."""

    short = "do"
    do: Name
    due: Words | None = None


class NotifyDocument(Written):
    """Who is told on entering; a bare word is a department. `channels` are those of teams, by their keys."""

    short = "departments"
    departments: Several[Key] = []
    channels: Several[ChannelKey] = []
    owner: bool = False
    client: bool = False
    message: Key | None = None


class ActionDocument(Written):
    """Something a rule does: one keyword with what it needs, and when it counts."""

    model_config = ConfigDict(extra="allow")
    when: Condition | None = None

    @property
    def written(self) -> dict[str, Any]:
        """What is written beside the condition."""
        return dict(self.__pydantic_extra__ or {})


class ClientGateDocument(Written):
    """What only the client can do in a stage: which request, to whom, by when, and how it is reminded of.

    `yes` alone marks the stage; a bare word is the request.
    """

    short = "asks"
    short_schemas = ({"type": "boolean"}, {"type": "string"})

    asks: Key | None = None
    to: ContactRight | None = None
    due: Words | None = None
    remind: Several[Words] | None = None
    escalate: Words | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_yes(cls, value: Any) -> Any:
        if value is True or value == "yes":
            return {}
        return value


class LimitDocument(Written):
    """How many cards a stage should hold at most. A bare number warns; a hard limit refuses the next."""

    short = "cards"
    short_schemas = ({"type": "integer", "minimum": 1, "maximum": 10_000},)

    cards: Annotated[int, Field(ge=1, le=10_000)]
    hard: bool = False


class SuggestionDocument(Written):
    """A move to suggest while a condition holds."""

    to: Key
    when: Condition
    answers: dict[Key, Any] = {}
    says: Text = ""


class StageDefaults(Written):
    """What a stage says unless it says otherwise. `sla` and next action do not reach closed stages."""

    phase: Key | None = None
    lane: Key | None = None
    department: Key | None = None
    owner: Words | None = None
    sla: Words | None = None
    due_soon: Words | None = None
    calendar: Key | None = None
    notify: Several[NotifyDocument] | None = None
    escalate: Words | None = None


class StageDocument(StageDefaults):
    """A stage."""

    name: Name | None = None
    purpose: Text = ""
    kind: StageKind = "open"
    client_gate: Annotated[
        ClientGateDocument | None, BeforeValidator(lambda value: None if value in (False, "no") else value)
    ] = None
    then_move: Key | None = None
    beside: bool = False
    on_enter: Several[ActionDocument] = []
    new_cards: bool | None = None
    limit: LimitDocument | None = None
    next_action: NextActionDocument | None = None
    tasks: Ordered[TaskDocument] = {}
    asks: Ordered[QuestionDocument] = {}
    enter: Several[CheckDocument] = []
    leave: Several[CheckDocument] = []
    suggest: Several[SuggestionDocument] = []


class MoveDocument(Written):
    """A way beside forward."""

    start: Annotated[Several[Words], Field(alias="from")]
    to: Key
    kind: EdgeKind
    by: Words | None = None
    asks: Ordered[QuestionDocument] = {}
    says: Text = ""


class FirstValueDocument(Written):
    """When a customer has reached first value: a day that a field keeps, or the entry into a stage."""

    field: Key | None = None
    stage: Key | None = None


class PipelineDocument(Written):
    """The file of a pipeline."""

    pipeline: Key
    name: Name | None = None
    department: Key
    purpose: Text = ""
    why_so_many: Text = ""
    first_value: FirstValueDocument | None = None
    stage_defaults: StageDefaults = StageDefaults()
    stages: Annotated[Ordered[StageDocument], Field(min_length=1)]
    moves: Several[MoveDocument] = []


class MessageDocument(Written):
    """The file of a message. Its text is laid out as `html`, and its subject said as `sms`, without these."""

    subject: Name
    text: Text
    html: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)] | None = None
    sms: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)] | None = (
        None
    )


class AttachDocument(Written):
    """What the client may send along; a bare word is the evidence it counts as."""

    short = "evidence"
    evidence: Key
    required: bool = False


class SignDocument(Written):
    """That the client signs; a bare word is the evidence that the signed paper counts as."""

    short = "paper"
    paper: Key | None = None


class LegalVersionDocument(Written):
    """One version of a legal document: its name, its first day in force, and every word of it."""

    version: VersionLabel
    since: date
    text: LegalWords


class LegalDocument(Written):
    """The file of a legal document that clients accept, with every version of it."""

    name: Name
    versions: Annotated[list[LegalVersionDocument], Field(min_length=1, max_length=200)]


class ClientRequestDocument(Written):
    """The file of a request to a client: what they see, and what they are asked to do."""

    name: Name
    answer: AnswerKind = "accept"
    intro: Text = ""
    shows: Several[Key] = []
    documents: Several[Key] = []
    legal: Several[Key] = []
    asks: Ordered[QuestionDocument] = {}
    pages: Ordered[FormPageDocument] = {}
    scores: Ordered[ScoreDocument] = {}
    attach: AttachDocument | None = None
    sign: SignDocument | None = None
    consent: Text = ""
    button: Name | None = None
    message: Key
    reminder: Key | None = None


class RuleDocument(Written):
    """A rule that belongs to no single stage."""

    name: Name | None = None
    on: Words | None = None
    at: Words | None = None
    every: Words | None = None
    pipeline: Several[Key] = []
    stage: Several[Key] = []
    of: Words | None = None
    when: Condition | None = None
    do: Annotated[Several[ActionDocument], Field(min_length=1)]


class RulesDocument(Written):
    """The file rules.yaml."""

    rules: Ordered[RuleDocument] = {}


class ContactFieldsDocument(Written):
    """Which fields of a card name the client's contact while the account has none."""

    name: Key
    email: Key


class SeriesDocument(Written):
    """How things are reminded of unless they say otherwise."""

    tasks: ReminderDocument | None = None
    client_gates: ReminderDocument | None = None
    handoffs: ReminderDocument | None = None
    meetings: ReminderDocument | None = None


class ClientPhaseDocument(Written):
    """How a phase is called to the client; a bare word is its name."""

    short = "name"
    name: Name | None = None
    purpose: Text | None = None


class PhaseDocument(Written):
    """A phase of the journey; a bare word is its lane. `client` says what clients read instead."""

    short = "lane"
    name: Name | None = None
    lane: Key | None = None
    client_gate: bool = False
    purpose: Text = ""
    client: ClientPhaseDocument | None = None


class PlaybookDocument(Written):
    """The file playbook.yaml: what the pipelines share."""

    playbook: PlaybookKey
    name: Name | None = None
    purpose: Text = ""
    process_owner: Words | None = None
    review_on: date | None = None
    pipelines: Several[Key] = []
    lanes: Options = {}
    phases: Ordered[PhaseDocument] = {}
    departments: Annotated[Options, Field(min_length=1)]
    roles: Options = {}
    calendars: dict[Key, dict[str, Any]] = {}
    fields: Ordered[FieldDocument] = {}
    lists: Ordered[Options] = {}
    checklists: Ordered[ChecklistDocument] = {}
    evidence: Ordered[EvidenceDocument] = {}
    meetings: Ordered[MeetingDocument] = {}
    reminders: SeriesDocument = SeriesDocument()
    contact_from: ContactFieldsDocument | None = None


class Content(Written):
    """A whole playbook, as a revision keeps it."""

    language: Literal[1] = LANGUAGE
    playbook: PlaybookDocument
    pipelines: Ordered[PipelineDocument]
    messages: dict[Key, MessageDocument] = {}
    client_requests: dict[Key, ClientRequestDocument] = {}
    legal: dict[Key, LegalDocument] = {}
    words: dict[str, dict[str, str]] = {}
    rules: Ordered[RuleDocument] = {}
