"""What would become of the cards of a pipeline if they went over to another revision (E1).

Only the plan: nothing here moves a card to a revision yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Pipeline, PlaybookRevision, Stage


@dataclass(frozen=True)
class StandingCards:
    """The cards of one stage that run on another revision; `is_kept` says whether the new one has it too."""

    stage: str
    name: str
    cards: int
    is_kept: bool


@dataclass(frozen=True)
class MigrationPlan:
    """What a migration to a revision would touch, stage by stage in the board's order."""

    pipeline: str
    revision: int
    stages: tuple[StandingCards, ...]

    @property
    def cards(self) -> int:
        """How many cards run on another revision."""
        return sum(stage.cards for stage in self.stages)

    @property
    def stranded(self) -> tuple[StandingCards, ...]:
        """The stages with cards that the new revision does not have: these cards must be moved first."""
        return tuple(stage for stage in self.stages if not stage.is_kept)


def plan_migration(slug: str, to_revision: int) -> MigrationPlan:
    """Return which cards do not run on the revision with that id, and which would lose their stage by it.

    Raises:
        NotFound: no such pipeline, or no such revision of its playbook.
    """
    pipeline = db.session.scalar(select(Pipeline).where(Pipeline.slug == slug))
    revision = db.session.get(PlaybookRevision, to_revision)
    if pipeline is None or revision is None or revision.playbook_key != pipeline.playbook_key:
        raise NotFound("There is no such pipeline or revision.")
    definition = next((each for each in of_revision(to_revision).pipelines if each.key == pipeline.key), None)
    rows = db.session.execute(
        select(Stage.key, Stage.name, func.count(Card.id))
        .join(Card, Card.stage_id == Stage.id)
        .where(Card.pipeline_id == pipeline.id, Card.revision_id != to_revision, Card.archived_at.is_(None))
        .group_by(Stage.id)
        .order_by(Stage.position, Stage.id)
    )
    return MigrationPlan(
        pipeline=slug,
        revision=revision.number,
        stages=tuple(
            StandingCards(key, name, count, definition is not None and definition.find_stage(key) is not None)
            for key, name, count in rows
        ),
    )
