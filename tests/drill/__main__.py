"""`python -m tests.drill`: the fault drill, from start to verdict; exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drill.attempts import Attempt, read_journals
from tests.drill.client_witness import gather_clients, judge_clients
from tests.drill.clients import Clients
from tests.drill.deals import Act, read_acts
from tests.drill.faults import Chaos
from tests.drill.movers import Crew
from tests.drill.probes import Probes
from tests.drill.report import Result, as_page, as_text
from tests.drill.rest import check_books, come_to_rest
from tests.drill.site import Site, running_site
from tests.drill.witness import gather, judge, repeats

CARDS, SHORT_CARDS = 200, 100
MOVERS, SHORT_MOVERS = 4, 3
SHORT_DEALS, DEALS_A_MINUTE = 8, 8


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    short: bool
    minutes: float
    seed: int
    write: Path | None
    json: Path | None


def main() -> int:
    """Run a drill from the command line."""
    options = parse()
    cards, movers = (SHORT_CARDS, SHORT_MOVERS) if options.short else (CARDS, MOVERS)
    say(f"Starting the product, with {cards} cards")
    deals = SHORT_DEALS if options.short else int(DEALS_A_MINUTE * options.minutes) + SHORT_DEALS
    with running_site(cards, movers, deals) as site:
        result = drill(site, options)
    print(as_text(result))  # noqa: T201 - this is a command
    if options.write:
        options.write.write_text(as_page(result))
    if options.json:
        result.write_json(options.json)
    return 1 if result.broken else 0


def drill(site: Site, options: Options) -> Result:
    """Load the site, let everything happen to it, bring it to rest, and judge."""
    began = time.monotonic()
    chaos = Chaos(site, Probes(site), say, mode_seconds=2.0 if options.short else 6.0)
    crew, clients = Crew(site, options.seed), Clients(site, options.seed)
    crew.start()
    clients.start()
    say("Injecting faults")
    inject_all(chaos, options)
    crew.stop()
    clients.stop()
    say("Healing, and waiting until everything has come to rest")
    rested = come_to_rest(site, chaos.probes, hurry=options.short)
    attempts = list(read_journals(site.journals))
    facts = gather(site, attempts, chaos.kills)
    acts = list(read_acts(site.acts))
    again, illegal = repeats(facts), sum(attempt.is_illegal for attempt in attempts)
    remarks = [
        f"All had come to rest {rested:.0f} s after the last fault, the clock set forward to later tries.",
        f"{again} messages came again under their Message-ID: nobody could know that they had arrived.",
        f"{illegal:,} attempts were knowingly illegal; {repeated(attempts):,} asked for the same again.",
        f"Imports answer with a sum: they say that they moved {facts.told_by_imports:,} cards.",
        *unconfirmed(facts.messages),
        *(f"The point “{point}” was not reached in time." for point in chaos.not_reached),
    ]
    length = "--short" if options.short else f"--minutes {options.minutes:g}"
    return Result(
        command=f"./dev drill {length} --seed {options.seed}",
        seed=options.seed,
        cards=len(site.cards),
        movers=len(site.movers),
        seconds=time.monotonic() - began,
        outcomes=list(chaos.outcomes.values()),
        judged=[*judge(facts), *judge_clients(gather_clients(site, acts)), *check_books(site)],
        tried={**by_channel(attempts), **by_act(acts)},
        kills=chaos.kills,
        remarks=remarks,
        versions=site.versions(),
    )


def inject_all(chaos: Chaos, options: Options) -> None:
    """Inject each fault once, or rounds of all of them until the time is over."""
    chance = random.Random(options.seed)
    ends_at = time.monotonic() + options.minutes * 60
    chaos.round(chance, until=float("inf") if options.short else ends_at)
    while not options.short and time.monotonic() < ends_at:
        chaos.round(chance, until=ends_at)


def repeated(attempts: Sequence[Attempt]) -> int:
    """Return how many attempts were the same request over again: the visit that was seen is its mark."""
    requests = Counter((each.card, each.seen, each.to) for each in attempts if each.seen)
    return sum(count - 1 for count in requests.values())


def unconfirmed(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Say how many messages are left to a person, since nobody can know whether they arrived."""
    count = sum(1 for message in messages if message["state"] == "unconfirmed")
    return [f"{count} messages are shown as unconfirmed, for a person to decide about."] if count else []


def by_channel(attempts: Sequence[Attempt]) -> dict[str, dict[str, int]]:
    """Count what was told, by channel."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for attempt in attempts:
        counts[attempt.channel][attempt.told] += 1
    return {channel: dict(told) for channel, told in counts.items()}


def by_act(acts: Sequence[Act]) -> dict[str, dict[str, int]]:
    """Count what clients were told, by what they did."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for act in acts:
        counts[f"client: {act.what}"][act.told] += 1
    return {what: dict(told) for what, told in counts.items()}


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./dev drill", description=__doc__)
    add = parser.add_argument
    add("--short", action="store_true", help="each fault once")
    add("--minutes", type=float, default=10.0, help="how long faults are injected (%(default)s)")
    add("--seed", type=int, default=1, help="decides what happens in which order (%(default)s)")
    add("--write", type=Path, metavar="FILE", help="write the page about this run, in Markdown")
    add("--json", type=Path, metavar="FILE", help="write the result as JSON")
    return Options(**vars(parser.parse_args()))


def say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
