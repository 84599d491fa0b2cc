"""What followed from one move, as six steps in order (W19).

Stage change, rules evaluated, internal alerts, client notices, evidence, next gate: read from what each of
them has kept, so that the page tells what happened and not what should have.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.governance.automation.failures import rule_name
from lifecycle.governance.cards.subjects import forward_target, get_subject, stage_of
from lifecycle.governance.fields.values import show_value
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import FieldDef, Question, RuleDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.playbooks.reference import EDGE_WORDS
from lifecycle.governance.rules.match import concerns
from lifecycle.insight.automation import why_it_waits
from lifecycle.insight.cards.gate import CheckView, GateView, read_gate
from lifecycle.insight.client_gates import STATUS_WORDS, status_words
from lifecycle.insight.messages import MessageLine, messages_of_card
from lifecycle.insight.rule_words import ActionResult, results_of, what_it_does
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.cards.models import GateReport, StageVisit
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.phrases import CHANNELS
from lifecycle.records.inbox.models import Notice
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.client_requests.models import ClientRequest

_LARGEST_ID: Final = 2**63 - 1
_STARTS: Final = {"card.stage.entered", "card.created", "card.move.undone", "card.imported"}
_EDGES: Final = {
    **EDGE_WORDS,
    "created": "the card was created",
    "imported": "imported",
    "imported_undated": "imported, without its date",
    "undo": "a move was taken back",
    "backward": "back, overriding the playbook",
    "skip": "forward, past other stages",
    "retired": "out of a retired stage",
}
_CHECK_ORDER: Final = {"blocked": 0, "warning": 1, "waived": 2, "passed": 3}
# How a firing stands: its word, icon and tone.
_STATES: Final = {
    "done": ("Done", "circle-check", "passed"),
    "failed": ("Failed", "alert-triangle", "breach"),
    "pending": ("Waits", "clock", "neutral"),
    "cancelled": ("Taken back", "arrow-back-up", "neutral"),
}


@dataclass(frozen=True)
class GateLine:
    """One check of the gate that the move passed, as it answered then."""

    state: str
    sentence: str


@dataclass(frozen=True)
class Move:
    """The stage change itself."""

    by: str
    at: datetime
    channel: str
    way: str
    from_stage: str | None
    from_visit: int | None
    to_stage: str
    reason: str | None
    answers: list[tuple[str, str]]
    checks: list[GateLine]


@dataclass(frozen=True)
class Consequence:
    """A rule that a rule of this move has set off in turn."""

    rule: str
    state: str
    icon: str
    tone: str
    url: str


@dataclass(frozen=True)
class RuleStep:
    """A rule that was looked at. `firing_id` is None where it was not set off, and `says` why not."""

    name: str
    does: str
    firing_id: uuid.UUID | None
    state: str
    icon: str
    tone: str
    says: str | None
    results: list[ActionResult]
    consequences: list[Consequence]


@dataclass(frozen=True)
class AlertLine:
    """One notice in somebody's inbox."""

    title: str
    at: datetime
    is_read: bool
    is_withdrawn: bool


@dataclass(frozen=True)
class PersonTold:
    """Somebody who works here, with what they were told in the app and by mail."""

    name: str
    notices: list[AlertLine]
    mails: list[MessageLine]


@dataclass(frozen=True)
class RequestLine:
    """What the move asked of the client."""

    id: uuid.UUID
    name: str
    status: str
    words: str
    tone: str
    is_closed: bool


@dataclass(frozen=True)
class EvidenceLine:
    """The move's entry in the evidence log."""

    id: uuid.UUID
    seq: int
    hash: str
    kind: str
    at: datetime
    url: str


@dataclass(frozen=True)
class Left:
    """How the stay ended."""

    at: datetime
    to_stage: str
    by: str
    channel: str
    visit_id: int
    is_undone: bool


@dataclass(frozen=True)
class NextGate:
    """What comes next: the gate ahead while the card stands here, how it left, or that it is closed."""

    gate: GateView | None
    left: Left | None
    is_closed: bool
    is_archived: bool

    @property
    def open_checks(self) -> list[CheckView]:
        """The checks of the gate ahead that have not passed yet."""
        checks = self.gate.checks if self.gate else []
        return [check for check in checks if check.state in ("blocked", "warning")]


@dataclass(frozen=True)
class Chain:
    """A move and what followed from it."""

    subject: Subject
    board_name: str
    board_url: str
    move: Move
    rules: list[RuleStep]
    told: list[PersonTold]
    requests: list[RequestLine]
    client_mails: list[MessageLine]
    team_messages: list[MessageLine]
    evidence: EvidenceLine | None
    next: NextGate


