"""`lifecycle doctor` finds the people that a playbook counts on and that are not there."""

from __future__ import annotations

import pytest

from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.playbooks.setup import examine_setup
from lifecycle.records.people.actor import SYSTEM
from tests.factories.people import make_user
from tests.governance.playbooks.writing import spoiled


@pytest.fixture
def setup_sentences(app, services):
    def examine(texts: dict[str, str]) -> list[str]:
        with app.app_context():
            with transaction():
                publish(texts, SYSTEM)
            return [str(finding) for finding in examine_setup()]

    return examine


def test_an_empty_installation_lacks_the_people(setup_sentences):
    found = setup_sentences(
        spoiled("playbook", "process_owner: shop_manager", "process_owner: eve@demo.example")
    )
    assert "gap: bakery: process owner: Nobody who works here has the address eve@demo.example." in found[0]
    assert any(
        line.startswith("warning: bakery: Nobody holds the role 'shop manager'; administrators stand in.")
        for line in found
    )
    assert any(line.startswith("gap: bakery.orders: Baking: Oven has no members") for line in found)


def test_a_staffed_installation_lacks_nothing(app, services, setup_sentences):
    make_user(app, role="manager", email="Eve@demo.example", departments=["shop"])
    make_user(app, departments=["oven"])
    texts = spoiled("playbook", "process_owner: shop_manager", "process_owner: eve@demo.example")
    assert setup_sentences(texts) == []


def test_people_who_cannot_log_in_do_not_count(app, services, setup_sentences):
    make_user(app, role="manager", departments=["shop", "oven"], is_active=False)
    make_user(app, role="manager", departments=["shop", "oven"], password=None)
    assert len(setup_sentences(spoiled("playbook", "name: Bakery", "name: Bread"))) == 5
