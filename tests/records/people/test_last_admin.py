"""However many try at once, somebody is left who administers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict
from lifecycle.records.people import administration
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from tests.factories.people import Person, make_user


def demote(person: Person, actor: Actor) -> None:
    administration.change_user(person.id, role="member", departments=(), actor=actor)


def deactivate(person: Person, actor: Actor) -> None:
    administration.deactivate_user(person.id, actor=actor)


@pytest.mark.race
@pytest.mark.parametrize("act", [demote, deactivate])
def test_administrators_who_remove_each_other_at_once_leave_one(
    app: Flask, act: Callable[[Person, Actor], None]
) -> None:
    admins = [make_user(app, role="admin") for _ in range(6)]

    def remove(number: int) -> bool:
        by = admins[number - 1].actor
        with app.app_context():
            try:
                with transaction():
                    act(admins[number], by)
            except Conflict:
                return False
        return True

    for _ in range(2):
        with ThreadPoolExecutor(6) as threads:
            removed = list(threads.map(partial(remove), range(6)))
        assert removed.count(True) <= 5
        with app.app_context():
            left = sa.select(sa.func.count()).where(User.role == "admin", User.is_active)
            assert db.session.scalar(left) == 1
