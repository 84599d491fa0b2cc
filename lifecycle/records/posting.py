"""One POST in two steps: before it is handed over it can be tried again, after it nobody knows.

Like the hand-over of a mail (`records/mailer.py`), and with the same outcomes. Nothing is ever followed: what
an answer that leads elsewhere means is for whoever asked to say.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from lifecycle.core.text import one_line
from lifecycle.records.mailer import Unreachable, Unsure

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_EXCERPT: Final = 200

Dial = Callable[[str, int, float], socket.socket]
"""Connects to a host and port within so many seconds; raises OSError, or what must stop the request."""


@dataclass(frozen=True)
class Answer:
    """What was answered: its JSON read as far as it is any, and what it asks us to wait, as it says it."""

    status: int
    content: bytes
    retry_after: str | None = None

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON object that the answer is; empty if it is none."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def said(self) -> str:
        """The beginning of the answer on one line, fit to be shown as text."""
        return one_line(self.content[: 2 * _LONGEST_EXCERPT].decode("utf-8", "replace"))[:_LONGEST_EXCERPT]


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    before_sending: Callable[[], None],
    dial: Dial | None = None,
    connect_within: float | None = None,
    answer_within: float | None = None,
) -> Answer:
    """Post `content`, and return what is answered, whatever it is.

    Args:
        before_sending: called once it is connected and nothing has been said. What it raises stops it.
        dial: connects; by default to wherever the host's name leads.

    Raises:
        Unreachable: nobody is there; nothing was handed over.
        Unsure: no answer came to what was handed over.
    """
    parts = urlsplit(url)
    seconds = CONNECT_SECONDS if connect_within is None else connect_within
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, seconds)
    try:
        try:
            _connect(connection, dial or _dial, seconds)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_words(error)) from error
        before_sending()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _exchange(connection, target, content, headers, answer_within or ANSWER_SECONDS)
    finally:
        connection.close()


def _connect(connection: http.client.HTTPConnection, dial: Dial, seconds: float) -> None:
    sock = dial(connection.host, connection.port, seconds)
    if isinstance(connection, http.client.HTTPSConnection):
        try:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=connection.host)
        except BaseException:
            sock.close()
            raise
    connection.sock = sock


def _dial(host: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((host, port), seconds)


def _exchange(
    connection: http.client.HTTPConnection,
    target: str,
    content: bytes,
    headers: Mapping[str, str],
    seconds: float,
) -> Answer:
    sock = connection.sock
    assert sock is not None
    try:
        with _hanging_up_after(sock, seconds):
            connection.request("POST", target, body=content, headers={**headers, "Connection": "close"})
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER)
            return Answer(response.status, body, response.getheader("Retry-After"))
    except (OSError, http.client.HTTPException) as error:
        raise Unsure(_words(error)) from error


@contextmanager
def _hanging_up_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Give the whole exchange so many seconds: a time-out alone begins anew with every byte that comes."""
    sock.settimeout(seconds)

    def hang_up() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(seconds, hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _connection(scheme: str, host: str, port: int | None, seconds: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    # Without a port it would take the end of an IPv6 address for one.
    return kind(host, kind.default_port if port is None else port, timeout=seconds)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
