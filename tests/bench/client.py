"""Somebody with a browser, over one kept connection; and many of them at once."""

from __future__ import annotations

import http.client
import re
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

_TOKEN = re.compile(rb'name="csrf_token" value="([^"]+)"')
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FRAGMENT = {"HX-Request": "true"}


@dataclass
class Answer:
    """What came back, and how long it took from the request's first byte to the answer's last, in ms."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    took: float


@dataclass
class Times:
    """The times of one case, in ms."""

    taken: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.taken)

    @property
    def p95(self) -> float:
        """What 95 of 100 stay under."""
        return statistics.quantiles(self.taken, n=20)[-1] if len(self.taken) > 1 else self.taken[0]


class Browser:
    """One connection that is kept, with its cookies."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        self._cookies: dict[str, str] = {}
        self._connection = http.client.HTTPConnection(self._host, timeout=60)
        self._windows = [self]
        self.token = ""

    def close(self) -> None:
        """Close this connection and those of every twin."""
        for window in self._windows:
            window._connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return self._send("GET", path, None, headers)

    def post(self, path: str, values: Mapping[str, Any], **headers: str) -> Answer:
        """Send a form with the session's token."""
        body = urlencode({"csrf_token": self.token, **values}, doseq=True)
        return self._send("POST", path, body, {**_FORM, **headers})

    def log_in(self, email: str, password: str) -> None:
        """Log in, and keep the token of the session's forms."""
        self.take_token("/login")
        answer = self.post("/login", {"email": email, "password": password})
        assert answer.status == 303, answer.body[:500]
        self.take_token("/profile")

    def twin(self) -> Browser:
        """Return another window of the same person: the same cookies, a connection of its own."""
        other = Browser(f"http://{self._host}")
        other._cookies, other.token = dict(self._cookies), self.token
        other._windows = self._windows
        self._windows.append(other)
        return other

    def take_token(self, path: str) -> None:
        """Keep the token of a page's forms."""
        found = _TOKEN.search(self.get(path).body)
        assert found, f"{path} has no form"
        self.token = unescape(found[1].decode())

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        began = time.perf_counter()
        try:
            self._connection.request(method, path, body, {**named, "Cookie": cookies})
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server lets an idle connection go; nothing was done on it.
            self._connection.close()
            began = time.perf_counter()
            self._connection.request(method, path, body, {**named, "Cookie": cookies})
            response = self._connection.getresponse()
        content = response.read()
        took = (time.perf_counter() - began) * 1000
        for line in response.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return Answer(response.status, content, dict(response.headers.items()), took)


def repeated(ask: Callable[[], Answer], times: int, *, warm: int = 5, status: int = 200) -> Times:
    """Ask so often, one after the other, after some rounds that do not count."""
    for _ in range(warm):
        answer = ask()
        assert answer.status == status, (answer.status, answer.body[:300])
    return Times([_timed(ask, status) for _ in range(times)])


def alternating(
    asks: Mapping[str, Callable[[], Answer]], times: int, *, warm: int = 5, statuses: Sequence[int] = (200,)
) -> dict[str, Times]:
    """Ask each in turn, so that whatever else the machine does falls on all of them alike."""
    taken = {name: Times() for name in asks}
    for turn in range(-warm, times):
        for name, ask in asks.items():
            took = _timed(ask, *statuses)
            if turn >= 0:
                taken[name].taken.append(took)
    return taken


def _timed(ask: Callable[[], Answer], *statuses: int) -> float:
    answer = ask()
    assert answer.status in statuses, (answer.status, answer.body[:300])
    return answer.took


def a_second(work: Sequence[Callable[[], object]], seconds: float) -> float:
    """Return how often all of these together are done in a second, each by somebody of its own."""
    done = [0] * len(work)
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(number: int) -> None:
        try:
            while not stop.is_set():
                work[number]()
                done[number] += 1
        except BaseException as error:  # noqa: BLE001 - told to whoever measures
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(len(work))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    counted, took = sum(done), time.perf_counter() - began
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return counted / took
