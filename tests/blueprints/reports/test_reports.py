"""L10, L11: the report pages, their export, and what becomes of addresses that make no sense."""

from __future__ import annotations

import html
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from click.testing import CliRunner
from flask import Flask

from lifecycle.commands.report import report
from lifecycle.config import Settings
from lifecycle.core.db import one_moment
from lifecycle.insight.reports.funnel import read_funnel
from lifecycle.insight.reports.scope import read_scope
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account, move
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements
from tests.installation import environment_of

STAGES = "first: { sla: 2 business days }\nsecond: {}"
# Whatever the number of cards; changed only on purpose.
COSTS = {
    "/command-center": 10,
    "/command-center/accounts": 5,
    "/command-center/accounts?show=idle": 4,
    "/command-center/cards": 3,
    "/command-center/handoffs": 3,
    f"/reports/{LAB}?by=source": 11,
    f"/reports/{LAB}/velocity": 9,
    f"/reports/{LAB}/cohorts": 7,
    f"/reports/{LAB}/cards?figure=reached&stage=first": 5,
    f"/reports/{LAB}.csv": 6,
    f"/reports/{LAB}/velocity.csv": 6,
}


@pytest.fixture
def manager(app: Flask):
    publish_lab(app, STAGES)
    return make_user(app, role="manager", name="Mara")


@pytest.fixture
def caller(app: Flask, manager) -> Caller:
    return Caller(app, manager)


def test_every_number_of_the_funnel_leads_to_its_cards(app: Flask, manager, caller: Caller) -> None:
    for title in ("Stays", "Moves on", "Is lost"):
        card = a_card(app, manager, title=title)
        if title == "Moves on":
            move(app, card, "second", manager)
        if title == "Is lost":
            move(app, card, "lost", manager, answers={"why": "=Price <b>"})
    page = caller.get(f"/reports/{LAB}").text
    assert "Most is lost in First: 1 of 3 went no further." in page
    assert "=Price &lt;b&gt;" in page
    behind = caller.get(f"/reports/{LAB}/cards?figure=dropped&stage=first").text
    assert "Is lost" in behind
    assert "Moves on" not in behind
    assert "Lost, with First as the furthest" in behind
    center = caller.get("/command-center").text
    assert f"/reports/{LAB}/cards?figure=now&amp;stage=second" in center


@pytest.mark.parametrize("number", [1, 12])
def test_p5_a_report_costs_the_same_number_of_statements(
    app: Flask, manager, caller: Caller, number: int
) -> None:
    for _ in range(number):
        a_card(app, manager)
    caller.get("/command-center")
    costs = {}
    for address in COSTS:
        with statements(app) as sent:
            assert caller.get(address).status_code == 200
        costs[address] = len(sent)
    assert costs == COSTS


@pytest.mark.parametrize(
    "query",
    [
        "from=zzz",
        "from=0000-01-01",
        "from=9999-12-31&to=9999-12-31",
        "from=2026-05-01&to=2026-04-01",
        "to=6050-12-31&from=2026-01-01",
        "to=9000-12-31&from=1900-01-01",
        "owner=nobody",
        "source=%00%25_%27&country=%E2%80%AE",
        "segment=" + "x" * 9000,
        "by=nothing&time=no&stays=no&page=-7",
    ],
)
def test_strange_questions_get_an_answer(caller: Caller, query: str) -> None:
    for page in ("", "/velocity", "/cohorts"):
        answer = caller.get(f"/reports/{LAB}{page}?{query}")
        assert answer.status_code == 200
        if query.startswith("from"):
            assert "The whole history is shown." in answer.text
    assert caller.get(f"/reports/{LAB}/cards?figure=won&{query}").status_code == 200


def test_what_is_not_there_is_not_found(caller: Caller) -> None:
    for address in (
        "/reports/no.such",
        f"/reports/{LAB}/cards?figure=x",
        f"/reports/{LAB}/cards?figure=now&stage=x",
    ):
        assert caller.get(address).status_code == 404


def test_the_csv_computes_nothing(app: Flask, caller: Caller) -> None:
    publish_lab(app, 'first: { name: "=1+1" }')
    lines = caller.get(f"/reports/{LAB}.csv").text.splitlines()
    assert lines[0].lstrip("\ufeff").startswith("stage,kind,reached")
    assert lines[1].startswith("'=1+1,open,")


