"""The log of evidence tells on whoever changes it, and says where (E16)."""

from __future__ import annotations

import tracemalloc
import uuid

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.core.ids import new_id
from lifecycle.records.accounts.changes import create_account, edit_account
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.evidence.verify import MOST_FAULTS, Verification, verify_chains
from lifecycle.records.people.actor import SYSTEM
from tests.records.evidence.tampering import body_of, rewrite, tampering

# Constant: every test process must collect the same tests.
STRANGER = "01a20137-3644-756a-8b77-06bc84c7546c"


def verified(app: Flask, account_id: uuid.UUID | None = None) -> Verification:
    with app.app_context():
        return verify_chains(account_id)


def found(app: Flask) -> set[tuple[str, int | None, str]]:
    """Chain, entry and what is wrong, of every fault."""
    return {(fault.chain, fault.seq, fault.what) for fault in verified(app).faults}


@pytest.fixture
def account(app: Flask) -> uuid.UUID:
    """An account whose chain has five entries."""
    with app.app_context():
        with transaction():
            account_id = create_account({"name": "Nordwind Funk"}, actor=SYSTEM).id
        for number in range(1, 5):
            with transaction():
                edit_account(account_id, {"notes": f"Note {number}"}, seen_version=number, actor=SYSTEM)
    return account_id


@pytest.fixture
def chain(account: uuid.UUID) -> str:
    return account_chain(account)


def test_an_untouched_log_is_sound(app, account, chain):
    result = verified(app)
    assert result.is_sound
    assert (result.chains, result.events) == (1, 5)


def test_an_empty_log_is_sound(app, services):
    assert verified(app) == Verification()


def test_one_account_is_verified_alone(app, services, account):
    with app.app_context(), transaction():
        other = create_account({"name": "Another"}, actor=SYSTEM).id
    with tampering(services) as owner:
        owner.execute("update events set kind = 'forged' where account_id = %s", (other,))
    assert verified(app, account).is_sound
    assert not verified(app, other).is_sound
    assert verified(app, uuid.uuid4()) == Verification()


def test_an_edited_text_is_located(app, services, account, chain):
    with tampering(services) as owner:
        body = body_of(owner, chain, 3)
        body["data"]["changes"]["notes"]["after"] = "Something kinder"
        rewrite(owner, chain, 3, body, rehash=False)
    assert found(app) == {(chain, 3, "its text was changed: it no longer gives the hash it was stored with")}


def test_an_edited_text_with_a_fitting_hash_breaks_the_next_link(app, services, account, chain):
    with tampering(services) as owner:
        body = body_of(owner, chain, 3)
        body["data"]["changes"]["notes"]["after"] = "Something kinder"
        rewrite(owner, chain, 3, body)
    assert found(app) == {(chain, 4, "it does not follow from entry 3: one of the two was changed or put in")}


def test_an_edited_last_entry_with_a_fitting_hash_contradicts_the_head(app, services, account, chain):
    with tampering(services) as owner:
        body = body_of(owner, chain, 5)
        body["reason"] = "Because"
        rewrite(owner, chain, 5, body)
    assert found(app) == {(chain, 5, "the chain's head does not carry the last entry's hash")}


def test_an_edited_first_entry_breaks_the_second(app, services, account, chain):
    with tampering(services) as owner:
        body = body_of(owner, chain, 1)
        body["data"]["name"] = "Southwind"
        rewrite(owner, chain, 1, body)
    assert {(chain_, seq) for chain_, seq, _ in found(app)} == {(chain, 2)}


