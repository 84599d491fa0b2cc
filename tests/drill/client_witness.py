"""The witness of clients: what they typed, sent and signed, held against the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.drill.deals import Act
from tests.drill.site import Site
from tests.drill.witness import Finding, Judged

_EVENTS = """(select count(*) from events e where e.card_id = r.card_id and e.kind = '{}'
    and e.body #>> '{{data,request}}' = r.id::text)"""
_REQUESTS = f"""
select r.id::text as id, r.key, r.status, r.answers, r.signed_at, r.paper_id,
    r.proof ? 'code' as has_code, r.proof ? 'signature' as has_signature,
    (select count(*) from request_submissions s where s.request_id = r.id) as submissions,
    (select s.answers from request_submissions s where s.request_id = r.id order by number limit 1) as sent,
    {_EVENTS.format("card.request.submitted")} as submitted,
    {_EVENTS.format("card.request.accepted")} as accepted,
    {_EVENTS.format("card.request.paper_made")} as papers
from client_requests r
"""


@dataclass
class ClientFacts:
    """What clients did, in their order, and what is kept of their requests, by id."""

    acts: list[Act]
    requests: dict[str, dict[str, Any]]


def gather_clients(site: Site, acts: list[Act]) -> ClientFacts:
    """Read the facts, once everything has come to rest."""
    return ClientFacts(acts, {row["id"]: row for row in site.rows(_REQUESTS)})


def judge_clients(facts: ClientFacts) -> list[Judged]:
    """Return the verdict on what clients were promised."""
    acts: dict[str, list[Act]] = defaultdict(list)
    for act in facts.acts:
        acts[act.request].append(act)
    saves = sum(act.what == "save" for act in facts.acts)
    sends = sum(act.what == "submit" for act in facts.acts)
    signs = sum(act.what in ("sign", "forge") for act in facts.acts)
    rows = [(row, acts[key]) for key, row in facts.requests.items()]
    return [
        Judged("E19", "what a client types is kept", saves, [f for row in rows for f in _kept(*row)]),
        Judged("R5", "a form is sent once", sends, [f for row in rows for f in _sent(*row)]),
        Judged(
            "W16", "an order is signed once, by its code", signs, [f for row in rows for f in _signed(*row)]
        ),
    ]


def _kept(row: dict[str, Any], acts: list[Act]) -> Iterator[Finding]:
    """Every acknowledged answer is there, or a later one in its place; and so it was sent."""
    tried: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        if act.what == "save":
            tried[act.key].append(act)
    for key, saves in tried.items():
        done = [at for at, act in enumerate(saves) if act.told == "done"]
        may_be = {act.value for act in saves[done[-1] if done else 0 :]} | (set() if done else {None})
        for kept in (row["answers"], *([row["sent"]] if row["sent"] is not None else [])):
            if kept.get(key) not in may_be:
                yield Finding(
                    "lost", f"“{key}” of {row['id']} is {kept.get(key)!r}, typed last was one of {may_be}"
                )
    for act in acts:
        if act.what == "save" and act.told == "odd":
            yield Finding("lost", f"“{act.key}” of {row['id']} was not taken: {act.says}")


def _sent(row: dict[str, Any], acts: list[Act]) -> Iterator[Finding]:
    told = sum(act.what == "submit" and act.told == "done" for act in acts)
    if told > 1:
        yield Finding("doubled", f"{row['id']}: {told} were told that they sent it")
    if row["submissions"] > 1 or row["submitted"] != row["submissions"]:
        yield Finding(
            "doubled", f"{row['id']} was sent {row['submissions']} times, {row['submitted']} on record"
        )
    if told and (row["submissions"] != 1 or row["status"] != "submitted"):
        yield Finding("lost", f"{row['id']} was sent, and is {row['status']}")


def _signed(row: dict[str, Any], acts: list[Act]) -> Iterator[Finding]:
    told = sum(act.what == "sign" and act.told == "done" for act in acts)
    is_signed = row["signed_at"] is not None
    if any(act.what == "forge" and act.told == "done" for act in acts):
        yield Finding("bypassed", f"{row['id']} was signed with another's code")
    if told > 1 or row["accepted"] > 1 or row["papers"] > 1:
        yield Finding("doubled", f"{row['id']}: signed {told} times, with {row['papers']} papers")
    if told and not (is_signed and row["status"] == "accepted" and row["accepted"] == 1):
        yield Finding("lost", f"{row['id']} was signed, and is {row['status']}")
    if is_signed and not (row["has_code"] and row["has_signature"]):
        yield Finding("bypassed", f"{row['id']} is signed without a code")
    if row["paper_id"] is not None and not is_signed:
        yield Finding("bypassed", f"{row['id']} has a paper and no signature")
    if is_signed and (row["paper_id"] is None or row["papers"] != 1):
        yield Finding("stuck", f"{row['id']} is signed and has no paper")
