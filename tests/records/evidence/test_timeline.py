"""The evidence as people read it (E16): a sentence for everything that can happen, and none that breaks."""

from __future__ import annotations

import ast
import uuid
from pathlib import Path

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.core.ids import new_id
from lifecycle.governance.cards import edit, waiting
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.waivers import waive_check
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.accounts import changes, contacts
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.evidence.phrases import GROUPS, PHRASES
from lifecycle.records.evidence.timeline import (
    Change,
    Timeline,
    group_of,
    timeline_of_account,
    timeline_of_card,
)
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.permissions import PERMISSIONS
from tests.factories.cards import KnownCard, a_card, attach, change, fill, hold, moved, plan, talk, tick
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.queries import counted_queries

LIFECYCLE = Path(__file__).resolve().parents[3] / "lifecycle"
ICONS = (LIFECYCLE.parent / "frontend" / "icons.txt").read_text().split()
# Of people, playbooks and the log itself: on other chains, which no timeline shows.
ELSEWHERE = ("user.", "playbook.", "evidence.", "import.")


@pytest.fixture
def ana(app: Flask, services) -> Person:
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    publish_lab(app, "first: {}\nsecond: { name: Demo Conducted }\nthird: {}")
    with app.app_context(), transaction():
        account = changes.create_account({"name": "Nordwind Funk"}, actor=ana.actor)
    return a_card(app, ana, account=account.id, title="Rollout North")


def of_card(app: Flask, card: KnownCard, **more) -> Timeline:
    with app.app_context():
        return timeline_of_card(card.id, **more)


def newest(app: Flask, card: KnownCard):
    return of_card(app, card).entries[0]


def test_a_move_reads_as_one(app, card, ana):
    moved(app, card, "second", ana)
    entry = newest(app, card)
    assert entry.sentence() == "Ana moved it from First to Demo Conducted"
    assert entry.sentence("“Rollout North”") == "Ana moved “Rollout North” from First to Demo Conducted"
    assert (entry.group, entry.icon, entry.channel) == ("moves", "arrow-right", "on the board")


def test_an_undo_names_the_stage_it_went_back_to(app, card, ana):
    visit = moved(app, card, "second", ana).visit_id
    with app.app_context(), transaction():
        undo_move(card.id, visit, actor=ana.actor)
    assert newest(app, card).sentence() == "Ana undid the move of it: it is back in First"


def test_e16_a_waived_stay_is_named_and_not_its_bound(app, ana):
    publish_lab(
        app, "first: { leave: [ { time: { at_least: 1 day }, waive: manager } ] }\nsecond: {}\nthird: {}"
    )
    card = a_card(app, ana)
    with app.app_context(), transaction(), changing_card(card.id, ana.actor) as subject:
        waive_check(subject, ana.actor, "second", "first.leave.time.at_least", "They asked to go on.")
    assert newest(app, card).sentence() == "Ana waived “the minimum stay” for it"
    moved(app, card, "second", ana)
    assert newest(app, card).notes == ("Waived: the minimum stay",)


def test_a_fact_shows_before_and_after(app, card, ana):
    fill(app, card, ana, wish="Churn of resellers")
    entry = newest(app, card)
    assert entry.sentence() == "Ana changed Wish of it"
    assert entry.changes == (Change("Wish", "empty", "Churn of resellers"),)
    fill(app, card, ana, wish="", colour="red", agreed="yes", pieces="3")
    assert Change("Agreed", "empty", "yes") in newest(app, card).changes
    assert newest(app, card).sentence() == "Ana changed Wish, Agreed and 2 more of it"


def test_a_playbooks_own_words_are_used_where_they_are_given(app, card, ana):
    fill(app, card, ana, colour="red")
    entry = of_card(app, card, show=lambda key, value: f"<{key} {value}>").entries[0]
    assert entry.changes == (Change("Colour", "empty", "<colour red>"),)


def test_people_are_named_and_not_numbered(app, card, ana):
    bo = make_user(app, name="Bo", role="member")
    change(
        app,
        card,
        ana,
        lambda subject, actor: edit.edit_details(
            subject,
            actor,
            title="Rollout",
            value_amount=None,
            value_currency=None,
            contact_id=None,
            owner_id=bo.id,
        ),
    )
    entry = newest(app, card)
    assert Change("Owner", "Ana", "Bo") in entry.changes
    assert Change("Title", "Rollout North", "Rollout") in entry.changes
    assert of_card(app, card, kinds="people").entries == [entry]


def test_what_was_written_is_quoted(app, card, ana):
    change(app, card, ana, lambda subject, actor: edit.add_comment(subject, actor, "Call\nthem <b>now</b>"))
    entry = newest(app, card)
    assert (entry.sentence(), entry.quote) == ("Ana commented on it", "Call\nthem <b>now</b>")


def test_a_reason_stays_with_what_it_explains(app, card, ana):
    change(app, card, ana, lambda subject, actor: waiting.start_waiting(subject, actor, "They must sign"))
    assert newest(app, card).reason == "They must sign"


def test_work_reads_as_what_was_done(app, card, ana):
    tick(app, card, ana, "bench_clear", "wiped")
    assert newest(app, card).sentence() == "Ana ticked “It is wiped” of it"
    hold(app, card, ana, plan(app, card, ana, "review"), decisions="Go on")
    assert newest(app, card).sentence() == "Ana wrote the minutes of a meeting about it: Bench review"
    assert "Decided: Go on" in newest(app, card).notes
    talk(app, card, ana, "call", "replied")
    assert newest(app, card).sentence() == "Ana logged a talk about it: Call"
    assert newest(app, card).happened_at is not None
    attach(app, card, ana, "photo", kind="link", url="https://example.com/photo")
    assert newest(app, card).address == "https://example.com/photo"


