"""Signed heads show what a chain cannot show by itself: a cut tail, a chain written anew (E16, R8)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask

from jobs.evidence import sign_daily_head
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.records.accounts.changes import create_account, edit_account
from lifecycle.records.evidence.heads import SignedHead, exported_heads, heads_file, sign_heads
from lifecycle.records.evidence.log import account_chain
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.evidence.witness import HEADS, verify_log
from lifecycle.records.outbox.deliver import deliver_due
from lifecycle.records.people.actor import SYSTEM
from tests.records.evidence.tampering import body_of, rewrite, tampering

CUT = (
    "delete from events e using evidence_chains c where c.id = e.chain_id and c.key = %(chain)s and seq > 3",
    """
    update evidence_chains c set head_seq = e.seq, head_hash = e.hash from events e
    where e.chain_id = c.id and e.seq = 3 and c.key = %(chain)s
    """,
)


@pytest.fixture(autouse=True)
def no_file(app: Flask, services) -> Iterator[None]:
    """The data folder is shared by the tests of a process: leave no file in it."""
    with app.app_context():
        file = heads_file()
    yield
    file.unlink(missing_ok=True)


@pytest.fixture
def account(app: Flask) -> uuid.UUID:
    """An account whose chain has five entries; a head was signed after the second and after the last."""
    with app.app_context(), transaction():
        account_id = create_account({"name": "Nordwind Funk"}, actor=SYSTEM).id
    for number in range(1, 5):
        with app.app_context(), transaction():
            edit_account(account_id, {"notes": f"Note {number}"}, seen_version=number, actor=SYSTEM)
        if number in (1, 4):
            sign(app)
    return account_id


@pytest.fixture
def chain(account: uuid.UUID) -> str:
    return account_chain(account)


def sign(app: Flask) -> SignedHead:
    with app.app_context():
        head = sign_heads()
        assert head is not None
        return head


def faults(app: Flask, **how) -> list[tuple[str, int | None, str]]:
    """Chain, entry and what is wrong, without the moment it was signed."""
    with app.app_context():
        found = verify_log(**how).faults
    day = f"{now():%Y-%m-%d}"
    return [(each.chain, each.seq, each.what.partition(f" {day}")[0]) for each in found]


def write_anew(owner: psycopg.Connection, chain: str, first: int, last: int) -> None:
    """Forge an entry and compute every hash after it anew, and the chain's head: sound in itself."""
    previous = None
    for seq in range(first, last + 1):
        body = body_of(owner, chain, seq)
        body["reason"] = "A kinder one" if seq == first else body["reason"]
        previous = rewrite(owner, chain, seq, {**body, **({"previous": previous} if previous else {})}).hex()
    owner.execute(
        "update evidence_chains set head_hash = decode(%s, 'hex') where key = %s", (previous, chain)
    )


def test_an_untouched_log_agrees_with_its_heads(app, account):
    assert faults(app) == []
    with app.app_context():
        first, second = exported_heads() or []
    assert (first.content["number"], second.content["number"]) == (1, 2)
    assert [seq for _, seq, _ in second.content["heads"]] == [5]


def test_a_cut_tail_is_located(app, services, account, chain):
    """E16: the chain alone is sound again after its last entries and its head went."""
    with tampering(services) as owner:
        for statement in CUT:
            owner.execute(statement, {"chain": chain})
    with app.app_context():
        assert verify_chains().is_sound
    assert faults(app) == [(chain, 4, "entries 4 to 5 are cut off: on")]
    assert faults(app, account_id=uuid.uuid4()) == []


def test_a_cut_tail_that_was_written_on_is_located(app, services, account, chain):
    with tampering(services) as owner:
        for statement in CUT:
            owner.execute(statement, {"chain": chain})
        owner.execute("update accounts set version = 3")
    for number in (3, 4):
        with app.app_context(), transaction():
            edit_account(account, {"notes": f"Later {number}"}, seen_version=number, actor=SYSTEM)
    sign(app)
    what = "entries 3 to 5 are written anew or missing: entry 5 is not the one signed on"
    assert faults(app) == [(chain, 3, what)]


