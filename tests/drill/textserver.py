"""The drill's provider of SMS: Twilio's protocol on loopback, well or not, that counts what it took."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.drill.mailserver import Arrival, Fate
from tests.sms import SmsServer, running_sms_server

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BUSY = (503, {"code": 20503, "message": "Service is down"})


@dataclass
class TextServer(SmsServer):
    """What it took, as arrivals: a message's number is its id in the outbox."""

    arrivals: list[Arrival] = field(default_factory=list)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Take a text, as the real one would, and note what its sender was told."""
        status, said = super().take(path, headers, body)
        if status < 300:
            text = self.taken[-1]
            key = _KEY.search(text["StatusCallback"])
            fate: Fate = "cut" if self.hangs_up else "taken"
            self.arrivals.append(Arrival(key[0] if key else "", text["To"], fate, time.monotonic()))
        return status, said

    def taken_for(self, number: str) -> int:
        """Return how many texts this number was sent."""
        return sum(1 for arrival in list(self.arrivals) if arrival.to == number)

    def refuse(self) -> None:
        """Take nothing, as in an outage."""
        self.answer = _BUSY

    def heal(self) -> None:
        """Be well again."""
        self.answer, self.hangs_up = None, False


@contextmanager
def running_text_server() -> Iterator[TextServer]:
    """A provider that is well."""
    server = TextServer("twilio")
    with running_sms_server("twilio", server):
        yield server
