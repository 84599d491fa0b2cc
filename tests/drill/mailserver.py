"""The drill's mail server: real SMTP on loopback, healthy or not as it is told, that counts what came."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.installation import free_port

Mode = Literal["healthy", "silent", "slow", "defers", "refuses", "cuts"]
Fate = Literal["taken", "cut", "unanswered", "deferred", "refused"]
SLOW_SECONDS = 1.5
_CODE = re.compile(r"^(\d{6})\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Arrival:
    """A message that was handed over whole, and what the sender was told about it, at a monotonic moment."""

    message_id: str
    to: str
    fate: Fate
    at: float

    @property
    def is_kept(self) -> bool:
        """Whether its reader has it, whatever the sender was told."""
        return self.fate in ("taken", "cut", "unanswered")

    @property
    def is_unsure(self) -> bool:
        """Whether the sender cannot know that its reader has it: the one window SMTP leaves open."""
        return self.fate in ("cut", "unanswered")


@dataclass
class MailServer:
    """What the server does with its next conversation, and all that arrived so far.

    defers: 451 to every recipient. refuses: 550 after DATA. cuts: takes the message and closes the connection
    without an answer. silent: neither greets nor answers. slow: answers late.
    """

    mode: Mode = "healthy"
    arrivals: list[Arrival] = field(default_factory=list)
    url: str = ""
    # Where the codes that came for somebody are kept, a file for each address.
    codes: Path | None = None

    def kept_for(self, address: str) -> int:
        """Return how many messages this reader has."""
        return sum(1 for arrival in list(self.arrivals) if arrival.is_kept and arrival.to == address)

    async def wait_while_silent(self) -> bool:
        """Say whether the server was silent; return when it no longer is."""
        was_silent = self.mode == "silent"
        while self.mode == "silent":  # noqa: ASYNC110 - the mode is set by another thread
            await asyncio.sleep(0.05)
        return was_silent

    # --- what aiosmtpd calls ---

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.mode == "defers":
            return "451 4.3.0 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        began = time.monotonic()
        mode = self.mode
        if mode == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if mode == "refuses":
            self._note(envelope, "refused", began)
            return "550 5.7.1 Not wanted here"
        if mode == "cuts":
            self._note(envelope, "cut", began)
            _hang_up(server)
            return "421 4.3.0 Gone"
        if mode == "silent":
            self._note(envelope, "unanswered", began)
            await self.wait_while_silent()
            _hang_up(server)
            return "421 4.3.0 Gone"
        self._note(envelope, "taken", time.monotonic())
        return "250 2.0.0 Kept"

    def _note(self, envelope: Envelope, fate: Fate, at: float) -> None:
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        message_id = str(message["Message-ID"])
        self._keep_code(envelope, message)
        self.arrivals += [Arrival(message_id, address, fate, at) for address in envelope.rcpt_tos]

    def _keep_code(self, envelope: Envelope, message: EmailMessage) -> None:
        body = message.get_body(("plain",)) if self.codes is not None else None
        found = _CODE.search(body.get_content()) if body is not None else None
        if self.codes is None or found is None:
            return
        for address in envelope.rcpt_tos:
            file = self.codes / address
            known = json.loads(file.read_text()) if file.exists() else []
            half = self.codes / f"{address}.half"
            half.write_text(json.dumps([*known, found[1]]))
            half.replace(file)


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


class _Conversation(SMTP):
    """A conversation that begins when the server is not silent."""

    async def _handle_client(self) -> None:
        await self.event_handler.wait_while_silent()
        await super()._handle_client()


class _Controller(Controller):
    def factory(self) -> Any:
        return _Conversation(self.handler, **self.SMTP_kwargs)


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """A healthy mail server on a free port."""
    server = MailServer()
    port = free_port()
    controller = _Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    server.url = f"smtp://127.0.0.1:{port}"
    try:
        yield server
    finally:
        server.mode = "healthy"
        controller.stop()
