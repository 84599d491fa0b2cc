"""P2: what everybody may change about themselves."""

from __future__ import annotations

from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.people.models import User
from tests.factories.people import make_user
from tests.visitor import Visitor, logged_in

NEW = "an even longer and wider river"


def test_name_and_time_zone_can_be_changed(app: Flask) -> None:
    person = make_user(app)
    visitor = logged_in(app, person)
    saved = visitor.send("/profile", page="/profile", name="  Ada \t King ", time_zone="new york")
    assert saved.location == "/profile"
    page = visitor.open("/profile").text
    assert "Your profile is saved." in page
    assert 'value="America/New_York"' in page
    with app.app_context():
        assert db.session.get_one(User, person.id).name == "Ada King"


def test_a_wrong_value_is_kept_and_explained(app: Flask) -> None:
    visitor = logged_in(app, make_user(app))
    answer = visitor.send("/profile", page="/profile", name="Ada", time_zone="Atlantis")
    assert answer.status_code == 422
    assert 'value="Atlantis"' in answer.text
    assert "Choose a time zone from the list" in answer.text


def test_a_new_password_signs_out_the_others_and_not_this_one(app: Flask) -> None:
    person = make_user(app)
    here, elsewhere = logged_in(app, person), logged_in(app, person)
    answer = here.send("/profile/password", page="/profile", current=person.password, password=NEW)
    assert answer.location == "/profile"
    assert here.is_logged_in()
    assert not elsewhere.is_logged_in()
    assert Visitor(app).log_in(person, NEW).status_code == 303


def test_the_current_password_is_needed_and_cannot_be_guessed(app: Flask) -> None:
    person = make_user(app)
    visitor = logged_in(app, person)
    wrong = {"current": "a guess", "password": NEW}
    first = visitor.send("/profile/password", page="/profile", **wrong)
    assert first.status_code == 422
    assert "This is not your current password." in first.text
    for _ in range(8):
        visitor.send("/profile/password", page="/profile", **wrong)
    with app.app_context():
        assert db.session.get_one(User, person.id).failed_logins == 9
    # The tenth is a failed log-in, and locks.
    assert Visitor(app).log_in(person, "wrong").status_code == 422
    assert Visitor(app).log_in(person).status_code == 422


def test_other_browsers_can_be_signed_out(app: Flask) -> None:
    person = make_user(app)
    here, elsewhere = logged_in(app, person), logged_in(app, person)
    assert here.send("/profile/session-ends", page="/profile").status_code == 303
    assert here.is_logged_in()
    assert not elsewhere.is_logged_in()