def test_the_command_says_the_same_as_the_page(app: Flask, manager, run) -> None:
    card = a_card(app, manager)
    move(app, card, "lost", manager, answers={"why": "Price"})
    said = run("funnel", "--pipeline", LAB)
    assert (said["cohort"], said["lost"], said["win_rate"]) == (1, 1, 0.0)
    (reason,) = said["reasons"]
    assert (reason["stage"], reason["kind"], reason["words"], reason["count"]) == ("Lost", "lost", "Price", 1)
    visits = run("visits", "--pipeline", LAB)
    assert [visit["stage"] for visit in visits] == ["first", "lost"]
    times = run("velocity", "--pipeline", LAB, "--time", "business")
    assert times["lost"]["count"] == 1
    assert [(cohort["cards"], cohort["lost"]) for cohort in times["cohorts"]] == [(1, 1)]


@pytest.fixture
def run(settings: Settings):
    """Run the command in this process, with the settings it would find in its environment."""
    environment = {
        **environment_of(settings),
        "LIFECYCLE_DATA": str(settings.data_dir),
    }

    def run(*words: str):
        done = CliRunner().invoke(report, list(words), catch_exceptions=False, env=environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


def test_a_report_is_of_one_moment_whatever_moves_meanwhile(app: Flask, manager) -> None:
    """E24, P5: two figures read one after the other agree, though a card was moved between them."""
    card = a_card(app, manager)
    with app.app_context(), one_moment():
        scope = read_scope(LAB, {}, ZoneInfo("UTC"))
        before = read_funnel(scope)
        _move_elsewhere(app, card, manager)
        assert read_funnel(scope) == before
    with app.app_context(), one_moment():
        assert read_funnel(scope) != before


def _move_elsewhere(app: Flask, card, manager) -> None:
    mover = threading.Thread(target=move, args=(app, card, "second", manager))
    mover.start()
    mover.join()


def test_a_report_is_narrowed_by_what_its_cards_have_and_compared_with_the_period_before(
    app: Flask, manager, caller: Caller
) -> None:
    """L10, L11: segment and source are offered as their values occur; two cards began before, one since."""
    with time_machine.travel(datetime(2026, 3, 2, 10, tzinfo=UTC), tick=False) as clock:
        for days, segment in ((0, "mobile"), (0, "mobile"), (40, "fibre")):
            clock.shift(timedelta(days=days))
            account = make_account(app, segment=segment, fields={"source": "Fair <b>"})
            move(app, a_card(app, manager, account=account), "done", manager, override=True, reason="Signed")
    whole = caller.get(f"/reports/{LAB}").text
    assert re.findall(r'name="(owner|segment|source|country|product)"', whole) == [
        "owner",
        "segment",
        "source",
    ]
    assert '<option value="Fair &lt;b&gt;">' in whole
    assert "in the period before" not in whole
    narrow = "from=2026-04-01&to=2026-04-30"
    funnel = caller.get(f"/reports/{LAB}?{narrow}").text
    assert "2 in the period before" in funnel
    fibre = caller.get(f"/reports/{LAB}?{narrow}&segment=mobile").text
    assert "Nothing began or closed in this period." in fibre
    velocity = caller.get(f"/reports/{LAB}/velocity?{narrow}").text
    assert "0 min in the period before" in velocity
    cohorts = caller.get(f"/reports/{LAB}/cohorts").text
    assert "100.0 % of what began in April 2026 and closed was won." in cohorts
    with time_machine.travel(datetime(2026, 5, 4, 10, tzinfo=UTC), tick=False):
        for segment in ("mobile", "mobile", "fibre"):
            a_card(app, manager, account=make_account(app, segment=segment))
        lost = a_card(app, manager, account=make_account(app, segment="fibre"))
        move(app, lost, "lost", manager, answers={"why": "Too early"})
    young = caller.get(f"/reports/{LAB}/cohorts").text
    assert "May 2026" in young
    assert "100.0 % of what began in April 2026 and closed was won." in young
    assert (
        "Nothing began in this period"
        in caller.get(f"/reports/{LAB}/cohorts?from=2020-01-01&to=2020-02-01").text
    )


@pytest.mark.parametrize("page", ["", "/velocity", "/cohorts"])
def test_every_number_of_a_report_leads_to_as_many_rows(
    app: Flask, manager, caller: Caller, page: str
) -> None:
    """L10, L11: what a page links as a number is the count on the page behind it, months and groups too."""
    publish_lab(app, STAGES, first_value="{ stage: second }")
    for n in range(4):
        card = a_card(app, manager)
        if n:
            move(app, card, "second", manager)
        if n > 1:
            move(app, card, "lost", manager, answers={"why": "Price & \u201cterms\u201d"})
    found = caller.get(f"/reports/{LAB}{page}?by=owner&time=business&stays=total").text
    found += caller.get(f"/reports/{LAB}{page}?by=month&from=2020-01-01").text
    links = re.findall(r'<a class="figure" href="([^"]+)">([\d,]+)</a>', found)
    assert len(links) > 6
    for address, count in links:
        behind = caller.get(html.unescape(address)).text
        assert f"{count} in Trials" in behind, address
