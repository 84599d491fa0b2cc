"""The Growth board, somebody who may import, and files for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.exchange.imports.mapping import CardMap, map_from
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.run import check_import, run_import
from lifecycle.exchange.imports.start import begin_import
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.people.actor import SYSTEM
from tests.factories.people import Person, make_user
from tests.factories.playbooks import shipped
from tests.installation import Addresses

BOARD = "wispgate.growth"
HEADER = ("id", "name", "company", "stage", "engaged", "closed", "amount")
MAP: dict[str, Any] = {
    "external_id": "id",
    "title": "name",
    "account": {"column": "company"},
    "value": {"column": "amount", "currency": "EUR"},
    "stage": {
        "column": "stage",
        "values": {"New": "sourced", "Talking": "engaged", "Won": "closed_won", "Lost": "closed_lost"},
    },
    "entered": {"engaged": "engaged", "closed_won": "closed", "closed_lost": "closed"},
}


@pytest.fixture
def manager(app: Flask, services: Addresses) -> Person:
    """A manager, after the Growth board was published."""
    with app.app_context(), transaction():
        publish(shipped("wispgate"), SYSTEM)
    return make_user(app, role="manager", name="Mary Manager", email="mary@demo.example")


@pytest.fixture
def within(app: Flask, manager: Person) -> Iterator[None]:
    """An application context with nothing left open behind it."""
    with app.app_context():
        yield
        db.session.rollback()


def as_csv(rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def begin(
    person: Person, content: bytes, mapping: dict[str, Any] | None = None, **changes: Any
) -> CardImport:
    """Begin an import of `content` with the usual map, parts of it replaced by `changes`."""
    made: CardMap = map_from({**(mapping or MAP), **changes})
    with transaction():
        return begin_import(BOARD, "deals.csv", content, actor=person.actor, mapping=made)


def imported(person: Person, rows: Sequence[Sequence[object]], **changes: Any) -> CardImport:
    """Import rows for real, and return the import as it stands then."""
    return run_import(begin(person, as_csv(rows), **changes).id)


def checked(person: Person, rows: Sequence[Sequence[object]], **changes: Any) -> CardImport:
    return check_import(begin(person, as_csv(rows), **changes).id)
