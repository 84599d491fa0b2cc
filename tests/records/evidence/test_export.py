"""An account's evidence is exported with its proofs, and verified by somebody who has only the docs (E16)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from lifecycle.core.db import transaction
from lifecycle.records.accounts.changes import create_account, edit_account
from lifecycle.records.evidence.heads import public_key
from lifecycle.records.people.actor import SYSTEM
from tests.factories.people import make_user
from tests.installation import ROOT
from tests.visitor import logged_in


@pytest.fixture
def account(app, services) -> uuid.UUID:
    with app.app_context():
        with transaction():
            account_id = create_account({"name": "Nordwind Füllung ="}, actor=SYSTEM).id
            create_account({"name": "Somebody else"}, actor=SYSTEM)
        with transaction():
            edit_account(account_id, {"notes": "Nötig\u2028"}, seen_version=1, actor=SYSTEM)
    return account_id


@pytest.fixture
def lines(app, account) -> list[str]:
    answer = logged_in(app, make_user(app, role="manager")).open(f"/accounts/{account}/evidence")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="evidence-{account}.jsonl"'
    assert "Somebody else" not in answer.text
    return answer.text.removesuffix("\n").split("\n")


@pytest.fixture
def verify(app, tmp_path: Path):
    """Run the program that the docs show, on its own."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    (tmp_path / "verify.py").write_text(program)
    with app.app_context():
        key = public_key()

    def verify(lines: list[str]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "export.jsonl").write_text("\n".join(lines) + "\n", newline="")
        command = [sys.executable, "-I", "-X", "utf8", "verify.py", "export.jsonl", key]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return verify


def test_an_export_is_verified_by_the_program_of_the_docs(lines, verify):
    done = verify(lines)
    assert done.stdout.startswith("Sound: 2 entries of Nordwind Füllung =, signed "), done.stderr


def test_that_program_sees_what_was_changed_cut_or_signed_by_others(lines, verify):
    first, one, two, head = lines
    assert "the last entries are missing" in verify([first, one, head]).stderr
    assert "entry 1 is missing" in verify([first, two, head]).stderr
    assert "entry 2 was changed" in verify([first, one, two.replace("Nötig", "Unnütz"), head]).stderr
    assert (
        "another account's" in verify([first.replace('"account": "', '"account": "0'), one, two, head]).stderr
    )
    signed = json.loads(head)
    signed["statement"] = signed["statement"].replace('"seq":2', '"seq":1')
    assert "InvalidSignature" in verify([first, one, json.dumps(signed)]).stderr


def test_only_those_who_may_verify_may_take_it_along(app, account):
    member = logged_in(app, make_user(app, role="member"))
    assert member.open(f"/accounts/{account}/evidence").status_code == 403
    assert "Download the evidence" not in member.open(f"/accounts/{account}").text
    manager = logged_in(app, make_user(app, role="manager"))
    assert "Download the evidence" in manager.open(f"/accounts/{account}").text
    assert manager.open(f"/accounts/{uuid.uuid4()}/evidence").status_code == 404
