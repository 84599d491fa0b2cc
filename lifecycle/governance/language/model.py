"""A playbook as the engine sees it: compiled, checked, immutable.

Every reference in here has been resolved at publish: a key that a definition names exists. Keys are
stable across revisions, names are what people read. Texts are plain text, never HTML.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from lifecycle.core.words import marked

if TYPE_CHECKING:
    from lifecycle.core.calendars import BusinessCalendar
    from lifecycle.core.durations import Duration
    from lifecycle.core.expressions import Expression

SimpleType = Literal[
    "text",
    "long_text",
    "integer",
    "number",
    "money",
    "percent",
    "date",
    "choice",
    "choices",
    "yes_no",
    "email",
    "phone",
    "url",
]
FieldType = SimpleType | Literal["table"]
"""What a field may be besides: a table, whose columns are of simple types."""
QuestionType = FieldType | Literal["address", "file"]
"""What a question of a form may be besides: an address, or files."""
ADDRESS_PARTS: Final[dict[str, str]] = {
    "street": marked("Street and number"),
    "postcode": marked("Postal code"),
    "town": marked("Town"),
    "region": marked("Region or state"),
    "country": marked("Country"),
}
OPTIONAL_PARTS: Final = frozenset({"postcode", "region"})
FieldOwner = Literal["card", "account"]
StageKind = Literal["open", "won", "lost"]
EdgeKind = Literal[
    "forward", "revision", "at_risk", "recovery", "reactivation", "reject", "nurture", "close", "reopen"
]
Side = Literal["leave", "enter"]
Severity = Literal["block", "warn"]
EvidenceKind = Literal["file", "link", "note", "talk"]
AnswerKind = Literal["accept", "submit"]
"""`accept`: the client's yes is the answer. `submit`: what they send is accepted or returned by staff."""
ContactRight = Literal["owner", "technical", "billing", "signatory"]

OWNER_RULES: Final = ("keep", "account_owner", "round_robin", "least_loaded")
ACCOUNT_COLUMNS: Final = ("country", "segment")
"""Account fields that are columns of the account; every other one is a key of its `fields`."""


@dataclass(frozen=True)
class Option:
    """One thing of a list: what is stored, and what people read."""

    key: str
    name: str


