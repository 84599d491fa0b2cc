"""R1: an import that goes on after it was killed does nothing again, whatever came since."""

from __future__ import annotations

from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.exchange.imports.mapping import CardMap
from lifecycle.exchange.imports.run import run_import
from lifecycle.exchange.imports.start import begin_import
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.cards.models import StageVisit
from lifecycle.records.people.actor import SYSTEM
from tests.drill.playbook import PLAYBOOK, SLUG
from tests.drill.site import MAP, card_file
from tests.factories.cards import rows
from tests.factories.people import Person, make_user


def begin(app: Flask, by: Person, stage: str) -> int:
    file, mapping = card_file([0], {0: stage}).encode(), CardMap.model_validate(MAP)
    with app.app_context(), transaction():
        return begin_import(SLUG, "c.csv", file, actor=by.actor, accounts=None, mapping=mapping).id


def run(app: Flask, import_id: int) -> None:
    with app.app_context():
        assert run_import(import_id).state == "done"


def test_a_run_that_goes_on_moves_no_card_a_second_time(app: Flask) -> None:
    with app.app_context(), transaction():
        publish(PLAYBOOK, SYSTEM)
    admin = make_user(app, role="admin")
    imports = [begin(app, admin, stage) for stage in ("intake", "prepared", "checked", "shipped", "intake")]
    for each in imports:
        run(app, each)
    visits = len(rows(app, StageVisit))
    assert visits == len(imports)
    for each in imports:
        run(app, each)
    assert len(rows(app, StageVisit)) == visits
