"""The main navigation: what stands in it, and what is current."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, request, url_for
from flask_login import current_user

from lifecycle.records.people.permissions import can
from lifecycle.web.access import current_actor


@dataclass(frozen=True)
class NavigationItem:
    """One entry: where it leads and whether the reader is there."""

    label: str
    url: str
    icon: str
    current: bool


# label, endpoint, icon, permission
_MAIN = (
    ("Boards", "boards.list_boards", "layout-kanban", "boards.read"),
    ("Client gates", "client_gates.list_gates", "hourglass", "boards.read"),
    ("Accounts", "accounts.list_accounts", "building", "accounts.read"),
    ("Contacts", "accounts.list_contacts", "users", "accounts.read"),
    ("Playbooks", "playbooks.list_playbooks", "git-branch", "playbooks.read"),
    ("Automation", "automation.show_automation", "bolt", "automation.read"),
    ("Imports", "imports.list_imports", "table-import", "imports.run"),
    ("Evidence", "evidence.show_verification", "shield-check", "evidence.verify"),
    ("Users", "people.list_users", "user", "users.manage"),
)


def init_app(app: Flask) -> None:
    """Offer `navigation()` to templates."""
    app.jinja_env.globals["navigation"] = lambda: navigation(app)


def navigation(app: Flask) -> list[NavigationItem]:
    """Return what the current user may go to; nothing for people who are not logged in."""
    if not current_user.is_authenticated:
        return []
    actor = current_actor()
    here = (request.blueprint or "", request.endpoint or "")
    return [
        NavigationItem(label, url_for(endpoint), icon, _is_current(endpoint, here))
        for label, endpoint, icon, permission in _MAIN
        if endpoint in app.view_functions and can(actor, permission)
    ]


def _is_current(endpoint: str, here: tuple[str, str]) -> bool:
    blueprint, current = here
    if endpoint == current:
        return True
    same_room = endpoint.partition(".")[0] == blueprint
    return (
        same_room and not any(item[1] == current for item in _MAIN) and endpoint != "accounts.list_contacts"
    )
