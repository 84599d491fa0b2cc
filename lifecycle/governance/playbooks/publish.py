"""Publish a playbook: its content becomes an immutable revision that new cards start on.

Cards keep the revision they run on. Stages keep their identity by key: one that a revision drops is
retired, one that comes back is taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.governance.language.model import PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.playbooks.changes import Change, changes_between
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.legal import check_legal, keep_legal
from lifecycle.governance.playbooks.load import Loaded, canonical, digest, load
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import Department
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline, Playbook, PlaybookRevision, Stage


@dataclass(frozen=True)
class Published:
    """What publishing came to: the revision that is current now, and what changed against the one before.

    `changed` is False when the content is what is published already; nothing was written then.
    """

    playbook: str
    revision: int
    revision_id: int
    changed: bool
    changes: tuple[Change, ...] = ()


def publish(origin: Path | Mapping[str, str] | Loaded, actor: Actor, *, channel: str = "system") -> Published:
    """Publish a folder, texts by file name, or what was loaded of either, within the open transaction.

    The same content twice makes no second revision; an older revision's content makes that one current again.

    Raises:
        NotPermitted: only administrators publish.
        BrokenPlaybook: with every mistake.
        Invalid: a stage that holds cards would turn from open to closed, or back; or a legal document is not
            what was published (`check_legal`).
    """
    require(actor, "playbooks.publish")
    loaded = origin if isinstance(origin, Loaded) else load(origin)
    playbook = compile_document(loaded)
    content = canonical(loaded.content)
    row = _locked(playbook)
    before = db.session.get(PlaybookRevision, row.current_revision_id) if row.current_revision_id else None
    sha256 = digest(content)
    if before is not None and before.sha256 == sha256:
        return Published(playbook.key, before.number, before.id, changed=False)
    keep_legal(playbook)
    _settle_identities(playbook)
    revision = _revision(playbook.key, sha256, content, actor)
    row.name, row.current_revision_id = playbook.name, revision.id
    db.session.flush()
    changes = changes_between(before.content if before else None, content)
    record_event(
        kind="playbook.revision.published",
        chain="playbooks",
        actor=actor,
        channel=channel,
        data={
            "playbook": playbook.key,
            "revision": revision.number,
            "before": before.number if before else None,
            "sha256": sha256,
            "changes": [str(change) for change in changes[:200]],
        },
    )
    return Published(playbook.key, revision.number, revision.id, changed=True, changes=changes)


def preview(origin: Path | Mapping[str, str]) -> Published:
    """Return what `publish` would come to, without writing anything. Raises like it."""
    loaded = load(origin)
    playbook = compile_document(loaded)
    content = canonical(loaded.content)
    row = db.session.get(Playbook, playbook.key)
    before = (
        db.session.get(PlaybookRevision, row.current_revision_id) if row and row.current_revision_id else None
    )
    sha256 = digest(content)
    if before is not None and before.sha256 == sha256:
        return Published(playbook.key, before.number, before.id, changed=False)
    check_legal(playbook)
    for pipeline in playbook.pipelines:
        _refuse_change_of_kind(pipeline, _stage_rows(_pipeline_id(playbook.key, pipeline.key)))
    number = _next_number(playbook.key)
    return Published(
        playbook.key,
        number,
        0,
        changed=True,
        changes=changes_between(before.content if before else None, content),
    )


def _locked(playbook: PlaybookDef) -> Playbook:
    """Return the playbook's row, made if it is new, locked so that two publishers take turns."""
    db.session.execute(
        upsert(Playbook)
        .values(key=playbook.key, name=playbook.name)
        .on_conflict_do_nothing(index_elements=["key"])
    )
    return db.session.scalars(
        select(Playbook)
        .where(Playbook.key == playbook.key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _revision(key: str, sha256: str, content: dict[str, Any], actor: Actor) -> PlaybookRevision:
    """Return the revision with that content: an older one, or a new one."""
    found = db.session.scalar(
        select(PlaybookRevision).where(
            PlaybookRevision.playbook_key == key, PlaybookRevision.sha256 == sha256
        )
    )
    if found is not None:
        return found
    revision = PlaybookRevision(
        playbook_key=key,
        number=_next_number(key),
        sha256=sha256,
        content=content,
        published_at=now(),
        published_by=actor.user_id,
    )
    db.session.add(revision)
    db.session.flush()
    return revision


def _next_number(key: str) -> int:
    highest = db.session.scalar(
        select(func.max(PlaybookRevision.number)).where(PlaybookRevision.playbook_key == key)
    )
    return (highest or 0) + 1


def _settle_identities(playbook: PlaybookDef) -> None:
    """Bring departments, pipelines and stages to what the playbook says, keeping the identity of each."""
    for key, department in playbook.departments.items():
        statement = upsert(Department).values(key=key, name=department.name)
        db.session.execute(
            statement.on_conflict_do_update(index_elements=["key"], set_={"name": statement.excluded.name})
        )
    kept = {pipeline.key for pipeline in playbook.pipelines}
    for position, pipeline in enumerate(playbook.pipelines):
        _settle_stages(pipeline, _settled_pipeline(playbook, pipeline, position))
    dropped = select(Pipeline.id).where(Pipeline.playbook_key == playbook.key, Pipeline.key.not_in(kept))
    for pipeline_id in db.session.scalars(dropped).all():
        for row in _stage_rows(pipeline_id).values():
            _retire(row)


def _settled_pipeline(playbook: PlaybookDef, pipeline: PipelineDef, position: int) -> int:
    """Return the id of the pipeline's row, made or brought up to date."""
    statement = upsert(Pipeline).values(
        playbook_key=playbook.key, key=pipeline.key, slug=pipeline.slug, name=pipeline.name, position=position
    )
    row = db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["playbook_key", "key"],
            set_={"name": statement.excluded.name, "position": statement.excluded.position},
        ).returning(Pipeline.id)
    )
    return int(row.scalar_one())


