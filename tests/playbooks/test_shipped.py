"""Every playbook that comes with the product, exercised from its text: a new one is tested without new code.

A card is walked along each pipeline by meeting its gates, and off the path by every declared way; in each
stage every rule that could fire there fires, and every reminder that was planned comes due.
"""

from __future__ import annotations

import contextlib
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.exchange.demo.walk import Stuck, Walker
from lifecycle.governance.automation.perform import perform_due, perform_here
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.proofs import plan_meeting
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.language.model import PipelineDef, PlaybookDef, RuleDef, StageDef
from lifecycle.governance.messages.letters import AboutRequest, write_letter
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.doctor import examine
from lifecycle.governance.playbooks.load import LIBRARY, library_names, load
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.reminders.fire import fire_due
from lifecycle.governance.requests.decide import ask_client
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.governance.rules.match import set_off
from lifecycle.records.accounts.models import Contact
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.outbox.letters import base_url
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.sealed import fill_in
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.sms.segments import count_segments
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.cards import make_account
from tests.factories.clients import a_contact
from tests.factories.people import make_user

NAMES = library_names()
PATIENCE = (timedelta(days=2), timedelta(days=16), timedelta(days=31), None)
START = datetime.fromisoformat("2027-02-01T09:00:00+00:00")


@cache
def shipped(name: str) -> PlaybookDef:
    return compile_document(load(LIBRARY / name))


@pytest.mark.parametrize("name", NAMES)
def test_clients_do_not_read_of_themselves_as_of_others(name: str) -> None:
    """W12, W16, W20: a field that staff fill in, and a phase, stand on clients' pages in the same words."""
    playbook = shipped(name)
    read = [text for phase in playbook.phases.values() for text in (phase.client_name, phase.client_purpose)]
    for request in playbook.client_requests.values():
        shown = [playbook.fields[key] for key in request.shows]
        asked = [playbook.fields[str(each.saves)] for each in request.asks if each.saves in playbook.fields]
        for each in shown + asked:
            read += [each.name, *(option.name for option in each.options)]
        helps = {each.help for each in asked}
        read += [each.help for each in request.asks if each.help in helps]
    assert [text for text in read if re.search(r"\b([Tt]he client|[Tt]heirs?)\b", text or "")] == []


class _TakenBack(Exception):
    """Ends a transaction without a trace."""


@dataclass
class Journey:
    """One playbook with everybody it needs, and what was seen on the way."""

    app: Flask
    playbook: PlaybookDef
    walker: Walker
    account: uuid.UUID
    boss: Actor
    clock: Any
    stages: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def begin(self, pipeline: PipelineDef) -> uuid.UUID:
        with self.app.app_context(), transaction():
            card = create_card(
                pipeline.slug,
                actor=self.boss,
                channel="page",
                account_id=self.account,
                title="A whole journey",
            )
            return card.id

    def stand(self, card_id: uuid.UUID) -> tuple[PipelineDef, StageDef]:
        with self.app.app_context():
            subject = get_subject(card_id)
            return subject.pipeline, subject.stage

    def advance(self, card_id: uuid.UUID, to: str | None = None) -> None:
        for patience in PATIENCE:
            try:
                with self.app.app_context(), transaction():
                    self.walker.advance(card_id, to)
            except Stuck:
                # Some gates ask for a minimum stay.
                if patience is None:
                    raise
                self.clock.shift(patience)
                continue
            break
        self.settle()

    def settle(self) -> None:
        """Perform whatever is due a minute from now."""
        with time_machine.travel(now() + timedelta(seconds=62), tick=False), self.app.app_context():
            perform_due()

    def look_around(self, card_id: uuid.UUID) -> None:
        """Fire every rule that could fire where the card stands, and note what could not be done."""
        pipeline, stage = self.stand(card_id)
        place = f"{pipeline.key}.{stage.key}"
        if place in self.stages:
            return
        self.stages.add(place)
        for rule in self.playbook.rules:
            if _could_fire(rule, pipeline, stage):
                self._fire(card_id, rule, place)

    def _fire(self, card_id: uuid.UUID, rule: RuleDef, place: str) -> None:
        is_taken_back = any(action.keyword == "move" for action in rule.actions)
        with contextlib.suppress(_TakenBack), self.app.app_context(), transaction():
            subject = get_subject(card_id)
            about = _request_for(subject.card.id, rule)
            if about is None and (rule.trigger.event or "").startswith("card.request."):
                # Asked for the rule's sake only.
                key = rule.trigger.of or next(iter(self.playbook.client_requests))
                about = str(ask_client(subject, self.boss, key).id)
                is_taken_back = True
            event = {"kind": rule.trigger.event, "key": rule.trigger.of, "request": about}
            unconditional = RuleDef(rule.key, rule.name, rule.trigger, rule.actions, None, rule.is_of_stage)
            set_off(subject, [unconditional], f"test {place}", event, kind=rule.trigger.event, actor=SYSTEM)
            if is_taken_back:
                # Performed and taken back, or the card would not be walked as it is meant to be.
                perform_here(card_id)
                self.problems += _failures()
                raise _TakenBack
        self.settle()
        self.fired.add(rule.key)

    def failures(self) -> list[str]:
        """What a rule could not do, beside moves that a gate rightly kept."""
        with self.app.app_context():
            return [*self.problems, *_failures()]


