"""A client's form as staff read it: by page, what changed since it was sent before, and its scores."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.governance.fields.values import ShownTable, show_answer, show_table
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef, FormPageDef, Question
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.form import FormState, read_form
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import ClientRequest, RequestReview, RequestSubmission
from lifecycle.work.client_requests.queries import list_submissions


@dataclass(frozen=True)
class ShownAnswer:
    """An answer: `before` is how it read in the submission before, None if it is the same.

    `since` says what became of the question between two revisions of the playbook: `new`, `gone` or nothing.
    `comment` is what staff wrote to it last; `files` are the uploads of a question for files. What is a
    table, or was one before, is that too.
    """

    question: Question
    text: str
    before: str | None
    comment: str
    files: list[Any]
    since: str = ""
    table: ShownTable | None = None
    table_before: ShownTable | None = None


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


@dataclass(frozen=True)
class _Sent:
    """Answers with the form as it was when they were sent."""

    definition: ClientRequestDef
    answers: Mapping[str, Any]

    @cached_property
    def questions(self) -> dict[str, Question]:
        """Its questions by key."""
        return {question.key: question for question in self.definition.asks}


def read_submitted_form(subject: Subject, request: ClientRequest) -> SubmittedForm | None:
    """Return the form of a request, or None if it has none. Two queries.

    What was submitted reads as the revision of the playbook says under which it was; what the client is
    still writing, as the card's own.
    """
    past = list_submissions(request.id)
    sent = [each for each in (_sent(request.key, submission) for submission, _ in past) if each is not None]
    is_draft = not past or request.status not in ("submitted", "accepted")
    definition = subject.playbook.client_requests.get(request.key)
    if not is_draft and sent:
        definition = sent[0].definition
    if definition is None or not definition.pages:
        return None
    form = read_form(definition, subject, request.answers) if is_draft else None
    earlier = next(iter(sent if is_draft else sent[1:]), None)
    comments = past[0][1].comments if past and past[0][1] else {}
    if not is_draft and len(past) > 1 and past[1][1]:
        comments = past[1][1].comments
    asked = _asked_now(form) if form else _asked_then(sent[0], earlier, comments)
    pages = _pages(definition, asked, earlier, comments)
    names = {key: question.name for each in reversed(sent) for key, question in each.questions.items()}
    return SubmittedForm(
        pages=pages,
        share=form.share if form else 1.0,
        is_draft=is_draft,
        changed=sum(
            each.before is not None and each.since != "gone" for page in pages for each in page.answers
        ),
        scores=past[0][0].scores if past else [],
        submissions=_with_names(past),
        names={**names, **{question.key: question.name for question in definition.asks}},
    )


def _sent(key: str, submission: RequestSubmission) -> _Sent | None:
    definition = of_revision(submission.revision_id).client_requests.get(key)
    return _Sent(definition, submission.answers) if definition and definition.pages else None


_Asked = Sequence[tuple[FormPageDef, Sequence[tuple[Question, Any]]]]


def _asked_now(form: FormState) -> _Asked:
    """Return what a form that is still being filled in asks, with what was typed."""
    return [(page.page, [(each.question, each.typed) for each in page.asked]) for page in form.asked_pages]


def _asked_then(latest: _Sent, earlier: _Sent | None, comments: Mapping[str, str]) -> _Asked:
    """Return the questions of a submission that have an answer, or had one, or a comment."""
    told = {*latest.answers, *(earlier.answers if earlier else ()), *comments}
    return [
        (page, [(each, latest.answers.get(each.key)) for each in page.questions if each.key in told])
        for page in latest.definition.pages
    ]


def _pages(
    definition: ClientRequestDef, asked: _Asked, earlier: _Sent | None, comments: Mapping[str, str]
) -> list[ShownPage]:
    pages = []
    for page, questions in asked:
        answers = [_answer(question, typed, earlier, comments) for question, typed in questions]
        shown = [each for each in answers if each.text or each.before is not None or each.comment]
        pages.append(ShownPage(page.key, page.name, shown))
    gone = _gone(definition, earlier)
    return [*pages, ShownPage("-gone", "No longer asked", gone)] if gone else pages


def _answer(
    question: Question, typed: Any, earlier: _Sent | None, comments: Mapping[str, str]
) -> ShownAnswer:
    text, before, since = show_answer(question, typed), None, ""
    table_before = None
    if earlier is not None:
        asked_before = earlier.questions.get(question.key)
        was = earlier.answers.get(question.key)
        # Both read by today's question: another name of an option is no other answer.
        if show_answer(question, was) != text:
            before = show_answer(asked_before or question, was)
            table_before = show_table(asked_before or question, was)
        since = "" if asked_before else "new"
    files = list(typed or []) if question.type == "file" else []
    comment = comments.get(question.key, "")
    table = show_table(question, typed)
    return ShownAnswer(question, text, before, comment, files, since, table, table_before)


def _gone(definition: ClientRequestDef, earlier: _Sent | None) -> list[ShownAnswer]:
    """Return what was answered before to questions that the form has no more."""
    present = {question.key for question in definition.asks}
    return [
        ShownAnswer(
            question, "", show_answer(question, was), "", [], "gone", table_before=show_table(question, was)
        )
        for key, question in (earlier.questions.items() if earlier else ())
        if earlier and key not in present and (was := earlier.answers.get(key)) is not None
    ]


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
