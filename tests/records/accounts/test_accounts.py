"""Accounts and contacts: what is kept of them, who may change them, and what is on record."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, NotPermitted
from lifecycle.governance.cards.edit import archive_card
from lifecycle.records.accounts import changes, contacts, queries, quick
from lifecycle.records.accounts.countries import countries, country_name, find_country
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.accounts.queries import AccountFilter, ContactFilter
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import a_card, change, moved
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab


@pytest.fixture
def ana(app: Flask, services) -> Person:
    return make_user(app, name="Ana", role="member")


def create(app: Flask, by: Person, **typed: Any) -> uuid.UUID:
    with app.app_context(), transaction():
        return changes.create_account({"name": "Nordwind Funk", **typed}, actor=by.actor).id


def edit(app: Flask, by: Person, account_id: uuid.UUID, seen: int, **typed: Any) -> list[str]:
    with app.app_context(), transaction():
        return changes.edit_account(account_id, typed, seen_version=seen, actor=by.actor)


def row(app: Flask, account_id: uuid.UUID) -> Account:
    with app.app_context():
        return db.session.scalars(sa.select(Account).where(Account.id == account_id)).one()


def events(app: Flask, account_id: uuid.UUID) -> list[tuple[str, dict[str, Any]]]:
    query = sa.select(Event.kind, Event.body).where(Event.account_id == account_id).order_by(Event.seq)
    with app.app_context():
        return [(kind, body) for kind, body in db.session.execute(query)]


def test_an_account_is_kept_in_normal_form(app, ana):
    account = row(
        app,
        create(
            app,
            ana,
            name="  Nordwind\x00  Funk ",
            country="spain",
            website="nordwind.example",
            phone="+34912345678",
            segment="fibre",
            owner_id=str(ana.id),
            notes="one\r\ntwo",
        ),
    )
    assert (account.name, account.country, account.website) == (
        "Nordwind Funk",
        "ES",
        "https://nordwind.example",
    )
    assert (account.phone, account.segment, account.owner_id) == ("+34 912 34 56 78", "fibre", ana.id)
    assert account.notes == "one\ntwo"


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 201),
        ("country", "Atlantis"),
        ("website", "javascript:alert(1)"),
        ("website", "http://"),
        ("website", "https://[broken"),
        ("phone", "912 345 678"),
        ("phone", "call me"),
        ("notes", "x" * 20_001),
        ("segment", "x" * 201),
        ("owner_id", "nobody"),
        ("owner_id", "01a20137-3644-756a-8b77-06bc84c7546c"),
    ],
)
def test_what_cannot_be_kept_is_refused_at_its_field(app, ana, field, typed):
    with pytest.raises(Invalid) as refused:
        create(app, ana, **{field: typed})
    assert list(refused.value.field_errors) == [field]
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Account)) == 0


def test_everything_wrong_is_said_at_once(app, ana):
    with pytest.raises(Invalid) as refused:
        create(app, ana, name="", country="Atlantis", phone="x")
    assert set(refused.value.field_errors) == {"name", "country", "phone"}


def test_a_viewer_or_somebody_who_left_cannot_own(app, ana):
    for person in (make_user(app, role="viewer"), make_user(app, is_active=False)):
        with pytest.raises(Invalid):
            create(app, ana, owner_id=str(person.id))


def test_viewers_change_nothing(app, ana):
    account_id = create(app, ana)
    viewer = make_user(app, role="viewer")
    for act in (
        lambda: create(app, viewer),
        lambda: edit(app, viewer, account_id, 1, name="Mine"),
        lambda: _in_transaction(app, changes.archive_account, account_id, viewer),
        lambda: _in_transaction(app, changes.restore_account, account_id, viewer),
        lambda: _contact(app, viewer, account_id),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert len(events(app, account_id)) == 1


def test_an_edit_writes_what_changed_with_before_and_after(app, ana):
    account_id = create(app, ana, country="ES")
    assert edit(app, ana, account_id, 1, name="Nordwind Funk", country="PT", notes="") == ["country"]
    kind, body = events(app, account_id)[-1]
    assert kind == "account.changed"
    assert body["data"]["changes"] == {"country": {"name": "Country", "before": "ES", "after": "PT"}}
    assert body["actor"]["name"] == "Ana"
    assert row(app, account_id).version == 2


def test_an_edit_that_changes_nothing_leaves_no_trace(app, ana):
    account_id = create(app, ana, country="ES")
    assert edit(app, ana, account_id, 1, name="Nordwind Funk", country="ES") == []
    assert len(events(app, account_id)) == 1
    assert row(app, account_id).version == 1


def test_a_stale_edit_is_a_conflict_and_changes_nothing(app, ana):
    account_id = create(app, ana)
    edit(app, ana, account_id, 1, notes="first")
    with pytest.raises(Conflict):
        edit(app, ana, account_id, 1, notes="second")
    assert row(app, account_id).notes == "first"


def test_what_an_import_brought_stays_though_it_could_not_be_typed(app, ana):
    account_id = create(app, ana)
    with app.app_context(), transaction():
        db.session.execute(sa.update(Account).values(country="Old Kingdom", phone="ask Bob"))
    assert edit(app, ana, account_id, 1, country="Old Kingdom", phone="ask Bob", notes="new") == ["notes"]


def test_an_edit_has_the_cards_gates_counted_again(app, ana):
    account_id = create(app, ana)
    edit(app, ana, account_id, 1, country="PT")
    queue = Queue("bulk", connection=app.extensions["redis"], serializer=JSONSerializer)
    assert [(job.func_name, job.args) for job in queue.jobs] == [
        ("jobs.cards.refresh_account_cards", [str(account_id)])
    ]


def test_an_account_with_open_cards_is_not_archived(app, ana):
    publish_lab(app, "first: {}\nsecond: {}")
    account_id = create(app, ana)
    one, two = (a_card(app, ana, account=account_id) for _ in range(2))
    with pytest.raises(Conflict, match="2 open cards"):
        _in_transaction(app, changes.archive_account, account_id, ana)
    moved(app, one, "lost", ana, answers={"why": "No budget"})
    with pytest.raises(Conflict, match="an open card"):
        _in_transaction(app, changes.archive_account, account_id, ana)
    change(app, two, ana, archive_card)
    _in_transaction(app, changes.archive_account, account_id, ana)
    assert row(app, account_id).archived_at is not None


def test_archiving_and_restoring_are_on_record_once(app, ana):
    account_id = create(app, ana)
    for act in (
        changes.archive_account,
        changes.archive_account,
        changes.restore_account,
        changes.restore_account,
    ):
        _in_transaction(app, act, account_id, ana)
    assert [kind for kind, _ in events(app, account_id)] == [
        "account.created",
        "account.archived",
        "account.restored",
    ]


def test_an_archived_account_is_not_edited_nor_given_contacts(app, ana):
    account_id = create(app, ana)
    _in_transaction(app, changes.archive_account, account_id, ana)
    with pytest.raises(Invalid, match="archived"):
        edit(app, ana, account_id, 2, notes="x")
    with pytest.raises(Invalid, match="archived"):
        _contact(app, ana, account_id)


def test_what_is_not_there_is_not_found(app, ana):
    nowhere = uuid.uuid4()
    with pytest.raises(NotFound):
        edit(app, ana, nowhere, 1)
    with pytest.raises(NotFound):
        _contact(app, ana, nowhere)
    with app.app_context(), pytest.raises(NotFound):
        queries.get_account(nowhere)


# --- contacts ---


def _contact(app: Flask, by: Person, account_id: uuid.UUID, **typed: Any) -> uuid.UUID:
    with app.app_context(), transaction():
        return contacts.create_contact(account_id, {"name": "José Núñez", **typed}, actor=by.actor).id


def _in_transaction(app: Flask, act: Any, record_id: uuid.UUID, by: Person) -> None:
    with app.app_context(), transaction():
        act(record_id, actor=by.actor)


def test_a_contact_is_kept_in_normal_form_and_on_the_accounts_record(app, ana):
    account_id = create(app, ana)
    contact_id = _contact(
        app, ana, account_id, email=" Jose@EXAMPLE.com ", phone="+442079460958", is_verified=True
    )
    with app.app_context():
        contact = queries.get_contact(contact_id)
        assert (contact.email, contact.phone) == ("Jose@example.com", "+44 20 7946 0958")
        assert contact.is_verified
    kind, body = events(app, account_id)[-1]
    assert (kind, body["data"]["contact"]) == ("contact.created", str(contact_id))


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("email", "not an address"),
        ("email", "a@b@c.example"),
        ("email", "a" * 400 + "@example.com"),
        ("phone", "12"),
        ("title", "x" * 201),
    ],
)
def test_a_wrong_contact_is_refused_at_its_field(app, ana, field, typed):
    account_id = create(app, ana)
    with pytest.raises(Invalid) as refused:
        _contact(app, ana, account_id, **{field: typed})
    assert list(refused.value.field_errors) == [field]


def test_a_contact_is_edited_archived_and_restored(app, ana):
    account_id = create(app, ana)
    contact_id = _contact(app, ana, account_id)
    with app.app_context(), transaction():
        changed = contacts.edit_contact(contact_id, {"title": "Owner"}, seen_version=1, actor=ana.actor)
    assert changed == ["title"]
    with app.app_context(), pytest.raises(Conflict), transaction():
        contacts.edit_contact(contact_id, {"title": "Boss"}, seen_version=1, actor=ana.actor)
    _in_transaction(app, contacts.archive_contact, contact_id, ana)
    with app.app_context():
        assert queries.contacts_of(account_id) == []
        assert [contact.id for contact in queries.contacts_of(account_id, archived=True)] == [contact_id]
    _in_transaction(app, contacts.restore_contact, contact_id, ana)
    assert [kind for kind, _ in events(app, account_id)][2:] == [
        "contact.changed",
        "contact.archived",
        "contact.restored",
    ]


def test_a_contact_of_an_archived_account_stays_archived(app, ana):
    account_id = create(app, ana)
    contact_id = _contact(app, ana, account_id)
    _in_transaction(app, contacts.archive_contact, contact_id, ana)
    _in_transaction(app, changes.archive_account, account_id, ana)
    with pytest.raises(Conflict):
        _in_transaction(app, contacts.restore_contact, contact_id, ana)


# --- finding ---


def names(app: Flask, **wanted: Any) -> list[str]:
    with app.app_context():
        return [found.account.name for found in queries.list_accounts(AccountFilter(**wanted)).rows]


def test_the_list_is_narrowed_sorted_and_counted(app, ana):
    bo = make_user(app, name="Bo")
    create(app, ana, name="Müller Netz", country="DE", segment="fibre", owner_id=str(ana.id))
    create(app, ana, name="Čez Wireless", country="CZ", owner_id=str(bo.id))
    gone = create(app, ana, name="Zürich Fibre", country="CH")
    _in_transaction(app, changes.archive_account, gone, ana)
    assert names(app) == ["Čez Wireless", "Müller Netz"]
    assert names(app, descending=True) == ["Müller Netz", "Čez Wireless"]
    assert names(app, text="muller NETZ") == ["Müller Netz"]
    assert names(app, text="netz x") == []
    assert names(app, owner=str(bo.id)) == ["Čez Wireless"]
    assert names(app, owner="none") == []
    assert names(app, owner="'; drop table accounts") == []
    assert names(app, segment="fibre", country="DE") == ["Müller Netz"]
    assert names(app, archived=True) == ["Zürich Fibre"]
    assert names(app, sort="owner") == ["Müller Netz", "Čez Wireless"]
    assert names(app, sort="no such column") == ["Čez Wireless", "Müller Netz"]


def test_a_country_kept_by_name_is_found_by_code(app, ana):
    create(app, ana)
    with app.app_context(), transaction():
        db.session.execute(sa.update(Account).values(country="Spain"))
    assert names(app, country="ES") == ["Nordwind Funk"]


def test_pages_have_exact_counts_and_no_gaps(app, ana):
    with app.app_context(), transaction():
        db.session.add_all(Account(name=f"Provider {number:03}") for number in range(120))
    with app.app_context():
        pages = [queries.list_accounts(AccountFilter(page=number)) for number in (1, 2, 3)]
        beyond = queries.list_accounts(AccountFilter(page=99))
    assert [page.count for page in pages] == [120] * 3
    assert len({found.account.id for page in pages for found in page.rows}) == 120
    assert [page.shown for page in pages] == [
        "1\u201350 of 120",
        "51\u2013100 of 120",
        "101\u2013120 of 120",
    ]
    assert beyond.number == 3


def test_contacts_are_found_by_name_address_and_account(app, ana):
    account_id = create(app, ana, name="Müller Netz")
    _contact(app, ana, account_id, email="office@netz.example")
    with app.app_context():
        for text in ("nunez", "OFFICE@", "muller", "jose muller"):
            page = queries.list_contacts(ContactFilter(text=text))
            assert [found.contact.name for found in page.rows] == ["José Núñez"], text
        assert queries.list_contacts(ContactFilter(text="nobody")).count == 0
    _in_transaction(app, changes.archive_account, account_id, ana)
    with app.app_context():
        assert queries.list_contacts(ContactFilter()).count == 0
        assert queries.list_contacts(ContactFilter(archived=True)).count == 1


# --- an account by what somebody types in passing ---


def test_a_name_means_its_account_whatever_case_and_accents(app, ana):
    account_id = create(app, ana, name="Müller Netz")
    with app.app_context(), transaction():
        for typed in ("muller netz", " MÜLLER  NETZ ", str(account_id)):
            found, is_new = quick.find_or_create_account(typed, ana.actor)
            assert (found.id, is_new) == (account_id, False)
        fresh, is_new = quick.find_or_create_account("Müller", ana.actor)
        assert (fresh.name, fresh.owner_id, is_new) == ("Müller", ana.id, True)


def test_namesakes_are_told_apart_and_never_guessed(app, ana):
    first, second = create(app, ana), create(app, ana, name="NORDWIND FUNK")
    with app.app_context(), transaction():
        with pytest.raises(Invalid) as refused:
            quick.find_or_create_account("nordwind funk", ana.actor)
        assert "2 accounts" in refused.value.field_errors["account"]
        offered = queries.suggest_accounts("nordwind")
        assert {quick.find_account(one.choice).id for one in offered} == {first, second}
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Account)) == 2


@pytest.mark.parametrize("typed", ["", " \x00 ", "x" * 300])
def test_what_is_no_name_is_refused(app, ana, typed):
    with app.app_context(), pytest.raises(Invalid) as refused, transaction():
        quick.find_or_create_account(typed, ana.actor)
    assert list(refused.value.field_errors) == ["account"]


def test_archived_accounts_are_not_offered(app, ana):
    account_id = create(app, ana)
    _in_transaction(app, changes.archive_account, account_id, ana)
    with app.app_context():
        assert queries.suggest_accounts("nordwind") == []
        assert queries.find_or_suggest_accounts("Nordwind Funk", 5) == (None, [])
        assert [account.id for account in queries.accounts_called("nordwind funk")] == [account_id]


def test_the_best_suggestions_come_first(app, ana):
    for name in ("The Nordwind Group", "Nordwind Funk Süd", "Nordwind"):
        create(app, ana, name=name)
    with app.app_context():
        offered = [one.name for one in queries.suggest_accounts("nordw")]
        assert offered == ["Nordwind", "Nordwind Funk Süd", "The Nordwind Group"]
        assert len(queries.suggest_accounts("", 2)) == 2


def test_countries_are_countries():
    codes = dict(countries())
    assert len(codes) > 240
    assert codes["ES"] == "Spain"
    assert not {"EU", "ZZ", "UN"} & set(codes)
    assert (find_country("es"), find_country(" Spain "), find_country("Atlantis")) == ("ES", "ES", None)
    assert (country_name("ES"), country_name(None), country_name("Old Kingdom")) == (
        "Spain",
        "",
        "Old Kingdom",
    )


def test_the_system_may_everything(app, services):
    with app.app_context(), transaction():
        account = changes.create_account({"name": "By the system"}, actor=SYSTEM, channel="import")
        contacts.create_contact(account.id, {"name": "Somebody"}, actor=SYSTEM)
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Contact)) == 1
