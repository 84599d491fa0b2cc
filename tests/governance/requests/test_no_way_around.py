"""W16 and W7: no edge, override, waiver, rule, import, bulk move or role leads past a client's own yes."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid, NotPermitted
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.waivers import waive_check
from lifecycle.governance.moves.backfill import PastCard, PastVisit, backfill_visits, get_board
from lifecycle.governance.moves.bulk import CardToMove, move_cards
from lifecycle.governance.moves.outcome import Blocked
from lifecycle.governance.requests.answer import answering
from lifecycle.governance.requests.decide import accept_submission
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, card_row, make_account, move, moved, stage_of, visit_of
from tests.factories.clients import FILES, STAGES, Client, a_contact, publish_gates, request_of
from tests.factories.consequences import firings, follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

MOVES = """
- { from: [first, terms, order], to: live, kind: forward }
- { from: live, to: terms, kind: revision, asks: { because: text } }
"""
ROLES = ("admin", "manager", "member", "viewer")
CHANNELS = ("board", "keyboard", "menu", "page", "bulk", "api", "rule", "import", "sync")


@pytest.fixture
def boss(app: Flask) -> Person:
    publish_gates(app, STAGES, MOVES)
    return make_user(app, role="admin", departments=["bench", "office"])


@pytest.fixture
def card(app: Flask, boss: Person) -> KnownCard:
    account = make_account(app, owner=boss)
    a_contact(app, account, rights=["signatory"])
    return a_card(app, boss, account=account)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("role", [*ROLES, "system"])
@pytest.mark.parametrize("start", ["first", "terms"])
def test_no_role_moves_through_by_any_channel_or_edge(
    app: Flask, boss: Person, card: KnownCard, role: str, channel: str, start: str
) -> None:
    if start != "first":
        moved(app, card, start, boss)
    person = make_user(app, role=role, departments=["bench", "office"]).actor if role in ROLES else SYSTEM
    for override in (False, True):
        try:
            outcome = move(app, card, "live", person, channel=channel, override=override, reason="I must")
        except NotPermitted:
            continue
        assert isinstance(outcome, Blocked)
        assert any("terms" in result.key for result in outcome.report.blocked)
    assert stage_of(app, card) == start


def test_it_cannot_be_waived_accepted_by_staff_or_moved_in_bulk(
    app: Flask, boss: Person, card: KnownCard
) -> None:
    moved(app, card, "terms", boss)
    request = request_of(app, card, "terms")
    for check in ("terms.leave.client.terms", "live.enter.client.terms"):
        with (
            app.app_context(),
            pytest.raises((Invalid, NotPermitted)),
            transaction(),
            changing_card(card.id, boss.actor) as subject,
        ):
            waive_check(subject, boss.actor, "live", check, "Trust me")
    with (
        app.app_context(),
        pytest.raises(Exception, match="Nothing is submitted"),
        transaction(),
        changing_card(card.id, boss.actor) as subject,
    ):
        accept_submission(subject, boss.actor, request["id"])
    seen, pipeline = CardToMove(card.id, visit_of(app, card)), card_row(app, card)["pipeline_id"]
    with app.app_context():
        results = move_cards(
            pipeline, [seen], "live", actor=boss.actor, channel="bulk", answers={}, reason="I must"
        )
    assert [result.outcome for result in results] == ["blocked"]
    assert stage_of(app, card) == "terms"


def test_nobody_who_works_here_can_act_as_the_client(app: Flask, boss: Person, card: KnownCard) -> None:
    """The permission is the client's alone, and the only door to it is the link."""
    moved(app, card, "terms", boss)
    for role in ROLES:
        person = make_user(app, role=role)
        with (
            app.app_context(),
            pytest.raises(NotPermitted),
            transaction(),
            changing_card(card.id, person.actor, permission="client_requests.answer"),
        ):
            pass
    client = Client.of(app, card, "terms")
    token = client.path.removeprefix("/c/")
    with (
        app.app_context(),
        pytest.raises(Exception, match="does not open anything"),
        transaction(),
        answering(token + "x"),
    ):
        pass


def test_an_import_cannot_put_a_card_behind_it(app: Flask, boss: Person) -> None:
    account = make_account(app, owner=boss)
    past = PastCard(
        account_id=account,
        title="Came from elsewhere",
        owner_id=boss.id,
        external_id="1",
        visits=(PastVisit("first", now() - timedelta(days=3)), PastVisit("live", now() - timedelta(days=1))),
    )
    with app.app_context(), pytest.raises(Invalid, match="client's approval only"), transaction():
        backfill_visits(get_board(LAB), [past], actor=boss.actor, import_id=1, at=now())


def test_a_rule_that_would_move_it_is_blocked_like_everybody(
    app: Flask, boss: Person, card: KnownCard
) -> None:
    files = {
        "rules.yaml": "rules: { hurry: { on: field.changed, of: wish, do: [ { move: live } ] },"
        " mend: { on: request.returned, of: order, do: [ { notify: { client: yes, message: mend } } ] } }"
    }
    publish_lab(app, STAGES, MOVES, files={**FILES, **files})
    account = make_account(app, owner=boss)
    a_contact(app, account, email="x@client.example")
    hurried = a_card(app, boss, account=account)
    Caller(app, boss).post(f"{hurried.url}/fields", "page", **{"field-wish": "Now"})
    follow_through(app)
    assert stage_of(app, hurried) == "first"
    assert [f.state for f in firings(app, hurried) if f.rule_key == "hurry"] == ["failed"]


def test_with_the_clients_yes_it_opens_and_a_yes_to_something_else_does_not(
    app: Flask, boss: Person, card: KnownCard
) -> None:
    moved(app, card, "terms", boss)
    client = Client.of(app, card, "terms")
    client.open()
    client.accept()
    moved(app, card, "live", boss)
    # Back for rework: what comes next is asked anew, and the old yes opens nothing.
    moved(app, card, "terms", boss, answers={"because": "Prices changed"})
    assert isinstance(move(app, card, "live", boss), Blocked)


def test_a_stranger_who_writes_into_another_accounts_link_gets_nothing(
    app: Flask, boss: Person, card: KnownCard
) -> None:
    moved(app, card, "terms", boss)
    other = a_card(app, boss)
    moved(app, other, "terms", boss)
    client = Client.of(app, card, "terms")
    client.open()
    client.accept()
    with app.app_context():
        states = db.session.execute(sa.select(ClientRequest.card_id, ClientRequest.status)).all()
    assert dict(states) == {card.id: "accepted", other.id: "not_asked"}


def test_the_clients_actor_may_do_nothing_else(app: Flask, card: KnownCard) -> None:
    actor = Actor(user_id=None, name="Cleo", role="client", kind="client")
    for permission in ("cards.move", "cards.edit", "cards.override"):
        with (
            app.app_context(),
            pytest.raises(NotPermitted),
            transaction(),
            changing_card(card.id, actor, permission=permission),
        ):
            pass
