"""Clients at the other end of their links: they fill, send twice at once, and sign, whatever fails meanwhile.

As the movers do, they note what they were told, and ask again when no answer came.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from html import unescape
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.drill.browser import JSON, Answer, Browser
from tests.drill.deals import Act, ClientJournal, Deal, Told, What
from tests.drill.playbook import QUESTIONS
from tests.drill.site import Site

CLIENTS = 2
_SAVES = 12
_TRIES = 60
_CODES = 4
_CODE_WITHIN = 60.0
_PAUSE = 0.3
_HIDDEN = re.compile(r'<input type="hidden" name="(seen|seen_content)" value="([^"]*)"')


class Clients:
    """Processes of clients, each with deals of its own, until told to stop."""

    def __init__(self, site: Site, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._processes = [
            context.Process(target=_work, args=(_told(site, number, seed), self._stop), daemon=True)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()

    def stop(self) -> None:
        """Stop, and wait until everybody has finished. Raises AssertionError when a client failed."""
        self._stop.set()
        for process in self._processes:
            process.join(180)
        codes = [process.exitcode for process in self._processes]
        assert set(codes) == {0}, f"clients ended with {codes}"


def _told(site: Site, number: int, seed: int) -> dict[str, Any]:
    return {
        "web": site.web,
        "deals": [asdict(deal) for deal in site.deals[number::CLIENTS]],
        "seed": f"{seed}/client {number}",
        "journal": str(site.acts / f"client-{number}.jsonl"),
        "codes": str(site.codes),
    }


def _work(told: dict[str, Any], stop: Event) -> None:
    journal = ClientJournal(Path(told["journal"]))
    for given in told["deals"]:
        if stop.is_set():
            return
        Client(
            told["web"], Deal(**given), journal, Path(told["codes"]), random.Random(told["seed"]), stop
        ).go()


class Client:
    """Somebody with two links, who is on two devices at once."""

    def __init__(
        self, web: str, deal: Deal, journal: ClientJournal, codes: Path, chance: random.Random, stop: Event
    ) -> None:
        self._deal, self._journal, self._codes = deal, journal, codes
        self._chance, self._stop = chance, stop
        self._devices = [Browser(web), Browser(web)]

    def go(self) -> None:
        """Fill the survey and send it, then sign the order; being stopped leaves whichever undone."""
        if self._opened(self._deal.survey):
            self._fill()
            self._send()
        if self._opened(self._deal.order):
            self._sign()

    def _opened(self, path: str) -> bool:
        return self._until(lambda: self._devices[0].post(f"{path}/openings").status == 303)

    def _until(self, true: Any) -> bool:
        for _ in range(_TRIES):
            if true():
                return True
            if self._stop.is_set():
                return False
            time.sleep(0.5)
        return False

    # --- filling ---

    def _fill(self) -> None:
        """Save question by question, as the script does; at last the one that must be answered."""
        for number in range(_SAVES):
            if self._stop.is_set():
                return
            key = self._chance.choice(list(QUESTIONS))
            self._save(key, f"{key} {number}")
            time.sleep(self._chance.uniform(0, _PAUSE))
        self._until(lambda: self._save("name", f"name {self._chance.random()}").told == "done")

    def _save(self, key: str, value: str) -> Act:
        given: dict[str, Any] = {"page": QUESTIONS[key], "edition": 0, f"ask-{key}": value}
        answer = self._devices[0].post(f"{self._deal.survey}/drafts", accept=JSON, **given)
        told = _meaning(answer, 200)
        if told == "done" and (key in answer.data["conflicts"]):
            told = "odd"
        return self._note(self._deal.survey_id, "save", told, answer, key, value)

    # --- sending ---

    def _send(self) -> None:
        """Press on both devices in one moment, again until it is sent."""
        self._until(self._sent)

    def _sent(self) -> bool:
        path = self._deal.survey
        hidden = self._hidden(f"{path}/review")
        if "seen" not in hidden:
            # Sent already, if it can be looked at and does not ask to be sent any more.
            return self._devices[0].get(f"{path}/review").status == 303
        told = [_meaning(each, 303) for each in self._both(f"{path}/answers", {**hidden, "signer": "Cleo"})]
        return "done" in told or "refused" in told

    def _both(self, path: str, fields: dict[str, Any]) -> Sequence[Answer]:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda device: device.post(path, **fields), self._devices))
        for answer in answers:
            self._note(self._deal.survey_id, "submit", _meaning(answer, 303), answer)
        return answers

    # --- signing ---

    def _sign(self) -> None:
        """Ask for a code, try another first, and sign, twice; a code that came too late is asked for anew."""
        path = self._deal.order
        for _ in range(_CODES):
            if "seen_content" not in self._hidden(path):
                # Signed already: an answer was lost on its way.
                return
            known = self._known_codes()
            if not self._until(lambda: self._devices[0].post(f"{path}/codes").status == 303):
                return
            code = self._code(known)
            hidden = self._hidden(path)
            if code is None or "seen_content" not in hidden:
                if self._stop.is_set():
                    return
                continue
            given = {**hidden, "signer": "Cleo", "position": "Director", "agrees": "1"}
            wrong = f"{(int(code) + 1) % 1_000_000:06}"
            self._press("forge", {**given, "code": wrong})
            for _ in range(3):
                told = self._press("sign", {**given, "code": code})
                if told == "done":
                    # The second press is one too many.
                    self._press("sign", {**given, "code": code})
                    return
                if told == "refused":
                    break
                time.sleep(1)

    def _press(self, what: What, fields: dict[str, Any]) -> Told:
        answer = self._devices[0].post(f"{self._deal.order}/answers", **fields)
        return self._note(self._deal.order_id, what, _meaning(answer, 303), answer).told

    def _known_codes(self) -> list[str]:
        file = self._codes / self._deal.address
        return json.loads(file.read_text()) if file.exists() else []

    def _code(self, known: list[str]) -> str | None:
        """Return the next code that comes by mail, if one comes in time."""
        until = time.monotonic() + _CODE_WITHIN
        while time.monotonic() < until and not self._stop.is_set():
            if new := self._known_codes()[len(known) :]:
                return str(new[-1])
            time.sleep(0.3)
        return None

    def _hidden(self, path: str) -> dict[str, str]:
        page = self._devices[0].get(path)
        return {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}

    def _note(
        self, request: str, what: What, told: Told, answer: Answer, key: str = "", value: str = ""
    ) -> Act:
        says = f"{answer.status} {answer.text[:200]}" if told == "odd" else ""
        return self._journal.note(Act(request, what, told, key, value, says))


def _meaning(answer: Answer, done: int) -> Told:
    if answer.is_unknown:
        return "unknown"
    if answer.status == done:
        return "done"
    return "refused" if answer.status in (409, 422) else "odd"