def _settle_stages(pipeline: PipelineDef, pipeline_id: int) -> None:
    rows = _stage_rows(pipeline_id)
    _refuse_change_of_kind(pipeline, rows)
    for stage in pipeline.stages:
        row = rows.get(stage.key)
        if row is None:
            row = Stage(pipeline_id=pipeline_id, key=stage.key)
            db.session.add(row)
        row.name, row.kind, row.position, row.retired_at = stage.name, stage.kind, stage.position, None
        row.card_limit = stage.limit.cards if stage.limit else None
        row.limit_is_hard = stage.limit is not None and stage.limit.is_hard
    for key, row in rows.items():
        if pipeline.find_stage(key) is None:
            _retire(row)


def _retire(row: Stage) -> None:
    row.retired_at = row.retired_at or now()
    row.card_limit, row.limit_is_hard = None, False


def _refuse_change_of_kind(pipeline: PipelineDef, rows: Mapping[str, Stage]) -> None:
    changed = [stage for stage in pipeline.stages if stage.key in rows and rows[stage.key].kind != stage.kind]
    for stage in changed:
        row = rows[stage.key]
        held = db.session.scalar(select(func.count()).select_from(Card).where(Card.stage_id == row.id)) or 0
        if held:
            raise Invalid(_sentence_on_kind(pipeline, stage, row.kind, held))


def _sentence_on_kind(pipeline: PipelineDef, stage: StageDef, kind: str, held: int) -> str:
    cards = "1 card stands" if held == 1 else f"{held} cards stand"
    return (
        f"{pipeline.name}: the stage {stage.name} is '{kind}' and {cards} in it, "
        f"so it cannot become '{stage.kind}'. Move the cards first, or give the stage another key."
    )


def _pipeline_id(playbook_key: str, key: str) -> int | None:
    return db.session.scalar(
        select(Pipeline.id).where(Pipeline.playbook_key == playbook_key, Pipeline.key == key)
    )


def _stage_rows(pipeline_id: int | None) -> dict[str, Stage]:
    rows = db.session.scalars(
        select(Stage).where(Stage.pipeline_id == pipeline_id).execution_options(populate_existing=True)
    )
    return {row.key: row for row in rows}
