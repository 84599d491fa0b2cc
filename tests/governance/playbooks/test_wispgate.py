"""The shipped WISP vendor playbook says what its specification asks for (W1, W3 to W7, E20)."""

from __future__ import annotations

from datetime import date

import pytest

from lifecycle.governance.language.model import PipelineDef, PlaybookDef
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.doctor import examine
from lifecycle.governance.playbooks.load import LIBRARY, load

REPLIED, NO_ANSWER = {"count": 1, "outcome": "replied"}, {"count": 1, "outcome": "no_answer"}


@pytest.fixture(scope="module")
def wispgate() -> PlaybookDef:
    return compile_document(load(LIBRARY / "wispgate"))


@pytest.fixture(scope="module")
def growth(wispgate: PlaybookDef) -> PipelineDef:
    return wispgate.pipeline("growth")


def _fields(growth: PipelineDef, stage: str) -> set[str]:
    return {check.params.name for check in growth.stage(stage).leave if check.type == "field"}


def test_growth_has_exactly_its_twelve_steps_the_last_a_pair(growth):
    assert [stage.name for stage in growth.stages] == [
        "Sourced",
        "Verified",
        "Outreach Sent",
        "Follow up 1",
        "Follow up 2",
        "Follow up 3",
        "Engaged",
        "Demo Conducted",
        "Negotiation",
        "Subscription Request",
        "Subscribed",
        "Closed-Won",
        "Closed-Lost",
    ]
    assert growth.slug == "wispgate.growth"
    assert [(stage.key, stage.kind) for stage in growth.stages[-2:]] == [
        ("closed_won", "won"),
        ("closed_lost", "lost"),
    ]


def test_there_are_thirteen_phases_five_lanes_and_eight_departments(wispgate):
    assert [phase.name for phase in wispgate.phases.values()] == [
        "Lead",
        "Engagement",
        "Demo",
        "Negotiation",
        "Subscription",
        "Installation",
        "Order submission",
        "Delivery",
        "Questionnaire",
        "Migration",
        "Client approval",
        "Production cutover",
        "Monitoring",
    ]
    gates = [phase.number for phase in wispgate.phases.values() if phase.is_client_gate]
    assert gates == [5, 7, 9, 11]
    assert len(wispgate.lanes) == 5
    assert list(wispgate.departments) == [
        "growth",
        "finance",
        "delivery",
        "technical_operations",
        "support",
        "csm",
        "migration",
        "management",
    ]


def test_growth_owns_growth(growth):
    assert {stage.department for stage in growth.stages} == {"growth"}


def test_every_stage_is_complete(wispgate):
    assert examine(wispgate, date(2026, 11, 22)) == ()


def test_leads_bring_their_data(growth):
    assert _fields(growth, "sourced") == {"source", "icp_fit", "country", "segment"}
    assert _fields(growth, "verified") == {"contact_name", "contact_email"}


def test_each_outreach_and_follow_up_is_a_logged_talk_with_an_outcome(wispgate, growth):
    for stage in ("outreach", "follow_up_1", "follow_up_2", "follow_up_3"):
        assert wispgate.evidence[stage].accepts == ("talk",)
        assert wispgate.evidence[stage].outcome("no_answer")
        key = "outreach_sent" if stage == "outreach" else stage
        assert [check.params.name for check in growth.stage(key).leave if check.type == "evidence"] == [stage]


def test_three_unanswered_follow_ups_suggest_closed_lost_for_want_of_a_response(growth):
    (suggestion,) = growth.stage("follow_up_3").suggestions
    assert (suggestion.to, suggestion.answers) == ("closed_lost", {"reason": "no_response"})
    proofs = {f"follow_up_{number}": NO_ANSWER for number in (1, 2, 3)}
    assert suggestion.when.evaluate({"evidence": proofs})
    assert not suggestion.when.evaluate({"evidence": {**proofs, "follow_up_3": REPLIED}})
    nothing_logged = {"count": 0, "outcome": None}
    assert not suggestion.when.evaluate({"evidence": {**proofs, "follow_up_3": nothing_logged}})


def test_a_client_who_answers_need_not_be_chased(growth):
    for stage in ("outreach_sent", "follow_up_1", "follow_up_2", "follow_up_3"):
        edge = growth.edge(stage, "engaged")
        assert edge is not None
        assert edge.kind == "forward"


def test_qualification_needs_five_answers_and_a_call(growth):
    assert _fields(growth, "engaged") == {
        "pain",
        "urgency",
        "current_system",
        "network_type",
        "decision_path",
    }
    assert [check.params.name for check in growth.stage("engaged").leave if check.type == "meeting"] == [
        "qualification"
    ]


def test_terms_are_complete_and_a_discount_over_fifteen_percent_needs_approval(growth):
    assert {"plan", "price", "setup_scope", "migration_support", "integrations"} <= _fields(
        growth, "negotiation"
    )
    (approval,) = [check for check in growth.stage("negotiation").leave if check.type == "approval"]
    assert approval.params.by == "growth_manager"
    assert approval.params.of == ("plan", "price", "discount_percent")
    assert approval.when is not None
    assert not approval.when.evaluate({"card": {"discount_percent": "15"}})
    assert approval.when.evaluate({"card": {"discount_percent": "15.5"}})
    assert not approval.when.evaluate({"card": {"discount_percent": None}})


def test_the_subscription_gate_is_the_clients_and_nobody_waives_it(growth):
    gate = growth.stage("subscription_request")
    assert gate.is_client_gate
    (signed,) = gate.leave
    assert (signed.key, signed.waive, signed.severity) == (
        "subscription_request.leave.client.accept_subscription",
        None,
        "block",
    )
    assert [stage.key for stage in growth.stages if stage.is_client_gate] == ["subscription_request"]


def test_a_subscription_alerts_growth_finance_and_delivery(growth):
    assert growth.stage("subscribed").notify[0].departments == ("growth", "finance", "delivery")


def test_every_open_stage_can_be_lost_with_a_reason_and_a_manager_reopens(growth):
    for stage in growth.open_stages:
        edge = growth.edge(stage.key, "closed_lost")
        assert edge is not None
        assert edge.kind == "close"
    assert [(each.key, each.required) for each in growth.stage("closed_lost").asks] == [
        ("reason", True),
        ("note", False),
    ]
    reopen = growth.edge("closed_lost", "verified")
    assert reopen is not None
    assert (reopen.kind, reopen.by) == ("reopen", "manager")
    assert [question.key for question in reopen.asks] == ["why"]