def read_chain(card_id: uuid.UUID, visit_id: int, actor: Actor, zone: ZoneInfo) -> Chain:
    """Return what followed from the move that opened a visit; the same number of queries whatever followed.

    Raises:
        NotFound: there is no such card, or it has no such visit.
    """
    subject = get_subject(card_id)
    row = _visit(card_id, visit_id)
    event = _event(card_id, row.StageVisit)
    firings = _firings(card_id, event)
    ids = [firing.id for firing in firings.values()]
    requests = _requests(card_id, visit_id)
    mails = _mails(card_id, visit_id, ids, [request.id for request in requests], zone)
    board = db.session.execute(
        sa.select(Pipeline.name, Pipeline.slug).where(Pipeline.id == subject.card.pipeline_id)
    ).one()
    return Chain(
        subject=subject,
        board_name=board.name,
        board_url=f"/boards/{board.slug}",
        move=_move(subject, row),
        rules=_rules(subject, row, event, firings, _consequences(ids), zone),
        told=_told(_notices(visit_id, ids), mails),
        requests=_with_mail(requests, mails),
        client_mails=[mail for mail in mails if not mail.is_to_staff],
        team_messages=[mail for mail in mails if mail.team_kind is not None],
        evidence=_evidence(card_id, event),
        next=_next(subject, row, actor),
    )


# --- the stage change ---


def _visit(card_id: uuid.UUID, visit_id: int) -> Any:
    """Return a visit with the names around it: who came, from where, and how it went on."""
    before, after = aliased(StageVisit), aliased(StageVisit)
    stage, from_stage, to_stage = aliased(Stage), aliased(Stage), aliased(Stage)
    mover, leaver = aliased(User), aliased(User)
    if not 0 < visit_id <= _LARGEST_ID:
        raise NotFound("This card has no such stay in a stage.")
    row = db.session.execute(
        sa.select(
            StageVisit,
            stage.key.label("stage_key"),
            stage.name.label("stage"),
            mover.name.label("by"),
            leaver.name.label("left_by"),
            before.id.label("from_visit"),
            from_stage.key.label("from_key"),
            from_stage.name.label("from_stage"),
            after.id.label("next_visit"),
            after.entered_by_edge.label("next_edge"),
            to_stage.name.label("next_stage"),
        )
        .join(stage, stage.id == StageVisit.stage_id)
        .outerjoin(mover, mover.id == StageVisit.entered_by)
        .outerjoin(leaver, leaver.id == StageVisit.left_by)
        .outerjoin(before, sa.and_(before.card_id == card_id, before.number == StageVisit.number - 1))
        .outerjoin(from_stage, from_stage.id == before.stage_id)
        .outerjoin(after, sa.and_(after.card_id == card_id, after.number == StageVisit.number + 1))
        .outerjoin(to_stage, to_stage.id == after.stage_id)
        .where(StageVisit.id == visit_id, StageVisit.card_id == card_id)
    ).one_or_none()
    if row is None:
        raise NotFound("This card has no such stay in a stage.")
    return row


def _move(subject: Subject, row: Any) -> Move:
    visit: StageVisit = row.StageVisit
    return Move(
        by=row.by or "Lifecycle",
        at=visit.entered_at,
        channel=CHANNELS.get(visit.entered_channel, f"by {visit.entered_channel}"),
        way=_EDGES.get(visit.entered_by_edge, visit.entered_by_edge.replace("_", " ")),
        from_stage=row.from_stage,
        from_visit=row.from_visit,
        to_stage=row.stage,
        reason=visit.entered_reason,
        answers=_answers(subject, row),
        checks=_checks(visit),
    )


def _answers(subject: Subject, row: Any) -> list[tuple[str, str]]:
    visit: StageVisit = row.StageVisit
    if not visit.answers:
        return []
    playbook = of_revision(visit.revision_id)
    pipeline = playbook.pipeline(subject.pipeline.key)
    edge = pipeline.edge(row.from_key, row.stage_key) if row.from_key else None
    asks = {
        question.key: question
        for question in (*stage_of(pipeline, row.stage_key).asks, *(edge.asks if edge else ()))
    }
    found = []
    for key, value in visit.answers.items():
        asked = asks.get(key)
        saved = playbook.fields.get(asked.saves or "") if asked else None
        name = asked.name if asked else key.replace("_", " ").capitalize()
        found.append((name, _shown(saved or asked, value, subject.card.value_currency)))
    return found


def _shown(declared: FieldDef | Question | None, value: Any, currency: str | None) -> str:
    return show_value(declared, value, currency) if declared else str(value)