def _failures() -> list[str]:
    rows = db.session.scalars(sa.select(RuleFiring).where(RuleFiring.state == "failed")).all()
    return [
        f"{row.rule_key} ({row.cause}): {result['says']}"
        for row in rows
        for result in row.results or [{"ok": False, "action": "", "says": row.last_error}]
        if not result["ok"] and result["action"] not in ("move", "account_card")
    ]


def _could_fire(rule: RuleDef, pipeline: PipelineDef, stage: StageDef) -> bool:
    trigger = rule.trigger
    if trigger.pipelines and pipeline.key not in trigger.pipelines:
        return False
    if trigger.stages and stage.key not in trigger.stages:
        return False
    if trigger.event and trigger.event.startswith("card.request.") and stage.client_gate:
        return trigger.of in (None, stage.client_gate.asks)
    return True


def _request_for(card_id: uuid.UUID, rule: RuleDef) -> str | None:
    """The request that an event about one would be about."""
    if not (rule.trigger.event or "").startswith("card.request."):
        return None
    query = sa.select(ClientRequest.id).where(ClientRequest.card_id == card_id)
    if rule.trigger.of:
        query = query.where(ClientRequest.key == rule.trigger.of)
    found = db.session.scalar(query.order_by(ClientRequest.created_at.desc()).limit(1))
    return str(found) if found else None


@pytest.fixture
def journey(request: pytest.FixtureRequest, app: Flask) -> Iterator[Journey]:
    name: str = request.param
    with time_machine.travel(START) as clock:
        with app.app_context(), transaction():
            for each in NAMES:
                publish(LIBRARY / each, SYSTEM)
        playbook = shipped(name)
        for key in {key for each in NAMES for key in shipped(each).departments}:
            make_user(app, name=f"{key} member", departments=[key])
            make_user(app, name=f"{key} manager", role="manager", departments=[key])
            make_user(app, name=f"{key} second manager", role="manager", departments=[key])
        boss = make_user(app, role="admin", name="Admin")
        account = make_account(app, owner=boss, country="ES", segment="fibre")
        a_contact(app, account, rights=["owner", "technical", "billing", "signatory"])
        clock.shift(timedelta(minutes=1))
        yield Journey(app, playbook, Walker(random.Random(7), {}), account, boss.actor, clock)


