"""E1: cards keep their revision until they are taken over, and what that changes is told first (E26)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from lifecycle.commands.playbook import playbook
from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, NotFound, NotPermitted
from lifecycle.governance.cards.edit import archive_card
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.governance.playbooks import migration
from lifecycle.governance.playbooks.library import current_revision_id
from lifecycle.governance.playbooks.migration import (
    GateTurns,
    Migrated,
    MigrationPlan,
    migrate_cards,
    plan_migration,
)
from lifecycle.governance.playbooks.publish import Published, publish
from lifecycle.records.cards.models import BoardChange, Card, GateReport, StageVisit
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.timeline import timeline_of_card
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.tasks.models import Task
from tests.factories.cards import (
    KnownCard,
    a_card,
    card_row,
    change,
    complete,
    fill,
    gate,
    move,
    moved,
    rows,
    stage_of,
    tick,
)
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, lab, publish_lab
from tests.factories.statements import statements
from tests.installation import environment_of
from tests.visitor import logged_in

OLD = """
first: { sla: 2 days, new_cards: yes, leave: [ { field: wish } ] }
second: { new_cards: yes, leave: [ { field: pieces } ] }
third: { new_cards: yes }
"""
NEW = """
first:
  sla: 1 day
  new_cards: yes
  leave: [ { field: colour }, { field: pieces, waive: manager } ]