def _checks(visit: StageVisit) -> list[GateLine]:
    if visit.gate_report_id is None:
        return []
    results: list[Any] = (
        db.session.scalar(sa.select(GateReport.results).where(GateReport.id == visit.gate_report_id)) or []
    )
    lines = [GateLine(result["state"], result["sentence"]) for result in results]
    return sorted(lines, key=lambda line: _CHECK_ORDER.get(line.state, 0))


# --- the evidence ---


def _event(card_id: uuid.UUID, visit: StageVisit) -> Event | None:
    data = Event.body["data"]
    opened = sa.or_(
        sa.and_(Event.kind == "card.stage.entered", data["to"]["visit"].as_integer() == visit.id),
        sa.and_(Event.kind.in_(("card.created", "card.move.undone")), data["visit"].as_integer() == visit.id),
        sa.and_(Event.kind == "card.imported", sa.literal(visit.is_imported)),
    )
    return db.session.scalar(
        sa.select(Event).where(Event.card_id == card_id, Event.kind.in_(_STARTS), opened).limit(1)
    )


def _evidence(card_id: uuid.UUID, event: Event | None) -> EvidenceLine | None:
    if event is None:
        return None
    # The timeline goes back from an entry; from the one after ours, ours comes first.
    after = db.session.scalar(
        sa.select(Event.id)
        .where(Event.card_id == card_id, sa.tuple_(Event.at, Event.id) > (event.at, event.id))
        .order_by(Event.at, Event.id)
        .limit(1)
    )
    query = f"?before={after}" if after else ""
    return EvidenceLine(
        id=event.id,
        seq=event.seq,
        hash=bytes(event.hash).hex(),
        kind=event.kind,
        at=event.at,
        url=f"/cards/{card_id}/timeline{query}#event-{event.id}",
    )


# --- rules ---


def _firings(card_id: uuid.UUID, event: Event | None) -> dict[str, RuleFiring]:
    """Return what a move's event has set off, by the rule's key."""
    if event is None:
        return {}
    found = db.session.scalars(
        sa.select(RuleFiring)
        .where(RuleFiring.card_id == card_id, RuleFiring.cause == str(event.id))
        .order_by(RuleFiring.created_at, RuleFiring.id)
        .execution_options(populate_existing=True)
    )
    return {firing.rule_key: firing for firing in found}


def _consequences(roots: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Consequence]]:
    found: dict[uuid.UUID, list[Consequence]] = defaultdict(list)
    rows = db.session.execute(
        sa.select(
            RuleFiring.root_id,
            RuleFiring.rule_key,
            RuleFiring.revision_id,
            RuleFiring.card_id,
            RuleFiring.visit_id,
            RuleFiring.state,
        )
        .where(RuleFiring.root_id.in_(roots))
        .order_by(RuleFiring.created_at, RuleFiring.id)
    )
    for row in rows:
        word, icon, tone = _STATES[row.state]
        url = f"/cards/{row.card_id}/visits/{row.visit_id}"
        name = rule_name(row.revision_id, row.rule_key)
        found[row.root_id].append(Consequence(name, word, icon, tone, url))
    return found


def _rules(
    subject: Subject,
    row: Any,
    event: Event | None,
    firings: Mapping[str, RuleFiring],
    consequences: Mapping[uuid.UUID, list[Consequence]],
    zone: ZoneInfo,
) -> list[RuleStep]:
    """Return every rule that waited for this event in this stage, in the order of the playbook."""
    playbook = of_revision(row.StageVisit.revision_id)
    steps = []
    for rule in _candidates(subject, row, event):
        does = what_it_does(playbook, rule)
        firing = firings.get(rule.key)
        if firing is not None:
            steps.append(_fired(rule.name, does, firing, consequences, zone))
        else:
            says = "Its condition did not hold." if rule.when else "It was not set off."
            steps.append(
                RuleStep(rule.name, does, None, "Not set off", "circle-dashed", "neutral", says, [], [])
            )
    return steps


def _candidates(subject: Subject, row: Any, event: Event | None) -> list[RuleDef]:
    if event is None:
        return []
    visit: StageVisit = row.StageVisit
    playbook = of_revision(visit.revision_id)
    pipeline = playbook.pipeline(subject.pipeline.key)
    then = replace(subject, playbook=playbook, pipeline=pipeline, stage=stage_of(pipeline, row.stage_key))
    data = event.body.get("data") or {}
    return [rule for rule in playbook.rules_on(event.kind) if concerns(rule.trigger, then, event.kind, data)]


def _fired(
    name: str,
    does: str,
    firing: RuleFiring,
    consequences: Mapping[uuid.UUID, list[Consequence]],
    zone: ZoneInfo,
) -> RuleStep:
    word, icon, tone = _STATES[firing.state]
    # Of a failure each action tells its own part, where any was begun.
    says = firing.last_error if firing.state != "failed" or not firing.results else None
    if firing.state == "pending":
        why = why_it_waits(firing.next_attempt_at, firing.attempts, zone)
        says = f"{why}. {says}" if says else f"{why}."
    return RuleStep(
        name=name,
        does=does,
        firing_id=firing.id,
        state=word,
        icon=icon,
        tone=tone,
        says=says,
        results=results_of(firing.results),
        consequences=consequences.get(firing.id, []),
    )


