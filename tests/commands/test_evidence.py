"""`lifecycle evidence`, as somebody runs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import uuid

import pytest

from lifecycle.core.db import transaction
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.evidence.heads import FILE
from lifecycle.records.evidence.log import account_chain
from lifecycle.records.people.actor import SYSTEM
from tests.installation import environment_of
from tests.programs import run_program
from tests.records.evidence.tampering import tampering


@pytest.fixture
def run(settings):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            **environment_of(settings),
            "EVIDENCE_KEY": base64.urlsafe_b64encode(settings.evidence_key).decode(),
            "LIFECYCLE_DATA": str(settings.data_dir),
        }
        return run_program("-m", "lifecycle.cli", "evidence", *arguments, environment=environment)

    return run


def test_a_sound_log_is_said_to_be_sound(app, services, run):
    with app.app_context(), transaction():
        account = create_account({"name": "Nordwind"}, actor=SYSTEM).id
    done = run("verify")
    assert (done.returncode, done.stdout) == (0, "Sound: 1 chain, 1 entry.\n")
    assert run("verify", "--account", str(account)).returncode == 0
    quiet = run("verify", "--quiet")
    assert (quiet.returncode, quiet.stdout) == (0, "")


def test_a_broken_log_says_where_and_fails(app, services, run):
    with app.app_context(), transaction():
        account = create_account({"name": "Nordwind"}, actor=SYSTEM).id
        other = create_account({"name": "Southwind"}, actor=SYSTEM).id
    with tampering(services) as owner:
        owner.execute("update events set kind = 'account.forgotten' where account_id = %s", (account,))
    done = run("verify", "--quiet")
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert first.startswith(f"{account_chain(account)}, entry 1 (")
    assert "its kind was changed: its column says account.forgotten, its text account.created." in first
    assert last == "BROKEN: 1 fault in 2 chains, 2 entries."
    assert run("verify", "--account", str(other)).returncode == 0


def test_an_unknown_account_is_said_to_be_unknown(services, run):
    done = run("verify", "--account", str(uuid.uuid4()))
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (1, "There is no such account.")
    assert run("verify", "--account", "nonsense").returncode == 2


def test_a_copy_of_the_signed_heads_finds_a_cut_tail(app, services, settings, run, tmp_path):
    """E16: the copy was taken away before somebody cut the log and changed the file in the data folder."""
    with app.app_context(), transaction():
        account = create_account({"name": "Nordwind"}, actor=SYSTEM).id
    try:
        signed = run("head")
        assert signed.returncode == 0, signed.stderr
        (tmp_path / "copy.jsonl").write_text(signed.stdout)
        assert (settings.data_dir / FILE).read_text() == signed.stdout
        assert run("key").stdout.strip() == json.loads(signed.stdout)["key"]
        assert run("verify").stdout == "Sound: 1 chain, 1 entry.\n"
        with tampering(services) as owner:
            owner.execute("delete from events")
            owner.execute("delete from evidence_chains")
        done = run("verify", "--heads", str(tmp_path / "copy.jsonl"))
        assert done.returncode == 1
        assert done.stdout.startswith(f"{account_chain(account)}, entry 1: the whole chain is gone: on ")
    finally:
        (settings.data_dir / FILE).unlink(missing_ok=True)


def test_an_account_is_exported(app, services, run):
    with app.app_context(), transaction():
        account = create_account({"name": "Nordwind"}, actor=SYSTEM).id
    first, entry, head = map(json.loads, run("export", "--account", str(account)).stdout.splitlines())
    assert (first["account"], entry["seq"], json.loads(head["statement"])["seq"]) == (str(account), 1, 1)
