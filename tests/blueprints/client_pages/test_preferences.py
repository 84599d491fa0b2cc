"""E14, P3, P11: contacts choose how they are written to, by their own link, and cannot choose where to."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import LANGUAGES
from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.preferences import resume_sms, stop_sms
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.client_requests.models import PortalLink
from tests.factories.browsing import Caller
from tests.factories.cards import make_account, rows
from tests.factories.people import Person, make_user
from tests.factories.reach import NUMBER, PHONE, change_contact, contact_row, likes_sms, owe_to
from tests.factories.statements import statements
from tests.sms import running_sms_server, sending_by

CHOSEN = {
    "language": "fr",
    "channel": "sms",
    "time_zone": "America/Bogota",
    "quiet_from": "21:00",
    "quiet_until": "07:30",
}


class Own:
    """A contact with an opened link to their home."""

    def __init__(self, app: Flask, contact: uuid.UUID, *, is_opened: bool = True, **more: Any) -> None:
        self.app, self.token = app, f"token-of-{uuid.uuid4()}"
        self.path = f"/p/{self.token}"
        self.browser: FlaskClient = app.test_client()
        given = {"created_at": now(), "expires_at": now() + timedelta(days=9), **more}
        with app.app_context(), transaction():
            opened_at = now() if is_opened else None
            row = PortalLink(
                contact_id=contact, token_hash=hash_token(self.token), opened_at=opened_at, **given
            )
            db.session.add(row)

    def look(self, page: str = "/preferences") -> TestResponse:
        return self.browser.get(self.path + page)

    def save(self, **typed: str) -> TestResponse:
        page = self.look().text
        hidden = dict(re.findall(r'name="(csrf_token|version)"(?: type="hidden")? value="([^"]*)"', page))
        return self.browser.post(f"{self.path}/preferences", data={**hidden, **CHOSEN, **typed})


@pytest.fixture
def ana(app: Flask) -> Person:
    return make_user(app, name="Ana Owner")


@pytest.fixture
def grace(app: Flask, ana: Person) -> uuid.UUID:
    return likes_sms(app, make_account(app, owner=ana, name="Nordwind"), channel="")


def changes_on_record(app: Flask) -> list[dict[str, Any]]:
    return [each for each in rows(app, Event) if each["kind"] == "contact.changed"]


def test_what_they_choose_is_kept_said_shown_and_on_record_as_theirs(
    app: Flask, ana: Person, grace: uuid.UUID
) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        own = Own(app, grace)
        answer = own.save()
        assert (answer.status_code, answer.location) == (303, own.path)
        row = contact_row(app, grace)
        assert {key: row[key] for key in CHOSEN} == CHOSEN
        home = unescape(re.sub(r"[\u2068\u2069]", "", own.look("").text))
    assert "Enregistré. Langue : Français; Nous vous écrivons par : SMS, sinon e-mail" in home
    assert "Fuseau horaire : Colombie (Bogota); Heures calmes : de 21:00 à 07:30" in home
    assert "<dd><bdi>de 21:00 à 07:30</bdi></dd>" in home
    [event] = changes_on_record(app)
    assert event["body"]["actor"] == {"id": None, "name": "Grace Hopper", "role": "client"}
    assert event["body"]["channel"] == "home"
    assert event["body"]["data"]["changes"].keys() == CHOSEN.keys()
    # Saved again as it is, nothing more goes on record.
    assert own.save().status_code == 303
    assert len(changes_on_record(app)) == 1
    told = unescape(Caller(app, ana).get(f"/accounts/{row['account_id']}").text)
    assert "from their home" in told


def test_where_to_is_not_theirs_to_change_and_shown_masked(app: Flask, grace: uuid.UUID) -> None:
    """A stolen link redirects nothing, and gives away no address."""
    with running_sms_server("vonage") as server, sending_by(app, server.account):
        own = Own(app, grace)
        before = contact_row(app, grace)
        page = own.look().text
        for whole in ("grace@client.example", NUMBER, PHONE, PHONE[-6:]):
            assert whole not in page
        assert "g…@client.example" in page
        assert "+34…78" in page
        assert "ask us to change it" in page
        own.save(
            email="thief@evil.example", phone="+34 699 999 999", rights="owner", name="Mallory", id="1",
            sms_stopped_at="", is_verified="y", account_id=str(uuid.uuid4()),
        )  # fmt: skip
    after = contact_row(app, grace)
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {*CHOSEN, "version", "updated_at"}


def test_sms_is_offered_only_where_one_can_be_sent(app: Flask, grace: uuid.UUID) -> None:
    own = Own(app, grace)
    assert 'name="channel"' not in own.look().text, "no provider is set up"
    assert own.save(channel="sms", language="").status_code == 303
    assert contact_row(app, grace)["channel"] is None
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        assert 'name="channel"' in own.look().text
        change_contact(app, grace, phone="+34 912 345 678")
        assert 'name="channel"' not in own.look().text, "a land line"
        # Whom staff set to SMS without a number keeps the rest in their own hands.
        change_contact(app, grace, channel="sms")
        assert own.save(quiet_from="20:00").status_code == 303
        assert contact_row(app, grace)["quiet_from"] == "20:00"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"language": "tlh"}, "Choose a language"),
        ({"channel": "pigeon"}, "Choose email or SMS"),
        ({"time_zone": "../../etc/passwd"}, "Choose a time zone"),
        ({"time_zone": ""}, "Quiet hours need the time zone"),
        ({"quiet_from": "9pm"}, "Enter a time like 22:00"),
        ({"quiet_until": ""}, "Give both ends"),
        ({"quiet_until": "21:00"}, "Quiet hours end at another time"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_typed_kept(
    app: Flask, grace: uuid.UUID, typed: dict[str, str], sentence: str
) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        own = Own(app, grace)
        before = contact_row(app, grace)
        answer = own.save(**typed)
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert sentence in page
    assert "Nothing was saved" in page
    if "quiet_from" not in typed:
        assert 'value="21:00"' in page
    assert contact_row(app, grace) == before


def test_a_page_that_is_out_of_date_saves_nothing_and_says_what_there_is_by_now(
    app: Flask, ana: Person, grace: uuid.UUID
) -> None:
    own = Own(app, grace)
    stale = dict(re.findall(r'name="(version)"(?: type="hidden")? value="([^"]*)"', own.look().text))
    assert own.save(time_zone="Asia/Kolkata").status_code == 303
    answer = own.save(**stale, quiet_from="20:00", language="")
    assert answer.status_code == 409
    page = unescape(answer.text)
    assert "changed meanwhile" in page or "modifié entre-temps" in page
    assert re.search(r"<li>Fuseau horaire.:.<bdi>Inde \(Kolkata\)</bdi></li>", page)
    assert contact_row(app, grace)["quiet_from"] == "21:00"
    # What the page says now can be saved.
    assert own.save(quiet_from="20:00", language="").status_code == 303


def test_after_stop_the_page_says_so_and_how_to_take_it_back(app: Flask, grace: uuid.UUID) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        own = Own(app, grace)
        own.save(language="")
        with app.app_context(), transaction():
            stop_sms(db.session.get_one(Contact, grace), because="They answered STOP.")
        page = own.look().text
        assert "You asked for no more SMS" in page
        assert f'send START by SMS to <bdi dir="ltr">{server.account.sender}</bdi>' in page
        assert "so we write by email" in own.look("").text
        # No button here does it: the network itself would go on refusing them.
        own.save(language="")
        assert contact_row(app, grace)["sms_stopped_at"] is not None
        with app.app_context(), transaction():
            resume_sms(db.session.get_one(Contact, grace), because="They answered START.")
        assert "no more SMS" not in own.look().text


def test_other_quiet_hours_hold_for_what_is_waiting(app: Flask, grace: uuid.UUID) -> None:
    own = Own(app, grace)
    own.save(quiet_from="00:00", quiet_until="23:59", time_zone="UTC", language="")
    owe_to(app, grace)
    [row] = rows(app, OutboxMessage)
    assert row["quiet_until"] is not None
    own.save(quiet_from="", quiet_until="", language="")
    [row] = rows(app, OutboxMessage)
    assert row["quiet_until"] is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_p11_it_speaks_their_language_and_a_new_one_wins_over_the_button(
    app: Flask, grace: uuid.UUID, language: str
) -> None:
    other = "es" if language != "es" else "fr"
    own = Own(app, grace)
    own.browser.set_cookie("language", other)
    assert f'lang="{other}"' in own.look().text
    assert own.save(language=language).status_code == 303
    home = own.look("").text
    assert f'<html lang="{language}"' in home
    said = {"en": "Saved.", "fr": "Enregistré.", "es": "Guardado.", "ar": "حُفظ."}
    assert said[language] in home
    page = own.look().text
    assert f'<html lang="{language}"' in page
    cities = {
        "en": "Spain (Madrid)",
        "fr": "Espagne (Madrid)",
        "es": "España (Madrid)",
        "ar": "إسبانيا (مدريد)",
    }
    assert cities[language] in page


def _doors(app: Flask) -> list[tuple[str, str]]:
    """Every address behind a home's link, with how it is asked."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/p/<token>"):
            found += [(method, rule.rule) for method in ("GET", "POST") if method in (rule.methods or ())]
    return found


