"""A client's form as staff read it: by page, what changed since it was sent before, and its scores."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.governance.fields.values import show_answer
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import Question
from lifecycle.governance.requests.form import FormState, read_form
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import ClientRequest, RequestReview, RequestSubmission
from lifecycle.work.client_requests.queries import list_submissions


@dataclass(frozen=True)
class ShownAnswer:
    """An answer: `before` is how it read in the submission before, None if it read the same.

    `comment` is what staff wrote to it last; `files` are the uploads of a question for files.
    """

    question: Question
    text: str
    before: str | None
    comment: str
    files: list[Any]


@dataclass(frozen=True)
class ShownPage:
    """A page with its answers."""

    key: str
    name: str
    answers: list[ShownAnswer]


@dataclass(frozen=True)
class PastSubmission:
    """One submission and what became of it."""

    submission: RequestSubmission
    review: RequestReview | None
    reviewed_by: str


@dataclass(frozen=True)
class SubmittedForm:
    """A form as it is now: what was submitted last, or what the client has written so far.

    `share` is how much of what must be answered is, 0 to 1; `names` are the questions' by key.
    """

    pages: list[ShownPage]
    share: float
    is_draft: bool
    changed: int
    scores: list[dict[str, Any]]
    submissions: list[PastSubmission]
    names: dict[str, str]


def read_submitted_form(subject: Subject, request: ClientRequest) -> SubmittedForm | None:
    """Return the form of a request, or None if it has none. Two queries."""
    definition = subject.playbook.client_requests.get(request.key)
    if definition is None or not definition.pages:
        return None
    past = list_submissions(request.id)
    is_draft = not past or request.status not in ("submitted", "accepted")
    answers = request.answers if is_draft else past[0][0].answers
    earlier = past[0][0].answers if is_draft and past else past[1][0].answers if len(past) > 1 else None
    form = read_form(definition, subject, answers)
    comments = past[0][1].comments if past and past[0][1] else {}
    if not is_draft and len(past) > 1 and past[1][1]:
        comments = past[1][1].comments
    pages = _pages(form, earlier, comments)
    return SubmittedForm(
        pages=pages,
        share=form.share,
        is_draft=is_draft,
        changed=sum(answer.before is not None for page in pages for answer in page.answers),
        scores=past[0][0].scores if past else [],
        submissions=_with_names(past),
        names={question.key: question.name for question in definition.asks},
    )


def _pages(form: FormState, earlier: dict[str, Any] | None, comments: dict[str, str]) -> list[ShownPage]:
    pages = []
    for page in form.asked_pages:
        answers = []
        for each in page.asked:
            text = show_answer(each.question, each.typed)
            before = None
            if earlier is not None:
                was = show_answer(each.question, earlier.get(each.question.key))
                before = was if was != show_answer(each.question, each.value) else None
            files = list(each.typed or []) if each.question.type == "file" else []
            comment = comments.get(each.question.key, "")
            if text or before is not None or comment:
                answers.append(ShownAnswer(each.question, text, before, comment, files))
        pages.append(ShownPage(page.page.key, page.page.name, answers))
    return pages


def _with_names(past: list[tuple[RequestSubmission, RequestReview | None]]) -> list[PastSubmission]:
    reviewers = {review.reviewed_by for _, review in past if review and review.reviewed_by}
    rows = db.session.execute(sa.select(User.id, User.name).where(User.id.in_(reviewers)))
    names: dict[uuid.UUID, str] = dict(rows.all())
    return [
        PastSubmission(
            each, review, names.get(review.reviewed_by, "") if review and review.reviewed_by else ""
        )
        for each, review in past
    ]
