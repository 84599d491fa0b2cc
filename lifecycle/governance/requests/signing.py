"""Signing: over the hash of exactly what was shown, with a mailed code as a second step (E18, P3).

The content is put together anew when the page is shown and when it is signed, from the same rows: what is
signed is what the signer saw, or it is refused.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.core.words import _
from lifecycle.governance.fields.values import clean_text, show_table, show_value
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef
from lifecycle.governance.requests.form import AskedQuestion, read_form
from lifecycle.records.files.models import StoredFile
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.subject import hash_content

PAD: Final = (600, 200)
"""Width and height of the field in which a signature is drawn."""
_MOST_POINTS: Final = 4000


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
    marks = _marks_of(request.files)
    return {
        "request": request.name,
        "account": subject.account.name,
        "intro": request.intro,
        "shown": [_shown(item) for item in request.shown],
        "documents": [
            [item["name"], item["title"], item.get("sha256") or item["url"] or ""]
            for item in request.documents
        ],
        "answers": [_answer(each, marks) for each in (form.asked if form else ()) if each.value is not None],
        "consent": request.consent,
    }


def _shown(item: dict[str, Any]) -> list[Any]:
    """Return name and words of what is shown, and of a table its cells as well."""
    return [item["name"], item["value"] or "", *([item["table"]] if "table" in item else [])]


def _answer(asked: AskedQuestion, marks: Mapping[str, str]) -> list[Any]:
    """Return a question and its answer in words, and of a table its cells as well."""
    table = show_table(asked.question, asked.value)
    return [asked.question.name, _in_words(asked, marks), *([asdict(table)] if table else [])]


def _in_words(asked: AskedQuestion, marks: Mapping[str, str]) -> str:
    if asked.question.type != "file":
        return show_value(asked.question, asked.value)
    # A name alone would let another file take its place.
    return ", ".join(f"{item['name']} (SHA-256 {marks.get(item['id'], 'unknown')})" for item in asked.value)


def _marks_of(files: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the SHA-256 of files by their id."""
    ids = [uuid.UUID(item["id"]) for item in files]
    if not ids:
        return {}
    found = db.session.execute(sa.select(StoredFile.id, StoredFile.sha256).where(StoredFile.id.in_(ids)))
    return {str(file_id): sha256 for file_id, sha256 in found}


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
        raise Invalid(_("Write your name."), {"signer": _("Write your name.")})
    return Signature(signer, clean_text(position)[:120], _strokes(drawn))


def _strokes(drawn: str) -> list[list[list[int]]]:
    if not drawn.strip():
        return []
    sentence = _("The drawing could not be read. Draw it again, or leave it empty and sign by your name.")
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
