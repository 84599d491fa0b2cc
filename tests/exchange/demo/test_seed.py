"""The demo is seeded for real, even if its seeding is killed on the way, and shows what it is to show."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now, pretending
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict
from lifecycle.exchange.demo import seed as seeding
from lifecycle.exchange.demo.places import providers
from lifecycle.exchange.demo.plan import make_plan
from lifecycle.exchange.demo.scene import Scene, Stage
from lifecycle.exchange.demo.seed import Seeding, is_wanted, seed_demo
from lifecycle.exchange.demo.staff import COLLEAGUES, gather, hire
from lifecycle.exchange.demo.tell import Teller
from lifecycle.governance.cards.subjects import subjects_of
from lifecycle.governance.cards.summary import forward_question
from lifecycle.governance.gates.evaluate import evaluate
from lifecycle.governance.playbooks.setup import examine_setup
from lifecycle.governance.sla.clock import view
from lifecycle.records.cards.models import Card, GateReport, StageVisit, Waiver
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.playbooks.models import Stage as StageRow
from tests.demo import PASSWORD, publish_library
from tests.factories.people import make_user
from tests.visitor import Visitor


@pytest.fixture
def published(app: Flask) -> Flask:
    publish_library(app)
    return app


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_the_demo_shows_everything_even_when_its_seeding_was_killed(app, demo):
    assert demo.was_wanted_when_killed
    assert demo.outcome is Seeding.SEEDED
    with app.app_context():
        _shows_every_state()
        _tells_of_a_year()
        _holds_its_books()
        # Nothing may be posted to this machine in a test, so that the demo has set up no channel.
        assert {finding.sentence.partition("#")[0] for finding in examine_setup()} == {"There is no channel "}
        before = _counts()
        assert not is_wanted()
        assert seed_demo(PASSWORD) is Seeding.THERE_ALREADY
        assert _counts() == before


def _shows_every_state() -> None:
    everything = subjects_of(db.session.scalars(sa.select(Card.id)))
    boards = Counter(subject.pipeline.slug for subject in everything if subject.stage.is_open)
    assert len(boards) == 7
    shown = {(s.pipeline.slug, s.stage.key) for s in everything}
    for pipeline in {s.pipeline.slug: s.pipeline for s in everything}.values():
        assert {(pipeline.slug, stage.key) for stage in pipeline.stages} <= shown
    subjects = [s for s in everything if s.stage.is_open and s.pipeline.slug == "wispgate.growth"]
    stages = Counter(subject.stage.key for subject in subjects)
    assert len(stages) == 11
    assert min(stages.values()) >= 3

    questions = [question for question in map(forward_question, subjects) if question]
    reports = evaluate(questions)
    results = list(chain.from_iterable(report.results for report in reports))
    assert {result.state for result in results} == {"passed", "warning", "blocked", "waived"}
    assert {result.type for result in results if result.state == "blocked"} == {
        "field",
        "task",
        "checklist",
        "approval",
        "meeting",
        "evidence",
        "time",
        "expression",
        "client",
        "handoff",
    }
    assert sum(report.is_open for report in reports) >= 10
    approvals = " ".join(r.sentence for r in results if r.type == "approval")
    for words in ("waits for", "is approved", "rejected", "changed after it was put"):
        assert words in approvals

    at = now()
    states = Counter(
        view(s.playbook, s.stage, s.visit.entered_at, s.card.sla_due_at, at, paused=s.card.is_paused).state
        for s in subjects
    )
    assert set(states) == {"on_track", "due_soon", "breached", "paused"}
    # It must not look like a wall of red.
    assert states["breached"] < len(subjects) / 5
    overdue = [s for s in subjects if s.card.next_action_due_at and s.card.next_action_due_at < at]
    assert 3 <= len(overdue) <= 12
    # The summaries on the cards' faces are those of this moment.
    for question, report in zip(questions, reports, strict=True):
        card = question.subject.card
        assert (card.gate_passed, card.gate_total) == (report.passed, report.total)


def _tells_of_a_year() -> None:
    edges = Counter(db.session.scalars(sa.select(StageVisit.entered_by_edge)))
    for edge in ("created", "forward", "close", "reopen", "nurture", "revision", "backward", "undo"):
        assert edges[edge] >= 2, edge
    outcomes = Counter(db.session.scalars(sa.select(GateReport.outcome)))
    assert outcomes["blocked"] >= 5
    assert db.session.scalars(sa.select(sa.func.count()).select_from(Waiver)).one() >= 4
    kinds = Counter(db.session.scalars(sa.select(Event.kind)))
    for kind in (
        "card.talk.logged",
        "card.meeting.held",
        "card.approval.given",
        "card.approval.rejected",
        "card.waiting.started",
        "card.waiting.ended",
        "card.comment.added",
        "card.task.done",
        "card.checklist.ticked",
        "card.check.waived",
        "card.move.undone",
    ):
        assert kinds[kind], kind
    first, last = db.session.execute(
        sa.select(sa.func.min(StageVisit.entered_at), sa.func.max(StageVisit.entered_at))
    ).one()
    assert (last - first).days > 330
    assert last <= now()
    closed = sa.select(Card.fields).join(StageRow, StageRow.id == Card.stage_id)
    lost = db.session.scalars(closed.where(StageRow.kind == "lost")).all()
    assert len({fields["lost_reason"] for fields in lost if "lost_reason" in fields}) >= 8


def _holds_its_books() -> None:
    cards = db.session.scalars(sa.select(Card)).all()
    number = len(cards)
    assert number > 180
    assert len({(card.account_id, card.title, card.pipeline_id) for card in cards}) == number
    open_visits = {
        v.card_id: v for v in db.session.scalars(sa.select(StageVisit).where(StageVisit.left_at.is_(None)))
    }
    assert len(open_visits) == number
    for card in cards:
        visit = open_visits[card.id]
        assert (card.visit_id, card.stage_id) == (visit.id, visit.stage_id)
    found = verify_chains()
    assert found.is_sound, found.faults
    assert found.events > 3_000


def _counts() -> dict[str, int]:
    tables = (
        "users",
        "accounts",
        "contacts",
        "cards",
        "stage_visits",
        "events",
        "gate_reports",
        "tasks",
        "files",
    )
    return {
        table: db.session.execute(sa.text(f"select count(*) from {table}")).scalar_one() for table in tables
    }


def test_a_story_killed_between_a_move_and_its_undo_is_told_to_its_end(published):
    with published.app_context():
        with transaction(), pretending(now() - seeding._YEAR):
            hire(PASSWORD)
        at = now().replace(microsecond=0)
        office = seeding._office()
        stories = make_plan(at, office, providers())
        story = next(each for each in stories if each.turn == 0 and seeding._is_undone(each))
        provider = story.provider
        assert provider is not None
        stage = Stage(office, gather(), at)
        seeding._found_account(stage, provider, [story])
        scene = Scene(stage, story, seeding._number_of(provider))
        account_id = seeding._account_of(provider)
        assert account_id is not None
        db.session.rollback()
        with transaction():
            # Until it asks for a commit; then nothing more, as if killed.
            next(Teller(scene, account_id).tell())
        seeding._tell(stage, story)
        card = seeding._card_of(account_id, scene.title)
        assert card is not None
        stages = db.session.scalars(
            sa.select(StageRow.key)
            .join(StageVisit, StageVisit.stage_id == StageRow.id)
            .where(StageVisit.card_id == card.id)
            .order_by(StageVisit.number)
        ).all()
        planned = [stay.stage for stay in story.stays]
        place = next(index for index, stay in enumerate(story.stays) if "undo" in stay.has)
        assert stages == [*planned[: place + 2], *planned[place:]]
        told = _counts()
        seeding._tell(stage, story)
        assert _counts() == told
        assert verify_chains().is_sound


def test_the_demo_keeps_out_of_an_installation_that_is_used(published):
    make_user(published, role="admin")
    with published.app_context():
        assert not is_wanted()
        with pytest.raises(Conflict, match="empty"):
            seed_demo(PASSWORD)


def test_the_four_log_ins_work_and_the_others_have_none(published):
    with published.app_context(), transaction():
        hire(PASSWORD)
    for colleague in COLLEAGUES:
        visitor = Visitor(published)
        visitor.send("/login", email=colleague.email, password=PASSWORD)
        assert visitor.is_logged_in() == colleague.has_login, colleague.email
    assert [c.role for c in COLLEAGUES if c.has_login] == ["admin", "manager", "member", "viewer"]
