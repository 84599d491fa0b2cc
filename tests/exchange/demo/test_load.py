"""A load fills a board with cards that keep every rule, goes on after a break, and keeps off real work."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lifecycle.commands.demo import demo
from lifecycle.core.clock import now
from lifecycle.core.copying import copy_rows
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.exchange.demo import load as loading
from lifecycle.exchange.demo.crowd import account_name
from lifecycle.exchange.demo.load import load_cards
from lifecycle.exchange.demo.seed import is_wanted
from lifecycle.governance.cards.summary import refresh_summaries
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.playbooks.models import Stage
from tests.factories.browsing import Caller
from tests.factories.people import make_user
from tests.factories.playbooks import GROWTH, publish_growth
from tests.installation import environment_of

PASSWORD = "a demo for everybody to see"
_COUNTS = re.compile(r'id="column-header-(\w+)".*?class="column-count"[^>]*>(\d+)', re.DOTALL)


@pytest.fixture
def growth(app):
    publish_growth(app)
    return app


def test_a_load_keeps_every_rule_and_gives_boards_and_reports_something_to_show(growth):
    """P5: open cards in every stage, exact totals, a sound log, true summaries, and a year behind them."""
    with growth.app_context():
        assert load_cards(GROWTH, 120, password=PASSWORD) == 144
        open_, closed = _counts()
        assert (sum(open_.values()), sum(closed.values())) == (120, 24)
        assert len(open_) == 11
        assert set(closed) == {"closed_won", "closed_lost"}
        assert verify_chains().is_sound
        assert refresh_summaries(db.session.scalars(sa.select(Card.id)).all()) == 0
        db.session.rollback()
        left = [moment for moment in db.session.scalars(sa.select(StageVisit.left_at)) if moment]
        assert len({moment.strftime("%Y-%m") for moment in left}) >= 11
        assert min(left) < now() - timedelta(days=300)
        open_cards = sa.select(Card).join(Stage, Stage.id == Card.stage_id).where(Stage.kind == "open")
        for card in db.session.scalars(open_cards):
            assert card.next_action
            assert card.next_action_assignee_id == card.owner_id
            assert card.sla_due_at is not None
            assert card.board_order == int(card.sla_due_at.timestamp())
        assert not is_wanted()
        import_id = db.session.scalars(sa.select(Card.import_id).limit(1)).one()
        db.session.rollback()
    caller = Caller(growth, make_user(growth, role="admin"))
    shown = dict(_COUNTS.findall(caller.get("/boards/wispgate.growth").text))
    assert {key: int(shown[key]) for key in open_} == open_
    assert "A load of cards" in caller.get("/imports/").text
    assert "144" in caller.get(f"/imports/{import_id}").text


def test_an_interrupted_load_goes_on_where_it_stopped(growth, monkeypatch):
    """P5: a batch is there wholly or not at all, and no card comes twice."""
    monkeypatch.setattr(loading, "BATCH", 20)

    def interrupt(done: int, wanted: int) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with growth.app_context():
        with pytest.raises(KeyboardInterrupt):
            load_cards(GROWTH, 60, password=PASSWORD, tell=interrupt)
        db.session.remove()
        assert load_cards(GROWTH, 60, password=PASSWORD) == 32
        assert load_cards(GROWTH, 60, password=PASSWORD) == 0
        assert sum(sum(counts.values()) for counts in _counts()) == 72
        accounts = db.session.scalars(sa.select(Account.name)).all()
        assert len(accounts) == len(set(accounts)) == 8
        assert verify_chains().is_sound


def test_a_load_stays_off_real_work_unless_told(growth):
    """P5: where people work who are not the demo's, nothing comes without a word for it."""
    person = make_user(growth, role="member", departments=["growth"])
    with growth.app_context():
        with pytest.raises(Conflict, match="nothing was loaded"):
            load_cards(GROWTH, 6, password="")
        assert _counts() == ({}, {})
        assert load_cards(GROWTH, 5, password="", anyway=True) == 6
        assert set(db.session.scalars(sa.select(Card.owner_id))) == {person.id}


@pytest.mark.parametrize("cards", [0, -1, 10**12])
def test_a_load_of_no_sense_is_refused(growth, cards):
    with growth.app_context(), pytest.raises(Invalid, match="how many cards"):
        load_cards(GROWTH, cards, password=PASSWORD)


def test_copied_rows_meet_the_same_guards(growth):
    """E6: the quick way to write sets no guard aside: a visit through no gate is refused."""
    make_user(growth)
    with growth.app_context():
        load_cards(GROWTH, 1, password="", anyway=True)
        columns = [column.name for column in StageVisit.__table__.columns if column.name != "id"]
        visit = db.session.scalars(sa.select(StageVisit).where(StageVisit.left_at.is_(None))).one()
        row = {name: getattr(visit, name) for name in columns}
        forged = {**row, "number": 99, "left_at": now(), "our_seconds": 0, "client_seconds": 0}
        db.session.rollback()
        with pytest.raises(sa.exc.IntegrityError, match="does not follow the visit before it"), transaction():
            copy_rows(StageVisit, [forged])
        with pytest.raises(sa.exc.IntegrityError, match="uq_stage_visits_card_id_number"), transaction():
            copy_rows(StageVisit, [{**forged, "number": row["number"]}])


def test_no_two_accounts_of_a_load_have_one_name():
    names = [account_name(turn) for turn in range(60_000)]
    assert len(set(names)) == len(names)


def test_the_command_says_how_far_it_is(growth, settings, monkeypatch):
    """P5: progress, and nothing where it refuses."""
    for name, value in {
        **environment_of(settings),
        "LIFECYCLE_DATA": str(settings.data_dir),
    }.items():
        monkeypatch.setenv(name, value)
    make_user(growth)
    refused = CliRunner().invoke(demo, ["load", "--cards", "5"])
    assert (refused.output, type(refused.exception)) == ("", Conflict)
    loaded = CliRunner().invoke(demo, ["load", "--cards", "5", "--anyway"])
    assert loaded.output == "6 of 6 cards\n6 cards came.\n"


def _counts() -> tuple[dict[str, int], dict[str, int]]:
    """How many cards stand in each open stage, and in each closed one."""
    query = sa.select(Stage.key, Stage.kind, sa.func.count()).join(Card, Card.stage_id == Stage.id)
    rows = db.session.execute(query.group_by(Stage.key, Stage.kind)).all()
    db.session.rollback()
    return (
        {key: count for key, kind, count in rows if kind == "open"},
        {key: count for key, kind, count in rows if kind != "open"},
    )
