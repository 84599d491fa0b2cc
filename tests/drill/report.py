"""What a drill found: as a table, as a page, and as JSON for whoever asserts."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.drill.faults import Outcome
from tests.drill.witness import HARMS, Judged

MAIL_WITHIN = 60.0


@dataclass
class Result:
    """Everything that is told about a drill."""

    command: str
    seed: int
    cards: int
    movers: int
    seconds: float
    outcomes: list[Outcome]
    judged: list[Judged]
    tried: dict[str, dict[str, int]]
    kills: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> int:
        """Return how many promises were broken, a function that never came back among them."""
        never = sum(outcome.seconds.count(None) for outcome in self.outcomes)
        return never + sum(len(each.findings) for each in self.judged)

    def as_data(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "broken": self.broken,
            "faults": {outcome.fault: outcome.seconds for outcome in self.outcomes},
            "promises": {
                each.promise: {"tried": each.tried, **{harm: each.count(harm) for harm in HARMS}}
                for each in self.judged
            },
            "findings": [finding.what for each in self.judged for finding in each.findings][:100],
            "attempts": self.tried,
            "remarks": self.remarks,
        }

    def write_json(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_data(), indent=1) + "\n")


def tables(result: Result) -> list[list[list[str]]]:
    """Return faults, promises and attempts as rows of words, the heads first."""
    faults = [["fault", "times", "function", "back after (median)", "worst"]]
    for outcome in sorted(result.outcomes, key=lambda each: each.fault):
        back = [seconds for seconds in outcome.seconds if seconds is not None]
        worst = "never" if None in outcome.seconds else f"{max(back):.1f} s"
        median = f"{statistics.median(back):.1f} s" if back else "never"
        faults.append([outcome.fault, str(len(outcome.seconds)), outcome.function, median, worst])
    promises = [["", "promise", "tried", *HARMS]]
    promises += [
        [each.promise, each.what, f"{each.tried:,}", *(str(each.count(harm)) for harm in HARMS)]
        for each in result.judged
    ]
    told = sorted({word for counts in result.tried.values() for word in counts})
    attempts = [["attempts by", *told]]
    for channel, counts in sorted(result.tried.items()):
        attempts.append([channel, *(f"{counts.get(word, 0):,}" for word in told)])
    return [faults, promises, attempts]


def as_text(result: Result) -> str:
    """Return the tables for a terminal."""
    parts = ["\n".join(_aligned(table)) for table in tables(result)]
    findings = [f"  {each.promise} {f.harm}: {f.what}" for each in result.judged for f in each.findings[:20]]
    return "\n\n".join([*parts, "\n".join([*findings, *result.remarks, verdict(result)])])


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def verdict(result: Result) -> str:
    """Return the drill's last sentence."""
    ran = f"Seed {result.seed}, {result.seconds:.0f} s, {result.cards} cards, {result.movers} movers"
    said = "nothing was lost, doubled, stuck or bypassed" if not result.broken else f"{result.broken} BROKEN"
    return f"{ran}: {said}."


def as_page(result: Result) -> str:
    """Return the Markdown page about this run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = {"Python": platform.python_version(), **result.versions}
    versions |= {name: version(name) for name in ("rq", "gunicorn", "psycopg")}
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    lines = [
        "# The fault drill",
        "",
        "The whole product runs under load while its processes are killed, its queue is emptied, its mail",
        "server and provider of SMS misbehave and its clock jumps, while staff move cards and clients fill,",
        "send and sign. Afterwards every answer that was given is held against the database, and every",
        "message against what the mail server and the provider have. Run it with",
        "",
        f"    {result.command}",
        "",
        f"This page is written by it (`--write`): {datetime.now(UTC):%Y-%m-%d}; {machine}; "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + ".",
        "",
        f"**{verdict(result)}**",
        "",
    ]
    for table in tables(result):
        lines += [_row(table[0]), _row(["---"] * len(table[0])), *(_row(row) for row in table[1:]), ""]
    lines += [f"- {remark}" for remark in result.remarks]
    return "\n".join([*lines, "", *_LIMITS, ""])


def _row(words: list[str]) -> str:
    return f"| {' | '.join(words)} |"


_LIMITS = (
    "## What it does not show",
    "",
    "Everything runs on one machine: no network parts, and no disk fails or loses what was flushed",
    "(`kill -9` leaves what the kernel has taken). The seed decides which faults come in which order and",
    "what the movers try, not how the processes' steps interleave, so a run cannot be repeated exactly;",
    "that nothing broke in one run is evidence and no proof. A time is measured from the fault's end to the",
    "first success of a probe, on a machine that the load shares. A message that may have arrived twice",
    "carries one Message-ID; whether its reader then sees one or two is their mail program's business. An",
    "SMS whose answer was lost has no such number: it may be read twice, and no receipts come here.",
)
