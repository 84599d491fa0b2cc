"""What each role may do, readable as a table. The domain asks here; pages only mirror it."""

from __future__ import annotations

from lifecycle.core.errors import NotPermitted
from lifecycle.records.people.actor import Actor

_EVERYBODY = frozenset({"admin", "manager", "member", "viewer"})
_STAFF = frozenset({"admin", "manager", "member"})
_LEADS = frozenset({"admin", "manager"})
_ADMINS = frozenset({"admin"})

PERMISSIONS: dict[str, frozenset[str]] = {
    "boards.read": _EVERYBODY,
    "accounts.read": _EVERYBODY,
    "evidence.read": _EVERYBODY,
    "reports.read": _EVERYBODY,
    "cards.create": _STAFF,
    "cards.edit": _STAFF,
    "cards.move": _STAFF,
    "cards.archive": _STAFF,
    "cards.override": _LEADS,
    "views.save": _EVERYBODY,
    "views.share": _STAFF,
    "views.manage": _LEADS,
    "accounts.edit": _STAFF,
    "comments.write": _STAFF,
    "client_requests.ask": _STAFF,
    # The client's own acts, which nobody who works here can do for them (W7, W16).
    "client_requests.answer": frozenset({"client"}),
    "automation.read": _STAFF,
    "automation.manage": _LEADS,
    "imports.run": _LEADS,
    "evidence.verify": _LEADS,
    "playbooks.read": _EVERYBODY,
    "playbooks.publish": _ADMINS,
    "users.manage": _ADMINS,
    "channels.manage": _ADMINS,
}

_WHO = {
    _STAFF: "members, managers and administrators",
    _LEADS: "managers and administrators",
    _ADMINS: "administrators",
    _EVERYBODY: "people who are logged in",
    frozenset({"client"}): "the client's own contact",
}


def can(actor: Actor, permission: str) -> bool:
    """Say whether `actor` may; the system may do everything. An unknown permission is a KeyError."""
    allowed = PERMISSIONS[permission]
    return actor.kind == "system" or actor.role in allowed


def require(actor: Actor, permission: str) -> None:
    """Raise NotPermitted, with a sentence saying who may, unless `actor` may."""
    if not can(actor, permission):
        raise NotPermitted(f"Your role ({actor.role}) may not do this; {_WHO[PERMISSIONS[permission]]} may.")


def holds_role(actor: Actor, role: str) -> bool:
    """Say whether `actor` holds a role that a playbook names.

    A playbook's role is one of the four roles, a department key, or `<department>_manager`. An
    administrator holds every role: somebody must be able to act when a post is vacant.
    """
    if actor.kind == "system" or actor.role == "admin":
        return True
    if role in ("manager", "member", "viewer"):
        ranks = ("viewer", "member", "manager", "admin")
        return ranks.index(actor.role) >= ranks.index(role)
    if role in actor.departments:
        return actor.role != "viewer"
    department, _, rank = role.rpartition("_")
    return rank == "manager" and department in actor.departments and actor.role == "manager"
