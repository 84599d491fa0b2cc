"""Somebody with a browser: opens pages, fills in the forms found there, and follows where they lead."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories.people import Person

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """A browser with cookies of its own, on the application in this process."""

    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.client: FlaskClient = app.test_client()
        self._address = address

    def open(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, environ_base={"REMOTE_ADDR": self._address}, **options)

    def send(self, path: str, *, page: str = "/login", **fields: Any) -> TestResponse:
        """Post `fields` to `path` with the CSRF token of `page` (or of the error page it turns out to be)."""
        return self.client.post(
            path,
            data={"csrf_token": self.csrf_token(page), **fields},
            environ_base={"REMOTE_ADDR": self._address},
            headers={"Accept": "text/html"},
        )

    def csrf_token(self, page: str) -> str:
        found = _CSRF.search(self.open(page, follow_redirects=True).text)
        assert found, f"{page} has no form"
        return unescape(found[1])

    def log_in(self, person: Person, password: str | None = None) -> TestResponse:
        return self.send("/login", email=person.email, password=password or person.password)

    def is_logged_in(self) -> bool:
        return self.open("/profile").status_code == 200


def logged_in(app: Flask, person: Person) -> Visitor:
    """Return somebody who is logged in as `person`."""
    visitor = Visitor(app)
    assert visitor.log_in(person).status_code == 303
    return visitor
