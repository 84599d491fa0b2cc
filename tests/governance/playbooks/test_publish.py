"""E1: publishing stores an immutable revision; identities last; cards keep what they run on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.library import (
    current,
    current_revision_id,
    current_revision_ids,
    get_current_revision,
    list_current_revisions,
    of_revision,
)
from lifecycle.governance.playbooks.load import LIBRARY, digest
from lifecycle.governance.playbooks.migration import plan_migration
from lifecycle.governance.playbooks.publish import Published, preview, publish
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import Department
from lifecycle.records.playbooks.models import Pipeline, PlaybookRevision, Stage
from tests.factories.people import make_user
from tests.governance.playbooks.writing import files, spoiled

BISCUITS = "  biscuits: { next_action: Cool, leave: [{ evidence: picture }] }\n"


@pytest.fixture
def context(app: Flask, services) -> Iterator[None]:
    with app.app_context():
        yield


def _publish(texts: dict[str, str] | None = None) -> Published:
    return publish_in_transaction(texts or files())


def _stages() -> dict[str, Stage]:
    db.session.expire_all()
    return {stage.key: stage for stage in db.session.scalars(select(Stage).order_by(Stage.position))}


def publish_in_transaction(texts: dict[str, str]) -> Published:
    with transaction():
        return publish(texts, SYSTEM)


@pytest.mark.usefixtures("context")
class TestPublishing:
    def test_the_first_revision_brings_departments_pipelines_and_stages(self):
        published = _publish()
        assert (published.playbook, published.revision, published.changed) == ("bakery", 1, True)
        assert [str(change) for change in published.changes] == ["bakery: is published for the first time"]
        assert list(db.session.scalars(select(Department.key).order_by(Department.key))) == ["oven", "shop"]
        assert list(db.session.scalars(select(Pipeline.slug))) == ["bakery.orders"]
        assert [(stage.name, stage.kind) for stage in _stages().values()] == [
            ("Asked", "open"),
            ("Baking", "open"),
            ("Sold", "won"),
            ("Lost", "lost"),
        ]

    def test_the_same_content_makes_no_second_revision_and_no_event(self):
        first = _publish()
        again = _publish(spoiled("orders", "notify: shop", "notify: [shop]"))
        assert (again.revision_id, again.changed, again.changes) == (first.revision_id, False, ())
        assert db.session.scalar(select(func.count()).select_from(PlaybookRevision)) == 1
        assert db.session.scalar(select(func.count()).select_from(Event)) == 1

    def test_a_change_makes_a_revision_and_says_what_changed(self):
        _publish()
        published = _publish(spoiled("orders", "4 business hours", "2 business hours"))
        assert published.revision == 2
        assert [str(change) for change in published.changes] == [
            "orders: stage_defaults.sla: '4 business hours' → '2 business hours'"
        ]
        event = db.session.scalars(select(Event).order_by(Event.seq.desc())).first()
        assert event is not None
        assert event.kind == "playbook.revision.published"
        assert event.body["data"]["changes"] == [str(change) for change in published.changes]

    def test_an_older_content_makes_its_revision_current_again(self):
        first = _publish()
        _publish(spoiled("orders", "4 business hours", "2 business hours"))
        back = _publish()
        assert (back.revision, back.revision_id, back.changed) == (1, first.revision_id, True)
        assert current_revision_id("bakery") == first.revision_id

    def test_a_dropped_stage_is_retired_and_taken_up_again_under_its_identity(self):
        _publish(spoiled("orders", "  sold:", f"{BISCUITS}  sold:"))
        number = _stages()["biscuits"].id
        _publish()
        assert _stages()["biscuits"].retired_at is not None
        _publish(spoiled("orders", "  sold:", f"{BISCUITS.replace('Cool', 'Pack')}  sold:"))
        stage = _stages()["biscuits"]
        assert (stage.id, stage.retired_at, stage.position) == (number, None, 2)

    def test_a_renamed_stage_stays_the_same(self):
        _publish()
        number = _stages()["baking"].id
        _publish(spoiled("orders", "  baking:\n", "  baking:\n    name: In the oven\n"))
        assert (_stages()["baking"].id, _stages()["baking"].name) == (number, "In the oven")

    def test_a_dropped_pipeline_retires_its_stages(self):
        more = {
            **files(),
            "cakes.yaml": files()["orders.yaml"].replace("pipeline: orders", "pipeline: cakes"),
        }
        _publish(more)
        _publish()
        retired = db.session.scalars(
            select(Stage.retired_at)
            .join(Pipeline, Pipeline.id == Stage.pipeline_id)
            .where(Pipeline.key == "cakes")
        ).all()
        assert len(retired) == 4
        assert all(retired)

    def test_an_empty_stage_may_change_its_kind(self):
        _publish()
        _publish(spoiled("orders", "lost: { kind: lost", "lost: { kind: won"))
        assert _stages()["lost"].kind == "won"

    def test_a_broken_playbook_changes_nothing(self):
        _publish()
        with pytest.raises(BrokenPlaybook, match="did you mean 'call'"):
            _publish(spoiled("orders", "evidence: call", "evidence: cal"))
        assert current_revision_id("bakery.orders") == get_current_revision("bakery").id
        assert db.session.scalar(select(func.count()).select_from(PlaybookRevision)) == 1

    def test_only_administrators_publish(self):
        manager = Actor(user_id=None, name="M", role="manager")
        with pytest.raises(NotPermitted), transaction():
            publish(files(), manager)

    def test_a_revision_cannot_be_changed_by_plain_sql(self):
        _publish()
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text("update playbook_revisions set number = 7"))
        with pytest.raises(DBAPIError), transaction():
            db.session.execute(text("delete from playbook_revisions"))

    def test_what_is_stored_is_what_was_hashed(self):
        _publish(None)
        with transaction():
            publish(LIBRARY / "wispgate", SYSTEM)
        for revision in db.session.scalars(
            select(PlaybookRevision).execution_options(populate_existing=True)
        ):
            assert digest(revision.content) == revision.sha256

    def test_a_preview_says_the_same_and_writes_nothing(self):
        changed = spoiled("orders", "4 business hours", "2 business hours")
        assert preview(files()).revision == 1
        assert db.session.scalar(select(func.count()).select_from(PlaybookRevision)) == 0
        _publish()
        assert not preview(files()).changed
        previewed = preview(changed)
        assert (previewed.revision, previewed.changed) == (2, True)
        assert previewed.changes == _publish(changed).changes


@pytest.mark.usefixtures("context")
class TestTheLibrary:
    def test_a_revision_is_compiled_once(self):
        first = _publish()
        _publish(spoiled("orders", "4 business hours", "2 business hours"))
        assert of_revision(first.revision_id) is of_revision(first.revision_id)
        old, new = of_revision(first.revision_id), current("bakery")
        assert [str(each.pipeline("orders").stages[0].sla.duration) for each in (old, new)] == [  # type: ignore[union-attr]
            "4 business hours",
            "2 business hours",
        ]

    def test_the_current_revisions_are_found_by_playbook_and_by_pipeline(self):
        published = _publish()
        assert current_revision_ids() == {"bakery": published.revision_id}
        assert current("bakery.orders") is current("bakery")
        (listed,) = list_current_revisions()
        assert (listed.number, listed.playbook.name) == (1, "Bakery")

    def test_what_is_not_published_is_not_found(self):
        for ask in (
            lambda: current("bakery"),
            lambda: of_revision(999_999),
            lambda: get_current_revision("x"),
        ):
            with pytest.raises(NotFound):
                ask()

    def test_a_migration_plan_of_no_cards_is_empty(self):
        published = _publish()
        plan = plan_migration("bakery.orders", published.revision_id)
        assert (plan.cards, plan.stranded, plan.revision) == (0, (), 1)
        with pytest.raises(NotFound):
            plan_migration("bakery.nothing", published.revision_id)


def test_two_publishers_take_turns(app, services):
    texts = [spoiled("orders", "4 business hours", f"{hours} business hours") for hours in (1, 2, 3, 5)]

    def publish_one(content: dict[str, str]) -> int:
        with app.app_context(), transaction():
            return publish(content, SYSTEM).revision

    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(publish_one, texts))
    assert sorted(numbers) == [1, 2, 3, 4]


class TestWithCards:
    """What publishing does not do to cards that stand in its stages."""

    @pytest.fixture
    def card(self, app, services, context) -> uuid.UUID:
        person = make_user(app)
        _publish()
        with transaction():
            account = Account(name="Corner café")
            db.session.add(account)
            db.session.flush()
            card = create_card(
                "bakery.orders",
                actor=person.actor,
                channel="page",
                account_id=account.id,
                title="Twelve rye",
                owner_id=person.id,
            )
        return card.id

    def test_a_stage_that_holds_cards_keeps_its_kind(self, card):
        wrong = spoiled("orders", "  baking:\n", "  baking:\n    kind: won\n")
        wrong["orders.yaml"] = wrong["orders.yaml"].replace("  asked:\n", "  asked:\n    kind: lost\n")
        wrong["orders.yaml"] = wrong["orders.yaml"].replace(
            "stages:\n", "stages:\n  new: { next_action: Look, leave: [{ evidence: picture }] }\n"
        )
        wrong["orders.yaml"] = wrong["orders.yaml"][: wrong["orders.yaml"].index("moves:")]
        for act in (publish_in_transaction, preview):
            with pytest.raises(Invalid) as refused:
                act(wrong)
            assert refused.value.sentence == (
                "Orders: the stage Asked is 'open' and 1 card stands in it, so it cannot become 'lost'. "
                "Move the cards first, or give the stage another key."
            )
        assert current("bakery").pipeline("orders").find_stage("new") is None

    def test_a_card_keeps_the_revision_it_runs_on(self, card):
        before = current_revision_id("bakery")
        after = _publish(spoiled("orders", "4 business hours", "2 business hours")).revision_id
        assert before != after
        assert db.session.scalar(select(Card.revision_id).where(Card.id == card)) == before

    def test_a_migration_plan_names_the_stages_that_are_gone(self, card):
        later = _publish(spoiled("orders", "4 business hours", "2 business hours")).revision_id
        plan = plan_migration("bakery.orders", later)
        assert [(each.name, each.cards, each.is_kept) for each in plan.stages] == [("Asked", 1, True)]
        assert plan.stranded == ()
        renamed = (
            files()["orders.yaml"].replace("  asked:\n", "  enquired:\n").replace("to: asked", "to: enquired")
        )
        without = _publish(files(orders=renamed)).revision_id
        plan = plan_migration("bakery.orders", without)
        assert [(each.stage, each.cards, each.is_kept) for each in plan.stranded] == [("asked", 1, False)]
