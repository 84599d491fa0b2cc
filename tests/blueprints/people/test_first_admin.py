"""An empty installation begins with its first administrator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.people.models import User
from tests.factories.people import PASSWORD, make_user
from tests.visitor import Visitor

ADA = {"name": "Ada Lovelace", "email": "ada@demo.example", "password": PASSWORD, "time_zone": "paris"}


def test_an_empty_installation_leads_to_its_first_administrator(app: Flask) -> None:
    visitor = Visitor(app)
    assert visitor.open("/login").location == "/first-admin"
    assert visitor.send("/first-admin", page="/first-admin", **ADA).status_code == 303
    assert visitor.open("/users").status_code == 200
    with app.app_context():
        ada = db.session.scalars(sa.select(User)).one()
        assert (ada.role, ada.time_zone) == ("admin", "Europe/Paris")


def test_it_works_only_while_there_is_nobody(app: Flask) -> None:
    late = Visitor(app)
    token = late.csrf_token("/first-admin")
    make_user(app)
    assert late.open("/first-admin").status_code == 404
    assert late.open("/login").status_code == 200
    answer = late.client.post(
        "/first-admin", data={"csrf_token": token, **ADA}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 409
    assert "first administrator already" in answer.text


def test_of_many_at_once_one_becomes_it(app: Flask) -> None:
    visitors = [Visitor(app) for _ in range(6)]
    tokens = [visitor.csrf_token("/first-admin") for visitor in visitors]

    def come(number: int) -> int:
        data = {"csrf_token": tokens[number], **ADA, "email": f"ada{number}@demo.example"}
        return visitors[number].client.post("/first-admin", data=data).status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(come, range(6))) == [303, 409, 409, 409, 409, 409]
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(User)) == 1


def test_what_was_typed_is_kept_when_something_is_wrong(app: Flask) -> None:
    visitor = Visitor(app)
    answer = visitor.send("/first-admin", page="/first-admin", **{**ADA, "email": "not an address"})
    assert answer.status_code == 422
    assert "Enter an email address like" in answer.text
    assert 'value="Ada Lovelace"' in answer.text
    assert PASSWORD not in answer.text
