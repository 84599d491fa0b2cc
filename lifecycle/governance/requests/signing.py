"""Signing: over the hash of exactly what was shown, with a mailed code as a second step (E18, P3).

The content is put together anew when the page is shown and when it is signed, from the same rows: what is
signed is what the signer saw, or it is refused.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from flask import current_app

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.ids import new_id
from lifecycle.governance.fields.values import clean_text, show_value
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef
from lifecycle.governance.requests.form import read_form
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.letters import render_letter
from lifecycle.records.outbox.sealed import code_placeholder, sealed_code
from lifecycle.work.client_requests.models import ClientCode, ClientLink, ClientRequest
from lifecycle.work.client_requests.subject import hash_content

CODE_LASTS: Final = timedelta(minutes=15)
MOST_ATTEMPTS: Final = 5
MOST_CODES: Final = 6
_WITHIN: Final = timedelta(hours=1)
PAD: Final = (600, 200)
"""Width and height of the field in which a signature is drawn."""
_MOST_POINTS: Final = 4000
_WRONG: Final = "That is not the code we mailed. Look at the latest message, or ask for a new code."


@dataclass(frozen=True)
class Signature:
    """A signature as it was given: the name typed, and the strokes drawn, each a list of points."""

    name: str
    position: str
    strokes: list[list[list[int]]]

    def as_proof(self) -> dict[str, Any]:
        """Return what the proof keeps of it."""
        return {"kind": "drawn" if self.strokes else "typed", "name": self.name, "strokes": self.strokes}


def content_of(subject: Subject, definition: ClientRequestDef, request: ClientRequest) -> dict[str, Any]:
    """Return all that the signer sees, in words: what is shown, attached, answered and agreed to."""
    form = read_form(definition, subject, request.answers) if definition.pages else None
    return {
        "request": request.name,
        "account": subject.account.name,
        "intro": request.intro,
        "shown": [[item["name"], item["value"] or ""] for item in request.shown],
        "documents": [
            [item["name"], item["title"], item.get("sha256") or item["url"] or ""]
            for item in request.documents
        ],
        "answers": [
            [each.question.name, show_value(each.question, each.value)]
            for each in (form.asked if form else ())
            if each.value is not None
        ],
        "consent": request.consent,
    }


def content_hash(subject: Subject, definition: ClientRequestDef, request: ClientRequest) -> str:
    """Return the SHA-256 of `content_of`."""
    return hash_content(content_of(subject, definition, request))


def read_signature(name: str, position: str, drawn: str) -> Signature:
    """Return the signature.

    Args:
        drawn: the strokes as JSON, lists of [x, y] within PAD; nothing for a typed signature.

    Raises:
        Invalid: no name, or the drawing is none.
    """
    signer = clean_text(name)[:120]
    if not signer:
        raise Invalid("Write your name.", {"signer": "Write your name."})
    return Signature(signer, clean_text(position)[:120], _strokes(drawn))


def _strokes(drawn: str) -> list[list[list[int]]]:
    if not drawn.strip():
        return []
    sentence = "The drawing could not be read. Draw it again, or leave it empty and sign by your name."
    if len(drawn) > 80_000 or not re.fullmatch(r"[\[\]0-9,\s]*", drawn):
        raise Invalid(sentence, {"drawn": sentence})
    try:
        given = json.loads(drawn)
        strokes = [[_point(point) for point in stroke] for stroke in given]
    except (ValueError, TypeError, RecursionError):
        raise Invalid(sentence, {"drawn": sentence}) from None
    if sum(map(len, strokes)) > _MOST_POINTS:
        raise Invalid(sentence, {"drawn": sentence})
    return [stroke for stroke in strokes if stroke]


def _point(point: Any) -> list[int]:
    x, y = point
    if not (0 <= x <= PAD[0] and 0 <= y <= PAD[1]):
        raise ValueError("outside")
    return [int(x), int(y)]


def send_code(link: ClientLink, contact: Contact, request: ClientRequest) -> ClientCode:
    """Mail a code to a link's contact; an earlier one is good no longer.

    Raises:
        Conflict: very many were asked for; Invalid: the contact has no address.
    """
    if not contact.email:
        raise Invalid("We know no email address of yours. Write to us.")
    at = now()
    recent = db.session.scalar(
        sa.select(sa.func.count()).where(ClientCode.link_id == link.id, ClientCode.created_at > at - _WITHIN)
    )
    if (recent or 0) >= MOST_CODES:
        raise Conflict("Many codes were sent in the last hour. Use the latest, or try again later.")
    db.session.execute(
        sa.update(ClientCode)
        .where(ClientCode.link_id == link.id, ClientCode.used_at.is_(None), ClientCode.expires_at > at)
        .values(expires_at=at)
    )
    code = ClientCode(id=new_id(), link_id=link.id, created_at=at, expires_at=at + CODE_LASTS)
    db.session.add(code)
    db.session.flush()
    letter = render_letter(
        "client_code",
        home=current_app.extensions["settings"].base_url,
        person=contact.name,
        request=request.name,
        code=code_placeholder(_name(code)),
        minutes=int(CODE_LASTS.total_seconds() // 60),
    )
    send_message(
        "client_code",
        to_address=contact.email,
        to_name=contact.name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        contact_id=contact.id,
        card_id=request.card_id,
        request_id=request.id,
        cause=f"code/{code.id}",
        resend_if_unsure=True,
    )
    return code


def waiting_code(link: ClientLink) -> ClientCode | None:
    """Return the code that a link's contact can still type, or None."""
    return db.session.scalar(
        sa.select(ClientCode)
        .where(
            ClientCode.link_id == link.id,
            ClientCode.used_at.is_(None),
            ClientCode.expires_at > now(),
            ClientCode.attempts < MOST_ATTEMPTS,
        )
        .order_by(ClientCode.created_at.desc())
        .limit(1)
    )


def try_code(link: ClientLink, typed: str) -> ClientCode | None:
    """Count an attempt, and return the code if that is it. Commit whatever the answer: attempts count.

    It is good for one signature, which `use_code` spends.
    """
    code = db.session.scalar(
        sa.select(ClientCode)
        .where(ClientCode.link_id == link.id, ClientCode.used_at.is_(None), ClientCode.expires_at > now())
        .order_by(ClientCode.created_at.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if code is None or code.attempts >= MOST_ATTEMPTS:
        return None
    code.attempts += 1
    digits = "".join(letter for letter in typed if letter.isascii() and letter.isdigit())
    return code if hmac.compare_digest(digits.encode(), sealed_code(_name(code)).encode()) else None


def use_code(code: ClientCode | None) -> ClientCode:
    """Spend a code that `try_code` found right, in the transaction of what is signed.

    Raises:
        Invalid: there is none, or it is spent.
    """
    held = (
        db.session.get(ClientCode, code.id, populate_existing=True, with_for_update=True)
        if code is not None
        else None
    )
    if held is None or held.used_at is not None or held.expires_at <= now():
        raise Invalid(_WRONG, {"code": _WRONG})
    held.used_at = now()
    return held


def _name(code: ClientCode) -> str:
    return f"client_codes/{code.id}"
