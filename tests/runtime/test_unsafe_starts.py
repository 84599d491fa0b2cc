"""P14: in production every process refuses what would be unsafe, with one sentence, before it serves."""

from __future__ import annotations

import os
import secrets
import subprocess

import pytest

from lifecycle.config import DEVELOPMENT_KEY, OwnServices, Settings, SettingsRefused
from tests.installation import Addresses
from tests.programs import run_program

pytestmark = pytest.mark.slow

PROCESSES = {
    "web": ["gunicorn", "wsgi:app", "--config", "python:lifecycle.runtime.server", "--bind", "127.0.0.1:0"],
    "worker": ["jobs.worker", "urgent"],
    "scheduler": ["jobs.schedule"],
    "command": ["lifecycle.cli", "doctor"],
}
UNSAFE = [
    ("no key", {"SECRET_KEY": ""}, "SECRET_KEY is not set"),
    ("a short key", {"SECRET_KEY": "short"}, "SECRET_KEY must be 32 random characters"),
    ("a key that is no key", {"SECRET_KEY": "changeme" * 5}, "SECRET_KEY must be 32 random characters"),
    ("the key of development", {"SECRET_KEY": DEVELOPMENT_KEY}, "SECRET_KEY must be 32 random characters"),
    ("debugging", {"FLASK_DEBUG": "1"}, "FLASK_DEBUG is on"),
    ("the demo", {"LIFECYCLE_DEMO_PASSWORD": "abcd-efgh"}, "nobody may log in as the demo"),
    ("pages in the open", {"BASE_URL": "http://lifecycle.example"}, "BASE_URL is http://"),
    ("mail in the open", {"SMTP_URL": "smtp://mail.example:25"}, "unprotected over a network"),
    ("a guessable token", {"METRICS_TOKEN": "secret"}, "METRICS_TOKEN must be 16 random characters"),
    ("a test's clock", {"LIFECYCLE_CLOCK": "/tmp/clock"}, "LIFECYCLE_CLOCK"),
    ("an unknown exception", {"ALLOW_UNPROTECTED": "everything"}, "ALLOW_UNPROTECTED may name web and mail"),
    ("an unknown log", {"LOG_FORMAT": "xml"}, "LOG_FORMAT must be one of json, text"),
]


@pytest.fixture
def safe(services: Addresses) -> dict[str, str]:
    return {
        "LIFECYCLE_ENV": "production",
        "DATABASE_URL": services.app,
        "REDIS_URL": services.redis,
        "SMTP_URL": "smtps://mail.example",
        "SECRET_KEY": secrets.token_urlsafe(32),
        "BASE_URL": "https://lifecycle.example",
        "LIFECYCLE_DATA": "/nonexistent",
    }


def start(process: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], "HOME": "/tmp"}
    return run_program("-m", *PROCESSES[process], environment={**bare, **environment}, timeout=60)


def assert_refused(process: str, environment: dict[str, str], words: str) -> None:
    ended = start(process, environment)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    [sentence] = ended.stderr.strip().splitlines()
    assert words in sentence
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("setting", "words"), [case[1:] for case in UNSAFE], ids=[case[0] for case in UNSAFE]
)
def test_the_web_server_does_not_start(safe: dict[str, str], setting: dict[str, str], words: str) -> None:
    assert_refused("web", safe | setting, words)


@pytest.mark.parametrize("process", sorted(set(PROCESSES) - {"web"}))
def test_no_other_process_starts_either(safe: dict[str, str], process: str) -> None:
    assert_refused(process, safe | {"BASE_URL": "http://lifecycle.example"}, "BASE_URL is http://")


@pytest.mark.parametrize("process", ["web", "worker", "scheduler"])
@pytest.mark.parametrize(("role", "words"), [("superuser", "is a superuser"), ("owner", "owns the tables")])
def test_no_process_works_as_a_role_that_could_change_the_evidence(
    safe: dict[str, str], services: Addresses, process: str, role: str, words: str
) -> None:
    assert_refused(process, safe | {"DATABASE_URL": getattr(services, role)}, words)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"BASE_URL": "http://127.0.0.1:8000", "SMTP_URL": "smtp://localhost:25"},
        {"BASE_URL": "http://[::1]:8000", "SMTP_URL": "smtp://mail.example?starttls=1"},
        {
            "BASE_URL": "http://intranet",
            "SMTP_URL": "smtp://relay:25",
            "ALLOW_UNPROTECTED": "web, mail",
        },
    ],
)
def test_what_is_protected_or_stays_on_the_machine_or_is_wanted_is_taken(
    safe: dict[str, str], setting: dict[str, str]
) -> None:
    assert Settings.from_env(safe | setting).environment == "production"


def test_starting_everything_on_one_machine_refuses_the_same(safe: dict[str, str]) -> None:
    for _, setting, _ in UNSAFE[4:8]:
        with pytest.raises(SettingsRefused):
            OwnServices.from_env(safe | setting)
