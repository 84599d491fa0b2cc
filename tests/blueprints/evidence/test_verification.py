"""The page that verifies the log (E16)."""

from __future__ import annotations

import uuid

import pytest

from lifecycle.core.db import transaction
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.evidence import history
from lifecycle.records.evidence.heads import FILE, public_key, sign_heads
from lifecycle.records.people.actor import SYSTEM
from tests.factories.people import make_user
from tests.records.evidence.tampering import tampering
from tests.visitor import logged_in


@pytest.fixture
def manager(app, services):
    return logged_in(app, make_user(app, name="Mia", role="manager"))


@pytest.fixture
def account(app, services) -> uuid.UUID:
    with app.app_context(), transaction():
        return create_account({"name": "Nordwind"}, actor=SYSTEM).id


def test_a_sound_log_is_verified_and_the_verification_is_on_record(app, account, manager):
    assert "Not verified yet" in manager.open("/evidence").text
    answer = manager.send("/evidence/verifications", page="/evidence")
    assert (answer.status_code, answer.location) == (303, "/evidence")
    page = manager.open("/evidence").text
    assert "Sound" in page
    assert "Mia" in page
    with app.app_context():
        (past,) = history.past_verifications()
        assert (past.by, past.fault_count, past.account) == ("Mia", 0, None)


def test_a_broken_log_is_told_with_its_place(app, services, account, manager):
    with tampering(services) as owner:
        owner.execute("update events set kind = 'account.forgotten' where account_id = %s", (account,))
    manager.send("/evidence/verifications", page="/evidence")
    page = manager.open("/evidence").text
    assert "1 fault found" in page
    assert f'href="/accounts/{account}"' in page
    assert "entry 1" in page
    assert "its kind was changed" in page


def test_one_account_is_verified_by_its_name(app, services, account, manager):
    with app.app_context(), transaction():
        other = create_account({"name": "Southwind"}, actor=SYSTEM).id
    with tampering(services) as owner:
        owner.execute("update events set kind = 'x.y' where account_id = %s", (other,))
    manager.send("/evidence/verifications", page="/evidence", account="NORDWIND")
    with app.app_context():
        (past,) = history.past_verifications()
        assert (past.account, past.events, past.fault_count) == ("Nordwind", 1, 0)
    wrong = manager.send("/evidence/verifications", page="/evidence", account="Nowhere")
    assert (wrong.status_code, "no account called “Nowhere”" in wrong.text) == (422, True)


def test_a_log_too_long_for_a_page_names_the_command(app, account, manager, monkeypatch):
    monkeypatch.setattr(history, "MOST_ON_A_PAGE", 0)
    answer = manager.send("/evidence/verifications", page="/evidence")
    assert answer.status_code == 422
    assert "lifecycle evidence verify" in answer.text


def test_members_do_not_verify(app, account):
    member = logged_in(app, make_user(app, role="member"))
    assert member.open("/evidence").status_code == 403
    assert member.send("/evidence/verifications", page="/profile").status_code == 403


def test_the_page_compares_with_the_signed_heads(app, services, settings, account, manager):
    """E16: a chain that is gone with its head is named; the page shows what was signed, and by which key."""
    assert "Nothing signed yet" in manager.open("/evidence").text
    try:
        with app.app_context():
            sign_heads()
            key = public_key()
        page = manager.open("/evidence").text
        assert "Number 1, " in page
        assert key in page
        with tampering(services) as owner:
            owner.execute("delete from events where account_id is not null")
            owner.execute("delete from evidence_chains where key like 'account:%'")
        manager.send("/evidence/verifications", page="/evidence")
        assert "the whole chain is gone" in manager.open("/evidence").text
    finally:
        (settings.data_dir / FILE).unlink(missing_ok=True)
