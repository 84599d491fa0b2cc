"""The main navigation: what stands in it, and what is current."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, g, request, url_for
from flask_login import current_user

from lifecycle.records.inbox.queries import count_unread
from lifecycle.records.people.permissions import can
from lifecycle.web.access import current_actor


@dataclass(frozen=True)
class NavigationItem:
    """One entry: where it leads and whether the reader is there."""

    label: str
    url: str
    icon: str
    current: bool
    children: tuple[NavigationItem, ...] = ()


# label, endpoint, icon, permission
_MAIN = (
    ("My work", "work.show_work", "checklist", "boards.read"),
    ("Command center", "reports.show_center", "chart-bar", "reports.read"),
    ("Boards", "boards.list_boards", "layout-kanban", "boards.read"),
    ("Client gates", "client_gates.list_gates", "hourglass", "boards.read"),
    ("Accounts", "accounts.list_accounts", "building", "accounts.read"),
    ("Contacts", "accounts.list_contacts", "users", "accounts.read"),
)
# What one goes to now and then, behind one word.
_BEHIND = ("Operations", "settings")
_REST = (
    ("Playbooks", "playbooks.list_playbooks", "git-branch", "playbooks.read"),
    ("Automation", "automation.show_automation", "bolt", "automation.read"),
    ("Messages", "messages.list_mail", "mail", "boards.read"),
    ("Channels", "team_channels.list_team_channels", "hash", "channels.manage"),
    ("Imports", "imports.list_imports", "table-import", "imports.run"),
    ("Evidence", "evidence.show_verification", "shield-check", "evidence.verify"),
    ("Users", "people.list_users", "user", "users.manage"),
)


def init_app(app: Flask) -> None:
    """Offer `navigation()` and `unread_notices()` to templates."""
    app.jinja_env.globals["navigation"] = lambda: navigation(app)
    app.jinja_env.globals["unread_notices"] = unread_notices


def navigation(app: Flask) -> list[NavigationItem]:
    """Return what the current user may go to; nothing for people who are not logged in."""
    if not current_user.is_authenticated:
        return []
    rest = _items(app, _REST)
    label, icon = _BEHIND
    behind = NavigationItem(label, "", icon, any(item.current for item in rest), tuple(rest))
    return [*_items(app, _MAIN), behind]


def _items(app: Flask, entries: tuple[tuple[str, str, str, str], ...]) -> list[NavigationItem]:
    actor = current_actor()
    here = (request.blueprint or "", request.endpoint or "")
    return [
        NavigationItem(label, url_for(endpoint), icon, _is_current(endpoint, here))
        for label, endpoint, icon, permission in entries
        if endpoint in app.view_functions and can(actor, permission)
    ]


def unread_notices() -> int:
    """Return how many notices the current user has not read; 0 for people who are not logged in.

    One query a request, however often it is asked.
    """
    if not current_user.is_authenticated:
        return 0
    if "unread_notices" not in g:
        g.unread_notices = count_unread(current_user.id)
    count: int = g.unread_notices
    return count


def _is_current(endpoint: str, here: tuple[str, str]) -> bool:
    blueprint, current = here
    if endpoint == current:
        return True
    same_room = endpoint.partition(".")[0] == blueprint
    return (
        same_room
        and not any(item[1] == current for item in (*_MAIN, *_REST))
        and endpoint != "accounts.list_contacts"
    )