second: { new_cards: yes, leave: [ { field: { name: pieces, at_least: 5 } } ] }
third: { new_cards: yes }
"""
WITHOUT_SECOND = """
first: { sla: 2 days, new_cards: yes, leave: [ { field: wish } ] }
third: { new_cards: yes }
"""


@pytest.fixture
def admin(app: Flask, services: Any) -> Person:
    person = make_user(app, role="admin", departments=["bench"])
    publish_lab(app, OLD)
    return person


def _plan(app: Flask, revision_id: int | None = None) -> MigrationPlan:
    with app.app_context():
        return plan_migration(LAB, revision_id)


def _turns(app: Flask) -> GateTurns:
    turns = _plan(app).turns
    assert turns is not None
    return turns


def _migrate(app: Flask, by: Person, **more: Any) -> Migrated:
    with app.app_context():
        return migrate_cards(LAB, actor=by.actor, channel="page", **more)


def _current(app: Flask) -> int:
    with app.app_context():
        return current_revision_id(LAB)


def _revision(app: Flask, card: KnownCard) -> int:
    return int(card_row(app, card)["revision_id"])


def _everything(app: Flask) -> list[list[dict[str, Any]]]:
    return [rows(app, model) for model in (Card, StageVisit, Event, Task, GateReport, BoardChange)]


def _is_sound(app: Flask) -> bool:
    with app.app_context():
        return verify_chains().is_sound


class TestThePlan:
    def test_it_counts_cards_by_revision_and_stage(self, app, admin):
        closed = a_card(app, admin)
        a_card(app, admin, stage="second")
        moved(app, closed, "lost", admin, answers={"why": "No"})
        publish_lab(app, OLD, title="Two")
        a_card(app, admin)
        publish_lab(app, NEW)
        a_card(app, admin)
        plan = _plan(app)
        told = [(each.number, each.open_cards, each.closed_cards) for each in plan.revisions]
        assert told == [(1, 1, 1), (2, 1, 0)]
        assert [(each.stage, each.cards, each.is_kept) for each in plan.stages] == [
            ("first", 1, True),
            ("second", 1, True),
            ("lost", 1, True),
        ]
        assert (plan.cards, plan.going, plan.staying, plan.revision) == (3, 3, (), 3)

    def test_it_says_in_words_what_changes_in_each_stage(self, app, admin):
        a_card(app, admin)
        publish_lab(
            app, NEW.replace("third:", "extra: {}\nthird:"), "- { from: second, to: first, kind: revision }"
        )
        (one,) = _plan(app).revisions
        assert {each.name: list(each.phrases) for each in one.stages} == {
            "First": [
                "To leave, now also: Colour is filled in",
                "To leave, now also: Pieces is filled in, may be waived by manager",
                "To leave, no longer: Wish is filled in",
                "SLA: 2 days → 1 day, for cards that enter from now on",
            ],
            "Second": [
                "To leave: Pieces is filled in → Pieces is filled in, at least 5",
                "Leads now also to First, Extra",
                "Leads no longer to Third",
            ],
            "Extra": ["Is new"],
        }
        assert "trials: stages.first.sla: '2 days' → '1 day'" in [str(change) for change in one.changes]

    def test_it_counts_the_gates_that_would_turn(self, app, admin):
        closing, opening, both = (a_card(app, admin) for _ in range(3))
        fill(app, closing, admin, wish="Yes")
        fill(app, opening, admin, colour="red", pieces="3")
        fill(app, both, admin, wish="Yes", colour="red", pieces="3")
        shut = a_card(app, admin, stage="second")
        fill(app, shut, admin, pieces="3")
        publish_lab(app, NEW)
        turns = _turns(app)
        assert (turns.closing, turns.opening) == (2, 1)
        assert gate(app, closing, "second").is_open
        _migrate(app, admin)
        assert not gate(app, closing, "second").is_open
        assert not gate(app, shut, "third").is_open
        assert gate(app, opening, "second").is_open

    def test_more_cards_cost_no_more_queries(self, app, admin):
        def asked() -> int:
            with statements(app) as sent:
                _plan(app)
            return len(sent)

        for _ in range(2):
            a_card(app, admin)
        publish_lab(app, NEW)
        asked()
        few = asked()
        publish_lab(app, OLD)
        for _ in range(12):
            a_card(app, admin)
        publish_lab(app, NEW)
        assert asked() == few

    def test_large_boards_are_evaluated_in_batches(self, app, admin, monkeypatch):
        for _ in range(5):
            fill(app, a_card(app, admin), admin, wish="Yes")
        publish_lab(app, NEW)
        monkeypatch.setattr(migration, "BATCH", 2)
        assert _turns(app).closing == 5
        with app.app_context():
            assert plan_migration(LAB, most_gates=4).turns is None

    def test_it_writes_nothing(self, app, admin):
        fill(app, a_card(app, admin), admin, wish="Yes")
        publish_lab(app, NEW)
        before = _everything(app)
        _plan(app)
        assert _everything(app) == before

    def test_archived_cards_are_left_alone(self, app, admin):
        card = a_card(app, admin)
        change(app, card, admin, archive_card)
        publish_lab(app, NEW)
        assert _plan(app).cards == 0
        before = _revision(app, card)
        assert _migrate(app, admin).migrated == 0
        assert _revision(app, card) == before

    def test_without_older_cards_it_is_empty(self, app, admin):
        a_card(app, admin)
        plan = _plan(app)
        assert (plan.cards, plan.revisions, plan.stages, plan.turns) == (0, (), (), GateTurns(0, 0))

    def test_a_revision_of_another_playbook_is_not_found(self, app, admin):
        with pytest.raises(NotFound):
            _plan(app, 999_999)


class TestTakingCardsOver:
    def test_a_card_changes_its_revision_and_nothing_of_its_visit(self, app, admin):
        card = a_card(app, admin)
        fill(app, card, admin, wish="Yes")
        before, visits = card_row(app, card), rows(app, StageVisit)
        publish_lab(app, NEW)
        outcome = _migrate(app, admin)
        assert (outcome.migrated, outcome.staying, outcome.remaining, outcome.revision) == (1, 0, 0, 2)
        after = card_row(app, card)
        changed = {key for key in after if after[key] != before[key]}
        assert changed == {"revision_id", "gate_passed", "gate_total", "version", "updated_at"}
        assert (after["gate_passed"], after["gate_total"]) == (0, 2)
        assert after["sla_due_at"] == before["sla_due_at"]
        assert rows(app, StageVisit) == visits
        assert rows(app, BoardChange)[-1]["card_id"] == card.id
        assert _plan(app).cards == 0

    def test_the_next_move_is_made_by_the_new_revision(self, app, admin):
        card = a_card(app, admin)
        fill(app, card, admin, wish="Yes")
        publish_lab(app, NEW)
        _migrate(app, admin)
        blocked = move(app, card, "second", admin)
        assert isinstance(blocked, Blocked)
        assert "Colour is missing." in blocked.sentences
        fill(app, card, admin, colour="red", pieces="9")
        moved(app, card, "second", admin)
        assert rows(app, StageVisit)[-1]["revision_id"] == _current(app)
        assert _is_sound(app)

    def test_evidence_tells_it_with_before_and_after(self, app, admin):
        card = a_card(app, admin)
        old = _revision(app, card)
        publish_lab(app, NEW)
        _migrate(app, admin)
        (event,) = rows(app, Event, kind="card.revision.changed")
        assert (event["account_id"], event["card_id"], event["actor_id"]) == (card.account, card.id, admin.id)
        assert (event["body"]["data"]["before"], event["body"]["data"]["after"]) == (old, _current(app))
        with app.app_context():
            entry = next(
                each for each in timeline_of_card(card.id).entries if each.kind == "card.revision.changed"
            )
        assert entry.sentence() == "Ada Lovelace took it over to another revision of its playbook"
        assert [(each.name, each.before, each.after) for each in entry.changes] == [("Revision", "1", "2")]
        assert _is_sound(app)

    def test_a_closed_card_goes_over_and_stays_closed(self, app, admin):
        card = a_card(app, admin)
        moved(app, card, "lost", admin, answers={"why": "No"})
        publish_lab(app, NEW)
        assert _migrate(app, admin).migrated == 1
        assert (stage_of(app, card), _revision(app, card)) == ("lost", _current(app))
        assert (card_row(app, card)["gate_total"], card_row(app, card)["sla_due_at"]) == (0, None)

    def test_twice_changes_nothing_more(self, app, admin):
        a_card(app, admin)
        publish_lab(app, NEW)
        _migrate(app, admin)
        before = _everything(app)
        assert _migrate(app, admin).migrated == 0
        assert _everything(app) == before

    def test_it_goes_on_where_it_was_stopped(self, app, admin, monkeypatch):
        cards = [a_card(app, admin) for _ in range(4)]
        publish_lab(app, NEW)
        calls: list[Any] = []

        def die_at_the_third(subject: Any) -> None:
            calls.append(subject)
            if len(calls) == 3:
                raise KeyboardInterrupt
            refresh_summary(subject)

        monkeypatch.setattr("lifecycle.governance.playbooks.migration.refresh_summary", die_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            _migrate(app, admin)
        monkeypatch.undo()
        assert len(rows(app, Event, kind="card.revision.changed")) == 2
        assert _plan(app).cards == 2
        assert _migrate(app, admin).migrated == 2
        assert {_revision(app, card) for card in cards} == {_current(app)}
        assert len(rows(app, Event, kind="card.revision.changed")) == 4
        assert _is_sound(app)

    def test_when_time_is_up_it_says_what_is_left(self, app, admin):
        for _ in range(3):
            a_card(app, admin)
        publish_lab(app, NEW)
        outcome = _migrate(app, admin, within=timedelta(seconds=-1))
        assert (outcome.migrated, outcome.remaining) == (0, 3)

    def test_only_administrators_may(self, app, admin):
        a_card(app, admin)
        publish_lab(app, NEW)
        before = _everything(app)
        with pytest.raises(NotPermitted):
            _migrate(app, make_user(app, role="manager"))
        assert _everything(app) == before

    def test_another_revision_than_the_one_seen_is_refused(self, app, admin):
        a_card(app, admin)
        seen = publish_lab(app, NEW).revision_id
        publish_lab(app, OLD, title="Third")
        before = _everything(app)
        with pytest.raises(Conflict, match="Revision 3 was published since you looked"):
            _migrate(app, admin, seen_revision=seen)
        assert _everything(app) == before

    def test_it_stops_when_another_revision_is_published_meanwhile(self, app, admin, monkeypatch):
        for _ in range(3):
            a_card(app, admin)
        publish_lab(app, NEW)
        one = migration._migrate_one

        def publish_after_the_first(*arguments: Any) -> Any:
            outcome = one(*arguments)
            if len(rows(app, Event, kind="card.revision.changed")) == 1:
                with ThreadPoolExecutor(1) as threads:
                    threads.submit(publish_lab, app, OLD, title="Third").result()
            return outcome

        monkeypatch.setattr(migration, "_migrate_one", publish_after_the_first)
        with pytest.raises(Conflict, match="1 card went over to revision 2 before it"):
            _migrate(app, admin)
        monkeypatch.undo()
        assert _migrate(app, admin).migrated == 3

    def test_back_to_older_content_is_a_migration_too(self, app, admin):
        card = a_card(app, admin)
        first = _revision(app, card)
        publish_lab(app, NEW)
        _migrate(app, admin)
        publish_lab(app, OLD)
        assert [each.number for each in _plan(app).revisions] == [2]
        _migrate(app, admin)
        assert _revision(app, card) == first


class TestTasks:
    WITH_TASK = OLD.replace(
        "first: { sla: 2 days,", "first: { sla: 2 days, tasks: { weigh: Weigh it, sweep: Sweep },"
    ).replace("leave: [ { field: wish } ]", "leave: [ { task: weigh } ]")

    def test_a_task_that_the_new_gate_names_is_made(self, app, admin):
        card = a_card(app, admin)
        fill(app, card, admin, wish="Yes")
        publish_lab(app, self.WITH_TASK)
        assert _turns(app).closing == 1
        _migrate(app, admin)
        (task,) = rows(app, Task, card_id=card.id)
        assert (task["key"], task["visit_id"]) == ("weigh", card.visit)
        complete(app, card, admin, task["id"])
        moved(app, card, "second", admin)

    def test_a_task_that_is_there_is_not_doubled(self, app, admin):
        publish_lab(app, self.WITH_TASK)
        card = a_card(app, admin)
        publish_lab(app, self.WITH_TASK, title="Newer")
        _migrate(app, admin)
        assert [each["key"] for each in rows(app, Task, card_id=card.id)] == ["weigh", "sweep"]


class TestCardsThatCannotGo:
    def test_a_card_whose_stage_is_gone_stays_and_still_shows(self, app, admin):
        card = a_card(app, admin, stage="second", title="The one left behind")
        other = a_card(app, admin)
        publish_lab(app, WITHOUT_SECOND)
        plan = _plan(app)
        assert [(each.stage, each.cards) for each in plan.stranded] == [("second", 1)]
        (staying,) = plan.staying
        assert (staying.id, staying.title, staying.stage) == (card.id, "The one left behind", "Second")
        assert staying.why == (
            "Revision 2 has no stage Second. Move the card to a stage that it has, then migrate again."
        )
        before = card_row(app, card)
        outcome = _migrate(app, admin)
        assert (outcome.migrated, outcome.staying) == (1, 1)
        assert card_row(app, card) == before
        assert _revision(app, other) == _current(app)
        reader = logged_in(app, make_user(app, role="viewer"))
        assert "The one left behind" in reader.open(f"/boards/{LAB}").text
        assert reader.open(card.url).status_code == 200

    def test_moved_on_by_its_own_revision_it_can_go(self, app, admin):
        card = a_card(app, admin, stage="second")
        fill(app, card, admin, pieces="3")
        publish_lab(app, WITHOUT_SECOND)
        moved(app, card, "third", admin)
        assert _migrate(app, admin).migrated == 1
        moved(app, card, "done", admin)
        assert _is_sound(app)

    def test_a_stage_that_comes_back_takes_its_cards_up_again(self, app, admin):
        card = a_card(app, admin, stage="second")
        publish_lab(app, WITHOUT_SECOND)
        publish_lab(app, NEW)
        assert _migrate(app, admin).migrated == 1
        assert (stage_of(app, card), _revision(app, card)) == ("second", _current(app))

    def test_a_dropped_pipeline_keeps_its_cards(self, app, admin):
        card = a_card(app, admin)
        texts = lab(OLD)
        texts["others.yaml"] = texts.pop("trials.yaml").replace("pipeline: trials", "pipeline: others")
        with app.app_context(), transaction():
            publish(texts, SYSTEM)
        plan = _plan(app)
        assert (plan.going, len(plan.staying)) == (0, 1)
        assert plan.staying[0].why == "Revision 2 has no Trials any more."
        assert _migrate(app, admin).staying == 1
        assert stage_of(app, card) == "first"

    def test_a_stage_that_turned_from_open_to_closed_takes_no_card(self, app, admin):
        card = a_card(app, admin, stage="second")
        fill(app, card, admin, pieces="3")
        publish_lab(app, OLD.replace("third: { new_cards: yes }", "third: { kind: won }"))
        moved(app, card, "third", admin)
        (staying,) = _plan(app).staying
        assert staying.why.startswith("Third is 'open' for this card and 'won' in revision 2.")
        assert _migrate(app, admin).staying == 1

    def test_a_value_that_the_new_type_cannot_hold_keeps_a_card_back(self, app, admin):
        wrong, right, empty = (a_card(app, admin) for _ in range(3))
        fill(app, wrong, admin, wish="As many as you can")
        fill(app, right, admin, wish="12")
        self._publish_numbers(app)
        (staying,) = _plan(app).staying
        assert staying.id == wrong.id
        assert staying.why.startswith("Revision 2 keeps another kind of value in Wish.")
        assert (_migrate(app, admin).migrated, _revision(app, empty)) == (2, _current(app))
        fill(app, wrong, admin, wish="7")
        assert _migrate(app, admin).migrated == 1
        assert gate(app, wrong, "second").is_open

    @staticmethod
    def _publish_numbers(app: Flask) -> Published:
        texts = lab(OLD)
        texts["playbook.yaml"] = texts["playbook.yaml"].replace("wish: long_text", "wish: { type: integer }")
        with app.app_context(), transaction():
            return publish(texts, SYSTEM)


class TestRaces:
    def test_moves_and_a_migration_of_the_same_cards(self, app, admin):
        """Each card ends on the current revision, and each move went through the gate of its own."""
        cards = [a_card(app, admin) for _ in range(24)]
        for card in cards:
            fill(app, card, admin, wish="Yes")
        for card in cards[::2]:
            fill(app, card, admin, colour="red", pieces="9")
        old, new = _current(app), publish_lab(app, NEW).revision_id
        barrier = Barrier(4)

        def move_all(order: list[KnownCard]) -> list[str]:
            barrier.wait()
            return [type(move(app, card, "second", admin, seen=card.visit)).__name__ for card in order]

        def migrate_all(order: list[KnownCard]) -> list[str]:
            barrier.wait()
            return [str(_migrate(app, admin).migrated)]

        with ThreadPoolExecutor(4) as threads:
            work = [
                threads.submit(move_all, cards[::-1]),
                threads.submit(migrate_all, cards),
                threads.submit(move_all, cards[12:] + cards[:12]),
                threads.submit(migrate_all, cards),
            ]
            told = [each.result() for each in work]
        assert int(told[1][0]) + int(told[3][0]) == 24
        assert {_revision(app, card) for card in cards} == {new}
        assert len(rows(app, Event, kind="card.revision.changed")) == 24
        for card in cards:
            visits = rows(app, StageVisit, card_id=card.id)
            assert len(visits) <= 2
            if len(visits) == 2:
                (report,) = rows(app, GateReport, id=visits[1]["gate_report_id"])
                assert report["revision_id"] == visits[1]["revision_id"]
                asked = {"wish"} if report["revision_id"] == old else {"colour", "pieces"}
                assert {each["check"].rpartition(".")[2] for each in report["results"]} == asked
        names = told[0] + told[2]
        assert names.count(Moved.__name__) == len([c for c in cards if stage_of(app, c) == "second"])
        assert _is_sound(app)

    def test_publishing_waits_for_no_longer_than_one_card(self, app, admin):
        for _ in range(8):
            a_card(app, admin)
        publish_lab(app, NEW)

        def migrate() -> str:
            try:
                return str(_migrate(app, admin).migrated)
            except Conflict:
                return "conflict"

        with ThreadPoolExecutor(2) as threads:
            migrating = threads.submit(migrate)
            third = threads.submit(publish_lab, app, OLD, title="Third").result()
            migrating.result()
        assert third.revision == 3
        _migrate(app, admin)
        with app.app_context():
            assert set(db.session.scalars(sa.select(Card.revision_id))) == {third.revision_id}
        assert _is_sound(app)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        for name, value in {
            **environment_of(settings),
            "LIFECYCLE_DATA": str(settings.data_dir),
        }.items():
            monkeypatch.setenv(name, value or "")

    @staticmethod
    def _run(*arguments: str) -> str:
        found = CliRunner().invoke(playbook, ["migrate", *arguments], catch_exceptions=False)
        assert found.exit_code == 0
        return found.output

    def test_it_tells_the_plan_and_a_dry_run_writes_nothing(self, app, admin):
        fill(app, a_card(app, admin), admin, wish="Yes")
        a_card(app, admin, stage="second", title="Left behind")
        publish_lab(app, WITHOUT_SECOND.replace("wish", "colour"))
        before = _everything(app)
        told = self._run(LAB, "--dry-run")
        assert _everything(app) == before
        for line in (
            "Trials: 1 card can go over to revision 2.",
            "On revision 1: 2 open, 0 closed. For them:",
            "    To leave, now also: Colour is filled in",
            "    Is gone",
            "The way forward closes for 1 open card and opens for 0.",
            "1 card cannot go over:",
            "  Left behind (Second): Revision 2 has no stage Second. Move the card",
            "Deadlines that run stay as they are.",
        ):
            assert line in told, line
        assert "went over" not in told

    def test_it_takes_the_cards_over(self, app, admin):
        card = a_card(app, admin)
        publish_lab(app, NEW)
        assert "1 card went over to revision 2." in self._run(LAB)
        assert _revision(app, card) == _current(app)
        (event,) = rows(app, Event, kind="card.revision.changed")
        assert (event["body"]["channel"], event["actor_id"]) == ("command", None)
        assert "Trials: every card runs on revision 2." in self._run(LAB)


def test_a_checklist_with_other_items_is_told(app, admin):
    with_list = OLD.replace("{ field: wish }", "{ checklist: bench_clear }")
    publish_lab(app, with_list)
    card = a_card(app, admin)
    tick(app, card, admin, "bench_clear", "wiped", "empty", "lit")
    texts = lab(with_list)
    texts["playbook.yaml"] = texts["playbook.yaml"].replace("lit: The lamp is on", "dry: It is dry")
    with app.app_context(), transaction():
        publish(texts, SYSTEM)
    plan = _plan(app)
    ((only,),) = [each.stages for each in plan.revisions]
    assert only.phrases == ("To leave, by another rule: Bench clear: all 3 items are ticked",)
    assert plan.turns == GateTurns(closing=1, opening=0)
