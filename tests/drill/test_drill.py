"""P13: the short drill breaks no promise, and its witness finds each kind of harm that is planted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.drill.__main__ import SHORT_CARDS, SHORT_DEALS, SHORT_MOVERS, Options, drill
from tests.drill.attempts import Attempt, read_journals
from tests.drill.faults import FAULTS
from tests.drill.mailserver import Arrival
from tests.drill.report import Result, as_page, as_text
from tests.drill.site import Site, running_site
from tests.drill.witness import HARMS, Facts, gather, judge

pytestmark = [pytest.mark.slow, pytest.mark.race, pytest.mark.xdist_group("product")]

OPTIONS = Options(short=True, minutes=1, seed=4, write=None, json=None)


@pytest.fixture(scope="module")
def drilled() -> Iterator[tuple[Site, Result]]:
    """One short drill, and the site that it left behind."""
    with running_site(SHORT_CARDS, SHORT_MOVERS, SHORT_DEALS) as site:
        yield site, drill(site, OPTIONS)


@pytest.fixture
def facts(drilled: tuple[Site, Result]) -> Facts:
    site, result = drilled
    return gather(site, list(read_journals(site.journals)), result.kills)


def harms(facts: Facts) -> set[tuple[str, str]]:
    """Every promise that is broken, with how."""
    return {(each.promise, finding.harm) for each in judge(facts) for finding in each.findings}


def test_a_short_drill_breaks_nothing(drilled: tuple[Site, Result], tmp_path: Path) -> None:
    _, result = drilled
    result.write_json(tmp_path / "drill.json")
    told = json.loads((tmp_path / "drill.json").read_text())
    assert told["broken"] == 0, as_text(result)
    for promise, counts in told["promises"].items():
        assert {harm: counts[harm] for harm in HARMS} == dict.fromkeys(HARMS, 0), promise
        assert counts["tried"] > 0, promise
    assert set(told["faults"]) == {fault.name for fault in FAULTS}
    moved = {channel: counts.get("moved", 0) for channel, counts in told["attempts"].items()}
    assert min(moved["JSON"], moved["board page"], moved["bulk"]) > 0
    assert told["attempts"]["undo"].get("undone", 0) > 0
    assert min(told["attempts"][f"client: {what}"]["done"] for what in ("save", "submit", "sign")) > 0


def test_the_page_names_the_run_and_no_machine(drilled: tuple[Site, Result]) -> None:
    site, result = drilled
    page = as_page(result)
    assert "--seed 4" in page
    assert str(site.folder) not in page
    assert page.count("| kill -9 ") == sum(fault.name.startswith("kill -9") for fault in FAULTS)


# --- a witness that cannot accuse is worth nothing ---


def test_a_message_whose_row_is_gone_is_lost(drilled: tuple[Site, Result]) -> None:
    site, result = drilled
    attempts = list(read_journals(site.journals))
    [row] = site.rows(
        "delete from outbox_messages where id = (select id from outbox_messages "
        "where state = 'sent' and cause like 'firing/%%' limit 1) returning *"
    )
    found = harms(gather(site, attempts, result.kills))
    columns = ", ".join(row)
    site.rows(
        f"insert into outbox_messages ({columns}) values ({', '.join(['%s'] * len(row))}) returning id",
        *row.values(),
    )
    assert {("R2", "lost"), ("R3", "doubled")} <= found
    assert harms(gather(site, attempts, result.kills)) == set()


def test_a_forged_answer_of_a_move_is_a_lost_move(facts: Facts) -> None:
    blocked = next(each for each in facts.attempts if each.told == "blocked")
    told = next(each for each in facts.attempts if each.told == "moved")
    forged = [replace(blocked, told="moved", visit=987654321), replace(told, seen=987654321)]
    for attempt in forged:
        found = harms(replace(facts, attempts=[*facts.attempts, attempt]))
        assert ("R1", "lost") in found


def _import_forgot(facts: Facts) -> Facts:
    return replace(facts, told_by_imports=facts.told_by_imports + len(facts.visits))


def _moved_twice(facts: Facts) -> Facts:
    moved = next(each for each in facts.attempts if each.told == "moved")
    return replace(facts, attempts=[*facts.attempts, moved])


def _moved_though_refused(facts: Facts) -> Facts:
    def refuse(attempt: Attempt) -> Attempt:
        return replace(attempt, told="stale") if attempt.told == "moved" else attempt

    return replace(facts, attempts=[refuse(attempt) for attempt in facts.attempts])


def _let_through(facts: Facts) -> Facts:
    return replace(facts, priceless={str(row["card_id"]) for row in facts.visits})


def _let_through_by_its_answer(facts: Facts) -> Facts:
    moved = next(each for each in facts.attempts if each.told == "moved")
    return replace(facts, attempts=[replace(moved, is_illegal=True), *facts.attempts])


def _backward(facts: Facts) -> Facts:
    row = next(row for row in facts.visits if row["from_stage"] == "prepared")
    return replace(facts, visits=[*facts.visits, {**row, "stage": "intake", "continues_visit_id": None}])


def _never_arrived(facts: Facts) -> Facts:
    gone = facts.arrivals[0].message_id
    return replace(facts, arrivals=[each for each in facts.arrivals if each.message_id != gone])


def _sent_twice(facts: Facts) -> Facts:
    once = Arrival(facts.messages[0]["message_id"], "a@demo.example", "taken", time.monotonic() + 1_000)
    return replace(facts, arrivals=[*facts.arrivals, once, once])


def _failed_unrefused(facts: Facts) -> Facts:
    sent = next(row for row in facts.messages if row["state"] == "sent")
    return replace(facts, messages=[*facts.messages, {**sent, "state": "failed"}])


def _still_waiting(facts: Facts) -> Facts:
    return replace(facts, messages=[*facts.messages, {**facts.messages[0], "state": "due"}])


def _rule_still_waiting(facts: Facts) -> Facts:
    return replace(facts, pending={**facts.pending, "rule": 1})


def _move_off_the_record(facts: Facts) -> Facts:
    return replace(facts, owed=facts.owed[1:])


@pytest.mark.parametrize(
    ("plant", "promise", "harm"),
    [
        (_import_forgot, "R1", "lost"),
        (_moved_twice, "R1", "doubled"),
        (_moved_though_refused, "R1", "doubled"),
        (_let_through, "R1", "bypassed"),
        (_let_through_by_its_answer, "R1", "bypassed"),
        (_backward, "R1", "bypassed"),
        (_never_arrived, "R2", "lost"),
        (_failed_unrefused, "R2", "lost"),
        (_move_off_the_record, "R2", "lost"),
        (_sent_twice, "R3", "doubled"),
        (_still_waiting, "R4", "stuck"),
        (_rule_still_waiting, "R4", "stuck"),
    ],
)
def test_planted_harm_is_found(
    facts: Facts, plant: Callable[[Facts], Facts], promise: str, harm: str
) -> None:
    assert harms(facts) == set(), asdict(facts.attempts[0])
    assert (promise, harm) in harms(plant(facts))


def test_the_one_open_window_of_smtp_is_no_double(facts: Facts) -> None:
    number = facts.messages[0]["message_id"]
    cut = Arrival(number, "a@demo.example", "cut", 0.0)
    taken = Arrival(number, "a@demo.example", "taken", 1.0)
    assert ("R3", "doubled") not in harms(replace(facts, arrivals=[*facts.arrivals, cut, taken]))
    # Killed just after the answer, or long after it.
    twice = [*facts.arrivals, replace(taken, at=5_000.0), taken]
    assert ("R3", "doubled") not in harms(replace(facts, arrivals=twice, kills=[*facts.kills, 5_001.0]))
    assert ("R3", "doubled") in harms(replace(facts, arrivals=twice, kills=[*facts.kills, 5_060.0]))
