"""`questionnaire`: the client filled in a form, or some pages of it; else it says what is left (E19, W14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lifecycle.governance.gates.checks.base import Ask, CheckType, Reference, Verdict, one_name
from lifecycle.governance.gates.checks.client import ClientCheck, ClientParams, Requests
from lifecycle.governance.gates.report import Remedy
from lifecycle.governance.requests.form import AskedPage, FormState, read_form
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest

_CLIENT: Final = ClientCheck()
_MOST_NAMED: Final = 4


class QuestionnaireParams(ClientParams):
    """`pages` are those that must be complete; without them the whole must be `status`."""

    pages: tuple[str, ...] = ()


class QuestionnaireCheck(CheckType[QuestionnaireParams, Requests]):
    """Written `questionnaire: scoping`, or `questionnaire: {name: scoping, pages: [network]}`."""

    keyword = "questionnaire"

    def read(self, written: Any) -> list[QuestionnaireParams]:
        """Return the check."""
        mapping = one_name(written, "request")
        if isinstance(mapping.get("pages"), str):
            mapping = {**mapping, "pages": [mapping["pages"]]}
        return [QuestionnaireParams.model_validate(mapping)]

    def name(self, params: QuestionnaireParams) -> str:
        """Return the request's key, and those of the pages."""
        return ".".join([params.name, *params.pages])

    def references(self, params: QuestionnaireParams) -> list[Reference]:
        """Return the form and its pages."""
        pages = [Reference("form_page", f"{params.name}.{page}") for page in params.pages]
        return [Reference("questionnaire", params.name), *pages]

    def load(self, asks: Sequence[Ask]) -> Requests:
        """Return each card's open requests."""
        return _CLIENT.load(asks)

    def judge(self, ask: Ask, params: QuestionnaireParams, facts: Requests) -> Verdict:
        """Say where the form stands; while the client fills it in, what is left on which page."""
        found = _CLIENT.judge(ask, params, facts)
        request = facts.get(ask.subject.id, {}).get(params.name)
        if found.holds or request is None:
            return found
        definition = ask.subject.playbook.client_requests[params.name]
        form = read_form(definition, ask.subject, request.answers)
        if params.pages:
            return _of_pages(form, params, request, found)
        if request.status not in WAITING_STATUSES:
            return found
        return Verdict(False, f"{found.sentence} {_left(form)}", found.remedy)


def _of_pages(
    form: FormState, params: QuestionnaireParams, request: ClientRequest, whole: Verdict
) -> Verdict:
    """Say whether the pages are complete; one that was declined or not sent has none."""
    if request.status in ("not_asked", "declined", "expired"):
        return whole
    wanted = [page for page in form.asked_pages if page.page.key in params.pages]
    open_pages = [page for page in wanted if page.missing]
    remedy: Remedy | None = whole.remedy
    if not open_pages:
        names = ", ".join(page.page.name for page in wanted) or "Every page asked for"
        return Verdict(True, f"“{request.name}” is filled in as far as needed: {names}.", remedy)
    return Verdict(False, f"“{request.name}” waits for the client: {_counted(open_pages)}.", remedy)


def _left(form: FormState) -> str:
    open_pages = [page for page in form.asked_pages if page.missing]
    if not open_pages:
        return "Everything is filled in; it has only to be sent."
    return f"{form.share:.0%} is filled in; left: {_counted(open_pages)}."


def _counted(pages: Sequence[AskedPage]) -> str:
    named = [f"{page.page.name} ({page.missing})" for page in pages[:_MOST_NAMED]]
    more = len(pages) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
