"""Whether a function of the product works: each probe does what a person or the product would, and looks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import psycopg

from tests.drill.attempts import Journal
from tests.drill.browser import Browser
from tests.drill.movers import Mover
from tests.drill.playbook import SLUG
from tests.drill.site import ADMIN, MAP, Site, card_file

# Nothing that is awaited longer comes back by itself.
LONGEST = 180.0
MAIL_AGAIN_EVERY = 3.0
SLOW_ANSWER = 1.0

Probe = Callable[[], bool]


class Probes:
    """The probes of one site, by one administrator's browser."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._browser: Browser = site.browser(ADMIN)
        self._mover = Mover(site, self._browser, "probes", Journal(site.journals / "probes.jsonl"))
        self._invited = 0
        self._texted = 0
        self._import = ""

    def page(self) -> bool:
        """A board is shown."""
        return self._browser.get(f"/boards/{SLUG}").status == 200

    def move(self) -> bool:
        """A move is decided, whichever way; the try is on the movers' record."""
        card = self._mover.any_card()
        seen = self._mover.look(card)
        return seen is not None and self._mover.move_one(card, *seen).told in ("moved", "blocked", "stale")

    def mail(self) -> Probe:
        """Return a probe: somebody who was invited, once or again, has their mail."""
        addresses: list[str] = []
        asked_at = 0.0

        def probe() -> bool:
            nonlocal asked_at
            if time.monotonic() - asked_at > MAIL_AGAIN_EVERY:
                asked_at = time.monotonic()
                addresses.append(self.invite() or "nobody")
            return any(self._site.mail.kept_for(address) for address in addresses)

        return probe

    def invite(self) -> str:
        """Invite somebody, which owes them a mail at once; return their address, "" when nobody answered."""
        self._invited += 1
        address = f"guest{self._invited}@drill.example"
        answer = self._browser.post("/users/invitations", email=address, name="A guest", role="viewer")
        return address if answer.status == 303 else ""

    def text(self) -> Probe:
        """Return a probe: a client who was reminded, once or again, has another SMS."""
        request, number = self._site.texted[self._texted % len(self._site.texted)]
        self._texted += 1
        known = self._site.texts.taken_for(number)
        asked_at = 0.0

        def probe() -> bool:
            nonlocal asked_at
            if time.monotonic() - asked_at > MAIL_AGAIN_EVERY:
                asked_at = time.monotonic()
                self._browser.post(f"/client-gates/{request}/reminders")
            return self._site.texts.taken_for(number) > known

        return probe

    def sweep(self) -> Probe:
        """Return a probe: messages that are due, and that no queue knows, are found and sent.

        Two, the second a while after the first was sent: a job that a sweep had queued before its scheduler
        died may still send the first.
        """
        made_due: list[str] = []
        next_at = 0.0

        def probe() -> bool:
            nonlocal next_at
            try:
                if made_due and not self._is_sent(made_due[-1]):
                    return False
                if len(made_due) == 2:
                    return True
                next_at = next_at or time.monotonic() + (1.0 if made_due else 0.0)
                if time.monotonic() >= next_at and (found := self._make_due()):
                    made_due.extend(found)
                    next_at = 0.0
            except psycopg.Error:
                pass
            return False

        return probe

    def _make_due(self) -> list[str]:
        # What waits for the minute of undo is in no queue: only a sweep can find it, once it is due.
        query = """
            update outbox_messages set next_attempt_at = now() - interval '1 day' where id = (
                select id from outbox_messages where state = 'held' order by created_at desc limit 1
            ) and state = 'held' returning id::text as id
        """
        return [row["id"] for row in self._site.rows(query)]

    def _is_sent(self, message: str) -> bool:
        query = "select state from outbox_messages where id::text = %s"
        return self._site.rows(query, message)[0]["state"] not in ("held", "due")

    def bulk(self) -> Probe:
        """Return a probe: the file of an import is gone through, which the worker of the bulk queue does."""
        number = ""

        def probe() -> bool:
            nonlocal number
            if not number:
                files = {"file": card_file([0]), "map": json.dumps(MAP)}
                begun = self._browser.post("/imports/", files=files, board=SLUG)
                number = begun.location.rpartition("/")[2] if begun.status == 303 else ""
            return bool(number) and self._browser.get(f"/imports/{number}/progress").status == 303

        return probe


def seconds_until(probe: Probe, since: float, *, steady: float = 0.0) -> float | None:
    """Return how long after `since` the probe succeeds, and goes on to; None when it never does.

    Args:
        steady: for so many seconds it must neither fail again nor take long, as it does where what was
            orphaned answers first, or where requests queue up until somebody takes them.
    """
    back: float | None = None
    while time.monotonic() - since < LONGEST:
        began = time.monotonic()
        succeeds = probe()
        if not succeeds:
            back = None
        elif back is None or time.monotonic() - began > SLOW_ANSWER:
            back = time.monotonic()
        if back is not None and time.monotonic() - back >= steady:
            return back - since
        time.sleep(0.1)
    return None
