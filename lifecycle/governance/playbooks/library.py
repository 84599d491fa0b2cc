"""The published playbooks: which revision is current, and what a revision says.

A revision never changes, so a process keeps what it compiled; which one is current is asked each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.playbooks.compile import compile_playbook
from lifecycle.records.playbooks.models import Playbook, PlaybookRevision


@dataclass(frozen=True)
class CurrentRevision:
    """The revision that new cards of a playbook start on."""

    id: int
    number: int
    published_at: datetime
    sha256: str
    playbook: PlaybookDef


@lru_cache(maxsize=64)
def of_revision(revision_id: int) -> PlaybookDef:
    """Return the playbook as that revision says it; two queries the first time, none afterwards.

    Raises:
        NotFound: there is no such revision.
    """
    sha256 = db.session.scalar(select(PlaybookRevision.sha256).where(PlaybookRevision.id == revision_id))
    if sha256 is None:
        raise NotFound("There is no such revision of a playbook.")
    return _of_content(sha256)


@lru_cache(maxsize=64)
def _of_content(sha256: str) -> PlaybookDef:
    content = select(PlaybookRevision.content).where(PlaybookRevision.sha256 == sha256).limit(1)
    return compile_playbook(db.session.scalars(content).one())


def current_revision_ids() -> dict[str, int]:
    """Return the current revision's id of every published playbook, by the playbook's key. One query."""
    rows = db.session.execute(
        select(Playbook.key, Playbook.current_revision_id).where(Playbook.current_revision_id.is_not(None))
    )
    return {key: revision_id for key, revision_id in rows if revision_id is not None}


def current_revision_id(slug: str) -> int:
    """Return the current revision's id of a playbook, or of the playbook of a pipeline's slug. One query.

    Raises:
        NotFound: no such playbook is published.
    """
    revision_id = db.session.scalar(
        select(Playbook.current_revision_id).where(Playbook.key == slug.partition(".")[0])
    )
    if revision_id is None:
        raise NotFound("There is no such playbook.")
    return revision_id


def current(slug: str) -> PlaybookDef:
    """Return a playbook as its current revision says it, by its key or by the slug of one of its pipelines.

    Raises:
        NotFound: no such playbook is published.
    """
    return of_revision(current_revision_id(slug))


def get_current_revision(key: str) -> CurrentRevision:
    """Return the current revision of a playbook with its number and date; raises NotFound."""
    found = next((each for each in list_current_revisions() if each.playbook.key == key), None)
    if found is None:
        raise NotFound("There is no such playbook.")
    return found


def list_current_revisions() -> list[CurrentRevision]:
    """Return every published playbook's current revision, in order of name."""
    rows = db.session.execute(
        select(
            PlaybookRevision.id,
            PlaybookRevision.number,
            PlaybookRevision.published_at,
            PlaybookRevision.sha256,
        )
        .join(Playbook, Playbook.current_revision_id == PlaybookRevision.id)
        .order_by(Playbook.name, Playbook.key)
    ).all()
    return [
        CurrentRevision(row.id, row.number, row.published_at, row.sha256, of_revision(row.id)) for row in rows
    ]
