"""E14: how a contact is reached is chosen on their page, judged, on record, and shown as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.records.evidence.models import Event
from tests.factories.browsing import Caller
from tests.factories.cards import make_account, rows
from tests.factories.people import Person, make_user
from tests.factories.reach import NUMBER, PHONE, change_contact, contact_row, likes_sms
from tests.sms import running_sms_server, sending_by

FORM = {
    "name": "Grace Hopper",
    "email": "grace@client.example",
    "phone": PHONE,
    "channel": "sms",
    "time_zone": "Europe/Madrid",
    "quiet_from": "22:00",
    "quiet_until": "08:00",
}


@pytest.fixture
def ana(app: Flask) -> Person:
    return make_user(app, name="Ana")


@pytest.fixture
def caller(app: Flask, ana: Person) -> Caller:
    return Caller(app, ana)


@pytest.fixture
def grace(app: Flask, ana: Person) -> Any:
    return likes_sms(app, make_account(app, owner=ana), channel="")


def save(caller: Caller, contact: Any, version: Any = 1, **typed: str) -> Any:
    return caller.post(f"/contacts/{contact}", "page", version=str(version), **{**FORM, **typed})


def test_preferences_are_kept_shown_and_on_record(app: Flask, caller: Caller, grace: Any) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        assert save(caller, grace, time_zone="madrid").status_code == 303
        row = contact_row(app, grace)
        assert {key: row[key] for key in FORM} == {**FORM, "phone": "+34 612 34 56 78"}
        page = unescape(caller.get(f"/contacts/{grace}").text)
        assert f"To {NUMBER}" in page
        assert "22:00 until 08:00" in page
    changed = [event for event in rows(app, Event) if event["kind"] == "contact.changed"]
    changes = changed[0]["body"]["data"]["changes"]
    assert changes["channel"] == {"name": "Reached by", "before": None, "after": "sms"}
    assert changes["quiet_from"]["after"] == "22:00"
    form = caller.get(f"/contacts/{grace}/edit").text
    assert 'value="22:00"' in form
    assert 'selected value="sms"' in form


def test_they_can_be_taken_away_again(app: Flask, caller: Caller, grace: Any) -> None:
    save(caller, grace)
    save(caller, grace, version=2, channel="", time_zone="", quiet_from="", quiet_until="")
    row = contact_row(app, grace)
    assert [row[key] for key in ("channel", "time_zone", "quiet_from", "quiet_until")] == [None] * 4


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"channel": "pigeon"}, "Choose email or SMS"),
        ({"phone": ""}, "For SMS, enter a mobile number"),
        ({"phone": "+34 912 345 678"}, "For SMS, enter a mobile number"),
        ({"phone": "+34 612"}, "phone number with its country"),
        ({"time_zone": "Atlantis"}, "Choose a time zone"),
        ({"time_zone": "../../etc/passwd"}, "Choose a time zone"),
        ({"time_zone": ""}, "Quiet hours need the time zone"),
        ({"quiet_from": "25:00"}, "Enter a time like 22:00"),
        ({"quiet_from": "8pm"}, "Enter a time like 22:00"),
        ({"quiet_from": ""}, "Give both ends of the quiet hours"),
        ({"quiet_until": ""}, "Give both ends of the quiet hours"),
        ({"quiet_until": "22:00"}, "Quiet hours end at another time"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_typed_kept(
    app: Flask, caller: Caller, grace: Any, typed: dict[str, str], sentence: str
) -> None:
    before = contact_row(app, grace)
    answer = save(caller, grace, **typed)
    assert answer.status_code == 422
    assert sentence in unescape(answer.text)
    assert contact_row(app, grace) == before


def test_a_number_is_not_taken_away_from_who_is_reached_by_sms(
    app: Flask, caller: Caller, grace: Any
) -> None:
    save(caller, grace)
    answer = save(caller, grace, version=2, phone="")
    assert answer.status_code == 422
    # One who came from elsewhere with what we would not take stays editable.
    change_contact(app, grace, phone="extension 12")
    assert save(caller, grace, version=2, phone="extension 12", name="Grace B. Hopper").status_code == 303


def test_without_a_provider_the_pages_say_that_mail_is_used(app: Flask, caller: Caller, grace: Any) -> None:
    assert "SMS is not set up here" in caller.get(f"/contacts/{grace}/edit").text
    account = contact_row(app, grace)["account_id"]
    assert "SMS is not set up here" in caller.get(f"/accounts/{account}/contacts/new").text
    assert save(caller, grace).status_code == 303
    page = caller.get(f"/contacts/{grace}").text
    assert "By email for now" in page
    assert "SMS is not set up here" in page


def test_their_time_of_day_is_shown(app: Flask, caller: Caller, grace: Any) -> None:
    change_contact(app, grace, time_zone="Asia/Kathmandu")
    at = datetime.now(UTC)
    with time_machine.travel(at, tick=False):
        there = f"{at + timedelta(hours=5, minutes=45):%H:%M}"
        assert f"It is {there} there" in caller.get(f"/contacts/{grace}").text
    change_contact(app, grace, time_zone="Atlantis/Lost")
    assert caller.get(f"/contacts/{grace}").status_code == 200


def test_who_may_only_look_changes_nothing(app: Flask, grace: Any) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    before = contact_row(app, grace)
    assert save(viewer, grace).status_code == 403
    assert contact_row(app, grace) == before
