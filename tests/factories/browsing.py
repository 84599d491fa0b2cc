"""Programs, browsers without a script, and htmx, logged in: the three ways a door is asked."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lifecycle.core.db import db
from lifecycle.records.people.models import User
from tests.factories.people import Person

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
ACCEPT = {"program": "application/json", "page": "text/html", "htmx": "*/*"}


class Caller:
    """Somebody logged in, with a session of their own and the token of its pages."""

    def __init__(self, app: Flask, person: Person) -> None:
        self.client: FlaskClient = app.test_client()
        with app.app_context():
            session_id = db.session.get_one(User, person.id).get_id()
        with self.client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = session_id, True
        found = _CSRF.search(self.client.get("/profile").text)
        assert found, "the profile has no form"
        self.token = unescape(found[1])

    def get(self, path: str, how: str = "page", **headers: str) -> TestResponse:
        return self.client.get(path, headers=self._headers(how, headers))

    def post(self, path: str, how: Any = "program", **fields: Any) -> TestResponse:
        data = {"csrf_token": self.token, **fields}
        return self.client.post(path, data=data, headers=self._headers(how, {}))

    def _headers(self, how: str, more: dict[str, str]) -> dict[str, str]:
        htmx = {"HX-Request": "true"} if how == "htmx" else {}
        return {"Accept": ACCEPT[how], **htmx, **{k.replace("_", "-"): v for k, v in more.items()}}
