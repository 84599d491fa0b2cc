"""The playbook's pages: readable by everybody who is logged in, by nobody else."""

from __future__ import annotations

import pytest

from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.load import LIBRARY
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.team_channels.configure import create_channel
from tests.factories.people import make_user
from tests.governance.playbooks.writing import spoiled
from tests.visitor import Visitor, logged_in

PAGES = ("/playbooks", "/playbooks/wispgate", "/playbooks/wispgate/doctor")


@pytest.fixture
def published(app, services):
    with app.app_context(), transaction():
        publish(LIBRARY / "wispgate", SYSTEM)


@pytest.fixture
def reader(app, services) -> Visitor:
    return logged_in(app, make_user(app, role="viewer"))


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_the_log_in(app, services, page):
    answer = Visitor(app).open(page)
    assert answer.status_code == 303
    assert "/login" in answer.headers["Location"]


def test_without_a_playbook_the_list_says_what_to_do(reader):
    assert "lifecycle playbook publish wispgate" in reader.open("/playbooks").text


def test_the_list_leads_to_boards_stages_and_doctor(reader, published):
    text = reader.open("/playbooks").text
    for link in ("/playbooks/wispgate", "/boards/wispgate.growth", "/playbooks/wispgate/doctor"):
        assert f'href="{link}"' in text
    assert "Complete" in text
    assert "Growth manager" in text


def test_the_stage_reference_reads_like_a_handbook(reader, published):
    text = reader.open("/playbooks/wispgate").text
    for words in (
        "1. Sourced",
        "Outreach Sent",
        "ICP fit is filled in",
        "Qualification call was held, with notes",
        "Verification: all 4 items are ticked",
        "Plan, Price a month and Discount approved by Growth manager",
        "Terms sheet is attached",
        "may be waived by manager",
        "Client gate",
        "3 business days",
        "Verify contact and company",
        "Growth; the account&#39;s owner",
    ):
        assert words in text, words


def test_the_doctor_shows_each_stage_and_every_gap(app, reader, published):
    unset = reader.open("/playbooks/wispgate/doctor").text
    assert "There is no channel #delivery-alerts" in unset
    with app.app_context(), transaction():
        address = "https://hooks.example.com/services/one"
        create_channel(key="delivery-alerts", name="Alerts", kind="slack", address=address, actor=SYSTEM)
    assert "Nothing is missing" in reader.open("/playbooks/wispgate/doctor").text
    with app.app_context(), transaction():
        publish(spoiled("orders", ", notify: shop", ""), SYSTEM)
    text = reader.open("/playbooks/bakery/doctor").text
    assert "Notification is missing." in text
    assert "Missing" in text


def test_what_authors_write_is_text_and_never_markup(app, reader):
    texts = spoiled("orders", "next_action: Call back", 'next_action: "<script>alert(1)</script>"')
    texts["orders.yaml"] = texts["orders.yaml"].replace("Weigh the flour", "<b>flour</b>")
    with app.app_context(), transaction():
        publish(texts, SYSTEM)
    text = reader.open("/playbooks/bakery").text
    assert "<script>alert" not in text
    assert "<b>flour" not in text
    assert "&lt;b&gt;flour" in text


@pytest.mark.parametrize("key", ["nothing", "wispgate.growth", "..", "%00", "x" * 300])
def test_what_is_not_there_is_not_found(reader, key):
    assert reader.open(f"/playbooks/{key}").status_code in {400, 404}
