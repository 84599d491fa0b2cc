"""The paper of a signed request: what was signed, with a page of evidence, itself signed (E18, W12)."""

from __future__ import annotations

import uuid
from datetime import datetime
from io import BytesIO
from typing import Any, Final

import sqlalchemy as sa
from babel import Locale
from flask import current_app

from lifecycle.core.db import db
from lifecycle.core.papers import moment_on_paper, render_paper
from lifecycle.core.prose import blocks_of
from lifecycle.core.signatures import own_certificate, sign_pdf
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject, lock_subject
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.requests.ask import describe, get_request
from lifecycle.governance.requests.legal import texts_of
from lifecycle.records.files.receive import receive
from lifecycle.records.files.store import keep, make_ready
from lifecycle.records.legal.models import LegalText
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.attachments import record as attachments
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.subject import text_of_content

CHANNEL: Final = "system"


def requests_without_paper(limit: int = 20) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Return card and request of what is signed and has no paper yet.

    In no order: one whose paper cannot be made must not stand before the others for ever.
    """
    rows = db.session.execute(
        sa.select(ClientRequest.card_id, ClientRequest.id)
        .where(ClientRequest.signed_at.is_not(None), ClientRequest.paper_id.is_(None))
        .order_by(sa.func.random())
        .limit(limit)
    )
    return [(card_id, request_id) for card_id, request_id in rows]


def make_paper(card_id: uuid.UUID, request_id: uuid.UUID) -> bool:
    """Make and keep the paper of a signed request, in the open transaction.

    Return False if it has one already, or was signed anew meanwhile: then the next call makes that one.
    """
    subject = get_subject(card_id)
    request = get_request(subject, request_id)
    signed_at = request.signed_at
    if signed_at is None or request.paper_id is not None:
        return False
    # It takes seconds, in which nobody should wait for the card.
    ready = make_ready(receive(f"{request.name}.pdf", BytesIO(_signed_paper(subject, request))))
    subject = lock_subject(card_id, writes_account=False)
    request = get_request(subject, request_id)
    if request.signed_at != signed_at or request.paper_id is not None:
        return False
    file = keep(ready, SYSTEM)
    request.paper_id = file.id
    definition = subject.playbook.client_requests.get(request.key)
    paper = definition.sign.paper if definition and definition.sign else None
    if paper is not None and paper in subject.playbook.evidence:
        item = attachments.attach(
            subject.id, subject.visit.id, SYSTEM, key=paper, kind="file", title=file.name, file_id=file.id
        )
        data = {**attachments.describe(item), "name": subject.playbook.evidence[paper].name}
        record_card_event(subject, "card.evidence.added", SYSTEM, CHANNEL, data)
    data = {**describe(request), "file": str(file.id), "sha256": file.sha256}
    record_card_event(subject, "card.request.paper_made", SYSTEM, CHANNEL, data)
    db.session.flush()
    refresh_summary(subject)
    return True


def _signed_paper(subject: Subject, request: ClientRequest) -> bytes:
    settings = current_app.extensions["settings"]
    certificate = settings.signing_certificate or own_certificate(
        settings.data_dir, f"{subject.playbook.name}, Lifecycle"
    )
    return sign_pdf(
        render_paper("signed", paper_of(subject, request)),
        certificate,
        settings.signing_password,
        reason=f"{request.name}, signed by {request.proof['signature']['name']}",
    )


def paper_of(subject: Subject, request: ClientRequest) -> dict[str, Any]:
    """Return what the paper says: the proof and the legal texts it names, and nothing else."""
    proof = request.proof
    content, signature = proof["content"], proof["signature"]
    at, code = datetime.fromisoformat(proof["at"]), proof["code"]
    sent_at = datetime.fromisoformat(code["sent_at"])
    return {
        "lang": "en",
        "vendor": subject.playbook.name,
        "account": content["account"],
        "title": content["request"],
        "intro": content["intro"],
        "content": text_of_content(content),
        "shown": [row for row in content["shown"] if row[1]],
        "documents": [[name, title, mark] for name, title, mark in content["documents"]],
        "answers": content["answers"],
        "consent": content["consent"],
        "signature": {
            "name": signature["name"],
            "position": proof["position"],
            "at": moment_on_paper(at),
            "path": " ".join(_path(stroke) for stroke in signature["strokes"]),
        },
        "evidence": [
            ["Signed by", ", ".join(part for part in (signature["name"], proof["position"]) if part)],
            ["How", "Drawn by hand" if signature["strokes"] else "By typing the name"],
            ["As contact", f"{proof['contact']['name']}, {proof['contact']['email']}"],
            ["When", moment_on_paper(at)],
            ["From the address", proof["address"]],
            ["With", proof["user_agent"]],
            *([["Page in", _language(proof["language"])]] if "language" in proof else []),
            *([["Agreed to, as read", proof["consent_as_read"]]] if "consent_as_read" in proof else []),
            ["Second step", f"A code mailed to {code['sent_to']} at {moment_on_paper(sent_at)}"],
            ["Request", str(request.id)],
            ["SHA-256 of what was signed", proof["content_hash"]],
        ],
        "annexes": [_annex(text) for text in texts_of(subject.playbook.key, proof["documents"])],
        "footer": f"{content['request']}, SHA-256 {proof['content_hash']}",
    }


def _annex(text: LegalText) -> dict[str, Any]:
    return {
        "name": text.name,
        "version": text.version,
        "sha256": text.sha256,
        "blocks": [[block.level, block.text] for block in blocks_of(text.text)],
    }


def _language(code: str) -> str:
    return str(Locale.parse(code).get_display_name("en"))


def _path(stroke: list[list[int]]) -> str:
    points = "L".join(f"{x} {y}" for x, y in stroke)
    return f"M{points}" + ("l1 0" if len(stroke) == 1 else "")