def test_an_account_shows_its_own_and_its_cards_events(app, card, ana):
    with app.app_context(), transaction():
        contacts.create_contact(card.account, {"name": "José Núñez", "title": "Owner"}, actor=ana.actor)
        changes.edit_account(card.account, {"country": "ES", "notes": "n"}, seen_version=1, actor=ana.actor)
    with app.app_context():
        entries = timeline_of_account(card.account).entries
    assert [entry.sentence("“Rollout North”") for entry in entries] == [
        "Ana changed notes and country of the account",
        "Ana added the contact José Núñez",
        "Ana created “Rollout North”",
        "Ana created the account Nordwind Funk",
    ]
    assert entries[0].changes[1] == Change("Country", "empty", "Spain")
    assert entries[1].notes == ("Position: Owner",)


def test_pages_meet_without_gap_or_overlap(app, card, ana):
    for number in range(7):
        fill(app, card, ana, pieces=str(number))
    every = [entry.id for entry in of_card(app, card).entries]
    seen: list[uuid.UUID] = []
    before = None
    while True:
        page = of_card(app, card, before=before, limit=3)
        seen += [entry.id for entry in page.entries]
        before = page.more_before
        if before is None:
            break
    assert seen == every
    assert len(every) == 8


def test_groups_filter_and_unknown_ones_do_not(app, card, ana):
    fill(app, card, ana, pieces="1")
    change(app, card, ana, lambda subject, actor: edit.add_comment(subject, actor, "Hello"))
    kinds = {name: [e.kind for e in of_card(app, card, kinds=name).entries] for name in GROUPS}
    assert kinds == {
        "moves": ["card.created"],
        "facts": ["card.fields.changed"],
        "comments": ["card.comment.added"],
        "people": [],
        "messages": [],
        "client": [],
    }
    assert len(of_card(app, card, kinds=["facts", "comments"]).entries) == 2
    assert len(of_card(app, card, kinds="'; drop table events").entries) == 3
    assert of_card(app, card, before=uuid.uuid4()).entries == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"changes": None},
        {"changes": {"a": None, "b": {"before": None}, "c": {"after": {"deep": [1]}}}},
        {"changes": "text"},
        {"after": "text", "answers": {"why": None}, "waived": ["a.b"], "from": 3, "to": None},
        {"title": "{card} {from} {actor.__class__}", "name": "{to}", "what": "%s"},
        {"happened_at": "yesterday", "file": "not an id", "url": "javascript:alert(1)", "tasks": [1]},
        {"of": [1], "cards": {}, "outcome": 5, "medium": [], "starts_at": "soon"},
    ],
)
def test_whatever_an_entry_holds_it_reads(app, card, data):
    kinds = [*PHRASES, "card.something.nobody.foresaw"]
    with app.app_context(), transaction():
        for kind in kinds:
            record_event(
                kind,
                chain=account_chain(card.account),
                actor=SYSTEM,
                account_id=card.account,
                card_id=card.id,
                data=data,
            )
    with app.app_context():
        entries = timeline_of_card(card.id, limit=200).entries
    assert len(entries) == len(kinds) + 1
    assert all(entry.sentence().startswith(("Lifecycle ", "Ana ")) for entry in entries)
    assert all(entry.address is None and entry.file_id is None for entry in entries)
    assert entries[0].sentence() == "Lifecycle card something nobody foresaw: it"


def test_a_page_costs_two_queries_however_long(app, card, ana):
    for number in range(12):
        fill(app, card, ana, pieces=str(number))
    for limit in (2, 50):
        with counted_queries(app) as sent:
            of_card(app, card, limit=limit)
        assert len(sent) <= 2


def test_every_kind_that_is_recorded_has_a_phrase_and_a_group():
    recorded = _recorded_kinds()
    assert len(recorded) > 25
    told = {kind for kind in recorded if not kind.startswith(ELSEWHERE)}
    assert told - set(PHRASES) == set()
    for kind in told:
        assert group_of(kind) in GROUPS


def test_every_phrase_has_an_icon_that_exists():
    assert {phrase.icon for phrase in PHRASES.values()} <= set(ICONS)


def _recorded_kinds() -> set[str]:
    """The kinds in the source: every text of the form a.b or a.b.c in a function that records events."""
    found = set()
    for path in LIFECYCLE.rglob("*.py"):
        if path.parent.name == "evidence":
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            names = {getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls}
            if names & {"record_event", "record_card_event", "_record", "record"}:
                texts = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str) and _is_kind(text)}
    return found


def _is_kind(text: str) -> bool:
    source, _, rest = text.partition(".")
    sources = {"card", "cards", "account", "contact", "user", "playbook", "import", "evidence"}
    if text in PERMISSIONS:
        return False
    return source in sources and bool(rest) and all(part.isidentifier() for part in rest.split("."))


def test_new_ids_are_not_taken_for_names(app, card, ana):
    with app.app_context(), transaction():
        record_event(
            "card.details.changed",
            chain=account_chain(card.account),
            actor=SYSTEM,
            account_id=card.account,
            card_id=card.id,
            data={"changes": {"owner_id": {"before": str(new_id()), "after": None}}},
        )
    assert newest(app, card).changes == (Change("Owner", "somebody no longer known", "empty"),)
