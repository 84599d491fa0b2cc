"""W15, W16: the gates of the shipped playbook that look at data sets, dry runs and test cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from tests.factories.cards import KnownCard, a_card
from tests.factories.people import make_user
from tests.factories.playbooks import publish_growth

PASSED = {
    "day": "2026-11-09",
    "scope": "Everything",
    "subscribers": 1840,
    "hours": "6",
    "differences": "None",
    "result": "passed",
    "signed_by": "Kofi Mensah",
}
FAILED = {**PASSED, "day": "2026-11-02", "result": "failed"}
REMARKS = {**PASSED, "result": "passed_with_remarks"}
GOOD = {"case": "Billing run", "area": "billing", "ours": True, "theirs": True}
BAD = {"case": "Receipt", "area": "messages", "ours": False, "theirs": True}
MISSING_SET = "Subscribers, plans, balances, invoices, the network and templates must be among the data sets."
MISSING_SET = "Subscribers, plans, balances, invoices, the network and templates must be among the data sets."
SETS = ["subscribers", "plans", "balances", "invoices", "network", "templates"]
CHECKED = [
    {"data": key, "requested_on": "2026-11-01", "received_on": "2026-11-02", "checked_on": "2026-11-03"}
    for key in SETS
]


@pytest.fixture
def card(app: Flask) -> KnownCard:
    publish_growth(app)
    return a_card(app, make_user(app, role="admin"), slug="wispgate.onboarding")


def _blocked(app: Flask, card: KnownCard, stage: str, **fields: Any) -> list[str]:
    """What the checks of a stage about these fields say of a card that has them."""
    with app.app_context():
        subject = get_subject(card.id)
        at = subject.pipeline.stage(stage)
        asked = [
            check
            for check in at.leave
            if (check.type == "field" and check.params.name in fields)
            or (check.type == "expression" and set(check.params.fix) & set(fields))
        ]
        standing = replace(subject, stage=at, proposed=fields)
        report = evaluate([GateQuestion(standing, at, tuple(asked))])[0]
        assert report.total >= 1
        return [check.sentence for check in report.blocked]


@pytest.mark.parametrize(
    ("runs", "sentences"),
    [
        (None, ["Dry runs: nothing is written down yet."]),
        ([FAILED], ["The last dry run has not passed; mend what differs and run it again."]),
        ([PASSED, FAILED], ["The last dry run has not passed; mend what differs and run it again."]),
        ([FAILED, PASSED], []),
        ([FAILED, FAILED, REMARKS], []),
    ],
)
def test_the_last_dry_run_must_have_passed_and_failed_ones_stay(
    app: Flask, card: KnownCard, runs: Any, sentences: list[str]
) -> None:
    assert _blocked(app, card, "staging", dry_runs=runs) == sentences


@pytest.mark.parametrize(
    ("cases", "result", "sentences"),
    [
        ([GOOD], "passed", []),
        (
            [GOOD, {**BAD, "remark": "Late"}],
            "passed",
            ["'Passed' means that every case passed on both sides; otherwise say 'Passed with remarks'."],
        ),
        ([GOOD, {**BAD, "remark": "Late"}], "passed_with_remarks", []),
        (
            [GOOD, BAD],
            "passed_with_remarks",
            ["Each case that did not pass on both sides needs a remark that says why."],
        ),
        ([GOOD], "failed", ["Parallel testing has not passed."]),
    ],
)
def test_the_result_of_parallel_testing_agrees_with_its_cases(
    app: Flask, card: KnownCard, cases: Any, result: str, sentences: list[str]
) -> None:
    found = _blocked(app, card, "parallel_testing", parallel_cases=cases, parallel_result=result)
    assert found == sentences


@pytest.mark.parametrize(
    ("sets", "sentences"),
    [
        (CHECKED, []),
        (
            CHECKED[1:],
            [MISSING_SET],
        ),
        (
            [*CHECKED, {"data": "tickets", "requested_on": "2026-11-01", "received_on": "2026-11-02"}],
            ["Every data set must have been received and checked; take out what is not wanted."],
        ),
    ],
)
def test_every_data_set_is_requested_received_and_checked(
    app: Flask, card: KnownCard, sets: Any, sentences: list[str]
) -> None:
    assert _blocked(app, card, "data_collection", data_sets=sets) == sentences


def test_migration_approves_the_runs_and_the_client_sees_them_with_the_cases(
    app: Flask, card: KnownCard
) -> None:
    with app.app_context():
        playbook = get_subject(card.id).playbook
    stage = playbook.pipeline("onboarding").stage("staging")
    approval = next(check.params for check in stage.leave if check.type == "approval")
    assert (approval.by, list(approval.of)) == ("migration", ["dry_runs"])
    shows = playbook.client_requests["cutover_approval"].shows
    assert {"dry_runs", "parallel_cases", "parallel_result"} <= set(shows)