@pytest.mark.parametrize("name", NAMES)
def test_it_lacks_nothing(name: str) -> None:
    """E20: no gap, and nothing that makes people stop using its stages."""
    assert examine(shipped(name), date(2026, 11, 25)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("journey", NAMES, indirect=True, ids=NAMES)
def test_every_gate_can_be_met_every_way_gone_and_every_rule_performed(
    journey: Journey, smtp_sink: object
) -> None:
    """E2, E3, E12: along the path, then by every declared way, every rule where it could fire."""
    for pipeline in journey.playbook.pipelines:
        card_id = journey.begin(pipeline)
        for _ in pipeline.path:
            journey.look_around(card_id)
            _, stage = journey.stand(card_id)
            if stage.key == pipeline.path[-1].key:
                break
            journey.advance(card_id)
        _walk_off_the_path(journey, pipeline)
    everything = {
        f"{pipeline.key}.{stage.key}" for pipeline in journey.playbook.pipelines for stage in pipeline.stages
    }
    assert journey.stages == everything
    assert journey.fired == {rule.key for rule in journey.playbook.rules}
    assert journey.failures() == []
    assert _long_texts(journey) == []


def _long_texts(journey: Journey) -> list[str]:
    """Short texts that were written of walked cards and would cost more than two parts."""
    with journey.app.app_context():
        texts = db.session.execute(
            sa.select(OutboxMessage.sms_text, OutboxMessage.contact_id).where(
                OutboxMessage.contact_id.is_not(None), OutboxMessage.sms_text.is_not(None)
            )
        )
        # As long as an address of an installation is.
        filled = [
            fill_in(text or "", reader).replace(base_url(), "https://lifecycle.company.example")
            for text, reader in texts
        ]
    assert filled or journey.playbook.key == "customer-success"
    return sorted({text for text in filled if count_segments(text) > 2})


def _walk_off_the_path(journey: Journey, pipeline: PipelineDef) -> None:
    """Go to every stage that forward does not lead to, by the first declared way."""
    for stage in pipeline.stages:
        if f"{pipeline.key}.{stage.key}" in journey.stages:
            continue
        edge = next(edge for edge in pipeline.edges if edge.to_stage == stage.key)
        card_id = journey.begin(pipeline)
        while journey.stand(card_id)[1].key != edge.from_stage:
            journey.advance(card_id)
        journey.advance(card_id, stage.key)
        assert journey.stand(card_id)[1].key == stage.key
        journey.look_around(card_id)


@pytest.mark.slow
@pytest.mark.parametrize("journey", NAMES, indirect=True, ids=NAMES)
def test_every_reminder_comes_due_and_is_sent_once(journey: Journey, smtp_sink: object) -> None:
    """E11, E15: in each open stage a card waits sixty days; every step of every series is settled once."""
    for pipeline in journey.playbook.pipelines:
        walked = journey.begin(pipeline)
        for stage in pipeline.open_stages:
            _plan_meetings(journey, walked)
            if journey.stand(walked)[1].key != stage.key:
                continue
            waiting = _waiting(journey, walked)
            # Twice: a request that expires lets the clock run again, towards a new deadline.
            for days in (400, 800):
                with time_machine.travel(now() + timedelta(days=days), tick=False), journey.app.app_context():
                    fire_due()
                    fire_due()
            settled = _settled(journey, waiting)
            assert settled["pending"] == 0, f"{pipeline.key}.{stage.key}: {_pending(journey, waiting)}"
            if stage.key != pipeline.path[-1].key:
                journey.advance(walked)
    with journey.app.app_context():
        doubled = db.session.execute(
            sa.select(Reminder.subject, Reminder.step, Reminder.due_at)
            .group_by(Reminder.subject, Reminder.step, Reminder.due_at)
            .having(sa.func.count() > 1)
        ).all()
        kinds = set(db.session.scalars(sa.select(Reminder.kind).where(Reminder.state != "pending")))
        mails = Counter(
            db.session.scalars(sa.select(OutboxMessage.cause).where(OutboxMessage.cause.like("reminder/%")))
        )
    assert doubled == []
    assert "sla" in kinds
    assert not mails or max(mails.values()) == 1


def _plan_meetings(journey: Journey, card_id: uuid.UUID) -> None:
    if not journey.playbook.meeting_reminders:
        return
    with journey.app.app_context(), transaction():
        subject = get_subject(card_id)
        key = next(iter(journey.playbook.meetings), None)
        if key is not None and subject.stage.is_open:
            starts_at = now() + timedelta(days=3)
            with changing_card(card_id, SYSTEM) as held:
                plan_meeting(held, SYSTEM, key, starts_at=starts_at, our_attendees="", client_attendees="")


def _waiting(journey: Journey, card_id: uuid.UUID) -> list[uuid.UUID]:
    with journey.app.app_context():
        query = sa.select(Reminder.id).where(Reminder.card_id == card_id, Reminder.state == "pending")
        return list(db.session.scalars(query))


def _pending(journey: Journey, ids: list[uuid.UUID]) -> list[tuple[str, str, datetime]]:
    with journey.app.app_context():
        query = sa.select(Reminder.subject, Reminder.step, Reminder.due_at)
        rows = db.session.execute(query.where(Reminder.id.in_(ids), Reminder.state == "pending"))
        return [(subject, step, due_at) for subject, step, due_at in rows]


def _settled(journey: Journey, ids: list[uuid.UUID]) -> Counter[str]:
    with journey.app.app_context():
        return Counter(db.session.scalars(sa.select(Reminder.state).where(Reminder.id.in_(ids))))


@pytest.mark.parametrize("name", NAMES)
def test_every_message_to_clients_has_a_short_text_that_leads_where_the_letter_does(name: str) -> None:
    """E14: a contact may prefer SMS; staff read their mail and inbox."""
    playbook = shipped(name)
    asked = {key for each in playbook.client_requests.values() for key in (each.message, each.reminder)}
    told = {
        params.message
        for rule in playbook.rules
        for action in rule.actions
        if isinstance(params := action.params, NotifyParams) and params.client
    }
    short = {key for key, message in playbook.messages.items() if message.sms is not None}
    assert short == (asked | told) - {None, ""}
    folder = LIBRARY / name / "messages"
    for key in sorted(short):
        text = (folder / f"{key}.yaml").read_text()
        letter, _, sms = text.partition("\nsms: ")
        assert ("request.link" in letter) == ("request.link" in sms), key


@pytest.mark.parametrize("journey", NAMES, indirect=True, ids=NAMES)
def test_every_message_can_be_written_about_a_fresh_card(journey: Journey) -> None:
    """E14: nothing is filled in yet, and still no message breaks or shows a hole."""
    card_id = journey.begin(journey.playbook.pipelines[0])
    with journey.app.app_context():
        subject = get_subject(card_id)
        contact = db.session.scalars(sa.select(Contact)).first()
        owner = db.session.get(User, subject.card.owner_id)
        for message in journey.playbook.messages.values():
            about = AboutRequest("A request", "https://lifecycle.example/c/x", now(), "The stamp is missing.")
            letter = write_letter(
                message,
                subject,
                contact=contact,
                owner=owner,
                request=about if message.reads_request else None,
                to_client=True,
            )
            for text in (letter.subject, letter.text, letter.html, letter.sms or ""):
                assert "{{" not in text, message.key
                assert "None" not in text, message.key
            assert letter.subject.strip(), message.key