@pytest.mark.parametrize("kind", ["unknown", "revoked", "expired", "archived", "unopened"])
def test_p3_no_door_behind_a_link_opens_for_one_that_is_not_good(
    app: Flask, ana: Person, grace: uuid.UUID, kind: str
) -> None:
    """P9: enumerated from the addresses themselves, so that a new one is asked too."""
    more: dict[str, dict[str, Any]] = {
        "revoked": {"revoked_at": now()},
        "expired": {"expires_at": now() - timedelta(seconds=1)},
        "unopened": {"is_opened": False},
    }
    other = Own(app, likes_sms(app, name="Other", channel=""))
    own = Own(app, grace, **more.get(kind, {}))
    if kind == "archived":
        change_contact(app, grace, archived_at=now())
    path = "/p/nobody" if kind == "unknown" else own.path
    token = re.search(r'name="csrf_token" value="([^"]+)"', other.look().text)
    assert token is not None
    before = rows(app, Contact), rows(app, PortalLink)
    asked = 0
    for method, rule in _doors(app):
        if rule.endswith("/renewals") or (
            kind == "unopened" and rule in ("/p/<token>", "/p/<token>/openings")
        ):
            continue
        address = re.sub(r"<uuid:\w+>", str(uuid.uuid4()), rule.replace("/p/<token>", path))
        data = {"csrf_token": token[1], "version": "1", **CHOSEN} if method == "POST" else None
        answer = other.browser.open(address, method=method, data=data)
        assert answer.status_code == 404, (method, rule)
        assert "Grace" not in answer.text
        asked += 1
    assert asked >= 5
    assert (rows(app, Contact), rows(app, PortalLink)) == before


def test_p9_nobody_reaches_another_contacts_choice(app: Flask, ana: Person, grace: uuid.UUID) -> None:
    account = contact_row(app, grace)["account_id"]
    heidi = likes_sms(app, account, name="Heidi", email="heidi@client.example", channel="")
    before = contact_row(app, heidi)
    with app.app_context(), transaction():
        db.session.execute(sa.update(Contact).where(Contact.id == grace).values(rights=["owner"]))
    own = Own(app, grace)
    page = own.look().text
    assert "Heidi" not in page
    own.save(contact_id=str(heidi), id=str(heidi))
    assert contact_row(app, heidi) == before
    assert contact_row(app, grace)["language"] == "fr"


def test_it_costs_the_same_statements_whatever_there_is(app: Flask, grace: uuid.UUID) -> None:
    """P5."""
    own = Own(app, grace)
    own.look()
    owe_to(app, grace, 30)
    with statements(app) as sent:
        assert own.look().status_code == 200
    assert len(sent) == 5, sent
