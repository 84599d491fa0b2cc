"""The 8,800 public opportunities on the Growth board, with the figures that their data is known for."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from lifecycle.core.db import db, one_moment, transaction
from lifecycle.exchange.imports.run import check_import, run_import
from lifecycle.exchange.imports.start import begin_import, read_map_file
from lifecycle.insight.reports.funnel import read_funnel
from lifecycle.insight.reports.scope import read_scope
from lifecycle.insight.reports.velocity import read_velocity
from tests.exchange.imports.conftest import BOARD
from tests.installation import ROOT

DATA = ROOT.parent / "shared" / "data" / "crm-opportunities"
MAP_FILE = Path(str(files("lifecycle"))) / "exchange" / "imports" / "maps" / "crm-opportunities.yaml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "sales_pipeline.csv").exists(),
        reason="the public CRM opportunities are not beside the checkout (../shared/data/crm-opportunities)",
    ),
]


def _begin(manager):
    with transaction():
        return begin_import(
            BOARD,
            "sales_pipeline.csv",
            (DATA / "sales_pipeline.csv").read_bytes(),
            actor=manager.actor,
            accounts=("accounts.csv", (DATA / "accounts.csv").read_bytes()),
            mapping=read_map_file(MAP_FILE.name, MAP_FILE.read_bytes()),
        ).id


def _one(sql: str):
    return db.session.execute(text(sql)).scalar_one()


def test_the_opportunities_stand_on_the_board_with_their_figures(manager, within):
    import_id = _begin(manager)
    checked = check_import(import_id)
    forecast = dict(checked.forecast)
    assert checked.state == "checked", checked.failure
    assert _one("select count(*) from cards") == 0

    begun = time.monotonic()
    record = run_import(import_id)
    seconds = time.monotonic() - begun
    assert (record.state, record.failure, record.rows_refused) == ("done", None, 0)
    # Twelve seconds on two idle cores; the bound leaves room for a busy machine.
    assert seconds < 600
    assert {**forecast, "questions": None} == {**record.summary, "questions": None}

    by_stage = "select s.key, count(*) as cards from cards c join stages s on s.id = c.stage_id group by 1"
    stages = {row.key: row.cards for row in db.session.execute(text(by_stage))}
    assert stages == {"closed_won": 4238, "closed_lost": 2473, "engaged": 1589, "sourced": 500}
    assert round(stages["closed_won"] / (stages["closed_won"] + stages["closed_lost"]), 4) == 0.6315
    won = "from cards c join stages s on s.id = c.stage_id where s.kind = 'won'"
    assert _one(f"select sum(value_amount) {won}") == 10_005_534
    assert _one(f"select count(distinct value_currency) {won}") == 1
    held = "from cards c join accounts a on a.id = c.account_id where a.is_holding"
    assert _one(f"select count(*) {held}") == 1425
    assert _one("select count(*) from accounts where not is_holding") == 85
    assert _one("select count(*) from accounts where country = 'US'") == 71
    days = (
        "select percentile_cont(0.5) within group "
        "(order by extract(epoch from last.entered_at - first.entered_at)) / 86400 "
        "from stage_visits last join stages s on s.id = last.stage_id "
        "join stage_visits first on first.card_id = last.card_id and first.number = 1 "
        "where last.number = 2 and s.kind = '{}' and last.entered_by_edge = 'imported'"
    )
    assert _one(days.format("won")) == 57
    assert _one(days.format("lost")) == 14
    assert _one("select count(*) from stage_visits where entered_by_edge = 'imported_undated'") == 500
    assert _one("select count(*) from cards where title like 'GTXPro%'") == 0
    assert _one("select count(*) from outbox_messages") == 0
    assert _one("select count(*) from events where kind = 'card.imported'") == 8800

    _check_reports()

    again = run_import(_begin(manager))
    assert (again.summary["unchanged"], again.summary["created"], again.summary["changed"]) == (8800, 0, 0)
    assert _one("select count(*) from cards") == 8800


def _check_reports() -> None:
    """L10, L11: the reports say what the data is known for; what has no date is in no period and no time."""
    with one_moment():
        whole = read_scope(BOARD, {}, ZoneInfo("UTC"))
        funnel, velocity = read_funnel(whole), read_velocity(whole)
        periods = read_funnel(read_scope(BOARD, {"from": "1990-01-01"}, ZoneInfo("UTC")))
    assert (funnel.cohort, funnel.won, funnel.lost) == (8800, 4238, 2473)
    assert funnel.win_rate == pytest.approx(0.6315, abs=0.00005)
    assert (velocity.won.median, velocity.lost.median) == (57, 14)
    assert periods.cohort == 8300
    assert next(stage.undated for stage in velocity.stages if stage.key == "sourced") == 500
