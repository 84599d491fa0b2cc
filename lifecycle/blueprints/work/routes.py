"""My work, and the queues of departments (P4, W20)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.work import work
from lifecycle.insight.work.departments import find_department, list_departments, read_department_queue
from lifecycle.insight.work.handoffs import answering_departments, handoffs_to_accept
from lifecycle.insight.work.lines import PAGE, Reader, Window
from lifecycle.insight.work.mine import LISTS, read_my_work
from lifecycle.insight.work.requests import gates_of_department
from lifecycle.insight.work.sla import cards_by_sla
from lifecycle.insight.work.tasks import cards_without_next_action, tasks_of_department
from lifecycle.records.cards.models import Card
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import page_number
from lifecycle.web.reader import current_reader

# What a section that stands alone is called; the addresses `?only=` know no other.
_MINE: Final = {
    "handoffs": "Handoffs to accept",
    "requests": "Clients: our turn",
    "approvals": "Approvals to decide",
    "tasks": "Tasks",
    "actions": "Next actions",
    "cards": "My cards by SLA",
    "waiting": "Waiting on clients",
}
_THEIRS: Final = {
    "handoffs": "Handoffs to accept",
    "tasks": "Tasks",
    "actions": "Cards without a next action",
    "gates": "Client gates waiting",
    "cards": "Cards by SLA",
}


@work.get("/work")
def show_work() -> ResponseReturnValue:
    """Show what waits for the reader, or all of one section of it."""
    require(current_actor(), "boards.read")
    reader = current_reader()
    departments = list_departments(reader)
    only = request.args.get("only", "")
    if only in _MINE:
        section = _section_of_mine(only, reader)
        return _alone("work.show_work", only, _MINE[only], section, departments=departments)
    return render_template("work/mine.html", work=read_my_work(reader), departments=departments)


@work.get("/work/departments/<string:key>")
def show_department(key: str) -> ResponseReturnValue:
    """Show what waits in a department, or all of one section of it."""
    require(current_actor(), "boards.read")
    reader = current_reader()
    departments = list_departments(reader)
    department = find_department(key, departments)
    only = request.args.get("only", "")
    if only in _THEIRS:
        section = _section_of_department(only, key, reader)
        return _alone(
            "work.show_department",
            only,
            _THEIRS[only],
            section,
            departments=departments,
            department=department,
            key=key,
        )
    return render_template(
        "work/department.html",
        queue=read_department_queue(key, reader),
        department=department,
        departments=departments,
    )


def _section_of_mine(only: str, reader: Reader) -> Callable[[Window], Any]:
    if only == "handoffs":
        return lambda window: handoffs_to_accept(answering_departments(reader.actor), reader, window)
    if only == "cards":
        return lambda window: cards_by_sla(Card.owner_id == reader.user_id, reader, window)
    return lambda window: LISTS[only](reader, window)


def _section_of_department(only: str, key: str, reader: Reader) -> Callable[[Window], Any]:
    theirs = Card.department_key == key
    sections: dict[str, Callable[[Window], Any]] = {
        "handoffs": lambda window: handoffs_to_accept([key], reader, window),
        "tasks": lambda window: tasks_of_department(key, reader, window),
        "actions": lambda window: cards_without_next_action(theirs, reader, window),
        "gates": lambda window: gates_of_department(key, reader, window),
        "cards": lambda window: cards_by_sla(theirs, reader, window),
    }
    return sections[only]


def _alone(endpoint: str, only: str, name: str, read: Callable[[Window], Any], **context: Any) -> str:
    page = page_number(request.args.get("page"))
    section = read(Window(PAGE, (page - 1) * PAGE))
    key = context.pop("key", None)

    def address(number: int) -> str:
        return url_for(endpoint, key=key, only=only, page=number if number > 1 else None)

    return render_template(
        "work/section.html",
        only=only,
        name=name,
        section=section,
        first=(page - 1) * PAGE + 1,
        previous_url=address(page - 1) if page > 1 else None,
        next_url=address(page + 1) if page * PAGE < section.count else None,
        first_url=address(1) if page > 1 else None,
        back_url=url_for(endpoint, key=key),
        **{"department": None, **context},
    )
