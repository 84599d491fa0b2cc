"""P2: what administrators do about users, and nobody else."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.models import User
from tests.factories.people import make_department, make_user
from tests.visitor import logged_in


def standing(app: Flask, user_id: uuid.UUID) -> tuple[str, str]:
    with app.app_context():
        user = db.session.get_one(User, user_id)
        return user.role, user.standing


def test_users_are_found_by_name_address_and_standing(app: Flask) -> None:
    admin = logged_in(app, make_user(app, role="admin", name="Ada Lovelace"))
    make_user(app, name="Grace 100%_Hopper", email="grace@demo.example")
    make_user(app, name="Alan Turing", password=None)
    everybody = admin.open("/users").text
    assert all(name in everybody for name in ("Ada Lovelace", "Grace 100%_Hopper", "Alan Turing"))
    for query, found in (
        ("grace hopper", True),
        ("GRACE@", True),
        ("100%_", True),
        ("100_%", False),
        ("turing", False),
    ):
        assert ("Grace 100%_Hopper</a>" in admin.open("/users", query_string={"q": query}).text) is found
    assert "Alan Turing</a>" in admin.open("/users?standing=invited").text
    assert "Grace" not in admin.open("/users?standing=invited").text
    assert "Nobody found" in admin.open("/users?q=zzz").text
    for odd in ("q=%00", "page=0", "page=99999999999999999999", "page=x", "standing=nonsense"):
        assert admin.open(f"/users?{odd}").status_code == 200


@pytest.mark.parametrize("role", ["manager", "member", "viewer"])
def test_only_administrators_manage_users(app: Flask, role: str) -> None:
    other = make_user(app)
    visitor = logged_in(app, make_user(app, role=role))
    user = f"/users/{other.id}"
    for path in ("/users", "/users/invitations/new", user):
        assert visitor.open(path).status_code == 403
    for path in ("", "/deactivations", "/reactivations", "/invitations", "/invitation-withdrawals"):
        assert visitor.send(user + path, page="/profile", role="admin").status_code == 403
    answer = visitor.send(
        "/users/invitations", page="/profile", email="x@demo.example", name="X", role="admin"
    )
    assert answer.status_code == 403
    assert standing(app, other.id) == ("member", "active")
    assert "/users" not in visitor.open("/profile").text


def test_role_and_departments_change_with_before_and_after_on_record(app: Flask) -> None:
    make_department(app, "sales")
    make_department(app, "service")
    boss = make_user(app, role="admin")
    admin = logged_in(app, boss)
    other = make_user(app, departments=["sales"])
    page = f"/users/{other.id}"
    assert 'checked id="departments-0"' in admin.open(page).text
    assert admin.send(page, page=page, role="manager", departments="service").location == page
    with app.app_context():
        body = db.session.scalars(sa.select(Event).where(Event.kind == "user.account.changed")).one().body
    assert body["actor"]["id"] == str(boss.id)
    assert body["data"] == {
        "user": str(other.id),
        "before": {"role": "member", "departments": ["sales"], "active": True},
        "after": {"role": "manager", "departments": ["service"], "active": True},
    }
    # Nothing changed, nothing recorded.
    admin.send(page, page=page, role="manager", departments="service")
    with app.app_context():
        events = sa.select(sa.func.count()).where(Event.kind == "user.account.changed")
        assert db.session.scalar(events) == 1


@pytest.mark.parametrize(
    "fields", [{"role": "king"}, {"role": ""}, {"role": "member", "departments": "nowhere"}]
)
def test_made_up_roles_and_departments_are_refused(app: Flask, fields: dict[str, str]) -> None:
    admin = logged_in(app, make_user(app, role="admin"))
    other = make_user(app)
    page = f"/users/{other.id}"
    assert admin.send(page, page=page, **fields).status_code == 422
    assert standing(app, other.id) == ("member", "active")


def test_a_deactivated_user_is_out_at_once_and_can_come_back(app: Flask) -> None:
    admin = logged_in(app, make_user(app, role="admin"))
    other = make_user(app)
    visitor = logged_in(app, other)
    page = f"/users/{other.id}"
    assert admin.send(f"{page}/deactivations", page=page).location == page
    assert not visitor.is_logged_in()
    assert visitor.log_in(other).status_code == 422
    assert admin.send(f"{page}/reactivations", page=page).location == page
    # The old session stays dead.
    assert not visitor.is_logged_in()
    assert visitor.log_in(other).status_code == 303


def test_the_last_administrator_stays(app: Flask) -> None:
    boss = make_user(app, role="admin", name="The Boss")
    # Neither can administer.
    make_user(app, role="admin", password=None)
    make_user(app, role="admin", is_active=False)
    admin = logged_in(app, boss)
    page = f"/users/{boss.id}"
    refused = admin.send(page, page=page, role="member")
    assert refused.status_code == 409
    assert "The Boss is the last administrator" in refused.text
    assert admin.send(f"{page}/deactivations", page=page).status_code == 409
    assert standing(app, boss.id) == ("admin", "active")


def test_unknown_users_are_not_found(app: Flask) -> None:
    admin = logged_in(app, make_user(app, role="admin"))
    assert admin.open(f"/users/{uuid.uuid4()}").status_code == 404
    assert (
        admin.send(f"/users/{uuid.uuid4()}/deactivations", page="/users/invitations/new").status_code == 404
    )
    assert admin.open("/users/not-an-id").status_code == 404
