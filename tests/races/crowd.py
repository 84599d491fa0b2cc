"""Several processes that press buttons of web pages at the same moment, round after round.

`python -m tests.races.crowd` reads a `Crowd` as JSON, forks one process for each place of a round, and prints
what each press was answered. As a browser does, each first opens its page and sends the page's hidden fields.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from lifecycle.app import create_app
from lifecycle.core.db import db
from lifecycle.records.people.models import User

_INPUT = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'\b(type|name|value)="([^"]*)"')


@dataclass(frozen=True)
class Press:
    """A page that is opened, and what is then posted; `user` is who is logged in, None for a client.

    Who does less before they reach the lock can `wait` some seconds, so that either may be first.
    """

    look: str
    post: str
    fields: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    wait: float = 0.0


@dataclass(frozen=True)
class Crowd:
    """Rounds of presses at the same moment; every round has as many."""

    rounds: list[list[Press]]

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    rounds = [[Press(**press) for press in each] for each in json.load(sys.stdin)["rounds"]]
    app = create_app()
    context = multiprocessing.get_context("fork")
    places = range(len(rounds[0]))
    barrier = context.Barrier(len(places))
    told: Any = context.SimpleQueue()
    processes = [
        context.Process(target=_press, args=(app, place, [each[place] for each in rounds], barrier, told))
        for place in places
    ]
    for process in processes:
        process.start()
    answers = dict(told.get() for _ in processes)
    for process in processes:
        process.join()
    sys.stdout.write(json.dumps([answers[place] for place in places]))


def _press(app: Flask, place: int, presses: list[Press], barrier: Any, told: Any) -> None:
    answers: list[dict[str, Any]] = []
    try:
        for press in presses:
            browser = _browser(app, press.user)
            hidden = _hidden(browser.get(press.look, headers={"Accept": "text/html"}).text)
            barrier.wait(120)
            time.sleep(press.wait)
            answer = browser.post(
                press.post,
                data={**hidden, **press.fields},
                content_type="multipart/form-data",
                headers={"Accept": "text/html"},
            )
            answers.append({"status": answer.status_code, "text": answer.text})
    except Exception as error:  # noqa: BLE001 - told to the test, which fails by it
        barrier.abort()
        answers.append({"status": 0, "text": f"{type(error).__name__}: {error}"[:300]})
    finally:
        told.put((place, answers))


def _browser(app: Flask, user_id: str | None) -> FlaskClient:
    client: FlaskClient = app.test_client()
    if user_id is not None:
        with app.app_context():
            user = db.session.get_one(User, uuid.UUID(user_id))
            with client.session_transaction() as session:
                session["_user_id"], session["_fresh"] = user.get_id(), True
            db.session.rollback()
    return client


def _hidden(page: str) -> dict[str, str]:
    """The hidden fields of all forms of a page; where two have one of a name, the last."""
    found = {}
    for tag in _INPUT.findall(page):
        attributes = dict(_ATTRIBUTE.findall(tag))
        if attributes.get("type") == "hidden" and "name" in attributes:
            found[attributes["name"]] = unescape(attributes.get("value", ""))
    return found


if __name__ == "__main__":
    main()
