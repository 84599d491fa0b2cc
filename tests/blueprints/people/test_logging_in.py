"""P2: log-in, lock-out, sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.evidence.models import Event
from lifecycle.records.people import log_in as rules
from lifecycle.records.people.models import User
from tests.factories.people import make_user
from tests.visitor import Visitor, logged_in


def recorded(app: Flask, kind: str) -> list[dict[str, Any]]:
    with app.app_context():
        return [event.body for event in db.session.scalars(sa.select(Event).where(Event.kind == kind))]


def test_logging_in_leads_to_the_page_that_was_asked_for(app: Flask) -> None:
    person = make_user(app)
    visitor = Visitor(app)
    guarded = visitor.open("/profile?tab=1")
    assert guarded.status_code == 303
    assert guarded.location == "/login?next=/profile?tab%3D1"
    answer = visitor.send(
        "/login",
        page=guarded.location,
        next="/profile?tab=1",
        email=person.email,
        password=person.password,
    )
    assert (answer.status_code, answer.location) == (303, "/profile?tab=1")
    assert visitor.is_logged_in()
    assert recorded(app, "user.session.started")[0]["actor"]["id"] == str(person.id)


def test_case_and_spaces_of_the_address_do_not_matter(app: Flask) -> None:
    make_user(app, email="Grace.Hopper@demo.example")
    assert (
        Visitor(app)
        .send("/login", email=" grace.hopper@DEMO.example ", password="a long and quiet river")
        .status_code
        == 303
    )


def test_an_unknown_address_and_a_wrong_password_are_answered_alike(app: Flask) -> None:
    person = make_user(app)
    invited = make_user(app, password=None)
    gone = make_user(app, is_active=False)
    visitor = Visitor(app)
    answers = set()
    for email in (person.email, invited.email, gone.email, "nobody@demo.example"):
        answer = visitor.send("/login", email=email, password="not the password")
        assert answer.status_code == 422
        assert email in answer.text
        answers.add(answer.text.replace(email, ""))
    assert len({text.split("<main")[1].split("csrf_token")[0] for text in answers}) == 1
    assert not visitor.is_logged_in()
    faults = [body["data"]["fault"] for body in recorded(app, "user.session.refused")]
    assert sorted(faults) == ["deactivated", "invited", "unknown address", "wrong password"]


def test_nobody_logs_in_who_has_not_come_yet_or_was_deactivated(app: Flask) -> None:
    assert Visitor(app).log_in(make_user(app, is_active=False)).status_code == 422
    assert (
        Visitor(app).send("/login", email=make_user(app, password=None).email, password="x").status_code
        == 422
    )


def test_ten_wrong_passwords_lock_for_fifteen_minutes(app: Flask) -> None:
    person = make_user(app)
    visitor = Visitor(app)
    for _ in range(10):
        assert visitor.log_in(person, "wrong").status_code == 422
    refused = visitor.log_in(person)
    assert refused.status_code == 422
    assert "rests for 15 minutes" in refused.text
    assert len(recorded(app, "user.account.locked")) == 1
    with time_machine.travel(now() + timedelta(minutes=15, seconds=1)):
        assert Visitor(app).log_in(person).status_code == 303


def test_nine_wrong_passwords_are_forgotten_by_a_right_one(app: Flask) -> None:
    person = make_user(app)
    for _ in range(2):
        visitor = Visitor(app)
        for _ in range(9):
            visitor.log_in(person, "wrong")
        assert visitor.log_in(person).status_code == 303
        logged_out = visitor.send("/logout", page="/profile")
        assert logged_out.location == "/login"


def test_guesses_sent_at_once_are_counted_one_by_one(app: Flask) -> None:
    person = make_user(app)
    visitors = [Visitor(app, f"10.0.0.{number}") for number in range(1, 17)]
    tokens = [visitor.csrf_token("/login") for visitor in visitors]

    def guess(pair: tuple[Visitor, str]) -> int:
        visitor, token = pair
        data = {"csrf_token": token, "email": person.email, "password": "wrong"}
        return visitor.client.post(
            "/login", data=data, environ_base={"REMOTE_ADDR": visitor._address}
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(guess, zip(visitors, tokens, strict=True))) == {422}
    faults = [body["data"]["fault"] for body in recorded(app, "user.session.refused")]
    assert (faults.count("wrong password"), faults.count("locked")) == (10, 6)


def test_an_address_that_fails_too_often_must_wait_and_one_that_succeeds_need_not(app: Flask) -> None:
    person = make_user(app)
    for _ in range(25):
        assert Visitor(app).log_in(person).status_code == 303
    guesser = Visitor(app, "10.1.1.1")
    for number in range(20):
        assert guesser.send("/login", email=f"{number}@demo.example", password="x").status_code == 422
    assert guesser.send("/login", email="one@demo.example", password="x").status_code == 429
    assert Visitor(app, "10.1.1.2").log_in(person).status_code == 303


def test_nothing_put_into_the_session_before_survives_the_log_in(app: Flask) -> None:
    person = make_user(app)
    visitor = Visitor(app)
    token = visitor.csrf_token("/login")
    with visitor.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    data = {"csrf_token": token, "email": person.email, "password": person.password}
    assert visitor.client.post("/login", data=data).status_code == 303
    with visitor.client.session_transaction() as session:
        assert "planted" not in session
    # The token a stranger may have seen is of no use afterwards.
    again = visitor.client.post("/profile", data={"csrf_token": token, "name": "Eve", "time_zone": "UTC"})
    assert again.status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/\u2028/evil.example",
        "//[/",
        "",
    ],
)
def test_log_in_leads_nowhere_else(app: Flask, address: str) -> None:
    person = make_user(app)
    answer = Visitor(app).send("/login", next=address, email=person.email, password=person.password)
    assert (answer.status_code, answer.location) == (303, "/")
    assert logged_in(app, person).open("/login", query_string={"next": address}).location == "/"


def test_whoever_is_logged_in_is_led_on_from_the_log_in_page(app: Flask) -> None:
    visitor = logged_in(app, make_user(app))
    assert visitor.open("/login").location == "/"
    assert visitor.open("/login?next=/profile").location == "/profile"


def test_logging_out_needs_a_post(app: Flask) -> None:
    visitor = logged_in(app, make_user(app))
    assert visitor.open("/logout").status_code == 405
    assert visitor.is_logged_in()
    assert visitor.send("/logout", page="/profile").location == "/login"
    assert not visitor.is_logged_in()
    assert len(recorded(app, "user.session.ended")) == 1


def test_a_form_from_elsewhere_is_refused(app: Flask) -> None:
    person = make_user(app)
    answer = Visitor(app).client.post("/login", data={"email": person.email, "password": person.password})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "email", ["\0", "a\0@demo.example", "x" * 5000, "", "'; drop table users; --", "ünï@demo.example"]
)
def test_odd_addresses_are_refused_with_a_sentence(app: Flask, email: str) -> None:
    make_user(app)
    assert Visitor(app).send("/login", email=email, password="p\0" * 4).status_code == 422


def test_a_raised_epoch_signs_out_every_browser(app: Flask) -> None:
    person = make_user(app)
    first, second = logged_in(app, person), logged_in(app, person)
    with app.app_context(), transaction():
        rules.sign_out_everywhere(db.session.get_one(User, person.id))
    assert not first.is_logged_in()
    assert not second.is_logged_in()


def test_a_log_in_lasts_while_it_is_used_and_its_cookie_is_sent_once_a_day(app: Flask) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        visitor = logged_in(app, make_user(app))
        visitor.open("/profile")
        assert "Set-Cookie" not in visitor.open("/profile").headers
        for _ in range(3):
            clock.shift(timedelta(days=10))
            assert "Set-Cookie" in visitor.open("/profile").headers
            assert "Set-Cookie" not in visitor.open("/profile").headers
            assert visitor.is_logged_in()
        clock.shift(timedelta(days=15))
        assert not visitor.is_logged_in()