# --- who was told ---


def _cause_of(firing_id: uuid.UUID) -> str:
    return f"firing/{firing_id}/"


def _notices(visit_id: int, firing_ids: Sequence[uuid.UUID]) -> Sequence[Any]:
    # By the cause too: where no undo is possible, a notice does not name its visit.
    caused = [Notice.cause.startswith(_cause_of(firing_id)) for firing_id in firing_ids]
    return db.session.execute(
        sa.select(
            Notice.user_id,
            User.name,
            Notice.title,
            Notice.shows_at,
            Notice.read_at,
            Notice.withdrawn_at,
        )
        .join(User, User.id == Notice.user_id)
        .where(sa.or_(Notice.visit_id == visit_id, *caused))
        .order_by(sa.func.lower(User.name), User.id, Notice.shows_at, Notice.id)
    ).all()


def _mails(
    card_id: uuid.UUID,
    visit_id: int,
    firing_ids: Sequence[uuid.UUID],
    request_ids: Sequence[uuid.UUID],
    zone: ZoneInfo,
) -> list[MessageLine]:
    causes = tuple(_cause_of(firing_id) for firing_id in firing_ids)
    found: list[MessageLine] = []
    known: set[uuid.UUID] = set()
    for mail in messages_of_card(card_id, zone):
        is_ours = mail.visit_id == visit_id or mail.request_id in request_ids
        if is_ours or mail.cause.startswith(causes) or mail.resent_from in known:
            found.append(mail)
            known.add(mail.id)
    return found


def _told(notices: Sequence[Any], mails: Sequence[MessageLine]) -> list[PersonTold]:
    people: dict[uuid.UUID, PersonTold] = {}
    for row in notices:
        person = people.setdefault(row.user_id, PersonTold(row.name, [], []))
        is_read, is_withdrawn = row.read_at is not None, row.withdrawn_at is not None
        person.notices.append(AlertLine(row.title, row.shows_at, is_read, is_withdrawn))
    for mail in mails:
        if mail.user_id is not None:
            people.setdefault(mail.user_id, PersonTold(mail.to_name, [], [])).mails.append(mail)
    return sorted(people.values(), key=lambda person: person.name.casefold())


def _requests(card_id: uuid.UUID, visit_id: int) -> list[RequestLine]:
    rows = db.session.execute(
        sa.select(ClientRequest.id, ClientRequest.name, ClientRequest.status, ClientRequest.closed_why)
        .where(ClientRequest.card_id == card_id, ClientRequest.visit_id == visit_id)
        .order_by(ClientRequest.created_at, ClientRequest.id)
    )
    found = []
    for row in rows:
        words, tone = status_words(row.status), STATUS_WORDS[row.status][1]
        is_closed = row.closed_why is not None and row.status != "accepted"
        if is_closed:
            words, tone = f"Closed: {row.closed_why}", "neutral"
        found.append(RequestLine(row.id, row.name, row.status, words, tone, is_closed))
    return found


def _with_mail(requests: Sequence[RequestLine], mails: Sequence[MessageLine]) -> list[RequestLine]:
    """Return the requests with what became of the mail that asks: what has not left was not asked yet."""
    latest = {mail.request_id: mail.state.key for mail in mails}
    found = []
    for request in requests:
        key = latest.get(request.id)
        state = "held" if key in ("waiting", "held", "sending") else key
        words = status_words(request.status, state) if not request.is_closed else request.words
        found.append(replace(request, words=words))
    return found


# --- what comes next ---


def _next(subject: Subject, row: Any, actor: Actor) -> NextGate:
    visit: StageVisit = row.StageVisit
    if visit.left_at is not None:
        left = Left(
            at=visit.left_at,
            to_stage=row.next_stage or "",
            by=row.left_by or "Lifecycle",
            channel=CHANNELS.get(visit.left_channel or "", f"by {visit.left_channel}"),
            visit_id=row.next_visit or visit.id,
            is_undone=row.next_edge == "undo",
        )
        return NextGate(None, left, is_closed=False, is_archived=False)
    target = forward_target(subject.pipeline, subject.stage) if subject.stage.is_open else None
    is_archived = subject.card.archived_at is not None
    gate = read_gate(subject, target.key, actor) if target and not is_archived else None
    return NextGate(gate, None, is_closed=not subject.stage.is_open, is_archived=is_archived)
