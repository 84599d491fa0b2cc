"""P14: an installation that is at rest is backed up, and restored into another folder that then runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest

from lifecycle.app import create_app
from lifecycle.config import Settings
from tests.factories.cards import make_account
from tests.installation import close_connections
from tests.runtime.product import data_folder, running_product

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("product")]


def lifecycle(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "lifecycle.cli", *arguments],
        env={**inherited, "LIFECYCLE_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd="/",
    )


def test_a_backup_of_one_folder_runs_in_another(tmp_path: Path) -> None:
    running, resting = tmp_path / "running.zip", tmp_path / "resting.zip"
    with data_folder() as first, data_folder() as second:
        with running_product(first) as product:
            app = create_app(Settings.from_env(product.services["environment"]))
            make_account(app, name="Nordwind")
            close_connections(app)
            done = lifecycle(first, "backup", str(running))
            assert done.returncode == 0, done.stderr
            refused = lifecycle(first, "restore", "--replace", str(running))
            assert "stop the product first" in refused.stderr
        done = lifecycle(first, "backup", str(resting))
        assert done.returncode == 0, done.stderr
        assert "1 account," in done.stdout

        refused = lifecycle(second, "restore", str(resting))
        assert "first copy the secrets.json" in refused.stderr
        assert not second.exists()
        second.mkdir()
        shutil.copy(first / "secrets.json", second / "secrets.json")
        done = lifecycle(second, "restore", str(resting))
        assert done.returncode == 0, done.stderr
        with running_product(second) as product:
            with urllib.request.urlopen(f"{product.services['web']}/readyz", timeout=10) as response:
                assert json.load(response)["parts"]["migrations"]["state"] == "ok"
            with psycopg.connect(product.services["database"]) as app_role:
                assert app_role.execute("select name from accounts").fetchall() == [("Nordwind",)]
