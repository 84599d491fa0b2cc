"""Users and departments, valid by default."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import Department, User
from lifecycle.records.people.passwords import hash_password

PASSWORD = "a long and quiet river"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """A user as a test knows them."""

    id: uuid.UUID
    email: str
    name: str
    role: str
    departments: frozenset[str]
    password: str = PASSWORD

    @property
    def actor(self) -> Actor:
        return Actor(user_id=self.id, name=self.name, role=self.role, departments=self.departments)


def make_user(
    app: Flask,
    *,
    role: str = "member",
    email: str | None = None,
    name: str = "Ada Lovelace",
    departments: Sequence[str] = (),
    password: str | None = PASSWORD,
    is_active: bool = True,
) -> Person:
    """Commit a user; without a password they were invited and have not come."""
    address = email or f"{role}{next(_numbers)}@demo.example"
    with app.app_context(), transaction():
        user = User(
            email=address,
            name=name,
            role=role,
            is_active=is_active,
            password_hash=hash_password(password) if password else None,
            departments=[_department(key) for key in departments],
        )
        db.session.add(user)
        db.session.flush()
        return Person(user.id, address, name, role, frozenset(departments), password or "")


def make_department(app: Flask, key: str, name: str | None = None) -> None:
    """Commit a department, as publishing a playbook would."""
    with app.app_context(), transaction():
        db.session.add(Department(key=key, name=name or key.capitalize()))


def _department(key: str) -> Department:
    return db.session.get(Department, key) or Department(key=key, name=key.capitalize())
