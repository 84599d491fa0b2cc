"""A submitted form on paper: what was shown and answered, by whom, and its hash (E19)."""

from __future__ import annotations

from typing import Any

from lifecycle.core.errors import NotFound
from lifecycle.core.papers import moment_on_paper, render_paper
from lifecycle.core.words import _
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import show_answer, show_table
from lifecycle.governance.language.model import Question
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.form import read_sent
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.queries import find_submission
from lifecycle.work.client_requests.subject import hash_content


def paper_of_submission(request: ClientRequest, number: int | None = None) -> tuple[str, bytes]:
    """Return the file name and the PDF of a submission; the latest without a number.

    Questions and options have the names and the order of the revision that it was made under.

    Raises:
        NotFound: there is none.
    """
    submission = find_submission(request.id, number)
    subject = get_subject(request.card_id)
    playbook = of_revision(submission.revision_id) if submission else subject.playbook
    definition = playbook.client_requests.get(request.key)
    if submission is None or definition is None or not definition.pages:
        raise NotFound(_("There is no such submission."))
    proof = submission.proof
    digest = hash_content(submission.answers)
    paper = {
        "lang": "en",
        "vendor": playbook.name,
        "account": subject.account.name,
        "title": request.name,
        "lead": f"Submission {submission.number}, {moment_on_paper(submission.created_at)}",
        "footer": f"{request.name}, submission {submission.number}, SHA-256 {digest}",
        "words": {"shown": "What we showed", "proof": "Who submitted it"},
        "shown": [
            [item["name"], item["value"], *([item["table"]] if "table" in item else [])]
            for item in proof.get("shown", [])
            if item.get("value")
        ],
        "pages": [
            {
                "name": sent.page.name,
                "answers": [_answer(question, value) for question, value in sent.answers],
            }
            for sent in read_sent(definition, submission.answers)
        ],
        "proof": [
            ["Name", ", ".join(part for part in (proof.get("name"), proof.get("position")) if part)],
            ["As contact", f"{proof['contact']['name']}, {proof['contact']['email']}"],
            ["When", moment_on_paper(submission.created_at)],
            ["From", proof.get("address", "")],
            ["Agreed to", proof.get("consent", "")],
            *([["As read", proof["consent_as_read"]]] if "consent_as_read" in proof else []),
            ["SHA-256 of the answers", digest],
        ],
    }
    return f"{request.key}-{submission.number}.pdf", render_paper("form", paper)


def _answer(question: Question, value: Any) -> dict[str, Any]:
    table = show_table(question, value)
    if table is None:
        return {"name": question.name, "value": show_answer(question, value)}
    return {"name": question.name, "columns": table.columns, "rows": table.rows}
