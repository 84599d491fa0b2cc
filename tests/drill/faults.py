"""What can happen to an installation, each with the function by which one sees that it is over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from lifecycle.config import CHECKOUT
from tests.drill.mailserver import Mode
from tests.drill.probes import Probe, Probes, seconds_until
from tests.drill.site import Site
from tests.runtime.product import processes

HOUR = 3600.0
_POSTGRES = "bin/postgres"
_REACHED_WITHIN = 40.0
_THERE_WITHIN = 60.0
_STEADY = 4.0


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
        is_immediate = fault.function in ("page", "move")
        ready: Probe = probe if is_immediate else probe()
        instead = fault.do(self)
        since = time.monotonic()
        seconds = seconds_until(instead or ready, since, steady=_STEADY if is_immediate else 0.0)
        self.say(
            f"  {fault.name}: {fault.function} " + ("NEVER" if seconds is None else f"after {seconds:.1f} s")
        )
        self.outcomes.setdefault(fault.name, Outcome(fault.name, fault.function)).seconds.append(seconds)

    # --- processes ---

    def kill(self, find: Callable[[], int | None], *, may_send: bool = False) -> None:
        """Kill a process as nothing can resist, once it is there: it may just be being started again."""
        self.await_done(lambda: _send(find(), signal.SIGKILL))
        if may_send:
            self.kills.append(time.monotonic())

    def child(self, part: str) -> int | None:
        return self.site.product.child_or_none(part)

    def grandchild(self, part: str, of: str) -> int | None:
        """A process that one of the supervisor's children has started."""
        parent = self.child(of)
        return next((pid for pid, above, line in processes() if above == parent and part in line), None)

    def forget_queues(self) -> None:
        """Empty Valkey: every queue, job and limit that it knew is gone."""
        self.await_done(self._flush)

    def _flush(self) -> bool:
        try:
            return bool(self.site.queue().flushall())
        except redis.RedisError:
            return False

    def await_done(self, act: Callable[[], object]) -> None:
        """Act until it works: what an earlier fault took away is being started again."""
        until = time.monotonic() + _THERE_WITHIN
        while not act():
            assert time.monotonic() < until, "this fault cannot be injected"
            time.sleep(0.05)

    # --- mail ---

    def mail_is(self, mode: Mode) -> None:
        """Have the mail server misbehave for a while, with something to send; then it is well again."""
        self.site.mail.mode = mode
        self.probes.invite()
        # Silence has to last longer than anybody waits for a greeting.
        time.sleep(self.mode_seconds * (2.5 if mode == "silent" else 1.0))
        self.site.mail.mode = "healthy"

    def texts_are(self, *, refused: bool) -> None:
        """Have the provider of SMS refuse for a while, or take and not answer, with something to send."""
        texts = self.site.texts
        if refused:
            texts.refuse()
        else:
            texts.hangs_up = True
        # Asked at once, and for as long as it lasts.
        probe = self.probes.text()
        until = time.monotonic() + self.mode_seconds
        while time.monotonic() < until:
            probe()
            time.sleep(0.2)
        texts.heal()

    # --- the clock ---

    def clock_forward(self) -> None:
        self.site.set_clock(self.site.clock_offset + HOUR)

    def clock_back(self) -> Probe:
        """Set the clock back over mail that is due by the clock before, while nobody can send it."""
        self.await_done(lambda: _send(self.child("jobs.worker urgent"), signal.SIGSTOP))
        while not (address := self.probes.invite()):
            time.sleep(0.1)
        self.site.set_clock(self.site.clock_offset - HOUR)
        _send(self.child("jobs.worker urgent"), signal.SIGCONT)
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
        self.kill(lambda: self.child("jobs.schedule"))
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


def _kills(name: str, function: str, part: str, *, of: str = "", may_send: bool = False) -> Fault:
    def do(chaos: Chaos) -> None:
        find = (lambda: chaos.grandchild(part, of)) if of else (lambda: chaos.child(part))
        chaos.kill(find, may_send=may_send)

    return Fault(f"kill -9 {name}", function, do)


def _mail(words: str, mode: Mode) -> Fault:
    return Fault(f"mail server {words}", "mail", lambda chaos: chaos.mail_is(mode))


def _point(point: str, function: str) -> Fault:
    return Fault(f"kill -9 at “{point}”", function, lambda chaos: chaos.die_at(point))


FAULTS = (
    _kills("a web worker", "page", "gunicorn", of="gunicorn"),
    _kills("the web master", "page", "gunicorn"),
    _kills("the urgent worker", "mail", "jobs.worker urgent", may_send=True),
    _kills("the bulk worker", "bulk", "jobs.worker bulk"),
    _kills("the scheduler", "sweep", "jobs.schedule"),
    _kills("PostgreSQL", "move", _POSTGRES, may_send=True),
    _kills("a database connection", "move", "lifecycle_app", of=_POSTGRES, may_send=True),
    _kills("Valkey", "mail", "valkey"),
    Fault("Valkey emptied", "mail", lambda chaos: chaos.forget_queues()),
    _mail("silent", "silent"),
    _mail("slow", "slow"),
    _mail("answers 451", "defers"),
    _mail("answers 550", "refuses"),
    _mail("hangs up after DATA", "cuts"),
    Fault("SMS provider hangs up", "text", lambda chaos: chaos.texts_are(refused=False)),
    Fault("SMS provider answers 503", "text", lambda chaos: chaos.texts_are(refused=True)),
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


def _send(pid: int | None, number: signal.Signals) -> bool:
    """Send a process a signal; say whether it was there."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
