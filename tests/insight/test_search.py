"""The search box finds by words, blind to accents and case, and cannot be hurt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.edit import archive_card
from lifecycle.governance.cards.proofs import withdraw_proof
from lifecycle.insight.search import (
    Found,
    accounts_query,
    cards_query,
    contacts_query,
    documents_query,
    requests_query,
    search,
)
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.cards import KnownCard, a_card, attach, change, make_account, moved
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.queries import counted_queries


@dataclass(frozen=True)
class World:
    """Some accounts, contacts and cards."""

    ana: Person
    muller: uuid.UUID
    card: KnownCard


@pytest.fixture
def world(app: Flask, services) -> World:
    publish_lab(app, "first: {}\nsecond: {}")
    ana = make_user(app, name="Ana")
    muller = make_account(app, name="Müller Netz", country="AT")
    for name in ("Netzmüller", "100% Fibre", "Under_score", "O'Brien", "Back\\slash", "نت لاسلكي"):
        make_account(app, name=name)
    with app.app_context(), transaction():
        db.session.add(Contact(account_id=muller, name="José Núñez", email="office@netz.example"))
    return World(ana, muller, a_card(app, ana, account=muller, title="Überblick North", value="1200"))


def find(app: Flask, query: str, limit: int = 8) -> Found:
    with app.app_context():
        return search(query, limit)


def test_accents_and_case_do_not_matter(app, world):
    for query in ("muller netz", "MÜLLER", "müller  NETZ "):
        assert find(app, query).accounts[0].name == "Müller Netz", query
    assert find(app, "uberblick").cards[0].title == "Überblick North"
    assert find(app, "nunez").contacts[0].name == "José Núñez"
    assert find(app, "OFFICE@netz").contacts[0].email == "office@netz.example"


def test_what_begins_with_the_words_comes_first(app, world):
    assert [hit.name for hit in find(app, "müller").accounts] == ["Müller Netz", "Netzmüller"]
    assert [hit.name for hit in find(app, "netz").accounts] == ["Netzmüller", "Müller Netz"]


def test_a_card_is_found_by_its_title_and_its_account_together(app, world):
    for query in ("north muller", "überblick", "müller netz", "uber netz nor"):
        assert [hit.id for hit in find(app, query).cards] == [world.card.id], query
    assert find(app, "north nobody").cards == []


def test_special_characters_are_letters(app, world):
    assert [hit.name for hit in find(app, "%").accounts] == ["100% Fibre"]
    assert [hit.name for hit in find(app, "\uff05").accounts] == ["100% Fibre"]
    assert [hit.name for hit in find(app, "_").accounts] == ["Under_score"]
    assert [hit.name for hit in find(app, "o'b").accounts] == ["O'Brien"]
    assert [hit.name for hit in find(app, "\\").accounts] == ["Back\\slash"]
    assert [hit.name for hit in find(app, "نت").accounts] == ["نت لاسلكي"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "\x00",
        "\u202e\u2066",
        "' or 1=1 --",
        "%%%%%%%%%%%%%%%%%%",
        "\\\\\\",
        "x" * 10_000,
        " ".join("ab" for _ in range(5000)),
        "\ud83d",
        "(a|b)*[c-",
        "$1 $2 %s %(x)s :name {0}",
    ],
)
def test_hostile_queries_find_nothing_and_break_nothing(app, world, query):
    assert find(app, query).is_empty


def test_archived_comes_last_and_says_so(app, world):
    with app.app_context(), transaction():
        account = db.session.get(Account, world.muller)
        assert account is not None
        account.archived_at = now()
    change(app, world.card, world.ana, archive_card)
    found = find(app, "müller")
    assert [(hit.name, hit.is_archived) for hit in found.accounts] == [
        ("Netzmüller", False),
        ("Müller Netz", True),
    ]
    assert [hit.is_archived for hit in found.cards] == [True]
    assert find(app, "núñez").contacts[0].is_archived


def test_closed_cards_come_after_open_ones(app, world):
    other = a_card(app, world.ana, account=world.muller, title="Überblick")
    moved(app, other, "lost", world.ana, answers={"why": "x"})
    assert [hit.title for hit in find(app, "überblick").cards] == ["Überblick North", "Überblick"]


def test_withdrawn_cards_are_never_found(app, world):
    with app.app_context(), transaction():
        db.session.execute(sa.update(Card).values(withdrawn_at=now(), archived_at=now()))
    assert find(app, "überblick").is_empty


def test_a_group_is_cut_off_and_says_so(app, world):
    for number in range(9):
        make_account(app, name=f"Provider {number}")
    found = find(app, "provider")
    assert (len(found.accounts), found.more) == (8, frozenset({"accounts"}))
    assert find(app, "provider", 50).more == frozenset()


def test_p4_documents_are_found_by_their_title_and_whose_they_are(app, world):
    attach(app, world.card, world.ana, None, title="Master plan 100%")
    gone = attach(app, world.card, world.ana, None, title="Master draft")
    change(app, world.card, world.ana, lambda subject, actor: withdraw_proof(subject, actor, gone))
    for query in ("master", "MÜLLER master", "uberblick plan", "100%"):
        (hit,) = find(app, query).documents
        assert (hit.title, hit.card_id, hit.account_name) == (
            "Master plan 100%",
            world.card.id,
            "Müller Netz",
        )
    # One word must be the document's own: an account's name alone finds the account.
    for query in ("muller", "draft", "master nobody"):
        assert find(app, query).documents == []
    with app.app_context(), transaction():
        db.session.execute(sa.update(Card).values(withdrawn_at=now(), archived_at=now()))
    assert find(app, "master").is_empty


def test_p4_client_requests_are_found_by_their_name_the_closed_last(app, world):
    names = {}
    with app.app_context(), transaction():
        card = db.session.get_one(Card, world.card.id)
        for key, closed_at in (("old", now()), ("new", None)):
            asked = ClientRequest(
                card_id=card.id,
                visit_id=card.visit_id,
                revision_id=card.revision_id,
                key=key,
                name=f"Signed ördér, {key}",
                due_at=now(),
                closed_at=closed_at,
            )
            db.session.add(asked)
            db.session.flush()
            names[key] = asked.id
    for query in ("signed", "muller ORDER", "order uberblick"):
        assert [hit.id for hit in find(app, query).requests] == [names["new"], names["old"]], query
    assert [hit.is_closed for hit in find(app, "signed").requests] == [False, True]
    assert find(app, "muller").requests == []


def test_it_costs_five_queries_whatever_is_asked(app, world):
    for query in ("a", "müller", "a b c d e f g h i j"):
        with counted_queries(app) as sent:
            find(app, query)
        assert len(sent) == 5, query


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (accounts_query(["müller", "netz"], 9), ["ix_accounts_search"]),
        (contacts_query(["müller"], 9), ["ix_contacts_search"]),
        (cards_query(["müller", "überblick"], 9), ["ix_cards_search", "ix_accounts_search"]),
        (documents_query(["müller", "plan"], 9), ["ix_attachments_search"]),
        (requests_query(["müller", "order"], 9), ["ix_client_requests_search"]),
    ],
)
def test_the_trigram_indexes_serve_it(app, services, world, query, indexes):
    """With a few rows a scan is quicker; forbidden to scan, the planner must see that the index fits."""
    # What other tests wrote and took away again must not tell the planner how large the tables are.
    with psycopg.connect(services.owner, autocommit=True) as owner:
        for table in (
            "accounts",
            "contacts",
            "cards",
            "stages",
            "pipelines",
            "attachments",
            "client_requests",
        ):
            owner.execute("select pg_clear_relation_stats('public', %s)", [table])
    with app.app_context():
        # Going through every card to its account is a scan too, however it is joined, and so is going
        # through an index from end to end. A trigram index is read as a bitmap, so that way stays open.
        for way in ("seqscan", "nestloop", "indexscan", "indexonlyscan"):
            db.session.execute(sa.text(f"set local enable_{way} = off"))
        compiled = query.compile(db.engine)
        plan = db.session.connection().exec_driver_sql(f"explain {compiled}", compiled.params).scalars().all()
    for index in indexes:
        assert any(index in line for line in plan), "\n".join(plan)