def test_a_deleted_entry_is_missed(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from events where account_id = %s and seq = 3", (account,))
    assert found(app) == {(chain, 4, "entry 3 is missing before it")}


def test_deleted_first_entries_are_missed(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from events where account_id = %s and seq < 3", (account,))
    assert found(app) == {(chain, 3, "entries 1 to 2 are missing before it")}


def test_a_cut_tail_is_missed(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from events where account_id = %s and seq > 3", (account,))
    assert found(app) == {(chain, 4, "entries 4 to 5 are missing at the end")}


def test_a_deleted_entry_whose_gap_was_closed_is_located(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from events where account_id = %s and seq = 3", (account,))
        # By way of the negative numbers: in whatever order the rows are found, no two may share one.
        owner.execute("update events set seq = 1 - seq where account_id = %s and seq > 3", (account,))
        owner.execute("update events set seq = -seq where account_id = %s and seq < 0", (account,))
    faults = found(app)
    assert (chain, 3, "it was written as entry 4 of its chain") in faults
    assert (chain, 3, "it does not follow from entry 2: one of the two was changed or put in") in faults
    assert (chain, 5, "entry 5 is missing at the end") in faults


def test_swapped_entries_are_located(app, services, account, chain):
    with tampering(services) as owner:
        for old, new in ((2, -2), (4, 2), (-2, 4)):
            owner.execute(
                "update events set seq = %s where account_id = %s and seq = %s", (new, account, old)
            )
    faults = found(app)
    assert (chain, 2, "it was written as entry 4 of its chain") in faults
    assert (chain, 4, "it was written as entry 2 of its chain") in faults
    assert all(seq in (2, 3, 4, 5) for _, seq, _ in faults)


def test_an_entry_put_in_at_the_end_lies_beyond_the_head(app, services, account, chain):
    with tampering(services) as owner:
        _put_in(owner, chain, 6, previous=body_of(owner, chain, 5)["previous"])
    faults = found(app)
    assert (chain, 6, "it lies beyond the chain's head, which is entry 5") in faults
    assert (chain, 6, "it does not follow from entry 5: one of the two was changed or put in") in faults
    assert all(seq == 6 for _, seq, _ in faults)


def test_an_entry_put_in_between_is_located(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("update events set seq = seq + 100 where account_id = %s and seq > 2", (account,))
        owner.execute("update events set seq = seq - 99 where account_id = %s and seq > 100", (account,))
        _put_in(owner, chain, 3, previous="00")
    faults = found(app)
    assert (chain, 3, "it does not follow from entry 2: one of the two was changed or put in") in faults
    assert (chain, 4, "it was written as entry 3 of its chain") in faults


def test_swapped_chains_are_located(app, services, account, chain):
    with app.app_context(), transaction():
        other = create_account({"name": "Another"}, actor=SYSTEM).id
    with tampering(services) as owner:
        ids = owner.execute(
            "select id from evidence_chains where key in (%s, %s) order by key = %s",
            (chain, account_chain(other), account_chain(other)),
        )
        (first,), (second,) = ids.fetchall()
        owner.execute("update events set chain_id = -1 where chain_id = %s", (first,))
        owner.execute("update events set chain_id = %s where chain_id = %s", (first, second))
        owner.execute("update events set chain_id = %s where chain_id = -1", (second,))
    faults = found(app)
    assert (chain, 1, f"it was written for the chain {account_chain(other)}") in faults
    assert (account_chain(other), 1, f"it was written for the chain {chain}") in faults
    assert (chain, 2, "entries 2 to 5 are missing at the end") in faults
    assert (account_chain(other), 5, "it lies beyond the chain's head, which is entry 1") in faults


@pytest.mark.parametrize(
    ("change", "seq", "what"),
    [
        ("head_hash = '\\x00'", 5, "the chain's head does not carry the last entry's hash"),
        ("head_seq = 4", 5, "it lies beyond the chain's head, which is entry 4"),
        ("head_seq = 7", 6, "entries 6 to 7 are missing at the end"),
    ],
)
def test_a_changed_head_is_located(app, services, account, chain, change, seq, what):
    with tampering(services) as owner:
        owner.execute(f"update evidence_chains set {change} where key = %s", (chain,))
    assert found(app) == {(chain, seq, what)}


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("actor_id", STRANGER, "its actor was changed"),
        ("account_id", None, "its account was changed"),
        ("card_id", STRANGER, "its card was changed"),
        ("kind", "account.forgotten", "its kind was changed"),
        ("at", "2001-01-01T00:00:00Z", "its time was changed"),
        ("id", STRANGER, "its id was changed"),
    ],
)
def test_a_changed_column_is_located(app, services, account, chain, column, value, what):
    with tampering(services) as owner:
        owner.execute(
            f"update events set {column} = %s where account_id = %s and seq = 2",
            (value, account),
        )
    faults = verified(app).faults
    assert [(fault.chain, fault.seq) for fault in faults] == [(chain, 2)]
    assert faults[0].what.startswith(what)


def test_a_changed_searchable_copy_is_located(app, services, account, chain):
    """What the timeline reads is the copy; it may not say something else than what was hashed."""
    with tampering(services) as owner:
        owner.execute("alter table events alter column body drop expression")
        owner.execute(
            "update events set body = jsonb_set(body, '{reason}', '\"A kinder one\"') "
            "where account_id = %s and seq = 2",
            (account,),
        )
    try:
        assert found(app) == {(chain, 2, "its searchable copy says something else than its text")}
    finally:
        with tampering(services) as owner:
            owner.execute("alter table events drop column body")
            owner.execute(
                "alter table events add column body jsonb not null "
                "generated always as (canonical::jsonb) stored"
            )


def test_a_text_that_is_no_entry_is_located(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute(
            "update events set canonical = '[]', hash = sha256('[]') where account_id = %s and seq = 5",
            (account,),
        )
    assert (chain, 5, "its text cannot be read") in found(app)


def test_entries_whose_chain_was_removed_are_found(app, services, account, chain):
    with tampering(services) as owner:
        owner.execute("delete from evidence_chains where key = %s", (chain,))
    result = verified(app)
    assert result.fault_count == 5
    assert {(fault.chain, fault.what) for fault in result.faults} == {
        (chain, "the chain it belongs to was removed")
    }
    with tampering(services) as owner:
        owner.execute("delete from events")


def test_countless_faults_are_counted_and_not_kept(app, services):
    with app.app_context(), transaction():
        for _ in range(MOST_FAULTS + 20):
            record_event("test.kept", chain="system", actor=SYSTEM)
    with tampering(services) as owner:
        owner.execute("update events set kind = 'test.forged'")
    result = verified(app)
    assert (result.fault_count, len(result.faults)) == (MOST_FAULTS + 20, MOST_FAULTS)


def test_memory_stays_flat_however_long_the_log(app, services):
    with app.app_context():
        with transaction():
            for _ in range(3000):
                record_event("test.kept", chain="system", actor=SYSTEM, data={"text": "x" * 1000})
        verify_chains(uuid.uuid4())
        tracemalloc.start()
        assert verify_chains().events == 3000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The entries are 4 MB as text alone.
    assert peak < 3_000_000


def _put_in(owner, chain, seq, *, previous):
    """A forged entry that is sound in itself."""
    body = {**body_of(owner, chain, 1), "seq": seq, "previous": previous, "id": str(new_id())}
    owner.execute(
        "insert into events (id, chain_id, seq, at, kind, actor_id, account_id, card_id, canonical, hash) "
        "select %(id)s, e.chain_id, %(seq)s, e.at, e.kind, e.actor_id, e.account_id, e.card_id, e.canonical, "
        "e.hash from events e join evidence_chains c on c.id = e.chain_id "
        "where c.key = %(chain)s and e.seq = 1",
        {"id": body["id"], "seq": seq, "chain": chain},
    )
    rewrite(owner, chain, seq, body)
