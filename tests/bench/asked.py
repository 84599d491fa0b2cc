"""Clients of the bench: forms that are asked of them, filled but for the last press, and a home."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.answer import answering, open_request
from lifecycle.governance.requests.decide import ask_client, working_link
from lifecycle.governance.requests.fill import save_answers
from lifecycle.governance.requests.portal import open_home, send_home
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.sealed import sealed_token
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.client_requests.models import ClientRequest
from tests.bench.site import SLUG, Site
from tests.installation import close_connections

FORM = "survey"
_ANSWERS = {"integer": "7", "yes_no": "yes"}


@dataclass(frozen=True)
class AskedClients:
    """Paths of links to forms of 200 questions, each of another card, and of the home of a contact of one."""

    forms: list[str]
    home: str


def ask_clients(site: Site, number: int) -> AskedClients:
    """Ask so many clients, have them answer everything, and open the home of the first."""
    app = create_app(Settings.from_env(site.environment))
    # This process has known other databases, whose revisions had the same numbers.
    of_revision.cache_clear()
    try:
        with app.app_context():
            pipeline = db.session.scalars(sa.select(Pipeline.id).where(Pipeline.slug == SLUG)).one()
            cards = list(
                db.session.scalars(
                    sa.select(Card.id)
                    .join(Stage, Stage.id == Card.stage_id)
                    .where(Stage.kind == "open")
                    .where(Card.archived_at.is_(None), Card.withdrawn_at.is_(None))
                    .where(Card.pipeline_id == pipeline, Card.id.not_in(sa.select(ClientRequest.card_id)))
                    .order_by(Card.id.desc())
                    .limit(number)
                )
            )
            db.session.rollback()
        assert len(cards) == number, "there are too few cards to ask about"
        forms = [_ask(app, card) for card in cards]
        return AskedClients(forms, _home(app, cards[0]))
    finally:
        of_revision.cache_clear()
        close_connections(app)


def _ask(app: Flask, card: uuid.UUID) -> str:
    """Ask about a card, open the form and answer all of it; return the path of the link."""
    with app.app_context(), transaction():
        with changing_card(card, SYSTEM) as subject:
            address = f"{card}@client.example"
            contact = create_contact(
                subject.account.id, {"name": "Cleo Client", "email": address}, actor=SYSTEM
            )
            request = ask_client(subject, SYSTEM, FORM, contact_id=contact.id)
            key = sealed_token(f"client_links/{working_link(request, contact).id}")
        with answering(key) as held:
            open_request(held)
            typed = {
                each.key: _ANSWERS.get(each.type, f"As it is: {each.key}") for each in held.definition.asks
            }
            save_answers(held, typed, held.request.edition)
    return f"/c/{key}"


def _home(app: Flask, card: uuid.UUID) -> str:
    with app.app_context(), transaction():
        contact = db.session.scalars(
            sa.select(ClientRequest.contact_id).where(
                ClientRequest.card_id == card, ClientRequest.key == FORM
            )
        ).one()
        assert contact is not None
        key = sealed_token(f"portal_links/{send_home(contact, SYSTEM).id}")
        open_home(key)
    return f"/p/{key}"
