"""Creating a card: its first stage visit is written by the same room that moves it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.ids import new_id
from lifecycle.governance.cards.change import touch_card
from lifecycle.governance.cards.edit import get_working_user, read_money, read_title, record_card_event
from lifecycle.governance.cards.limits import enter
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.language.model import PipelineDef, StageDef
from lifecycle.governance.moves.assign import owner_on_entry
from lifecycle.governance.moves.effects import begin_stay
from lifecycle.governance.moves.order import board_order
from lifecycle.governance.moves.visits import make_tasks, open_visit, stand_in
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.playbooks.rules import ENTERED
from lifecycle.governance.rules.match import match_event
from lifecycle.governance.sla.clock import deadline
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage


def create_card(
    slug: str,
    *,
    actor: Actor,
    channel: str,
    account_id: uuid.UUID,
    title: str,
    stage: str | None = None,
    value_amount: Decimal | None = None,
    value_currency: str | None = None,
    owner_id: uuid.UUID | None = None,
    contact_id: uuid.UUID | None = None,
    fields: dict[str, Any] | None = None,
    fallback_owner_id: uuid.UUID | None = None,
    journey_id: uuid.UUID | None = None,
    asks_client: bool = True,
    over_limit: str = "",
) -> Card:
    """Put a new card on a board, in a stage where cards may begin, and return it.

    Args:
        slug: the pipeline, as `<playbook>.<pipeline>`.
        owner_id: who owns it, whatever the stage's rule would choose.
        fields: stored values of card fields, already read.
        fallback_owner_id: who owns it where the stage's rule finds nobody, if not the actor.
        asks_client: whether a client gate at the beginning asks at once; a handoff's waits until accepted.
        journey_id: the travel it goes on with; without it a new one begins.
        over_limit: why it may begin in a stage that is full, of somebody who may override.

    Raises:
        NotFound: no such pipeline or account.
        NotPermitted, Invalid: with a sentence.
    """
    require(actor, "cards.create")
    pipeline_row = get_pipeline(slug)
    revision_id = current_revision_id(pipeline_row)
    playbook = of_revision(revision_id)
    definition = playbook.pipeline(pipeline_row.key)
    target = _beginning(definition, stage)
    account = db.session.get(Account, account_id)
    if account is None or account.archived_at is not None:
        raise Invalid("Choose an account that is not archived.", {"account": "Choose an account."})
    owner = get_working_user(owner_id or fallback_owner_id or actor.user_id or uuid.UUID(int=0)).id
    at = now()
    card_id = new_id()
    owner = owner_id or owner_on_entry(target, account, owner)
    stage_row = db.session.scalars(
        select(Stage)
        .where(Stage.pipeline_id == pipeline_row.id, Stage.key == target.key)
        .execution_options(populate_existing=True)
    ).one()
    stage_id = stage_row.id
    title, money = read_title(title), read_money(value_amount, value_currency)
    over_limit = clean_text(over_limit, keep_lines=True)[:2000]
    exceeded = enter(stage_row, actor, over_limit)
    department = target.department or definition.department
    visit_id = open_visit(
        card_id=card_id,
        number=1,
        stage_id=stage_id,
        revision_id=revision_id,
        owner_id=owner,
        department=department,
        at=at,
        actor=actor,
        channel=channel,
        edge="created",
        due_at=deadline(playbook, target, at),
    )
    card = Card(
        id=card_id,
        journey_id=journey_id or card_id,
        pipeline_id=pipeline_row.id,
        stage_id=stage_id,
        visit_id=visit_id,
        revision_id=revision_id,
        account_id=account.id,
        contact_id=contact_id,
        title=title,
        **money,
        fields=dict(fields or {}),
        owner_id=owner,
        department_key=department,
        sla_due_at=deadline(playbook, target, at),
        board_order=board_order(target, deadline(playbook, target, at), at),
        created_at=at,
        updated_at=at,
    )
    db.session.add(card)
    db.session.flush()
    subject = get_subject(card_id, at)
    stand_in(subject, target, stage_id, visit_id, at)
    tasks = make_tasks(subject, target, visit_id, at)
    event_id = record_card_event(
        subject,
        "card.created",
        actor,
        channel,
        {"pipeline": slug, "visit": visit_id, "revision": revision_id, "fields": dict(fields or {})}
        | ({"over_limit": exceeded} if exceeded else {}),
        reason=over_limit if exceeded and over_limit else None,
    )
    # It has entered its first stage, too: what that stage does on entering holds for new cards.
    entered = {"to": {"stage": target.key}, "edge": "created"}
    match_event(subject, ENTERED, entered, event_id=event_id, actor=actor, channel=channel)
    begin_stay(subject, tasks, actor, channel, None, asks_client=asks_client)
    db.session.flush()
    refresh_summary(subject)
    touch_card(card, actor)
    return card


def get_pipeline(slug: str) -> Pipeline:
    """Return the pipeline's identity.

    Raises:
        NotFound: no published playbook has it.
    """
    found = db.session.scalar(select(Pipeline).where(Pipeline.slug == slug))
    if found is None:
        raise NotFound("There is no such board. Its playbook may not be published.")
    return found


def current_revision_id(pipeline: Pipeline) -> int:
    """Return the id of the revision that new cards of this pipeline run on."""
    revision_id = db.session.scalars(
        select(Playbook.current_revision_id).where(Playbook.key == pipeline.playbook_key)
    ).one()
    assert revision_id is not None, "a pipeline exists only through a published revision"
    return revision_id


def _beginning(definition: PipelineDef, key: str | None) -> StageDef:
    if key is None:
        return definition.first_stage
    found = definition.find_stage(key)
    if found is None or not found.can_create:
        allowed = ", ".join(stage.name for stage in definition.stages if stage.can_create)
        raise Invalid(f"A card cannot begin there; it can in {allowed or definition.first_stage.name}.")
    return found
