"""`lifecycle playbook` and `lifecycle doctor` say what a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lifecycle.commands.doctor import doctor
from lifecycle.commands.playbook import playbook
from lifecycle.config import Settings
from lifecycle.governance.playbooks.schema import schema_text
from tests.factories.people import make_user
from tests.governance.playbooks.writing import files, spoiled
from tests.installation import environment_of

ROOT = Path(__file__).resolve().parents[3]


def _write(folder: Path, texts: dict[str, str]) -> str:
    for name, content in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return str(folder)


def _run(command, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name, value in {
        **environment_of(settings),
        "LIFECYCLE_DATA": str(settings.data_dir),
    }.items():
        monkeypatch.setenv(name, value or "")


def test_the_schema_in_the_docs_is_current():
    assert (ROOT / "docs/playbook.schema.json").read_text() == schema_text(), (
        "run: lifecycle playbook schema --output docs/playbook.schema.json"
    )


def test_the_schema_can_be_printed_and_written(tmp_path):
    assert _run(playbook, "schema").output == schema_text()
    target = tmp_path / "schema.json"
    assert _run(playbook, "schema", "--output", str(target)).exit_code == 0
    assert target.read_text() == schema_text()


def test_validate_says_what_is_right_and_every_mistake(tmp_path):
    found = _run(playbook, "validate")
    assert found.exit_code == 0
    assert "wispgate can be published: 3 pipelines, 34 stages" in found.output
    folder = _write(tmp_path, spoiled("orders", "evidence: call", "evidence: cal"))
    broken = _run(playbook, "validate", folder, "wispgate")
    assert broken.exit_code == 1
    assert "orders.yaml:10: stages.asked.leave[1].evidence: 'cal' is not an evidence" in broken.output
    assert "wispgate can be published" in broken.output


def test_doctor_examines_folders_without_a_database(tmp_path):
    whole = _run(doctor, "--library")
    assert whole.exit_code == 0
    assert "no gaps, no warnings." in whole.output
    folder = _write(tmp_path, spoiled("orders", ", notify: shop", ""))
    lacking = _run(doctor, folder)
    assert lacking.exit_code == 1
    assert "MISSING" in lacking.output
    assert "gap: bakery.orders: Asked: Notification is missing." in lacking.output


@pytest.mark.usefixtures("environment", "services")
def test_publish_then_doctor_on_the_database(app, tmp_path):
    make_user(app, role="manager", departments=["shop", "oven"])
    folder = _write(tmp_path, files())
    trial = _run(playbook, "publish", folder, "--dry-run")
    assert "bakery would become revision 1:" in trial.output
    assert "bakery is now revision 1:" in _run(playbook, "publish", folder).output
    assert "bakery is at revision 1; nothing changed." in _run(playbook, "publish", folder).output
    _write(tmp_path, spoiled("orders", "4 business hours", "2 business hours"))
    assert (
        "orders: stage_defaults.sla: '4 business hours' → '2 business hours'"
        in _run(playbook, "publish", folder).output
    )
    examined = _run(doctor)
    assert examined.exit_code == 0
    assert "Bakery (bakery)" in examined.output
    assert "2 warnings." in examined.output


@pytest.mark.usefixtures("environment", "services")
def test_doctor_without_a_published_playbook_says_what_to_do():
    found = _run(doctor)
    assert "Publish one: lifecycle playbook publish wispgate" in found.output
