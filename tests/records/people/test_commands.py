"""`lifecycle user`: for whoever runs the installation."""

from __future__ import annotations

import os
import subprocess

import pytest
from flask import Flask

from lifecycle.config import Settings
from tests.factories.people import PASSWORD, make_user
from tests.installation import environment_of
from tests.programs import run_program
from tests.visitor import Visitor, logged_in

pytestmark = pytest.mark.slow
NEW = "an even longer and wider river"


def run(settings: Settings, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **environment_of(settings),
    }
    return run_program(
        "-m",
        "lifecycle.cli",
        "user",
        *arguments,
        environment=environment,
        typed=f"{password}\n" if password else "",
    )


def test_a_first_administrator_is_made_listed_and_can_log_in(app: Flask, settings: Settings) -> None:
    create = (
        "create",
        "--admin",
        "--email",
        "ada@demo.example",
        "--name",
        "Ada Lovelace",
        "--password-stdin",
    )
    assert run(settings, *create, password=PASSWORD).stdout == "ada@demo.example can log in as admin.\n"
    visitor = Visitor(app)
    assert visitor.send("/login", email="ada@demo.example", password=PASSWORD).status_code == 303
    assert visitor.open("/users").status_code == 200
    assert "ada@demo.example" in run(settings, "list").stdout

    again = run(settings, *create, password=PASSWORD)
    assert (again.returncode, again.stdout) == (1, "")
    assert "in use already" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_weak_or_missing_password_is_refused_with_a_sentence(settings: Settings) -> None:
    create = ("create", "--admin", "--email", "ada@demo.example", "--name", "Ada")
    for arguments, password in (((*create, "--password-stdin"), "short"), (create, "")):
        refused = run(settings, *arguments, password=password)
        assert refused.returncode == 1
        assert refused.stderr.strip().endswith(".")
        assert "Traceback" not in refused.stderr
    assert run(settings, "list").stdout == ""


def test_a_reset_signs_out_everywhere(app: Flask, settings: Settings) -> None:
    person = make_user(app)
    visitor = logged_in(app, person)
    done = run(settings, "reset-password", "--email", person.email.upper(), "--password-stdin", password=NEW)
    assert done.returncode == 0, done.stderr
    assert not visitor.is_logged_in()
    assert Visitor(app).log_in(person, NEW).status_code == 303
    nobody = run(settings, "reset-password", "--email", "x@demo.example", "--password-stdin", password=NEW)
    assert nobody.returncode == 1
    assert "Nobody with the address" in nobody.stderr
