"""The witness: what the movers were told and what the mail server has, held against the database.

It believes no trigger, index or state of the product: an acknowledged move must stand, a standing move must
have been asked for, and a message that says `sent` must lie at the mail server.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from tests.drill.attempts import Attempt
from tests.drill.mailserver import Arrival
from tests.drill.playbook import FORBIDDEN, MAILS
from tests.drill.site import Site

Harm = Literal["lost", "doubled", "stuck", "bypassed"]
HARMS: tuple[Harm, ...] = ("lost", "doubled", "stuck", "bypassed")
# A kill this close to an arrival can have kept the sender from noting it.
KILL_WINDOW = (-0.5, 3.0)

_VISITS = """
select v.id, v.card_id, s.key as stage, v.entered_channel as channel, v.continues_visit_id,
    lag(v.id) over chain as before, lag(s.key) over chain as from_stage
from stage_visits v join stages s on s.id = v.stage_id
window chain as (partition by v.card_id order by v.number, v.id)
"""
_OWED = """
select e.card_id, (e.body #>> '{data,to,visit}')::bigint as visit, e.body #>> '{data,to,stage}' as stage,
    count(m.id) as messages
from events e
left join rule_firings f on f.card_id = e.card_id and f.cause = e.id::text
left join outbox_messages m on m.cause like 'firing/' || f.id || '/%%'
where e.kind = 'card.stage.entered' group by e.id, e.card_id, visit, stage
"""
_IMPORTED = "select coalesce(sum((summary ->> 'moved')::int), 0) as n from card_imports where state = 'done'"
_PRICES = """
select card_id, kind, body #> '{data}' as data from events
where card_id is not null and kind in ('card.imported', 'card.fields.changed', 'card.stage.entered')
order by chain_id, seq
"""


@dataclass(frozen=True)
class Finding:
    """One broken promise."""

    harm: Harm
    what: str


@dataclass
class Judged:
    """A promise: what it is about, how much of it was tried, and what broke it."""

    promise: str
    what: str
    tried: int
    findings: list[Finding] = field(default_factory=list)

    def count(self, harm: Harm) -> int:
        return sum(1 for finding in self.findings if finding.harm == harm)


@dataclass
class Facts:
    """What the database, the mail server and the drill itself know when all is over."""

    attempts: list[Attempt]
    visits: list[dict[str, Any]]
    owed: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    pending: dict[str, int]
    told_by_imports: int
    history: list[dict[str, Any]]
    arrivals: list[Arrival]
    kills: list[float]
    priceless: set[str]


def gather(site: Site, attempts: list[Attempt], kills: list[float]) -> Facts:
    """Read the facts, once everything has come to rest."""
    waiting = {
        "rule": "select count(*) as n from rule_firings where state = 'pending'",
        "import": "select count(*) as n from card_imports where state in ('checking', 'running')",
    }
    return Facts(
        attempts=attempts,
        visits=site.rows(_VISITS),
        owed=site.rows(_OWED),
        messages=site.rows(
            "select id, kind, channel, message_id, state, attempts, visit_id, cause from outbox_messages"
        ),
        told_by_imports=site.rows(_IMPORTED)[0]["n"],
        pending={name: site.rows(query)[0]["n"] for name, query in waiting.items()},
        history=site.rows(_PRICES),
        arrivals=[*site.mail.arrivals, *site.texts.arrivals],
        kills=kills,
        priceless=site.priceless,
    )


def judge(facts: Facts) -> list[Judged]:
    """Return the verdict on every promise."""
    mail = len(facts.messages)
    return [
        Judged(
            "R1",
            "a card advances once, through its gate",
            len(facts.attempts),
            [*_moves(facts), *_gates(facts)],
        ),
        Judged(
            "R2",
            "a move's messages exist and arrive",
            sum(_owed(row) for row in facts.owed),
            [*_mail_owed(facts)],
        ),
        Judged("R3", "a message is sent once", len(facts.arrivals), [*_doubles(facts)]),
        Judged("R4", "a message ends in a visible state", mail, [*_stuck(facts)]),
    ]


# --- R1 ---


def _moves(facts: Facts) -> Iterator[Finding]:
    after = {row["before"]: row for row in facts.visits if row["before"] is not None}
    for attempt in facts.attempts:
        if attempt.told in ("moved", "undone") and not _stands(attempt, after.get(attempt.seen)):
            yield Finding("lost", f"{attempt.channel} of card {attempt.card} from visit {attempt.seen}")
        if attempt.told == "moved" and attempt.is_illegal:
            yield Finding("bypassed", f"{attempt.channel} of card {attempt.card} to {attempt.to}")
    told = Counter((attempt.card, attempt.seen) for attempt in facts.attempts if attempt.told == "moved")
    for (card, seen), count in told.items():
        if count > 1:
            yield Finding("doubled", f"card {card} was moved {count} times from visit {seen}")
    by_import = sum(1 for row in facts.visits if row["channel"] == "import" and row["before"] is not None)
    for _ in range(facts.told_by_imports - by_import):
        yield Finding("lost", "an import says that it moved a card, and no such move stands")
    yield from _unasked(facts)


def _stands(attempt: Attempt, visit: dict[str, Any] | None) -> bool:
    if visit is None or str(visit["card_id"]) != attempt.card:
        return False
    if attempt.told == "undone":
        return visit["continues_visit_id"] is not None
    return visit["stage"] == attempt.to and attempt.visit in (None, visit["id"])


def _unasked(facts: Facts) -> Iterator[Finding]:
    """Find visits that no attempt accounts for: one attempt acted twice, or one that was refused acted."""
    asked = {
        (attempt.card, attempt.seen, attempt.to)
        for attempt in facts.attempts
        if attempt.told in ("moved", "undone", "unknown")
    }
    by_import = Counter(
        (attempt.card, attempt.to) for attempt in facts.attempts if attempt.channel == "import"
    )
    for row in facts.visits:
        card = str(row["card_id"])
        if row["before"] is None:
            continue
        if row["channel"] == "import":
            by_import[card, row["stage"]] -= 1
            is_asked = by_import[card, row["stage"]] >= 0
        else:
            is_undo = row["continues_visit_id"] is not None
            is_asked = (card, row["before"], "" if is_undo else row["stage"]) in asked
        if not is_asked:
            way = f"{row['from_stage']} to {row['stage']} by {row['channel']}"
            yield Finding("doubled", f"visit {row['id']} of card {card}, {way}, was not asked for")


def _gates(facts: Facts) -> Iterator[Finding]:
    for row in facts.visits:
        if row["continues_visit_id"] is None and FORBIDDEN.get(row["from_stage"]) == row["stage"]:
            yield Finding("bypassed", f"visit {row['id']} came by no way")
    price: dict[UUID, Any] = {}
    for event in facts.history:
        card, data = event["card_id"], event["data"]
        if event["kind"] == "card.imported":
            price[card] = data["taken"]["fields"].get("price")
        elif event["kind"] == "card.fields.changed":
            if "price" in data["changes"]:
                price[card] = data["changes"]["price"]["after"]
        elif data["from"]["stage"] == "intake" and (price[card] is None or str(card) in facts.priceless):
            yield Finding("bypassed", f"visit {data['to']['visit']} of card {card} came without a price")


# --- R2, R3, R4 ---


def _owed(row: dict[str, Any]) -> int:
    return MAILS[row["stage"]]


def _mail_owed(facts: Facts) -> Iterator[Finding]:
    undone = {row["before"] for row in facts.visits if row["continues_visit_id"] is not None}
    for row in facts.owed:
        if row["visit"] not in undone and row["messages"] < _owed(row):
            yield Finding(
                "lost", f"visit {row['visit']} owes {_owed(row)} messages and has {row['messages']}"
            )
    recorded = {row["visit"] for row in facts.owed}
    for visit in facts.visits:
        if (
            visit["before"] is not None
            and visit["continues_visit_id"] is None
            and visit["id"] not in recorded
        ):
            yield Finding("lost", f"visit {visit['id']} is not on record, and nothing is owed for it")
    kept = Counter(arrival.message_id for arrival in facts.arrivals if arrival.is_kept)
    refused = {arrival.message_id for arrival in facts.arrivals if arrival.fate == "refused"}
    for message in facts.messages:
        number, state = _number(message), message["state"]
        if state == "sent" and not kept[number]:
            yield Finding("lost", f"message {number} is sent and never arrived")
        elif state == "failed" and number not in refused:
            yield Finding("lost", f"message {number} failed, and the mail server never refused it")
        elif state == "cancelled" and message["visit_id"] not in undone:
            yield Finding("lost", f"message {number} was cancelled, and its move was not undone")


def _number(message: dict[str, Any]) -> str:
    """Return under what a message arrives: by SMS its own id, by mail its Message-ID."""
    return str(message["id"] if message["channel"] == "sms" else message["message_id"])


def _doubles(facts: Facts) -> Iterator[Finding]:
    known = {str(message[name]) for message in facts.messages for name in ("id", "message_id")}
    arrived: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
    for arrival in facts.arrivals:
        if arrival.message_id not in known:
            yield Finding("doubled", f"message {arrival.message_id} arrived, and nobody owes it")
        if arrival.is_kept:
            arrived[arrival.message_id, arrival.to].append(arrival)
    for (number, _), same in arrived.items():
        for earlier in same[:-1]:
            if not earlier.is_unsure and not _killed_at(earlier.at, facts.kills):
                yield Finding("doubled", f"message {number} was sent again though its arrival was confirmed")

    # What has gone by SMS goes by mail only if nobody could know that it had.
    kept = {arrival.message_id for arrival in facts.arrivals if arrival.is_kept}
    by_text = {number: same for (number, _), same in arrived.items()}
    for message in facts.messages:
        text = by_text.get(str(message["id"]), [])
        if message["message_id"] in kept and any(
            not each.is_unsure and not _killed_at(each.at, facts.kills) for each in text
        ):
            yield Finding("doubled", f"message {message['id']} was sent by SMS, and by mail as well")


def _killed_at(moment: float, kills: Sequence[float]) -> bool:
    return any(KILL_WINDOW[0] <= kill - moment <= KILL_WINDOW[1] for kill in kills)


def repeats(facts: Facts) -> int:
    """Return how many messages came again under their Message-ID, as the one open window of SMTP allows."""
    kept = Counter((arrival.message_id, arrival.to) for arrival in facts.arrivals if arrival.is_kept)
    return sum(count - 1 for count in kept.values())


def _stuck(facts: Facts) -> Iterator[Finding]:
    for message in facts.messages:
        if message["state"] not in ("sent", "failed", "cancelled", "unconfirmed"):
            yield Finding("stuck", f"message {message['message_id']} is {message['state']}")
        elif message["state"] != "cancelled" and message["attempts"] < 1:
            yield Finding(
                "stuck", f"message {message['message_id']} is {message['state']} without an attempt"
            )
    for what, count in facts.pending.items():
        for _ in range(count):
            yield Finding("stuck", f"a {what} is not done")
