"""E26: a stage holds no more cards than its limit says, whichever way they come."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import archive_card, restore_card
from lifecycle.governance.cards.limits import StageFull
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.bulk import CardToMove, move_cards
from lifecycle.governance.moves.outcome import Blocked
from lifecycle.governance.moves.targets import list_targets
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.cards.models import GateReport, StageVisit
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, card_row, move, moved, rows, stage_of, visit_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

HARD = "first: {}\nsecond: { limit: { cards: 1, hard: yes }, new_cards: yes }\nthird: {}"
FULL = "Second is full: 1 card stands there of at most 1. Move one out first."


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, HARD)
    return make_user(app)


@pytest.fixture
def manager(app: Flask) -> Person:
    return make_user(app, role="manager")


def _fill(app: Flask, by: Person) -> KnownCard:
    card = a_card(app, by)
    moved(app, card, "second", by)
    return card


@pytest.mark.parametrize("channel", ["board", "keyboard", "menu", "page", "rule", "import", "api"])
def test_e26_a_full_stage_refuses_the_next_card_whatever_the_channel(
    app: Flask, member: Person, channel: str
) -> None:
    _fill(app, member)
    card = a_card(app, member)
    by = SYSTEM if channel == "rule" else member
    outcome = move(app, card, "second", by, channel=channel, over_limit=True, reason="because")
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == [FULL]
    assert stage_of(app, card) == "first"


def test_e26_a_bulk_move_fills_the_last_place_and_says_why_the_others_stay(
    app: Flask, member: Person
) -> None:
    cards = [a_card(app, member) for _ in range(3)]
    chosen = [CardToMove(card.id, card.visit) for card in cards]
    with app.app_context():
        pipeline = get_subject(cards[0].id).card.pipeline_id
        outcomes = move_cards(pipeline, chosen, "second", actor=member.actor, channel="bulk", answers={})
    assert [each.outcome for each in outcomes] == ["moved", "blocked", "blocked"]
    assert outcomes[1].sentences == [FULL]


def test_e26_a_manager_exceeds_a_hard_limit_with_a_reason_that_is_recorded(
    app: Flask, member: Person, manager: Person
) -> None:
    _fill(app, member)
    card = a_card(app, member)
    assert isinstance(move(app, card, "second", manager, reason="not said that it may"), Blocked)
    without = move(app, card, "second", manager, over_limit=True)
    assert isinstance(without, Blocked)
    assert without.errors == {"reason": "Give a reason for exceeding the limit."}
    outcome = moved(app, card, "second", manager, over_limit=True, reason="Promised by Friday")
    assert outcome.remark == "Second now holds 2 cards, 1 at most."
    report = rows(app, GateReport, card_id=card.id)[-1]
    assert {
        "check": "limit",
        "type": "limit",
        "state": "waived",
        "sentence": f"{FULL} Exceeded: Promised by Friday",
    } in report["results"]
    assert rows(app, StageVisit, card_id=card.id)[-1]["entered_reason"] == "Promised by Friday"


def test_e26_a_soft_limit_warns_and_lets_the_card_in(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: { limit: 1 }")
    assert not moved(app, a_card(app, member), "second", member).remark
    outcome = moved(app, a_card(app, member), "second", member)
    assert outcome.remark == "Second now holds 2 cards, 1 at most."
    assert [(each.state, each.sentence) for each in outcome.report.results] == [
        (
            "warning",
            "Second is at its limit: 1 card stands there of at most 1. Better finish one first.",
        )
    ]


def test_e26_a_card_that_left_or_was_archived_makes_room(app: Flask, member: Person) -> None:
    gone, archived = _fill(app, member), a_card(app, member)
    moved(app, gone, "third", member)
    moved(app, archived, "second", member)
    with app.app_context(), transaction(), changing_card(archived.id, member.actor) as subject:
        archive_card(subject, member.actor)
    moved(app, a_card(app, member), "second", member)
    with pytest.raises(StageFull, match="is full"), app.app_context(), transaction():
        restore_card(get_subject(archived.id), member.actor)


def test_e26_an_undo_does_not_lead_back_into_a_stage_that_filled_up_meanwhile(
    app: Flask, member: Person
) -> None:
    card = _fill(app, member)
    moved(app, card, "third", member)
    _fill(app, member)
    with pytest.raises(Invalid, match="is full"), app.app_context(), transaction():
        undo_move(card.id, visit_of(app, card), actor=member.actor)
    assert stage_of(app, card) == "third"


def test_e26_a_new_card_is_refused_by_a_full_stage_unless_a_manager_says_why(
    app: Flask, member: Person, manager: Person
) -> None:
    _fill(app, member)
    for by, over in ((member, ""), (member, "I want to"), (manager, "")):
        with pytest.raises(StageFull, match="is full"):
            a_card(app, by, stage="second", over_limit=over)
    card = a_card(app, manager, stage="second", over_limit="The client waits")
    created = next(each for each in rows(app, Event, card_id=card.id) if each["kind"] == "card.created")
    assert created["body"]["reason"] == "The client waits"
    assert created["body"]["data"]["over_limit"] == {"limit": 1, "standing": 1}


def test_e26_the_limit_in_force_is_the_published_one_for_cards_of_older_revisions_too(
    app: Flask, member: Person
) -> None:
    card, other = _fill(app, member), a_card(app, member)
    publish_lab(app, HARD.replace("cards: 1", "cards: 2"))
    moved(app, other, "second", member)
    publish_lab(app, "first: {}\nsecond: {}\nthird: {}")
    moved(app, a_card(app, member), "second", member)
    assert card_row(app, card)["stage_id"] == card_row(app, other)["stage_id"]


def test_e26_a_card_that_is_picked_up_is_told_of_a_full_column(
    app: Flask, member: Person, manager: Person
) -> None:
    _fill(app, member)
    card = a_card(app, member)

    def second(by: Person) -> tuple[str, str]:
        with app.app_context():
            found = next(
                each for each in list_targets(get_subject(card.id), by.actor) if each.stage == "second"
            )
            return found.state, found.says

    assert second(member) == ("blocked", FULL)
    assert second(manager) == ("needs_input", f"{FULL} Or say why one more may come.")


def test_e26_the_column_says_how_many_stand_there_of_how_many_also_when_narrowed(
    app: Flask, member: Person, manager: Person
) -> None:
    _fill(app, member)
    caller = Caller(app, member)

    def header(query: str = "") -> str:
        page: str = caller.get(f"/boards/{LAB}{query}").text
        return page.partition('id="column-header-second"')[2].partition("</header>")[0]

    assert "1 / 1" in header()
    assert "Full" in header()
    narrowed = header("?q=no+such+card")
    assert "Full 1 / 1" in narrowed
    moved(app, a_card(app, member), "second", manager, over_limit=True, reason="because")
    assert "2 / 1" in header()
    assert "Over limit" in header()


def test_e26_the_panel_offers_a_manager_to_let_one_more_in(
    app: Flask, member: Person, manager: Person
) -> None:
    _fill(app, member)
    card = a_card(app, member)
    move_form: dict[str, Any] = {"to_stage": "second", "seen_visit": card.visit}
    for person, offered in ((member, False), (manager, True)):
        refused = Caller(app, person).post(f"{card.url}/moves", "htmx", **move_form)
        assert refused.status_code == 422
        assert FULL in refused.text
        assert ('name="over_limit"' in refused.text) is offered
    taken = Caller(app, manager).post(f"{card.url}/moves", **move_form, over_limit="1", reason="It must")
    assert taken.status_code == 200
    assert stage_of(app, card) == "second"
