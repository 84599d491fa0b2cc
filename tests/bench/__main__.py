"""`./dev bench`: start the product, load its board to each size, measure, and print a table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.bench.cases import SHORT, WHOLE, Bench, Effort, Figure
from tests.bench.report import as_page, as_table
from tests.bench.site import running_floor, running_site

SIZES = "1000,10000,100000"


def main() -> int:
    """Run from the command line."""
    given = _parser().parse_args()
    sizes = [300] if given.short else sorted(int(size) for size in given.cards.split(","))
    figures = measure(sizes, SHORT if given.short else WHOLE)
    sys.stdout.write(as_table(figures) + "\n")
    if given.json:
        given.json.write_text(json.dumps([figure.as_data() for figure in figures], indent=1))
    if given.write:
        given.write.write_text(as_page(figures))
    return 0


def measure(sizes: list[int], effort: Effort) -> list[Figure]:
    """Return the figures of every case at every size, on one product that grows."""
    figures: list[Figure] = []
    say("Starting the product")
    with running_site() as site:
        for cards in sizes:
            began = time.monotonic()
            site.load(cards)
            say(f"{cards:,} open cards are there after {time.monotonic() - began:.0f} s")
            site.settled()
            with running_floor(site) as floor:
                figures += Bench(site, floor, cards, effort).run(
                    lambda figure: say(as_table([figure], head=False))
                )
    return figures


def say(words: str) -> None:
    """Print at once."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure the product beside a floor.")
    parser.add_argument("--cards", default=SIZES, help="sizes of the board, in open cards (%(default)s)")
    parser.add_argument("--short", action="store_true", help="one small board and few repetitions")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--write", type=Path, help="write them as a page there, e.g. docs/benchmarks.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
