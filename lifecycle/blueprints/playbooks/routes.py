"""Reading playbooks, and taking cards over to a new revision; publishing is done by command."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.playbooks import playbooks
from lifecycle.core.clock import now
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.governance.gates.context import today_of
from lifecycle.governance.playbooks.doctor import care_of, examine
from lifecycle.governance.playbooks.library import current, get_current_revision, list_current_revisions
from lifecycle.governance.playbooks.migration import BATCH, Migrated, list_migrations, migrate_cards
from lifecycle.governance.playbooks.reference import reference_of
from lifecycle.governance.playbooks.setup import channel_findings, channels_of
from lifecycle.governance.requests.legal import read_legal
from lifecycle.records.legal.texts import find_legal_text
from lifecycle.records.people.permissions import can, require
from lifecycle.records.team_channels.queries import channel_labels
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to

# A request that takes longer would be cut off by whatever stands before the server.
_PATIENCE: Final = timedelta(seconds=20)


@playbooks.get("/playbooks")
def list_playbooks() -> ResponseReturnValue:
    """List the published playbooks with what the doctor says of each."""
    require(current_actor(), "playbooks.read")
    today = now().date()
    found = [(revision, examine(revision.playbook, today)) for revision in list_current_revisions()]
    return render_template("playbooks/list.html", playbooks=found)


@playbooks.get("/playbooks/<string:key>")
def show_playbook(key: str) -> ResponseReturnValue:
    """Show the stages of every pipeline: entry and exit criteria, owner, SLA, next action."""
    require(current_actor(), "playbooks.read")
    revision = get_current_revision(key)
    # On a large board the gates take seconds: the page comes first, and then asks itself for them.
    most_gates = None if request.args.get("gates") == "all" else BATCH
    stages = {each.key: reference_of(revision.playbook, each) for each in revision.playbook.pipelines}
    return render_template(
        "playbooks/show.html",
        revision=revision,
        playbook=revision.playbook,
        stages=stages,
        migrations=list_migrations(key, most_gates=most_gates),
        can_migrate=can(current_actor(), "playbooks.publish"),
        today=today_of(revision.playbook, now()),
        channels=channel_labels(channels_of(revision.playbook)),
    )


@playbooks.get("/playbooks/<string:key>/legal/<string:document>/<string:version>")
def show_legal(key: str, document: str, version: str) -> ResponseReturnValue:
    """Show one version of a legal document; `?since=` marks what changed since an earlier one."""
    require(current_actor(), "playbooks.read")
    text = find_legal_text(key, document, version)
    if text is None:
        raise NotFound("There is no such version of a legal document.")
    return render_template(
        "playbooks/legal.html",
        playbook=current(key),
        legal=read_legal(text, request.args.get("since")),
        address=request.path,
    )


@playbooks.post("/playbooks/<string:key>/migrations")
def migrate(key: str) -> ResponseReturnValue:
    """Take the cards of one pipeline over to the revision whose plan was shown."""
    slug, seen = request.form.get("pipeline", ""), request.form.get("revision", type=int)
    if slug.partition(".")[0] != key:
        raise NotFound("There is no such pipeline.")
    if seen is None:
        raise Invalid("Say which revision you looked at. Nothing was changed.")
    migrated = migrate_cards(
        slug, actor=current_actor(), channel="page", seen_revision=seen, within=_PATIENCE
    )
    flash(_outcome(migrated), "passed")
    return go_to(url_for("playbooks.show_playbook", key=key))


def _outcome(migrated: Migrated) -> str:
    count = migrated.migrated
    told = f"{'1 card' if count == 1 else f'{count:,} cards'} went over to revision {migrated.revision}."
    if migrated.remaining:
        are = "1 card is" if migrated.remaining == 1 else f"{migrated.remaining:,} cards are"
        told += f" {are} still to go: start again to go on."
    if migrated.staying:
        stay = "1 card stays" if migrated.staying == 1 else f"{migrated.staying:,} cards stay"
        told += f" {stay} on the revision before."
    return told


@playbooks.get("/playbooks/<string:key>/doctor")
def show_doctor(key: str) -> ResponseReturnValue:
    """Show what each stage has of the six things, and every gap and warning."""
    require(current_actor(), "playbooks.read")
    revision = get_current_revision(key)
    playbook = revision.playbook
    cares = {each.key: [care_of(playbook, stage) for stage in each.stages] for each in playbook.pipelines}
    return render_template(
        "playbooks/doctor.html",
        revision=revision,
        playbook=playbook,
        cares=cares,
        findings=(*examine(playbook, now().date()), *channel_findings(playbook)),
    )
