"""What is measured at one size of the board, each beside its floor."""

from __future__ import annotations

import itertools
import os
import signal
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

from tests.bench.asked import ask_clients
from tests.bench.client import FRAGMENT, Answer, Browser, Times, a_second, alternating, repeated
from tests.bench.site import SLUG, STAGES, Site

BOARD = f"/boards/{SLUG}"
JSON = {"Accept": "application/json"}
USERS = 8
BOARDS_OPEN = 500
POLL_EVERY = 1.4  # As static/js/board-live.js does.
SEEN_WITHIN = 2.0
# PostgreSQL's own: an idle backend tells its counts after so long.
_TOLD_WITHIN = 11.0
WORKER = "jobs.worker urgent"
WEB = "gunicorn"
# Written by a move itself; what the workers write later is another case.
_WRITTEN = "select relname, n_tup_ins, n_tup_upd from pg_stat_user_tables where schemaname = 'public'"
_LATE = (
    """
    update rule_firings set next_attempt_at = now() - interval '1 s', undo_until = null
    where state = 'pending' returning 1
    """,
    """
    update outbox_messages set next_attempt_at = now() - interval '1 s'
    where state in ('held', 'due') returning 1
    """,
)


@dataclass(frozen=True)
class Effort:
    """How much is measured: repetitions of a case, and seconds of a rate."""

    times: int
    moves: int
    seconds: float
    boards: int
    messages: int


WHOLE = Effort(times=60, moves=150, seconds=10, boards=BOARDS_OPEN, messages=200)
SHORT = Effort(times=8, moves=8, seconds=1.5, boards=40, messages=6)


