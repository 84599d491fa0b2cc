"""The page that verifies the evidence log, and the timeline of a card."""

from __future__ import annotations

import uuid

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.evidence import evidence
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.governance.cards.edit import get_card
from lifecycle.insight.accounts import read_facts
from lifecycle.records.accounts.quick import find_account
from lifecycle.records.evidence import history
from lifecycle.records.evidence.timeline import timeline_of_card
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to, render_fragment


@evidence.get("/evidence")
def show_verification() -> ResponseReturnValue:
    """Show what the log holds, and what the last verifications found."""
    return _page()


@evidence.post("/evidence/verifications")
def create_verification() -> ResponseReturnValue:
    """Verify the whole log, or the chain of the account that is named."""
    named = request.form.get("account", "")
    actor = current_actor()
    require(actor, "evidence.verify")
    try:
        account = find_account(named) if named.strip() else None
        with transaction():
            found = history.verify_on_record(account.id if account else None, actor=actor)
    except Invalid as refusal:
        return _page(named, refusal.sentence), 422
    if found.is_sound:
        flash(f"Sound: {found.events:,} entries follow from one another without a gap.", "passed")
    else:
        flash("The log was tampered with. What is wrong is listed on the page.", "error")
    return go_to(url_for("evidence.show_verification"))


def _page(named: str = "", problem: str | None = None) -> str:
    require(current_actor(), "evidence.verify")
    past = history.past_verifications()
    faults = past[0].faults if past else []
    return render_template(
        "evidence/verification.html",
        chains=history.count_chains(),
        entries=history.count_entries(),
        past=past,
        latest=past[0] if past else None,
        accounts=history.account_names([fault.chain for fault in faults]),
        named=named,
        problem=problem,
    )


@evidence.get("/cards/<uuid:card_id>/timeline")
def show_card_timeline(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show part of a card's timeline: a fragment to htmx, the card's page otherwise."""
    require(current_actor(), "evidence.read")
    if request.headers.get("HX-Request") != "true":
        wanted = {name: request.args[name] for name in ("show", "before") if name in request.args}
        return redirect(url_for("cards.show_card", card_id=card_id, **wanted), 303)  # type: ignore[arg-type]
    get_card(card_id)
    kinds = request.args.get("show", "")
    before = request.args.get("before", type=uuid.UUID)
    return render_fragment(
        "evidence/timeline.html",
        timeline=timeline_of_card(card_id, kinds, before, show=read_facts().show),
        timeline_url=url_for("evidence.show_card_timeline", card_id=card_id),
        kinds=kinds,
        link_cards=False,
        is_continued=before is not None,
    )
