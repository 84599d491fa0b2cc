"""Legal documents of a playbook: compiling them, and keeping each version as it was published (W12)."""

from __future__ import annotations

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.governance.gates.context import today_of
from lifecycle.governance.language.document import LegalDocument
from lifecycle.governance.language.errors import shown
from lifecycle.governance.language.model import LegalDef, LegalVersionDef, PlaybookDef
from lifecycle.governance.playbooks.references import Findings
from lifecycle.records.legal.models import LegalText
from lifecycle.records.legal.texts import find_legal_text


def compile_legal(key: str, written: LegalDocument, findings: Findings) -> LegalDef:
    """Return the document; versions that cannot be told apart are noted."""
    path = ("legal", key, "versions")
    for position, version in enumerate(written.versions):
        before = written.versions[:position]
        if version.version in {each.version for each in before}:
            sentence = f"version '{shown(version.version)}' is written twice"
            findings.note((*path, position, "version"), sentence, "other words are another version")
        if version.since in {each.since for each in before}:
            sentence = "two versions begin on this day"
            findings.note((*path, position, "since"), sentence, "only one can be in force")
    ordered = sorted(written.versions, key=lambda each: each.since)
    versions = tuple(LegalVersionDef(each.version, each.since, each.text) for each in ordered)
    return LegalDef(key, written.name, versions)


def check_legal(playbook: PlaybookDef) -> None:
    """Refuse what clients could not rely on.

    Raises:
        Invalid: a version that was published has other words now, or another first day; or a document
            that clients are to accept is not in force yet.
    """
    for document in playbook.legal.values():
        for version in document.versions:
            _refuse_other_words(playbook.key, document, version)
    today = today_of(playbook, now())
    for request in playbook.client_requests.values():
        for key in request.legal:
            document = playbook.legal[key]
            if document.in_force(today) is None:
                first = document.versions[0]
                raise Invalid(
                    f"{document.name}: no version is in force yet, and {request.name} asks clients to "
                    f"accept it. The first, {first.version}, begins on {first.since:%-d %B %Y}."
                )


def keep_legal(playbook: PlaybookDef) -> None:
    """Keep every version that is new; raises as `check_legal`."""
    check_legal(playbook)
    for document in playbook.legal.values():
        for version in document.versions:
            if find_legal_text(playbook.key, document.key, version.version) is None:
                kept = LegalText(
                    playbook_key=playbook.key,
                    key=document.key,
                    version=version.version,
                    name=document.name,
                    since=version.since,
                    text=version.text,
                    sha256=version.sha256,
                )
                db.session.add(kept)
    db.session.flush()


def _refuse_other_words(playbook: str, document: LegalDef, version: LegalVersionDef) -> None:
    kept = find_legal_text(playbook, document.key, version.version)
    if kept is None or (kept.sha256, kept.since) == (version.sha256, version.since):
        return
    what = "other words" if kept.sha256 != version.sha256 else "another first day"
    raise Invalid(
        f"{document.name}: version {version.version} was published with {what}, and clients may have "
        "accepted it. Nothing was published. Give the new text a version of its own."
    )
