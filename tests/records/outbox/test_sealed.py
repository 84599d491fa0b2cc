"""P3, P9: who reads the database and writes messages gains no link or code of somebody else."""

from __future__ import annotations

import re

from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.people.links import make_link
from lifecycle.records.people.models import User
from tests.factories.people import Person, make_user
from tests.installation import SmtpSink
from tests.mail import deliver, received, text_of


def _link_stands_for(app: Flask, person: Person) -> str:
    """What stands in the stored message for the link with which they choose a password."""
    with app.app_context(), transaction():
        return make_link(db.session.get_one(User, person.id), "password_reset")


def _send(app: Flask, person: Person, text: str) -> None:
    with app.app_context(), transaction():
        send_message(
            "test",
            to_address=person.email,
            to_name=None,
            subject="Look",
            text=text,
            html=f"<p>{text}</p>",
            user_id=person.id,
        )


def test_a_link_is_filled_in_for_its_reader_and_for_nobody_else(app: Flask, smtp_sink: SmtpSink) -> None:
    ana, mallory = make_user(app, name="Ana"), make_user(app, name="Mallory")
    stands_for = _link_stands_for(app, ana)
    for person in (ana, mallory):
        _send(app, person, f"Open /password-resets/{stands_for}")
    deliver(app)
    of_ana, of_mallory = received(smtp_sink)
    assert (of_ana["To"].addresses[0].addr_spec, of_mallory["To"].addresses[0].addr_spec) == (
        ana.email,
        mallory.email,
    )
    path = re.search(r"/password-resets/[\w-]{43}", text_of(of_ana))
    assert path
    assert path[0] in text_of(of_ana, "html")
    assert app.test_client().get(path[0]).status_code == 200
    for kind in ("plain", "html"):
        assert stands_for in text_of(of_mallory, kind)
