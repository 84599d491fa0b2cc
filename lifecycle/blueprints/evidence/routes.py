"""The page that verifies the evidence log."""

from __future__ import annotations

import uuid

from flask import Response, current_app, flash, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.evidence import evidence
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.records.accounts.quick import find_account
from lifecycle.records.evidence import history
from lifecycle.records.evidence.export import export_evidence
from lifecycle.records.evidence.heads import FILE, public_key
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to


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


@evidence.get("/accounts/<uuid:account_id>/evidence")
def download_evidence(account_id: uuid.UUID) -> Response:
    """Hand over an account's evidence with its proofs, to be verified anywhere."""
    lines = export_evidence(account_id, actor=current_actor())
    response = Response(stream_with_context(lines), mimetype="application/jsonl")
    response.headers["Content-Disposition"] = f'attachment; filename="evidence-{account_id}.jsonl"'
    return response


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
        head=history.latest_head(),
        public_key=public_key() if current_app.extensions["settings"].evidence_key else None,
        heads_file=FILE,
        accounts=history.account_names([fault.chain for fault in faults]),
        named=named,
        problem=problem,
    )