@dataclass
class Figure:
    """One case at one size: ms (p50, p95), or something a second; `floor` in the same unit, None without."""

    case: str
    cards: int
    unit: str
    value: float
    floor: float | None = None
    p95: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the floor it costs: 1 is the floor."""
        if not self.floor or not self.value:
            return None
        return self.value / self.floor if self.unit == "ms" else self.floor / self.value

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "ratio": self.ratio}


class Bench:
    """All cases, on a site with one size of board."""

    def __init__(self, site: Site, floor: str, cards: int, effort: Effort) -> None:
        self.site, self.cards, self.effort = site, cards, effort
        self.staff, self.floor = site.browser(), Browser(floor)
        self.pipeline = site.rows("select id from pipelines where slug = %s", SLUG)[0][0]
        stages = site.rows("select key, id from stages where pipeline_id = %s", self.pipeline)
        self.stages: dict[str, int] = dict(stages)
        self._movable = self._cards_that_may_move()
        self._lock = threading.Lock()

    def run(self, tell: Callable[[Figure], object]) -> list[Figure]:
        """Measure everything and return it; each figure is told when it is there."""
        found = []
        try:
            for case in (self.pages, self.clients, self.moves, self.rates, self.live, self.outbox):
                for figure in case():
                    tell(figure)
                    found.append(figure)
        finally:
            self.staff.close()
            self.floor.close()
        return found

    # --- pages ---

    def pages(self) -> Iterator[Figure]:
        """Measure what is read: each page alternating with its floor, one user."""
        card, order, stage = self.site.rows(
            "select id, board_order, stage_id from cards where pipeline_id = %s and archived_at is null "
            "and stage_id = %s order by board_order, id offset 11 limit 1",
            self.pipeline,
            self.stages["step_2"],
        )[0]
        word = self.site.rows("select split_part(name, ' ', 1) from accounts order by id limit 1")[0][0]
        pages = {
            "board": (BOARD, f"/board/{self.pipeline}", {}),
            "column page": (
                f"{BOARD}/columns/step_2?after={order}.{card}",
                f"/column/{stage}/{order}/{card}",
                FRAGMENT,
            ),
            "list": (f"{BOARD}/list", f"/board/{self.pipeline}", {}),
            "card": (f"/cards/{card}", f"/card/{card}", {}),
            "search": (f"/search?q={quote(word)}", f"/search/{quote(word.lower())}", {}),
            "funnel": (f"/reports/{SLUG}", f"/funnel/{self.pipeline}", {}),
            "velocity": (f"/reports/{SLUG}/velocity", f"/velocity/{self.pipeline}", {}),
            "command center": ("/command-center", f"/board/{self.pipeline}", {}),
        }
        for case, (path, floor, headers) in pages.items():
            yield self._page(case, path, floor, headers)

    def _page(
        self, case: str, path: str, floor: str, headers: dict[str, str], by: Browser | None = None
    ) -> Figure:
        ask = partial((by or self.staff).get, path, **headers)
        size = len(ask().body)
        times = self.effort.times if case not in ("funnel", "velocity") else max(5, self.effort.times // 4)
        taken = alternating(
            {"product": ask, "floor": partial(self.floor.get, f"{floor}?bytes={size}")}, times
        )
        return self._figure(case, taken, f"{size / 1000:,.0f} KB")

    def _figure(self, case: str, taken: dict[str, Times], note: str) -> Figure:
        product, floor = taken["product"], taken["floor"]
        return Figure(case, self.cards, "ms", product.p50, floor.p50, product.p95, note)

    # --- clients ---

    def clients(self) -> Iterator[Figure]:
        """Measure what a client does with a form of 200 questions, and their home, one client."""
        warm, counted = 5, 5
        asked = ask_clients(self.site, self.effort.times + warm + counted)
        client = Browser(self.site.address)
        # Their letters are not what is measured.
        self.site.settled()
        form, *others = asked.forms
        try:
            for case, path in (
                ("client: page of a form", f"{form}/pages/page_1"),
                ("client: home", asked.home),
            ):
                yield self._page(case, path, self._a_card(), {}, client)
            client.take_token(f"{form}/pages/page_1")
            with self._resting_workers():
                numbers = itertools.count()
                yield self._written_case(
                    "client: one answer saved",
                    lambda: client.post(
                        f"{form}/drafts", {"page": "page_1", "ask-q1_1": f"Answer {next(numbers)}"}, **JSON
                    ),
                    counted,
                )
                paths = iter(others)
                yield self._written_case(
                    "client: form sent", lambda: self._send(client, next(paths)), counted
                )
        finally:
            client.close()

    def _a_card(self) -> str:
        (card,) = self.site.rows("select id from cards where archived_at is null limit 1")[0]
        return f"/card/{card}"

    @staticmethod
    def _send(client: Browser, form: str) -> Answer:
        # Nothing is shown beside the form, so the hash of what was shown stands in its page alone.
        page = client.get(f"{form}/review").body.decode()
        seen = page.partition('name="seen" value="')[2].partition('"')[0]
        return client.post(f"{form}/answers", {"seen": seen, "signer": "Cleo Client"})

    def _written_case(self, case: str, ask: Callable[[], Answer], counted: int) -> Figure:
        rows, size = self._rows_of(ask, counted)
        floor = f"/moves/{{}}?bytes={size}&" + "&".join(f"row={width}" for width in rows)
        cards = itertools.cycle(
            str(card) for (card,) in self.site.rows("select id from floor.cards limit 500")
        )
        taken = alternating(
            {"product": ask, "floor": lambda: self.floor.post(floor.format(next(cards)), {})},
            self.effort.times,
            warm=4,
            statuses=(200, 303),
        )
        return self._figure(case, taken, f"{len(rows)} rows written")

    # --- moves ---

    def moves(self) -> Iterator[Figure]:
        """Measure a move whose gate passes, and one that is blocked, one user; the workers rest meanwhile."""
        with self._resting_workers():
            rows, size = self._rows_of_a_move()
            floor = f"/moves/{{}}?bytes={size}&" + "&".join(f"row={width}" for width in rows)
            cards = itertools.cycle(
                str(card) for (card,) in self.site.rows("select id from floor.cards limit 500")
            )
            taken = alternating(
                {
                    "product": partial(self.move, self.staff),
                    "floor": lambda: self.floor.post(floor.format(next(cards)), {}),
                },
                self.effort.moves,
            )
            yield self._figure("move", taken, f"{len(rows)} rows written")
            blocked = self._blocked()
            times = repeated(blocked, self.effort.moves, status=422)
            yield Figure("blocked move", self.cards, "ms", times.p50, None, times.p95)
            yield self._moves_a_second(floor, cards)

    def move(self, browser: Browser) -> Answer:
        """Move the next card whose gate passes one stage on."""
        with self._lock:
            card, stage, visit = next(self._movable)
        answer = browser.post(
            f"/cards/{card}/moves", {"to_stage": f"step_{stage + 1}", "seen_visit": visit}, **JSON
        )
        assert answer.status == 200, answer.body[:500]
        return answer

    def _cards_that_may_move(self) -> Iterator[tuple[str, int, int]]:
        # A batch at a time: a card is handed out once for each visit it stands in.
        seen: set[int] = set()
        query = """
            select c.id, cast(substr(s.key, 6) as int), c.visit_id
            from cards c join stages s on s.id = c.stage_id
            where c.pipeline_id = %s and c.archived_at is null and s.key like 'step_%%'
              and s.key not in ('step_1', %s) order by random() limit 2000
        """
        while True:
            batch = [
                row for row in self.site.rows(query, self.pipeline, f"step_{STAGES}") if row[2] not in seen
            ]
            assert batch, "no card is left that may move: load more"
            for card, stage, visit in batch:
                seen.add(visit)
                yield str(card), stage, visit

    def _blocked(self) -> Callable[[], Answer]:
        card, visit = self.site.rows(
            "select id, visit_id from cards where stage_id = %s and archived_at is null limit 1",
            self.stages["step_1"],
        )[0]
        form = {"to_stage": "step_2", "seen_visit": visit}
        return lambda: self.staff.post(f"/cards/{card}/moves", form, **JSON)

    def _rows_of_a_move(self) -> tuple[list[int], int]:
        """Return the widths in bytes of the rows that a move writes, and the length of its answer."""
        return self._rows_of(partial(self.move, self.staff), 10)

    def _rows_of(self, ask: Callable[[], Answer], number: int) -> tuple[list[int], int]:
        """Return the widths of the rows that an act writes, having done it so often, and its length."""
        # What was done before is told by then, and does not count; nor is any of this missing.
        time.sleep(_TOLD_WITHIN)
        before = self._written(after={})
        answers = [ask() for _ in range(number)]
        time.sleep(_TOLD_WITHIN)
        widths = []
        for table, (inserted, updated) in self._written(after=before).items():
            each = round((inserted + updated - sum(before.get(table, (0, 0)))) / number)
            if each:
                (wide,) = self.site.rows(
                    f"select coalesce(avg(pg_column_size(t.*)), 100) from (select * from {table} limit 200) t"
                )
                widths += [int(wide[0])] * each
        assert len(widths) > 1, "what it writes was not counted"
        # One of them is the floor's own UPDATE.
        return sorted(widths)[1:], len(answers[-1].body)

    def _written(self, after: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Return what was written to each table, once it is more than `after` and grows no more."""
        # A backend tells its counts when it has been idle for a while, some of them later than others.
        told = dict(after)
        for _ in range(20):
            time.sleep(1.5)
            now = {table: (inserted, updated) for table, inserted, updated in self.site.rows(_WRITTEN)}
            if now == told != after:
                break
            told = now
        return told

    def _moves_a_second(self, floor: str, cards: Iterator[str]) -> Figure:
        lock = threading.Lock()

        def floor_move(browser: Browser) -> None:
            with lock:
                card = next(cards)
            browser.post(floor.format(card), {})

        staff = [partial(self.move, self.staff.twin()) for _ in range(USERS)]
        floors = [partial(floor_move, self.floor.twin()) for _ in range(USERS)]
        rate, least = a_second(staff, self.effort.seconds), a_second(floors, self.effort.seconds)
        return Figure("moves", self.cards, "a second", rate, least, note=f"{USERS} users")

    # --- rates ---

    def rates(self) -> Iterator[Figure]:
        """Measure boards a second, for several users."""
        size = len(self.staff.get(BOARD).body)
        staff = [partial(self.staff.twin().get, BOARD) for _ in range(USERS)]
        floors = [
            partial(self.floor.twin().get, f"/board/{self.pipeline}?bytes={size}") for _ in range(USERS)
        ]
        rate, least = a_second(staff, self.effort.seconds), a_second(floors, self.effort.seconds)
        yield Figure("boards", self.cards, "a second", rate, least, note=f"{USERS} users")
        yield Figure("memory of the web server", self.cards, "MiB", self.site.memory(WEB))

    # --- live boards ---

    def live(self) -> Iterator[Figure]:
        """Measure open boards: what their polls cost, and how soon all have seen a move."""
        boards = OpenBoards(self.staff, self.effort.boards)
        with boards.polling():
            time.sleep(3)
            before, began = self.site.cpu_seconds(WEB), time.monotonic()
            time.sleep(self.effort.seconds)
            cores = (self.site.cpu_seconds(WEB) - before) / (time.monotonic() - began)
            waits = []
            for _ in range(5):
                began = time.monotonic()
                self.move(self.staff)
                waits.append(boards.seconds_until_all_saw_it(began))
                time.sleep(1)
        note = f"{self.effort.boards} boards"
        yield Figure("polls of open boards", self.cards, "cores", cores, note=note)
        yield Figure("a move is seen on all", self.cards, "s", max(waits), note=f"worst of 5, {note}")

    # --- outbox ---

    def outbox(self) -> Iterator[Figure]:
        """Measure how fast a backlog of moves becomes mail once it begins: rules performed, messages sent.

        Nothing wakes the workers here but the scheduler's next look at the clock; the note says when it came.
        """
        with self._resting_workers():
            for _ in range(self.effort.messages):
                self.move(self.staff)
            # A move can be taken back for a minute, and its mail waits for that.
            for late in _LATE:
                self.site.rows(late)
            began = self.site.rows("select clock_timestamp()")[0][0]
        self.site.settled()
        count, first, last = self.site.rows(
            "select count(*), min(sent_at), max(sent_at) from outbox_messages where sent_at > %s", began
        )[0]
        yield Figure(
            "mail of a backlog",
            self.cards,
            "a second",
            (count - 1) / (last - first).total_seconds(),
            self._mail_floor(count),
            note=f"{count} messages, the first after {(first - began).total_seconds():.1f} s",
        )

    def _mail_floor(self, count: int) -> float:
        address = urlsplit(self.site.environment["SMTP_URL"])
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = (
            "floor@demo.example",
            "floor@demo.example",
            "Floor",
        )
        message.set_content("x" * 1500)
        began = time.monotonic()
        with (
            smtplib.SMTP(address.hostname or "", address.port or 25) as server,
            psycopg.connect(self.site.environment["DATABASE_OWNER_URL"], autocommit=True) as database,
        ):
            for _ in range(count):
                server.send_message(message)
                database.execute("insert into floor.added (body) values (%s)", ("x" * 1500,))
        return count / (time.monotonic() - began)

    @contextmanager
    def _resting_workers(self) -> Iterator[None]:
        """Let nothing be worked on meanwhile, so that what a move costs later is not measured with it."""
        resting = [pid for pid, command in self.site.product.family().items() if "jobs." in command]
        for pid in resting:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in resting:
                os.kill(pid, signal.SIGCONT)


