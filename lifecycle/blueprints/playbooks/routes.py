"""Reading playbooks; publishing is done by command."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.playbooks import playbooks
from lifecycle.core.clock import now
from lifecycle.governance.playbooks.doctor import care_of, examine
from lifecycle.governance.playbooks.library import get_current_revision, list_current_revisions
from lifecycle.governance.playbooks.reference import reference_of
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor


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
    stages = {each.key: reference_of(revision.playbook, each) for each in revision.playbook.pipelines}
    return render_template(
        "playbooks/show.html", revision=revision, playbook=revision.playbook, stages=stages
    )


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
        findings=examine(playbook, now().date()),
    )
