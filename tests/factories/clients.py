"""Clients at the other end of an emailed link, and a lab with a gate that only they can pass."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any, Self

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lifecycle.core.db import transaction
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.cards import KnownCard, rows
from tests.factories.consequences import link_of
from tests.factories.playbooks import publish_lab

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
_SEEN = re.compile(r'name="seen" value="([^"]*)"')

ASKED = (
    "subject: Please decide, {{ contact.first_name }}\n"
    "text: |\n  By {{ request.due }}:\n\n  {{ request.link }}\n"
)
MEND = "subject: One more thing\ntext: |\n  {{ request.reason }}\n\n  {{ request.link }}\n"
TERMS = """\
name: Your terms
answer: accept
intro: These are the terms for {{ account.name }}.
shows: [price, wish]
documents: [photo]
consent: I accept these terms for my company.
message: asked
"""
ORDER = """\
name: Your order
answer: submit
shows: [price]
asks: { pieces: {}, why: { required: no } }
attach: { evidence: photo, required: yes }
message: asked
"""
RULES = """\
rules:
  mend: { on: request.returned, of: order, do: [ { notify: { client: yes, message: mend } } ] }
"""
STAGES = """
first: {}
terms:
  name: Terms
  sla: 2 business days
  client_gate:
    { asks: terms, to: signatory, due: 3 days, remind: [1 day before, on due, 1 day after],
      escalate: 2 days after }
  leave: [ { client: terms, waive: nobody } ]
  then_move: order
order:
  name: Order
  client_gate: { asks: order, due: 3 days }
  leave: [ { client: order } ]
live:
  enter: [ { client: terms, waive: nobody } ]
"""
FILES = {
    "client_requests/terms.yaml": TERMS,
    "client_requests/order.yaml": ORDER,
    "messages/asked.yaml": ASKED,
    "messages/mend.yaml": MEND,
    "rules.yaml": RULES,
}


def publish_gates(
    app: Flask, stages: str = STAGES, moves: str = "", files: dict[str, str] | None = None, **more: Any
) -> None:
    """Publish the lab with client gates, and further files."""
    publish_lab(app, stages, moves, files={**FILES, **(files or {})}, **more)


def a_contact(
    app: Flask,
    account: uuid.UUID,
    name: str = "Cleo Client",
    *,
    email: str = "cleo@client.example",
    **more: Any,
) -> uuid.UUID:
    """Commit a contact of an account; `rights` are what they may answer."""
    rights = more.pop("rights", [])
    with app.app_context(), transaction():
        contact = create_contact(account, {"name": name, "email": email, **more}, actor=SYSTEM)
        contact.rights = list(rights)
        return contact.id


def request_of(app: Flask, card: KnownCard, key: str) -> dict[str, Any]:
    """The latest request of a card with that key."""
    found = rows(app, ClientRequest, card_id=card.id, key=key)
    return max(found, key=lambda row: row["created_at"])


class Client:
    """Somebody with a link and a browser without a script."""

    def __init__(self, app: Flask, path: str) -> None:
        self.path = path
        self.browser: FlaskClient = app.test_client()

    @classmethod
    def of(cls, app: Flask, card: KnownCard, key: str) -> Self:
        """The client who was mailed the latest link of a request."""
        return cls(app, link_of(app, request_of(app, card, key)["id"]))

    def look(self) -> TestResponse:
        return self.browser.get(self.path)

    def send(self, act: str, /, **fields: Any) -> TestResponse:
        """Press a button of the page as it is now."""
        page = self.look().text
        token, seen = _CSRF.search(page), _SEEN.search(page)
        assert token, page
        data = {"csrf_token": unescape(token[1]), "seen": unescape(seen[1]) if seen else "", **fields}
        return self.browser.post(
            f"{self.path}/{act}",
            data=data,
            content_type="multipart/form-data",
            headers={"Accept": "text/html"},
        )

    def open(self) -> None:
        assert self.send("openings").status_code == 303

    def accept(self, **fields: Any) -> TestResponse:
        return self.send(
            "answers", **{"signer": "Cleo Client", "position": "Director", "agrees": "1", **fields}
        )