class OpenBoards:
    """Many browsers that have the board open and poll it as its script does, from a few threads."""

    THREADS = 8

    def __init__(self, browser: Browser, number: int) -> None:
        page = browser.get(BOARD).body.decode()
        cursor = page.split('data-cursor="')[1].split('"')[0]
        self._number = number
        self._cursors = [cursor] * number
        self._saw_at = [0.0] * number
        self._browsers = [browser.twin() for _ in range(self.THREADS)]
        self._stop = threading.Event()
        self._failures: list[BaseException] = []

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Poll from here to the end of the block."""
        threads = [threading.Thread(target=self._poll, args=(number,)) for number in range(self.THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        if self._failures:
            raise self._failures[0]

    def seconds_until_all_saw_it(self, began: float) -> float:
        """Return how long after `began` the last board learned of a change made since then."""
        while min(self._saw_at) < began:
            assert not self._failures, self._failures[0]
            assert time.monotonic() < began + 30, "a board never saw the move"
            time.sleep(0.02)
        return max(self._saw_at) - began

    def _poll(self, thread: int) -> None:
        mine = range(thread, self._number, self.THREADS)
        # Spread over the interval, as people open boards at all times.
        due = {board: time.monotonic() + POLL_EVERY * board / self._number for board in mine}
        try:
            while not self._stop.is_set():
                board = min(due, key=due.__getitem__)
                if self._stop.wait(max(0.0, due[board] - time.monotonic())):
                    return
                self._ask(self._browsers[thread], board)
                due[board] = time.monotonic() + POLL_EVERY
        except BaseException as error:  # noqa: BLE001 - told to whoever measures
            self._failures.append(error)

    def _ask(self, browser: Browser, board: int) -> None:
        headers = {"X_Board_Cursor": self._cursors[board], **FRAGMENT}
        answer = browser.get(f"{BOARD}/changes", **headers)
        assert answer.status in (200, 204), answer.status
        self._cursors[board] = answer.headers["X-Board-Cursor"]
        if answer.status == 200:
            self._saw_at[board] = time.monotonic()
