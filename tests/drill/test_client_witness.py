"""P13: the drill's witness of clients accuses whoever loses, doubles or lets through what a client did."""

from __future__ import annotations

from typing import Any

import pytest

from tests.drill.client_witness import ClientFacts, judge_clients
from tests.drill.deals import Act

SURVEY: dict[str, Any] = {
    "id": "s", "key": "survey", "status": "submitted", "answers": {"name": "b"}, "sent": {"name": "b"},
    "signed_at": None, "paper_id": None, "has_code": False, "has_signature": False,
    "submissions": 1, "submitted": 1, "accepted": 0, "papers": 0,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "id": "o", "key": "order", "status": "accepted", "answers": {}, "sent": None,
    "signed_at": "now", "paper_id": "p", "has_code": True, "has_signature": True,
    "submissions": 0, "submitted": 0, "accepted": 1, "papers": 1,
}  # fmt: skip
ACTS = [
    Act("s", "save", "done", "name", "a"),
    Act("s", "save", "done", "name", "b"),
    Act("s", "submit", "done"),
    Act("s", "submit", "refused"),
    Act("o", "forge", "refused"),
    Act("o", "sign", "done"),
    Act("o", "sign", "refused"),
]


def harms(acts: list[Act], **rows: dict[str, Any]) -> set[tuple[str, str]]:
    requests = {"s": {**SURVEY, **rows.get("s", {})}, "o": {**ORDER, **rows.get("o", {})}}
    judged = judge_clients(ClientFacts(acts, requests))
    return {(each.promise, finding.harm) for each in judged for finding in each.findings}


def test_what_is_as_it_was_told_is_no_harm() -> None:
    assert harms(ACTS) == set()
    # Nobody was told of a later answer, which may have come through; and of a signature likewise.
    assert harms([*ACTS, Act("s", "save", "unknown", "name", "c")]) == set()
    late = [Act("s", "save", "done", "name", "b"), Act("s", "submit", "unknown"), Act("o", "sign", "unknown")]
    assert harms(late) == set()
    nothing = {"status": "opened", "accepted": 0, "papers": 0, "signed_at": None, "paper_id": None}
    assert harms(late, o=nothing) == set()


@pytest.mark.parametrize(
    ("acts", "rows", "harm"),
    [
        ([], {"s": {"answers": {"name": "a"}}}, ("E19", "lost")),
        ([], {"s": {"sent": {"name": "a"}}}, ("E19", "lost")),
        ([], {"s": {"answers": {}}}, ("E19", "lost")),
        ([Act("s", "save", "odd", "name", "c", "404")], {}, ("E19", "lost")),
        ([], {"s": {"submissions": 2, "submitted": 2}}, ("R5", "doubled")),
        ([], {"s": {"submitted": 2}}, ("R5", "doubled")),
        ([Act("s", "submit", "done")], {}, ("R5", "doubled")),
        ([], {"s": {"submissions": 0, "submitted": 0, "status": "opened"}}, ("R5", "lost")),
        ([Act("o", "forge", "done")], {}, ("W16", "bypassed")),
        ([], {"o": {"has_code": False}}, ("W16", "bypassed")),
        ([], {"o": {"signed_at": None}}, ("W16", "bypassed")),
        ([], {"o": {"papers": 2}}, ("W16", "doubled")),
        ([Act("o", "sign", "done")], {}, ("W16", "doubled")),
        ([], {"o": {"status": "opened"}}, ("W16", "lost")),
        ([], {"o": {"paper_id": None, "papers": 0}}, ("W16", "stuck")),
    ],
)
def test_planted_harm_is_found(
    acts: list[Act], rows: dict[str, dict[str, Any]], harm: tuple[str, str]
) -> None:
    assert harm in harms([*ACTS, *acts], **rows)