def test_a_chain_that_is_gone_is_named(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from events")
        owner.execute("delete from evidence_chains")
    with app.app_context():
        assert verify_chains().is_sound
    assert faults(app) == [(chain, 1, "the whole chain is gone: on")]


def test_a_chain_with_all_hashes_computed_anew_is_located(app, services, account, chain):
    with tampering(services) as owner:
        write_anew(owner, chain, 4, 5)
    with app.app_context():
        assert verify_chains().is_sound
    what = "entries 3 to 5 are written anew or missing: entry 5 is not the one signed on"
    assert faults(app) == [(chain, 3, what)]


def test_removing_the_heads_from_the_database_too_is_seen_by_the_file(app, services, account, chain):
    """R8: the file is out of the reach of whoever owns the tables."""
    with tampering(services) as owner:
        for statement in CUT:
            owner.execute(statement, {"chain": chain})
        owner.execute("alter table evidence_heads disable trigger user")
        owner.execute("delete from evidence_heads")
        owner.execute("alter table evidence_heads enable trigger user")
    assert faults(app) == [
        (HEADS, 1, "the database does not hold it as it was signed"),
        (HEADS, 2, "the database does not hold it as it was signed"),
        (chain, 4, "entries 4 to 5 are cut off: on"),
    ]
    with pytest.raises(Invalid, match="one of them was changed"):
        sign(app)


def test_what_the_file_lacks_is_compared_from_the_table(app, services, account, chain):
    with app.app_context():
        heads_file().unlink()
    with tampering(services) as owner:
        for statement in CUT:
            owner.execute(statement, {"chain": chain})
    assert faults(app) == [(chain, 4, "entries 4 to 5 are cut off: on")]


def _forge(heads: list[SignedHead]) -> list[SignedHead]:
    return [heads[0], replace(heads[1], statement=heads[1].statement.replace(",5,", ",4,"))]


def _flip(heads: list[SignedHead]) -> list[SignedHead]:
    other = "0" if heads[1].signature[0] != "0" else "1"
    return [heads[0], replace(heads[1], signature=other + heads[1].signature[1:])]


def _sign_otherwise(heads: list[SignedHead]) -> list[SignedHead]:
    key = Ed25519PrivateKey.generate()
    signature = key.sign(heads[1].statement.encode()).hex()
    stranger = SignedHead(heads[1].statement, signature, key.public_key().public_bytes_raw().hex())
    return [heads[0], stranger]


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (_forge, "its signature does not fit: it was changed after it was signed"),
        (_flip, "its signature does not fit: it was changed after it was signed"),
        (_sign_otherwise, "it was signed by another key"),
    ],
)
def test_a_tampered_head_is_named(
    app, account, tamper: Callable[[list[SignedHead]], list[SignedHead]], what: str
):
    with app.app_context():
        heads = tamper(exported_heads() or [])
    found = faults(app, heads=heads)
    assert found[0] == (HEADS, 2, "the database does not hold it as it was signed")
    assert [(chain, seq) for chain, seq, _ in found] == [(HEADS, 2)] * 2
    assert found[1][2].startswith(what)


def test_a_head_taken_out_of_a_copy_is_missed(app, account):
    sign(app)
    with app.app_context():
        first, _, third = exported_heads() or []
    assert faults(app, heads=[first, third]) == [
        (HEADS, 3, "it does not follow from the one before it: one was taken out")
    ]
    assert faults(app, heads=[third]) == []  # As from a mail: a copy may begin anywhere.


def test_a_file_that_cannot_be_read_is_a_fault(app, account):
    with app.app_context():
        heads_file().write_text("nonsense\n")
    assert faults(app) == [(HEADS, None, "Line 1 of the signed heads cannot be read: the file was changed")]


def test_what_a_killed_process_did_not_write_is_written_by_the_next(app, account):
    with app.app_context():
        whole = heads_file().read_text()
        heads_file().write_text(whole[: len(whole) // 2 + 50])
        sign_heads(at_most_daily=True)
        assert heads_file().read_text() == whole


def test_one_is_signed_each_day_and_mailed_where_wanted(app, services, smtp_sink, monkeypatch):
    """E16: exported outside the reach of the tables' owner, once a day."""
    settings = replace(app.extensions["settings"], evidence_heads_to="auditor@demo.example")
    monkeypatch.setitem(app.extensions, "settings", settings)
    with app.app_context():
        with transaction():
            create_account({"name": "Nordwind"}, actor=SYSTEM)
        assert (sign_daily_head(), sign_daily_head()) == (True, False)
        with time_machine.travel(now() + timedelta(days=1)):
            assert (sign_daily_head(), sign_daily_head()) == (True, False)
        deliver_due()
        lines = [head.as_line() for head in exported_heads() or []]
    assert len(lines) == 2
    assert json.loads(json.loads(lines[1])["statement"])["heads"] == []
    assert [envelope.rcpt_tos for envelope in smtp_sink.received] == [["auditor@demo.example"]]


def test_without_a_key_nothing_is_signed_and_it_is_said(app, account, monkeypatch):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], evidence_key=None))
    with app.app_context():
        assert sign_daily_head() is False
        with pytest.raises(Invalid, match="EVIDENCE_KEY is not set"):
            verify_log()


def test_the_application_itself_cannot_change_a_head(app, services, account):
    with psycopg.connect(services.app) as role, pytest.raises(psycopg.errors.InsufficientPrivilege):
        role.execute("delete from evidence_heads")
    with psycopg.connect(services.owner) as role, pytest.raises(psycopg.errors.IntegrityError):
        role.execute("update evidence_heads set number = 9")
