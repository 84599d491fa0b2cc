"""The doors, one blueprint a room."""

from __future__ import annotations

from flask import Flask

from lifecycle.blueprints.accounts import accounts
from lifecycle.blueprints.automation import automation
from lifecycle.blueprints.boards import boards
from lifecycle.blueprints.cards import cards
from lifecycle.blueprints.chains import chains
from lifecycle.blueprints.client_gates import client_gates
from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.credentials import credentials
from lifecycle.blueprints.evidence import evidence
from lifecycle.blueprints.files import files
from lifecycle.blueprints.handoffs import handoffs
from lifecycle.blueprints.health import health
from lifecycle.blueprints.imports import imports
from lifecycle.blueprints.inbox import inbox
from lifecycle.blueprints.mailbox import mailbox
from lifecycle.blueprints.messages import messages
from lifecycle.blueprints.people import people
from lifecycle.blueprints.playbooks import playbooks
from lifecycle.blueprints.reports import reports
from lifecycle.blueprints.search import search
from lifecycle.blueprints.sms import sms
from lifecycle.blueprints.styleguide import styleguide
from lifecycle.blueprints.team_channels import team_channels
from lifecycle.blueprints.views import views
from lifecycle.blueprints.work import work
from lifecycle.config import Settings


def register_blueprints(app: Flask, settings: Settings) -> None:
    """Hang every door into the app; the development ones only outside production."""
    app.register_blueprint(health)
    app.register_blueprint(people)
    app.register_blueprint(cards)
    app.register_blueprint(boards)
    app.register_blueprint(views)
    app.register_blueprint(playbooks)
    app.register_blueprint(accounts)
    app.register_blueprint(search)
    app.register_blueprint(files)
    app.register_blueprint(evidence)
    app.register_blueprint(imports)
    app.register_blueprint(client_pages)
    app.register_blueprint(client_gates)
    app.register_blueprint(credentials)
    app.register_blueprint(automation)
    app.register_blueprint(messages)
    app.register_blueprint(chains)
    app.register_blueprint(work)
    app.register_blueprint(inbox)
    app.register_blueprint(handoffs)
    app.register_blueprint(reports)
    app.register_blueprint(sms)
    app.register_blueprint(team_channels)
    if settings.environment != "production":
        app.register_blueprint(mailbox)
        app.register_blueprint(styleguide)
