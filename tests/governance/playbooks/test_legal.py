"""W12: legal documents of a playbook are kept version by version, and none changes under its name."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from sqlalchemy.exc import DBAPIError

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.playbooks.library import current
from lifecycle.governance.playbooks.publish import preview, publish
from lifecycle.records.legal.texts import list_legal_texts
from lifecycle.records.people.actor import SYSTEM
from tests.factories.clients import FILES, STAGES, TERMS, publish_gates
from tests.factories.playbooks import lab

ONE = '  - { version: "1", since: 2026-01-01, text: "# Bread\\n\\nBread is eaten fresh." }\n'
TWO = '  - { version: "2", since: 2026-09-01, text: "# Bread\\n\\nBread is eaten on the day." }\n'


def rules_of(*versions: str) -> dict[str, str]:
    return {
        "legal/rules.yaml": "name: House rules\nversions:\n" + "".join(versions),
        "client_requests/terms.yaml": TERMS + "legal: rules\n",
    }


def texts(*versions: str) -> dict[str, str]:
    return lab(STAGES, files={**FILES, **rules_of(*versions)})


def test_each_version_is_in_force_from_its_day_on(app: Flask) -> None:
    publish_gates(app, files=rules_of(TWO, ONE))
    with app.app_context():
        document = current("lab").legal["rules"]
        assert [each.version for each in document.versions] == ["1", "2"]
        days = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 8, 31), date(2026, 9, 1), date(2030, 1, 1))
        found = [document.in_force(day) for day in days]
        assert [each.version if each else None for each in found] == [None, "1", "1", "2", "2"]
        assert [(each.version, each.sha256) for each in list_legal_texts("lab", "rules")] == [
            (each.version, each.sha256) for each in document.versions
        ]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (ONE.replace("fresh", "old"), "version 1 was published with other words"),
        (ONE.replace("2026-01-01", "2026-01-02"), "version 1 was published with another first day"),
    ],
)
def test_a_published_version_keeps_its_words_and_its_day(app: Flask, other: str, says: str) -> None:
    publish_gates(app, files=rules_of(ONE))
    for attempt in (preview, lambda origin: publish(origin, SYSTEM)):
        with app.app_context(), pytest.raises(Invalid, match=says), transaction():
            attempt(texts(other))
    # Also after it was left out for a while.
    publish_gates(app, files=rules_of(TWO))
    with app.app_context(), pytest.raises(Invalid, match=says), transaction():
        publish(texts(other, TWO), SYSTEM)
    with app.app_context():
        assert [each.version for each in list_legal_texts("lab", "rules")] == ["1", "2"]


def test_nobody_is_asked_to_accept_what_is_not_in_force(app: Flask) -> None:
    with time_machine.travel("2026-08-31T12:00:00Z"), app.app_context():
        with (
            pytest.raises(Invalid, match=r"no version is in force yet.*begins on 1 September 2026"),
            transaction(),
        ):
            publish(texts(TWO), SYSTEM)
        assert list_legal_texts("lab") == []


def test_the_database_refuses_to_change_what_was_published(app: Flask) -> None:
    publish_gates(app, files=rules_of(ONE))
    for statement in ("update legal_texts set text = 'x'", "delete from legal_texts"):
        with app.app_context(), pytest.raises(DBAPIError), transaction():
            db.session.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (rules_of(ONE, ONE.replace("2026-01-01", "2026-01-02")), "version '1' is written twice"),
        (rules_of(ONE, TWO.replace("2026-09-01", "2026-01-01")), "two versions begin on this day"),
        (
            {**rules_of(ONE), "client_requests/terms.yaml": TERMS + "legal: rulez\n"},
            "'rulez' is not a legal document",
        ),
        (rules_of(ONE.replace('"1"', '"a b/c"')), "version"),
        (rules_of(ONE.replace("2026-01-01", "2026-02-31")), "since"),
        (rules_of(), "versions"),
        (rules_of(ONE.replace("# Bread", "x" * 100_001)), "text"),
    ],
)
def test_mistakes_are_named(files: dict[str, str], says: str) -> None:
    with pytest.raises(BrokenPlaybook) as mistakes:
        preview(lab(STAGES, files={**FILES, **files}))
    assert says in str(mistakes.value)
