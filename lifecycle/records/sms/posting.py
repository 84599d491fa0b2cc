"""One POST to a provider in two steps: before it is handed over it can be tried again, after it nobody knows.

Like the hand-over of a mail (`records/mailer.py`), and with the same outcomes. Nothing is ever followed: an
answer that leads elsewhere is none.
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

from lifecycle.records.mailer import Refused, Unreachable, Unsure

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
LONGEST_ANSWER: Final = 64 * 1024
# A gateway says these when it does not know what became of the request behind it.
_NOBODY_KNOWS: Final = (502, 504)
_REFUSED_LOGIN: Final = 401
_SLOWER: Final = 429


class TextRefused(Refused):
    """The provider will not have this text. `is_stop` tells that whom it is for wants no SMS."""

    def __init__(self, words: str, *, is_final: bool, is_stop: bool = False) -> None:
        Exception.__init__(self, " ".join(words.split())[:500])
        self.is_final = is_final
        self.is_stop = is_stop


@dataclass(frozen=True)
class Answer:
    """What a provider answered, its JSON read as far as it is any."""

    status: int
    body: Mapping[str, Any]


def post(
    url: str, content: bytes, headers: Mapping[str, str], *, before_sending: Callable[[], None]
) -> Answer:
    """Post `content`, and return an answer of the provider's own: taken, or a refusal of this request.

    Args:
        before_sending: called once it is connected and nothing has been said. What it raises stops it.

    Raises:
        Unreachable: nobody is there, or they do not let us in; nothing was handed over.
        Unsure: no answer came to what was handed over, or one from halfway.
    """
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    try:
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_words(error)) from error
        before_sending()
        return _exchange(connection, parts.path or "/", content, headers)
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, path: str, content: bytes, headers: Mapping[str, str]
) -> Answer:
    try:
        with _hanging_up_after(connection.sock, ANSWER_SECONDS):
            connection.request("POST", path, content, {**headers, "Connection": "close"})
            response = connection.getresponse()
            status, body = response.status, response.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise Unsure(_words(error)) from error
    if status in _NOBODY_KNOWS:
        raise Unsure(f"The provider's gateway answered {status}.")
    if status == _REFUSED_LOGIN or not (200 <= status < 300 or status >= 400):
        raise Unreachable(f"The provider answered {status}: {_said(body)}")
    return Answer(status, _read(body))


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


def refusal(status: int, words: str, *, is_stop: bool = False) -> TextRefused:
    """Return how an answer that took nothing is told: final, unless the provider is busy or broken."""
    is_busy = status >= 500 or status == _SLOWER
    return TextRefused(f"{status} {words}", is_final=not is_busy, is_stop=is_stop)


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _said(body: bytes) -> str:
    return " ".join(body[:300].decode("utf-8", "replace").split())


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