@dataclass(frozen=True)
class FieldDef:
    """A field of a card or of its account.

    How a value is kept, by type: `integer` an int; `number`, `money`, `percent` a decimal string ("12.50");
    `date` "2026-11-30"; `choice` an option's key; `choices` a list of option keys; `yes_no` a bool; `table`
    a list of dictionaries by column, one for each row; every other type a string. Money is in the card's
    currency. `minimum` and `maximum` bound numbers; for text they bound its length. `pattern` must match the
    whole text; `pattern_says` tells people what it wants.

    A `table` has simple questions as `columns` and at most `most_rows` rows; only a card's field can be one.

    `computed_by` names the request to the client whose score is kept here: nobody writes such a field.
    """

    key: str
    name: str
    type: FieldType = "text"
    of: FieldOwner = "card"
    help: str = ""
    options: tuple[Option, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    pattern: str | None = None
    pattern_says: str = ""
    computed_by: str | None = None
    columns: tuple[Question, ...] = ()
    most_rows: int = 0

    @property
    def is_column(self) -> bool:
        """Whether the value is a column of the account and not a key in `fields`."""
        return self.of == "account" and self.key in ACCOUNT_COLUMNS

    def option(self, key: str) -> Option | None:
        """Return the option with that key, or None."""
        return next((option for option in self.options if option.key == key), None)


@dataclass(frozen=True)
class Question:
    """What a move or a request to the client asks, kept in field `saves` of the card too if set.

    The rest belongs to the questions of forms: one is asked only if `when` holds, and must be answered if
    `required`, or if `required_when` holds; an answer for which `valid_when` does not hold is kept, but
    the form is not sent with it, for the reason `valid_says`; `prefill` names what it is filled with at
    first, `legal` the legal document it is about. A `table` has simple questions as `columns` and at most
    `most_rows` rows. How a value is kept: an `address` as a dictionary of ADDRESS_PARTS, a `table` as a
    list of dictionaries by column, a `file` as a list of {"id", "name"}, every other type as in
    `FieldDef`.
    """

    key: str
    name: str
    type: QuestionType = "text"
    options: tuple[Option, ...] = ()
    required: bool = True
    help: str = ""
    saves: str | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    when: Expression | None = None
    required_when: Expression | None = None
    valid_when: Expression | None = None
    valid_says: str = ""
    prefill: str | None = None
    legal: str | None = None
    columns: tuple[Question, ...] = ()
    most_rows: int = 0


@dataclass(frozen=True)
class CheckDef:
    """One requirement of a gate.

    `key` (`engaged.leave.field.pain`) is unique in its pipeline and does not depend on the order of the list.
    `params` belongs to the check type named by `type`. `waive` is the role that may waive it, None is
    nobody. `when` makes it conditional. `says` replaces the type's own sentence.
    """

    key: str
    type: str
    stage: str
    side: Side
    params: Any
    severity: Severity = "block"
    waive: str | None = None
    when: Expression | None = None
    says: str | None = None

    @property
    def is_clients_alone(self) -> bool:
        """Whether only the client can meet it: nobody of ours may waive it, and nothing leads around it."""
        return self.type in ("client", "questionnaire") and self.waive is None


@dataclass(frozen=True)
class ReminderStep:
    """One time of a series: `words` as written, `offset` before or after what is due (None: then)."""

    words: str
    offset: Duration | None = None
    is_before: bool = False


@dataclass(frozen=True)
class ReminderSeries:
    """When to remind whoever must act, and when to tell the owner and their manager."""

    steps: tuple[ReminderStep, ...] = ()
    escalate: ReminderStep | None = None

    def __bool__(self) -> bool:
        """Whether anything is ever sent."""
        return bool(self.steps or self.escalate)


@dataclass(frozen=True)
class TaskDef:
    """A task made when a card enters the stage. `assignee` is "owner" or a role."""

    key: str
    title: str
    due: Duration | None = None
    assignee: str = "owner"
    reminders: ReminderSeries = ReminderSeries()


@dataclass(frozen=True)
class NextActionDef:
    """What is to be done next in a stage, and how long after entering; without `due` the SLA decides."""

    text: str
    due: Duration | None = None


@dataclass(frozen=True)
class ChecklistDef:
    """A list of items that are ticked for a card."""

    key: str
    name: str
    items: tuple[Option, ...]
    help: str = ""

    def item(self, key: str) -> Option | None:
        """Return the item with that key, or None."""
        return next((item for item in self.items if item.key == key), None)


@dataclass(frozen=True)
class EvidenceDef:
    """A proof that is attached to a card; a talk has an outcome."""

    key: str
    name: str
    accepts: tuple[EvidenceKind, ...] = ("file", "link", "note")
    outcomes: tuple[Option, ...] = ()
    help: str = ""

    def outcome(self, key: str) -> Option | None:
        """Return the outcome with that key, or None."""
        return next((outcome for outcome in self.outcomes if outcome.key == key), None)


@dataclass(frozen=True)
class MeetingDef:
    """A kind of meeting, with its agenda as (topic, minutes)."""

    key: str
    name: str
    minutes: int = 30
    agenda: tuple[tuple[str, int], ...] = ()
    help: str = ""


@dataclass(frozen=True)
class SuggestionDef:
    """A move that is suggested, never made, while `when` holds; `answers` are filled in beforehand."""

    to: str
    when: Expression
    answers: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""


@dataclass(frozen=True)
class NotifyDef:
    """Who is told when a card enters a stage: departments, the card's owner, the client's contact.

    `channels` are keys of teams' channels; which of them there are is for the installation to say.
    """

    departments: tuple[str, ...] = ()
    owner: bool = False
    client: bool = False
    message: str | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class MessageDef:
    """A message as its author wrote it, with {{ places }} that are filled when it is sent.

    `html` is None where the text is laid out as HTML, `sms` where an SMS says the subject. `reads_request`
    says whether it speaks of a request to the client, so that it can only go out with one.
    """

    key: str
    subject: str
    text: str
    html: str | None = None
    reads_request: bool = False
    sms: str | None = None


@dataclass(frozen=True)
class SectionDef:
    """Questions of a form that belong together; without a name they stand at the head of their page."""

    key: str
    name: str
    questions: tuple[Question, ...]
    help: str = ""
    when: Expression | None = None


@dataclass(frozen=True)
class FormPageDef:
    """A page of a form."""

    key: str
    name: str
    sections: tuple[SectionDef, ...]
    intro: str = ""
    when: Expression | None = None

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Every question of the page, in order."""
        return tuple(question for section in self.sections for question in section.questions)


@dataclass(frozen=True)
class ScoreReason:
    """What adds points to a score if `when` holds, and the words for it."""

    points: int
    when: Expression
    says: str


@dataclass(frozen=True)
class ScoreDef:
    """A score computed from what was submitted; medium and high from so many points on.

    `saves` is an integer field of the card that takes the points.
    """

    key: str
    name: str
    reasons: tuple[ScoreReason, ...]
    medium: int
    high: int
    saves: str | None = None


@dataclass(frozen=True)
class SignDef:
    """That a request is signed. `paper` is the evidence that the signed paper counts as, None for none."""

    paper: str | None = None


@dataclass(frozen=True)
class LegalVersionDef:
    """One version of a legal document: `since` is its first day in force, `text` every word of it."""

    version: str
    since: date
    text: str

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class LegalDef:
    """A legal document that clients accept (W12); its versions by their first day in force."""

    key: str
    name: str
    versions: tuple[LegalVersionDef, ...]

    def in_force(self, day: date) -> LegalVersionDef | None:
        """Return the version in force on a day, or None before the first."""
        return next((each for each in reversed(self.versions) if each.since <= day), None)


@dataclass(frozen=True)
class ClientRequestDef:
    """A request to a client: what they are shown, asked and may attach, and the mail that brings it.

    `shows` are fields and `documents` evidences of the card, `legal` legal documents of the playbook; what
    was shown is kept with the answer.
    `attach` is the evidence that uploads count as, None when nothing can be sent along.

    A request with `pages` is a form (E19): `asks` are then the questions of all its pages.
    """

    key: str
    name: str
    message: str
    answer: AnswerKind = "accept"
    intro: str = ""
    shows: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    legal: tuple[str, ...] = ()
    asks: tuple[Question, ...] = ()
    attach: str | None = None
    must_attach: bool = False
    consent: str = ""
    button: str = ""
    reminder: str | None = None
    pages: tuple[FormPageDef, ...] = ()
    scores: tuple[ScoreDef, ...] = ()
    sign: SignDef | None = None

    @cached_property
    def page_of(self) -> Mapping[str, str]:
        """The key of the page by that of a question."""
        return {question.key: page.key for page in self.pages for question in page.questions}

    def page(self, key: str) -> FormPageDef | None:
        """Return a page by its key."""
        return next((page for page in self.pages if page.key == key), None)


@dataclass(frozen=True)
class ClientGateDef:
    """What a stage asks of the client on entering. `to`: the right of the contact asked; None: the card's."""

    asks: str
    to: ContactRight | None = None
    due: Duration | None = None
    reminders: ReminderSeries = ReminderSeries()


@dataclass(frozen=True)
class ActionDef:
    """Something a rule does. `params` belongs to the action named by `keyword`."""

    keyword: str
    params: Any
    when: Expression | None = None


@dataclass(frozen=True)
class TriggerDef:
    """What a rule waits for: an event, a time relative to a date field, or a time of the day.

    Empty `pipelines` and `stages` are all of them; `of` narrows to one field, request or other thing.
    `weekday` is None for every day; `at` is minutes after midnight in the playbook's first calendar.
    """

    event: str | None = None
    date_field: str | None = None
    step: ReminderStep | None = None
    at: int | None = None
    weekday: int | None = None
    pipelines: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    of: str | None = None


@dataclass(frozen=True)
class RuleDef:
    """When something happens and a condition holds, do things. `key` is unique in its playbook.

    `is_of_stage` tells a rule that a stage's `notify`, `on_enter` or `then_move` stands for.
    """

    key: str
    name: str
    trigger: TriggerDef
    actions: tuple[ActionDef, ...]
    when: Expression | None = None
    is_of_stage: bool = False


@dataclass(frozen=True)
class SlaDef:
    """How long a card may stay, and how long before the end it counts as due soon."""

    duration: Duration
    due_soon: Duration | None = None


@dataclass(frozen=True)
class LimitDef:
    """How many cards a stage should hold at most; a hard limit refuses the next, a soft one warns."""

    cards: int
    is_hard: bool = False


@dataclass(frozen=True)
class StageDef:
    """A stage of a pipeline. `calendar` is a key of the playbook's calendars.

    `owner_rule` is one of OWNER_RULES or the email address of a user. `lane` is its own or its phase's.
    `asks` are the questions of every move that enters it. `can_create`: a card may begin here. `is_beside`:
    forward does not lead through it, only declared moves do.
    """

    key: str
    name: str
    position: int
    kind: StageKind = "open"
    phase: str | None = None
    lane: str | None = None
    department: str = ""
    purpose: str = ""
    owner_rule: str = "keep"
    sla: SlaDef | None = None
    calendar: str | None = None
    next_action: NextActionDef | None = None
    tasks: tuple[TaskDef, ...] = ()
    enter: tuple[CheckDef, ...] = ()
    leave: tuple[CheckDef, ...] = ()
    asks: tuple[Question, ...] = ()
    is_client_gate: bool = False
    client_gate: ClientGateDef | None = None
    then_move: str | None = None
    is_beside: bool = False
    notify: tuple[NotifyDef, ...] = ()
    on_enter: tuple[ActionDef, ...] = ()
    escalate: ReminderStep | None = None
    suggestions: tuple[SuggestionDef, ...] = ()
    limit: LimitDef | None = None
    can_create: bool = False

    @property
    def is_open(self) -> bool:
        """Whether work goes on here."""
        return self.kind == "open"


@dataclass(frozen=True)
class EdgeDef:
    """A way from one stage to another. `by` is the role that may go it, None is everybody who may move."""

    from_stage: str
    to_stage: str
    kind: EdgeKind
    by: str | None = None
    asks: tuple[Question, ...] = ()
    says: str = ""
    is_implied: bool = False


@dataclass(frozen=True)
class FirstValueDef:
    """When a card's customer has reached first value: the day in a date `field`, or the entry into `stage`.

    One of the two is given.
    """

    field: FieldDef | None = None
    stage: str | None = None


@dataclass(frozen=True)
class PipelineDef:
    """A pipeline: its stages in order and the declared edges. `slug` is `<playbook>.<pipeline>`."""

    key: str
    slug: str
    name: str
    department: str
    stages: tuple[StageDef, ...]
    edges: tuple[EdgeDef, ...] = ()
    purpose: str = ""
    why_so_many: str = ""
    first_value: FirstValueDef | None = None

    @cached_property
    def _by_key(self) -> dict[str, StageDef]:
        return {stage.key: stage for stage in self.stages}

    @cached_property
    def _edges(self) -> dict[tuple[str, str], EdgeDef]:
        found = {
            (stage.key, following.key): EdgeDef(stage.key, following.key, "forward", is_implied=True)
            for stage, following in zip(self.path, self.path[1:], strict=False)
        }
        found.update({(edge.from_stage, edge.to_stage): edge for edge in self.edges})
        return found

    @cached_property
    def path(self) -> tuple[StageDef, ...]:
        """What forward leads through: the open stages in order, less those beside, then the first success."""
        closed = next((stage for stage in self.stages if stage.kind == "won"), None)
        through = tuple(stage for stage in self.open_stages if not stage.is_beside)
        return through + ((closed,) if closed else ())

    @cached_property
    def open_stages(self) -> tuple[StageDef, ...]:
        """The stages in which work goes on, in order."""
        return tuple(stage for stage in self.stages if stage.is_open)

    @cached_property
    def first_stage(self) -> StageDef:
        """Where a new card begins unless somebody chooses another."""
        return next((stage for stage in self.stages if stage.can_create), self.stages[0])

    def stage(self, key: str) -> StageDef:
        """Return the stage; a key that this revision does not have is a KeyError."""
        return self._by_key[key]

    def find_stage(self, key: str) -> StageDef | None:
        """Return the stage, or None when this revision does not have it."""
        return self._by_key.get(key)

    def edge(self, from_key: str, to_key: str) -> EdgeDef | None:
        """Return the declared edge, or the implied one to the next stage, or None."""
        return self._edges.get((from_key, to_key))

    def edges_from(self, from_key: str) -> tuple[EdgeDef, ...]:
        """Return every declared or implied edge out of a stage, in the order of the stages it leads to."""
        found = (self.edge(from_key, stage.key) for stage in self.stages)
        return tuple(edge for edge in found if edge)

    def jumped(self, from_key: str, to_key: str) -> tuple[StageDef, ...]:
        """Return the stages that a forward skip passes over, in order.

        Empty when an edge joins the two, and when the one does not lie after the other on the forward path.
        """
        if self.edge(from_key, to_key):
            return ()
        keys = [stage.key for stage in self.path]
        if from_key not in keys or to_key not in keys:
            return ()
        return self.path[keys.index(from_key) + 1 : keys.index(to_key)]

    def is_skip(self, from_key: str, to_key: str) -> bool:
        """Say whether this is a move forward over at least one stage without an edge for it."""
        return bool(self.jumped(from_key, to_key))

    def is_backward(self, from_key: str, to_key: str) -> bool:
        """Say whether `to_key` lies before, or the card would leave a closed stage; edges do not matter.

        A stage that this revision does not have is never backward.
        """
        start, end = self.find_stage(from_key), self.find_stage(to_key)
        if start is None or end is None:
            return False
        return not start.is_open or end.position < start.position


@dataclass(frozen=True)
class PhaseDef:
    """A step of the journey that the customer sees. `number` counts from 1.

    `name` and `purpose` are what staff read; `client_name` and `client_purpose` what clients read.
    """

    key: str
    name: str
    number: int
    lane: str | None
    is_client_gate: bool
    purpose: str
    client_name: str
    client_purpose: str


@dataclass(frozen=True)
class PlaybookDef:
    """A whole playbook: everything that its pipelines share, and the pipelines. Dictionaries keep order.

    `words` are what clients read of it in other languages: by language, each sentence with its translation.
    """

    key: str
    name: str
    purpose: str
    process_owner: str | None
    review_on: date | None
    phases: Mapping[str, PhaseDef]
    lanes: Mapping[str, Option]
    departments: Mapping[str, Option]
    roles: Mapping[str, Option]
    calendars: Mapping[str, BusinessCalendar]
    fields: Mapping[str, FieldDef]
    lists: Mapping[str, tuple[Option, ...]]
    checklists: Mapping[str, ChecklistDef]
    evidence: Mapping[str, EvidenceDef]
    meetings: Mapping[str, MeetingDef]
    messages: Mapping[str, MessageDef]
    pipelines: tuple[PipelineDef, ...]
    client_requests: Mapping[str, ClientRequestDef] = field(default_factory=dict)
    legal: Mapping[str, LegalDef] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rules: tuple[RuleDef, ...] = ()
    handoff_reminders: ReminderSeries = ReminderSeries()
    meeting_reminders: ReminderSeries = ReminderSeries()
    contact_fields: tuple[str, str] | None = None

    @cached_property
    def _rules_by_event(self) -> dict[str, tuple[RuleDef, ...]]:
        found: dict[str, list[RuleDef]] = {}
        for rule in self.rules:
            if rule.trigger.event is not None:
                found.setdefault(rule.trigger.event, []).append(rule)
        return {event: tuple(rules) for event, rules in found.items()}

    def rules_on(self, event: str) -> tuple[RuleDef, ...]:
        """Return the rules that wait for a kind of event, in the order of the playbook."""
        return self._rules_by_event.get(event, ())

    @cached_property
    def timed_rules(self) -> tuple[RuleDef, ...]:
        """The rules that wait for a time."""
        return tuple(rule for rule in self.rules if rule.trigger.event is None)

    def rule(self, key: str) -> RuleDef | None:
        """Return the rule with that key, or None."""
        return next((rule for rule in self.rules if rule.key == key), None)

    def pipeline(self, key: str) -> PipelineDef:
        """Return the pipeline; an unknown key is a KeyError."""
        for pipeline in self.pipelines:
            if pipeline.key == key:
                return pipeline
        raise KeyError(key)

    def calendar_of(self, stage: StageDef) -> BusinessCalendar | None:
        """Return the calendar that a stage's times are counted in, or None when it has no such times."""
        return self.calendars[stage.calendar] if stage.calendar else None

    def phase_of(self, stage: StageDef) -> PhaseDef | None:
        """Return the phase that a stage belongs to."""
        return self.phases[stage.phase] if stage.phase else None

    def name_of(self, role: str) -> str:
        """Return what people call a role or a department; one without a name reads as its words."""
        if role in self.roles:
            return self.roles[role].name
        if role in self.departments:
            return self.departments[role].name
        return role.replace("_", " ")
