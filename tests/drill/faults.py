"""What can happen to an installation, each with the function by which one sees that it is over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
import redis

from lifecycle.config import CHECKOUT
from tests.drill.mailserver import Mode
from tests.drill.probes import Probe, Probes, seconds_until
from tests.drill.site import Site
from tests.runtime.product import processes

HOUR = 3600.0
_REACHED_WITHIN = 40.0


@dataclass
class Outcome:
    """A fault, and how long it took each time until its function was back; None: it never was."""

    fault: str
    function: str
    seconds: list[float | None] = field(default_factory=list)


@dataclass
class Chaos:
    """Injects faults one after the other, and measures. `kills` are when a sender may have died."""

    site: Site
    probes: Probes
    say: Callable[[str], None]
    mode_seconds: float = 6.0
    kills: list[float] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    not_reached: list[str] = field(default_factory=list)

    def round(self, chance: random.Random, until: float) -> None:
        """Inject each fault once, in a random order, until it is time to stop."""
        faults = list(FAULTS)
        chance.shuffle(faults)
        for fault in faults:
            if time.monotonic() > until:
                return
            self.inject(fault)
            time.sleep(chance.uniform(0.0, 2.0))

    def inject(self, fault: Fault) -> None:
        """Inject one fault, and wait until its function is back."""
        probe = getattr(self.probes, fault.function)
        ready: Probe = probe if fault.function in ("page", "move") else probe()
        instead = fault.do(self)
        since = time.monotonic()
        seconds = seconds_until(instead or ready, since)
        self.say(f"  {fault.name}: {fault.function} " + (f"after {seconds:.1f} s" if seconds else "NEVER"))
        self.outcomes.setdefault(fault.name, Outcome(fault.name, fault.function)).seconds.append(seconds)

    # --- processes ---

    def kill(self, pid: int | None) -> None:
        """Kill a process as nothing can resist; one that is being started again just now counts as killed."""
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills.append(time.monotonic())

    def child(self, part: str) -> int | None:
        return self.site.product.child_or_none(part)

    def web_worker(self) -> int | None:
        master = self.child("gunicorn")
        return next((pid for pid, parent, _ in processes() if parent == master), None)

    def backend(self) -> None:
        query = """
            select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
            order by random() limit 1
        """
        with suppress(psycopg.Error):
            for row in self.site.rows(query):
                self.kill(row["pid"])

    def forget_queues(self) -> None:
        """Empty Valkey: every queue, job and limit that it knew is gone."""
        with suppress(redis.RedisError):
            self.site.queue().flushall()

    # --- mail ---

    def mail_is(self, mode: Mode) -> None:
        """Have the mail server misbehave for a while, with something to send; then it is well again."""
        self.site.mail.mode = mode
        self.probes.invite()
        time.sleep(self.mode_seconds)
        self.site.mail.mode = "healthy"

    # --- the clock ---

    def clock_forward(self) -> None:
        self.site.set_clock(self.site.clock_offset + HOUR)

    def clock_back(self) -> Probe:
        """Set the clock back over mail that is due by the clock before, while nobody can send it."""
        worker = self.child("jobs.worker urgent")
        with _stopped(worker):
            address = self.probes.invite()
            self.site.set_clock(self.site.clock_offset - HOUR)
        return lambda: self.site.mail.kept_for(address) > 0

    # --- schedulers and named points ---

    def two_schedulers(self) -> None:
        """Run a second scheduler, then kill the first: the second, or the first's successor, must go on."""
        second = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobs.schedule"],
            cwd=CHECKOUT,
            env={**os.environ, **self.site.environment()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(self.mode_seconds)
        self.kill(self.child("jobs.schedule"))
        time.sleep(self.mode_seconds)
        second.terminate()
        second.wait(30)

    def die_at(self, point: str) -> None:
        """Have the first process die that reaches a named point, with work at hand that leads there."""
        order = self.site.kill_order
        order.write_text(point)
        until = time.monotonic() + _REACHED_WITHIN
        while order.exists() and time.monotonic() < until:
            self.probes.invite()
            for _ in range(20):
                if not order.exists():
                    break
                time.sleep(0.05)
        self.kills.append(time.monotonic())
        if order.exists():
            order.unlink(missing_ok=True)
            self.not_reached.append(point)
            self.say(f"  “{point}” was not reached")


@dataclass(frozen=True)
class Fault:
    """Something that happens. `do` may return the probe that shows its end, in place of its function's."""

    name: str
    function: str
    do: Callable[[Chaos], Probe | None]


def _kills(name: str, function: str, part: str) -> Fault:
    return Fault(f"kill -9 {name}", function, lambda chaos: chaos.kill(chaos.child(part)))


def _mail(words: str, mode: Mode) -> Fault:
    return Fault(f"mail server {words}", "mail", lambda chaos: chaos.mail_is(mode))


def _point(point: str, function: str) -> Fault:
    return Fault(f"kill -9 at “{point}”", function, lambda chaos: chaos.die_at(point))


FAULTS = (
    Fault("kill -9 a web worker", "page", lambda chaos: chaos.kill(chaos.web_worker())),
    _kills("the web master", "page", "gunicorn"),
    _kills("the urgent worker", "mail", "jobs.worker urgent"),
    _kills("the bulk worker", "bulk", "jobs.worker bulk"),
    _kills("the scheduler", "sweep", "jobs.schedule"),
    _kills("PostgreSQL", "move", "/postgres "),
    Fault("kill -9 a database connection", "move", lambda chaos: chaos.backend()),
    _kills("Valkey", "mail", "valkey-server"),
    Fault("Valkey emptied", "mail", lambda chaos: chaos.forget_queues()),
    _mail("silent", "silent"),
    _mail("slow", "slow"),
    _mail("answers 451", "defers"),
    _mail("answers 550", "refuses"),
    _mail("hangs up after DATA", "cuts"),
    Fault("clock an hour forward", "mail", lambda chaos: chaos.clock_forward()),
    Fault("clock an hour back", "mail", lambda chaos: chaos.clock_back()),
    Fault("two schedulers, one killed", "sweep", lambda chaos: chaos.two_schedulers()),
    _point("after commit", "mail"),
    _point("between pop and start", "mail"),
    _point("claimed", "mail"),
    _point("before DATA", "mail"),
    _point("after 250", "mail"),
    _point("mid-rule", "mail"),
)


@contextmanager
def _stopped(pid: int | None) -> Iterator[None]:
    """Hold a process still meanwhile."""
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, signal.SIGCONT)
