"""Processes that move the same cards at once through every door, at times knowingly wrong, and take notes.

A mover never stops for a fault: an answer that did not come is noted as unknown, and asked for again.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.drill.attempts import Attempt, Journal, Told
from tests.drill.browser import HTML, JSON, Answer, Browser
from tests.drill.playbook import FORBIDDEN, NEXT, SLUG
from tests.drill.site import ADMIN, MAP, TOGGLER, Site, card_file, is_toggled

_TOLD: dict[int, Told] = {
    200: "moved",
    422: "blocked",
    409: "stale",
    403: "refused",
    404: "refused",
    400: "refused",
}
_HOT = 10  # Cards that everybody moves at once.
_PAUSE = 0.5
_IMPORT_PAUSE = 3.0  # One moves a dozen cards, and all that follows of it.
_IMPORT_SECONDS = 60.0


class Crew:
    """One mover process for each logged-in member, and one that imports, until told to stop."""

    def __init__(self, site: Site, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._processes = [
            context.Process(target=_work, args=(_told(site, email, number, seed), self._stop), daemon=True)
            for number, email in enumerate([*site.movers, ADMIN, TOGGLER])
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()

    def stop(self) -> None:
        """Stop, and wait until everybody has finished. Raises AssertionError when a mover failed."""
        self._stop.set()
        for process in self._processes:
            process.join(120)
        codes = [process.exitcode for process in self._processes]
        assert set(codes) == {0}, f"movers ended with {codes}"


def _told(site: Site, email: str, number: int, seed: int) -> dict[str, Any]:
    return {
        "site": Site(None, None, None, site.folder, site.web, [], site.cards),  # type: ignore[arg-type]  # No business of theirs.
        "email": email,
        "seed": f"{seed}/{number}",
        "journal": str(site.journals / f"mover-{number}.jsonl"),
        "does": {ADMIN: "import_some", TOGGLER: "toggle_one"}.get(email, "move_some"),
    }


def _work(told: dict[str, Any], stop: Event) -> None:
    site: Site = told["site"]
    mover = Mover(
        site, site.browser(told["email"]), told["seed"], Journal(Path(told["journal"])), stop.is_set
    )
    pause = _IMPORT_PAUSE if told["does"] == "import_some" else _PAUSE
    while not stop.is_set():
        getattr(mover, told["does"])()
        stop.wait(pause)


class Mover:
    """Somebody who moves cards by one browser."""

    def __init__(
        self,
        site: Site,
        browser: Browser,
        seed: str,
        journal: Journal,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._site, self._browser, self._journal = site, browser, journal
        self._should_stop = should_stop
        self._chance = random.Random(seed)
        # In one order for all movers, so that they meet on the first of them.
        self._cards = [site.cards[number] for number in sorted(site.cards)]
        self._priceless = site.priceless
        self._known: dict[str, tuple[int, str]] = {}

    def move_some(self) -> None:
        """Make one try through one door, again when nobody answered, and now and then when somebody did."""
        several = self._chance.random() < 0.2
        chosen = self._chosen(8 if several else 1)
        seen = {card: found for card in chosen if (found := self.look(card))}
        if several:
            self._move_many(seen)
            return
        for card, (visit, stage) in seen.items():
            self.move_one(card, visit, stage)

    def _chosen(self, count: int) -> Sequence[str]:
        pool = self._cards[:_HOT] if self._chance.random() < 0.5 else self._cards
        return self._chance.sample(pool, min(count, len(pool)))

    def any_card(self) -> str:
        """Return a card that no other mover prefers, and that its gate lets through."""
        return self._site.cards[self._chance.choice([n for n in self._site.cards if n % 10 not in (3, 7)])]

    def look(self, card: str) -> tuple[int, str] | None:
        """Return the visit and the stage of a card as the board shows them, or as it last did.

        Nobody stops because nothing answers: what is asked for during an outage must come out right too.
        """
        answer = self._browser.get(f"/cards/{card}/targets", JSON)
        if answer.status != 200:
            return self._known.get(card)
        data = answer.data
        # Where a card stands is the one stage that it cannot be moved to.
        offered = {target["stage"] for target in data["targets"]}
        self._known[card] = int(data["visit"]), next(stage for stage in NEXT if stage not in offered)
        return self._known[card]

    def toggle_one(self) -> None:
        """Give a card what its gate asks for, or take it away, while others try to get it through."""
        number = self._chance.choice([number for number in self._site.cards if is_toggled(number)])
        price = self._chance.choice(("", "5.00"))
        fields: dict[str, Any] = {"field-price": price}
        self._browser.post(f"/cards/{self._site.cards[number]}/fields", **fields)

    def move_one(self, card: str, visit: int, stage: str) -> Attempt:
        """Move a card on; sometimes where no way leads, and a card without a price where its gate is shut."""
        to, is_illegal = self._target(card, stage)
        as_page = self._chance.random() < 0.4
        attempt = self._try(card, visit, to, as_page, is_illegal)
        again = 3 if attempt.told == "unknown" else int(self._chance.random() < 0.2)
        for _ in range(again):
            repeated = self._try(card, visit, to, as_page, is_illegal)
            if repeated.told != "unknown":
                break
            time.sleep(0.5)
        if attempt.told == "moved" and self._chance.random() < 0.15:
            self._undo(card, attempt.visit)
        return attempt

    def _target(self, card: str, stage: str) -> tuple[str, bool]:
        if stage in FORBIDDEN and self._chance.random() < 0.1:
            return FORBIDDEN[stage], True
        return NEXT[stage], card in self._priceless and stage == "intake"

    def _try(self, card: str, visit: int, to: str, as_page: bool, is_illegal: bool) -> Attempt:
        # A page's answer is a redirect whether it moved or was stale: the fragment's status tells them apart.
        answer = self._browser.post(
            f"/cards/{card}/moves",
            accept=HTML if as_page else JSON,
            as_fragment=as_page,
            to_stage=to,
            seen_visit=visit,
            channel="board",
        )
        new = answer.data.get("visit") if answer.status == 200 and not as_page else None
        channel = "board page" if as_page else "JSON"
        return self._note(channel, card, visit, to, _meaning(answer), new, is_illegal, answer)

    def _undo(self, card: str, visit: int | None) -> None:
        if visit is None:
            return
        answer = self._browser.post(f"/cards/{card}/undos", accept=JSON, visit=visit)
        told: Told = "undone" if answer.status == 303 else _meaning(answer)
        self._note("undo", card, visit, "", told, None, False, answer)

    def _move_many(self, seen: dict[str, tuple[int, str]]) -> None:
        to = NEXT[self._chance.choice([stage for _, stage in seen.values()])] if seen else ""
        # Whoever stands elsewhere comes along: they must be refused, or stand before it.
        going = {card: visit for card, (visit, stage) in seen.items() if NEXT[stage] == to}
        if not going:
            return
        answer = self._browser.post(
            f"/boards/{SLUG}/moves",
            accept=JSON,
            to_stage=to,
            card=[f"{card}:{visit}" for card, visit in going.items()],
        )
        found = {each["card"]: each for each in answer.data["cards"]} if answer.status == 200 else {}
        for card, visit in going.items():
            each = found.get(card)
            told: Told = each["outcome"] if each else _meaning(answer)
            new = each["visit"] if each and each["outcome"] == "moved" else None
            is_illegal = card in self._priceless and to == "prepared"
            self._note("bulk", card, visit, to, told, new, is_illegal, answer)

    # --- the import ---

    def import_some(self) -> None:
        """Have a CSV file carry some cards on, performed by the worker; wait for its end until all stop."""
        numbers = sorted(self._chance.sample(sorted(self._site.cards), min(12, len(self._cards))))
        seen = {number: self.look(self._site.cards[number]) for number in numbers}
        stages = {number: NEXT[found[1]] for number, found in seen.items() if found}
        files = {"file": card_file(stages, stages), "map": json.dumps(MAP)}
        begun = self._browser.post("/imports/", files=files, board=SLUG)
        import_id = begun.location.rpartition("/")[2]
        if begun.status != 303 or not import_id.isdecimal():
            return
        self._wait_for(import_id)
        asked = self._browser.post(f"/imports/{import_id}/runs")
        for number, to in stages.items():
            card = self._site.cards[number]
            is_illegal = card in self._priceless and to == "prepared"
            self._note("import", card, 0, to, "unknown", None, is_illegal, asked)
        self._wait_for(import_id)

    def _wait_for(self, import_id: str) -> None:
        until = time.monotonic() + _IMPORT_SECONDS
        while time.monotonic() < until and not self._should_stop():
            # Under way it is a fragment; over, it leads to the import's page.
            if self._browser.get(f"/imports/{import_id}/progress").status == 303:
                return
            time.sleep(0.5)

    def _note(
        self,
        channel: str,
        card: str,
        seen: int,
        to: str,
        told: Told,
        visit: int | None,
        is_illegal: bool,
        answer: Answer,
    ) -> Attempt:
        says = f"{answer.status} {answer.text[:200]}" if told == "odd" else ""
        return self._journal.note(Attempt(channel, card, seen, to, told, visit, is_illegal, says))


def _meaning(answer: Answer) -> Told:
    return "unknown" if answer.is_unknown else _TOLD.get(answer.status, "odd")
