"""Contacts who like SMS, and messages that are owed to them."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import make_account, rows

PHONE = "+34 612 345 678"
NUMBER = "+34612345678"


def likes_sms(app: Flask, account: uuid.UUID | None = None, **more: Any) -> uuid.UUID:
    """Commit a contact who is reached by SMS."""
    account = account or make_account(app)
    typed = {
        "name": "Grace Hopper",
        "email": "grace@client.example",
        "phone": PHONE,
        "channel": "sms",
        **more,
    }
    with app.app_context(), transaction():
        return create_contact(account, typed, actor=SYSTEM).id


def owe_to(app: Flask, contact: uuid.UUID, number: int = 1, **more: Any) -> None:
    """Owe a contact `number` messages that have a short text."""
    with app.app_context(), transaction():
        for each in range(number):
            given = {"subject": f"Message {each}", "text": "Hello.\n", "sms": f"Hello {each}.", **more}
            send_message(
                "test",
                to_address="grace@client.example",
                to_name="Grace Hopper",
                html=None,
                contact_id=contact,
                **given,
            )


def contact_row(app: Flask, contact: uuid.UUID) -> dict[str, Any]:
    [row] = rows(app, Contact, id=contact)
    return row


def change_contact(app: Flask, contact: uuid.UUID, **values: Any) -> None:
    """Give a contact values past every check."""
    with app.app_context(), transaction():
        row = db.session.get_one(Contact, contact)
        for key, value in values.items():
            setattr(row, key, value)
