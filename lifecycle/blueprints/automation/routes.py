"""The automation's page, and what is done about a rule that failed (E12)."""

from __future__ import annotations

import uuid

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.automation import automation
from lifecycle.core.db import transaction
from lifecycle.core.errors import NotFound
from lifecycle.governance.automation.failures import let_rest, try_again
from lifecycle.insight.automation import AHEAD, DAYS, MOST_FAILURES, read_health
from lifecycle.insight.messages import REMINDER_KINDS
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to
from lifecycle.web.reader import reader_zone


@automation.get("/automation")
def show_automation() -> ResponseReturnValue:
    """Show what failed and waits for somebody, then what ran, what waits and what is due."""
    actor = current_actor()
    require(actor, "automation.read")
    playbook, rested = _playbook(request.args), request.args.get("failures") == "rested"
    return render_template(
        "automation/show.html",
        health=read_health(playbook, reader_zone(), rested=rested),
        playbook=playbook,
        rested=rested,
        days=DAYS,
        days_ahead=AHEAD.days,
        most_failures=MOST_FAILURES,
        reminder_kinds=REMINDER_KINDS,
        can_manage=can(actor, "automation.manage"),
    )


@automation.post("/automation/firings/<uuid:firing_id>/retries")
def create_retry(firing_id: uuid.UUID) -> ResponseReturnValue:
    """Have one failed rule performed again."""
    with transaction():
        try_again(firing_id, current_actor())
    flash("It is tried again now. What it did before is not done twice.", "passed")
    return _back()


@automation.post("/automation/retries")
def create_retries() -> ResponseReturnValue:
    """Have the failed rules of the list performed again, each in a transaction of its own."""
    actor = current_actor()
    require(actor, "automation.manage")
    tried = 0
    for firing_id in _firing_ids():
        try:
            with transaction():
                try_again(firing_id, actor)
        except NotFound:
            continue  # Somebody was faster.
        tried += 1
    flash(f"{tried} {'rule is' if tried == 1 else 'rules are'} tried again now.", "passed")
    return _back()


@automation.post("/automation/firings/<uuid:firing_id>/dismissals")
def create_dismissal(firing_id: uuid.UUID) -> ResponseReturnValue:
    """Let a failure rest."""
    with transaction():
        let_rest(firing_id, current_actor())
    flash("The failure rests. It stays on record under “Let rest”.", "passed")
    return _back()


def _firing_ids() -> list[uuid.UUID]:
    found = []
    for text in request.form.getlist("firing")[:MOST_FAILURES]:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            raise NotFound("There is no such failure. Nothing was changed.") from None
    return found


def _playbook(given: dict[str, str]) -> str | None:
    return given.get("playbook", "").replace("\0", "")[:100] or None


def _back() -> ResponseReturnValue:
    failures = "rested" if request.form.get("failures") == "rested" else None
    return go_to(url_for("automation.show_automation", playbook=_playbook(request.form), failures=failures))
