"""Jobs about cards."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.cards import refresh_account_cards
from lifecycle.core.db import db, transaction
from lifecycle.records.accounts.changes import edit_account
from lifecycle.records.cards.models import Card
from tests.factories.cards import a_card, card_row, make_account
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab


def test_an_account_edit_reaches_the_faces_of_its_cards(app, services):
    publish_lab(app, "first: { leave: [ { field: country } ] }\nsecond: {}")
    ana = make_user(app)
    account, elsewhere = make_account(app), make_account(app)
    cards = [a_card(app, ana, account=account) for _ in range(3)]
    other = a_card(app, ana, account=elsewhere)
    assert card_row(app, cards[0])["gate_passed"] == 0
    with app.app_context():
        with transaction():
            edit_account(account, {"country": "ES"}, seen_version=1, actor=ana.actor)
        refresh_account_cards(str(account))
        refresh_account_cards(str(account))
    assert [card_row(app, card)["gate_passed"] for card in cards] == [1, 1, 1]
    assert card_row(app, other)["gate_passed"] == 0


def test_an_account_without_cards_is_no_trouble(app, services):
    with app.app_context():
        refresh_account_cards("01a20137-3644-756a-8b77-06bc84c7546c")
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Card)) == 0
