"""An import from file to board, with real commits: what goes in, what stays out, what a second one does."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, NotPermitted
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.queries import errors_as_csv, list_errors
from lifecycle.exchange.imports.run import check_import, run_import
from lifecycle.exchange.imports.withdraw import withdraw_import
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import archive_card, set_fields
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Moved
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from tests.exchange.imports.conftest import HEADER, as_csv, begin, checked, imported
from tests.factories.people import make_user

pytestmark = pytest.mark.usefixtures("within")

ROWS = [
    ("1", "First", "Acme", "New", "", "", ""),
    ("2", "Second", "acme ", "Talking", "2024-03-01", "", "1,200.50"),
    ("3", "Third", "", "Won", "2024-01-10", "2024-02-20", "900"),
    ("4", "Fourth", "Beta", "Lost", "2024-01-10", "2024-01-10", ""),
]


def _card(external_id: str) -> Any:
    return db.session.scalars(
        select(Card)
        .where(Card.external_id == external_id, Card.withdrawn_at.is_(None))
        .execution_options(populate_existing=True)
    ).one()


def _visits(card: Card) -> list[Any]:
    query = select(StageVisit).where(StageVisit.card_id == card.id).order_by(StageVisit.number)
    return list(db.session.scalars(query))


def _stage(card: Card) -> Any:
    return db.session.execute(
        text("select key from stages where id = :id"), {"id": card.stage_id}
    ).scalar_one()


def _count(table: str, where: str = "true") -> Any:
    return db.session.execute(text(f"select count(*) from {table} where {where}")).scalar_one()


def _problems(record: CardImport) -> list[tuple[int, str | None, str]]:
    return [(error.row_number, error.column, error.sentence) for error in list_errors(record.id)]


# --- what goes in ---


def test_cards_come_with_their_past(manager):
    record = imported(manager, ROWS)
    assert (record.state, record.summary["created"], record.rows_refused) == ("done", 4, 0)
    won = _card("3")
    assert [visit.entered_by_edge for visit in _visits(won)] == ["imported", "imported"]
    first, last = _visits(won)
    assert first.left_at == last.entered_at
    assert (last.entered_at - first.entered_at).days == 41
    assert first.our_seconds > 0
    assert first.is_imported
    assert won.value_amount == Decimal("900.00")
    assert _stage(won) == "closed_won"
    assert won.board_order == -int(last.entered_at.timestamp())


def test_an_open_card_has_clock_action_and_gate_as_if_it_came_today(manager):
    imported(manager, ROWS)
    card = _card("2")
    assert card.sla_due_at > now()
    assert card.next_action == "Hold the qualification call"
    assert card.gate_total > 0
    assert card.value_amount == Decimal("1200.50")
    assert card.owner_id == manager.id


def test_the_clock_may_count_from_the_entry(manager):
    imported(manager, ROWS, clock="entry")
    assert _card("2").sla_due_at < now()


def test_a_card_without_a_date_counts_and_says_nothing_about_velocity(manager):
    record = imported(manager, [*ROWS, ("5", "Fifth", "Acme", "Won", "2024-01-10", "", "")])
    assert [visit.entered_by_edge for visit in _visits(_card("1"))] == ["imported_undated"]
    # A history is whole or undated: the day it was engaged would end on the day of the import.
    assert [visit.entered_by_edge for visit in _visits(_card("5"))] == ["imported_undated"]
    assert record.summary["undated"] == 2


def test_accounts_are_found_made_and_held(manager):
    imported(manager, ROWS)
    names = {account.name: account.is_holding for account in db.session.scalars(select(Account))}
    assert names == {"Acme": False, "Beta": False, "Imported without an account": True}
    assert _card("1").account_id == _card("2").account_id


def test_contacts_are_made_once(manager):
    header = (*HEADER, "person", "mail")
    rows = [(*row, "Ana", "ana@example.com") for row in ROWS[:2]]
    record = begin(manager, as_csv(rows, header), contact={"name": "person", "email": "mail"})
    assert run_import(record.id).summary["new_contacts"] == 1
    assert _card("1").contact_id == _card("2").contact_id is not None


def test_the_evidence_says_what_came_and_from_where(manager):
    record = imported(manager, ROWS)
    event = db.session.execute(
        text("select body from events where kind = 'card.imported' and card_id = :id"), {"id": _card("3").id}
    ).scalar_one()
    assert event["channel"] == "import"
    assert event["data"]["import"] == record.id
    assert event["data"]["row"] == 4
    assert event["data"]["source"]["name"] == "Third"
    assert [visit["stage"] for visit in event["data"]["visits"]] == ["engaged", "closed_won"]
    assert _count("events", "kind = 'import.finished'") == 1
    assert _count("outbox_messages") == 0


# --- what stays out ---


def test_bad_rows_are_told_one_by_one_and_the_others_go_in(manager):
    tomorrow = (now() + timedelta(days=2)).date().isoformat()
    rows = [
        ("1", "Good", "Acme", "New", "", "", ""),
        ("", "No id", "Acme", "New", "", "", ""),
        ("1", "Same id", "Acme", "New", "", "", ""),
        ("4", "", "Acme", "Odd", "", "", "much"),
        ("5", "x" * 201, "Acme", "Talking", "2024-02-31", "", ""),
        ("6", "Future", "Acme", "Talking", tomorrow, "", ""),
        ("7", "Backwards", "Acme", "Won", "2024-02-02", "2024-02-01", ""),
        ("8", "Negative", "Acme", "New", "", "", "-5"),
        ("9", "Good too", "Acme", "New", "", "", ""),
    ]
    record = imported(manager, rows)
    assert (record.summary["created"], record.summary["refused"]) == (2, 7)
    said = _problems(record)
    assert {row for row, _, _ in said} == {3, 4, 5, 6, 7, 8, 9}
    assert (4, "id", "Row 2 has the same identifier.") in said
    assert (5, "stage", "The map says no stage for “Odd”.") in said
    assert (5, "name", "Give the card a title.") in said
    assert (8, "closed", "Closed-Won was entered before Engaged; look at both dates.") in said
    assert [column for row, column, _ in said if row == 7] == ["engaged"]


def test_e26_rows_beyond_a_hard_limit_are_refused_one_by_one_and_foretold(manager):
    with transaction():
        db.session.execute(
            text("update stages set card_limit = 1, limit_is_hard = true where key = 'sourced'")
        )
    rows = [(str(each), "Rollout", f"Fibre {each}", "New", "", "", "") for each in range(3)]
    full = "Sourced is full: 1 card stands there of at most 1. Move one out first."
    for record in (checked(manager, rows), imported(manager, rows)):
        assert _problems(record) == [(3, None, full), (4, None, full)]
    assert _count("cards") == 1


def test_a_dry_run_writes_nothing_and_tells_the_same(manager):
    rows = [*ROWS, ("9", "", "Acme", "New", "", "", "")]
    forecast = checked(manager, rows)
    assert (forecast.state, _count("cards"), _count("accounts"), _count("stage_visits")) == (
        "checked",
        0,
        0,
        0,
    )
    assert _problems(forecast) == [(6, "name", "Give the card a title.")]
    summary = run_import(forecast.id).summary
    assert {**forecast.forecast, "questions": 0} == {**summary, "questions": 0}
    assert (summary["created"], summary["new_accounts"], summary["held"]) == (4, 2, 1)


def test_ambiguous_dates_are_asked_about_and_nothing_is_guessed(manager):
    rows = [("1", "One", "Acme", "Talking", "03/04/2024", "", "")]
    record = imported(manager, rows)
    assert (record.state, _count("cards")) == ("checked", 0)
    assert record.forecast["questions"][0]["column"] == "engaged"
    declared = imported(manager, rows, dates={"engaged": "day-month-year"})
    assert declared.state == "done"
    assert _visits(_card("1"))[0].entered_at.date().isoformat() == "2024-04-03"


def test_owners_who_are_no_users_are_never_made(manager, app):
    ada = make_user(app, name="Ada Lovelace", email="ada@demo.example")
    header = (*HEADER, "agent")
    rows = [(*ROWS[0], "Ada Lovelace"), (*ROWS[1], "Zed"), (*ROWS[2], "")]
    refusing = begin(manager, as_csv(rows, header), owner={"column": "agent"})
    record = run_import(refusing.id)
    assert [(row, column) for row, column, _ in _problems(record)] == [(3, "agent"), (4, "agent")]
    assert _card("1").owner_id == ada.id
    mapped = begin(
        manager,
        as_csv(rows, header),
        owner={"column": "agent", "people": {"Zed": "ada@demo.example"}, "otherwise": "mary@demo.example"},
    )
    run_import(mapped.id)
    assert (_card("2").owner_id, _card("3").owner_id) == (ada.id, manager.id)


def test_a_map_that_names_nobody_here_is_refused(manager):
    record = imported(manager, ROWS, owner={"otherwise": "nobody@demo.example"})
    assert (record.state, _count("cards")) == ("failed", 0)
    assert "nobody@demo.example" in record.forecast["map_errors"][0]


def test_errors_as_csv_compute_nothing(manager):
    rows = [("1", "One", "Acme", '=HYPERLINK("http://evil","x")', "", "", "+1+1")]
    record = imported(manager, rows)
    lines = "".join(errors_as_csv(record.id, manager.actor))
    assert "'=HYPERLINK" in lines
    assert "'+1+1" in lines


def test_members_may_not_import(manager, app):
    member = make_user(app, role="member")
    with pytest.raises(NotPermitted):
        begin(member, as_csv(ROWS))
    record = imported(manager, ROWS)
    with pytest.raises(NotPermitted), transaction():
        withdraw_import(record.id, actor=member.actor)


# --- the second time ---


def test_importing_again_doubles_nothing(manager):
    imported(manager, ROWS)
    again = imported(manager, ROWS)
    assert (again.summary["unchanged"], again.summary["created"], _count("cards")) == (4, 0, 4)


def test_what_people_did_since_is_left_alone_where_the_file_says_nothing_new(manager):
    imported(manager, ROWS)
    card = _card("2")
    with transaction(), changing_card(card.id, manager.actor) as subject:
        subject.card.title = "Renamed by hand"
    again = imported(manager, ROWS)
    assert again.summary["unchanged"] == 4
    assert _card("2").title == "Renamed by hand"
    # The amount changed in the file, so the amount changes, and the title still does not.
    rows = [ROWS[0], (*ROWS[1][:6], "1,300"), *ROWS[2:]]
    changed = imported(manager, rows)
    assert (changed.summary["changed"], changed.summary["unchanged"]) == (1, 3)
    card = _card("2")
    assert (card.title, card.value_amount) == ("Renamed by hand", Decimal("1300.00"))


def test_an_existing_card_moves_through_its_gate_only(manager):
    imported(manager, ROWS)
    rows = [(*ROWS[0][:3], "Talking", "2024-05-01", "", ""), *ROWS[1:]]
    forecast = checked(manager, rows)
    refused = imported(manager, rows)
    assert _stage(_card("1")) == "sourced"
    assert (refused.summary["moved"], refused.summary["refused"]) == (0, 1)
    [(row, _, sentence)] = _problems(refused)
    assert row == 2
    assert sentence.startswith("The card stays where it is; Engaged is not open to it: ")
    assert [p[2] for p in _problems(forecast)] == [sentence]
    assert _count("gate_reports", "outcome = 'blocked' and channel = 'import'") == 1
    assert imported(manager, rows).summary["refused"] == 1


def test_an_existing_card_moves_when_its_gate_lets_it(manager):
    imported(manager, ROWS)
    rows = [ROWS[0], (*ROWS[1][:3], "Lost", "2024-03-01", "2024-04-01", ""), *ROWS[2:]]
    header = (*HEADER, "why")
    fields = {"lost_reason": "why"}
    record = run_import(begin(manager, as_csv([(*row, "price") for row in rows], header), fields=fields).id)
    card = _card("2")
    assert _stage(card) == "closed_lost"
    assert (record.summary["moved"], card.fields["lost_reason"]) == (1, "price")
    last = _visits(card)[-1]
    assert (last.entered_channel, last.is_imported) == ("import", False)
    assert last.gate_report_id is not None


def test_an_archived_card_is_not_changed(manager):
    imported(manager, ROWS)
    with transaction(), changing_card(_card("1").id, manager.actor) as subject:
        archive_card(subject, manager.actor)
    record = imported(manager, [("1", "Other", "Acme", "New", "", "", "")])
    assert [(row, sentence) for row, _, sentence in _problems(record)] == [
        (2, "This card is archived. Restore it first.")
    ]


def test_a_run_that_died_goes_on_where_it_stopped(manager, monkeypatch):
    rows = [(str(n), f"Deal {n}", f"Account {n % 7}", "New", "", "", "") for n in range(1200)]
    import_id = begin(manager, as_csv(rows)).id
    real, calls = db.session.commit, []

    class Killed(BaseException):
        pass

    def dying() -> None:
        calls.append(1)
        if len(calls) == 4:  # begun, told, one batch; the second batch dies
            raise Killed
        real()

    monkeypatch.setattr(db.session, "commit", dying, raising=False)
    with pytest.raises(Killed):
        run_import(import_id)
    monkeypatch.undo()
    db.session.remove()
    assert _count("cards") == 500
    with pytest.raises(Conflict, match="worked on already"):
        run_import(import_id)
    with transaction():
        db.session.execute(text("update card_imports set seen_at = seen_at - interval '5 minutes'"))
    done = run_import(import_id)
    assert (done.state, _count("cards"), _count("accounts")) == ("done", 1200, 7)
    # The figures are those of the import, not of its last run.
    assert (done.summary["created"], done.summary["unchanged"], done.summary["new_accounts"]) == (1200, 0, 7)
    assert _count("stage_visits") == 1200


# --- taking it back ---


def test_an_import_is_withdrawn_whole(manager):
    record = imported(manager, ROWS)
    visits = _count("stage_visits")
    with transaction():
        assert withdraw_import(record.id, actor=manager.actor) == 4
    assert _count("cards", "withdrawn_at is null") == 0
    assert _count("cards", "archived_at is not null and withdrawn_at is not null") == 4
    assert _count("stage_visits") == visits
    assert _count("accounts", "archived_at is null") == 0
    assert _count("events", "kind = 'import.withdrawn'") == 1
    assert _count("tasks", "done_at is null and cancelled_at is null") == 0
    with pytest.raises(Conflict, match="withdrawn already"), transaction():
        withdraw_import(record.id, actor=manager.actor)
    with pytest.raises(Conflict, match="was withdrawn"):
        run_import(record.id)


def test_a_withdrawn_import_can_be_imported_anew_without_doubling_accounts(manager):
    first = imported(manager, ROWS)
    with transaction():
        withdraw_import(first.id, actor=manager.actor)
    again = imported(manager, ROWS)
    assert (again.summary["created"], again.summary["restored_accounts"]) == (4, 2)
    assert _count("accounts", "not is_holding") == 2
    assert _count("cards", "withdrawn_at is null") == 4


def test_cards_that_were_there_before_stay_when_an_import_is_withdrawn(manager):
    imported(manager, ROWS[:2])
    second = imported(manager, ROWS)
    with transaction():
        assert withdraw_import(second.id, actor=manager.actor) == 2
    kept = db.session.scalars(select(Card.external_id).where(Card.withdrawn_at.is_(None))).all()
    assert set(kept) == {"1", "2"}
    assert _count("accounts", "name = 'Acme' and archived_at is null") == 1


# --- at the same time ---


@pytest.mark.race
def test_a_move_by_hand_and_an_import_of_the_same_card_do_not_both_win(manager, app):
    ready = [(str(n), f"Deal {n}", "Acme", "Talking", "2024-01-01", "", "") for n in range(12)]
    imported(manager, ready)
    header = (*HEADER, "why")
    lost = [(*row[:3], "Lost", "2024-01-01", "2024-02-01", "", "price") for row in ready]
    record = begin(manager, as_csv(lost, header), fields={"lost_reason": "why"})
    cards = {card.external_id: (card.id, card.visit_id) for card in db.session.scalars(select(Card))}
    db.session.rollback()
    by_hand: list[str | None] = []
    start = threading.Barrier(2)

    def move_all() -> None:
        with app.app_context():
            start.wait()
            for external_id, (card_id, visit_id) in cards.items():
                with transaction():
                    outcome = move_card(
                        card_id,
                        "closed_lost",
                        actor=manager.actor,
                        channel="board",
                        seen_visit=visit_id,
                        answers={"reason": "price"},
                    )
                if isinstance(outcome, Moved):
                    by_hand.append(external_id)
            db.session.remove()

    thread = threading.Thread(target=move_all)
    thread.start()
    start.wait()
    done = run_import(record.id)
    thread.join()
    assert done.state == "done"
    assert len(by_hand) + done.summary["moved"] == 12
    assert _count("stage_visits") == 24
    assert _count("gate_reports", "outcome = 'passed'") == 12
    assert _count("cards", "(select count(*) from stage_visits v where v.card_id = cards.id) <> 2") == 0


@pytest.mark.race
def test_two_imports_of_one_file_at_once_double_nothing(manager, app):
    rows = [(str(n), f"Deal {n}", f"Account {n % 5}", "New", "", "", "") for n in range(900)]
    ids = [begin(manager, as_csv(rows)).id for _ in range(2)]
    start = threading.Barrier(2)
    states: list[str] = []

    def run(import_id: int) -> None:
        with app.app_context():
            start.wait()
            states.append(run_import(import_id).state)
            db.session.remove()

    threads = [threading.Thread(target=run, args=(import_id,)) for import_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["done", "done"]
    assert (_count("cards"), _count("accounts")) == (900, 5)


def test_checking_leaves_a_done_import_alone(manager):
    record = imported(manager, ROWS)
    with pytest.raises(Conflict, match="is done"):
        check_import(record.id)


def test_fields_written_by_hand_are_kept_when_the_file_has_none(manager):
    imported(manager, ROWS)
    with transaction(), changing_card(_card("1").id, manager.actor) as subject:
        set_fields(subject, {"pain": "Billing by hand"}, manager.actor)
    imported(manager, [("1", "New name", "Acme", "New", "", "", ""), *ROWS[1:]])
    card = _card("1")
    assert (card.title, card.fields) == ("New name", {"pain": "Billing by hand"})
