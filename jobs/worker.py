"""`python -m jobs.worker urgent|bulk`: one worker for one queue.

It runs jobs in its own process (RQ's SimpleWorker) rather than forking for each. A job drains rows that
PostgreSQL remembers, so what a fork protects is safe anyway; a fork costs 40 ms a job, and would outlive a
killed worker, since Linux drops the parent-death signal on fork.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from jobs.queues import QUEUES
from jobs.starting import start
from jobs.stopping import ask_to_stop, is_asked_to_stop, listen_for_signals, rest
from lifecycle.core import logs
from lifecycle.core.killpoint import reach
from lifecycle.core.metrics import count_job
from lifecycle.core.queue import REQUEST_ID

log = logging.getLogger(__name__)

LONGEST_WAIT = 10.0


class Worker(SimpleWorker):
    """Runs each job in an application context; SIGTERM lets the job at hand finish its piece of work."""

    max_connection_wait_time = LONGEST_WAIT

    def __init__(self, queue: str, app: Flask) -> None:
        settings = app.extensions["settings"]
        super().__init__(
            [queue],
            connection=Redis.from_url(settings.redis_url, socket_connect_timeout=5, health_check_interval=30),
            serializer=JSONSerializer,
            # A dead worker is noticed, and what it held is queued again, within about a minute.
            worker_ttl=30,
            maintenance_interval=10,
        )
        self._app = app

    def execute_job(self, job: Job, queue: Queue) -> None:
        with self._app.app_context():
            reach("between pop and start")
            super().execute_job(job, queue)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Do a job; what it logs has its id, and that of the request that queued it."""
        began = time.perf_counter()
        with logs.within(job_id=job.id, request_id=job.meta.get(REQUEST_ID)):
            is_done = bool(super().perform_job(job, queue, execution))
            seconds = time.perf_counter() - began
            outcome = "done" if is_done else "failed"
            count_job(str(job.func_name), queue.name, outcome, seconds)
            log.log(
                logging.INFO if is_done else logging.ERROR,
                "job",
                extra={
                    "function": job.func_name,
                    "queue": queue.name,
                    "attempt": (job.number_of_retries or 0) + 1,
                    "outcome": outcome,
                    "duration_ms": round(seconds * 1000, 1),
                },
            )
        return is_done

    def request_stop(self, signum: Any, frame: Any) -> None:
        ask_to_stop()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        if is_asked_to_stop():  # Before these handlers stood: they would never hear of it.
            raise StopRequested

    def subscribe(self) -> None:
        """Take no commands over Redis: nobody sends any, and the thread for it would be one more to fail."""


def run(queue: str, app: Flask) -> None:
    """Work on `queue` until asked to stop; wait for Redis when it is away, however long."""
    wait = 0.5
    while not is_asked_to_stop():
        try:
            # Its handlers of the last round would end the process from within our rest.
            listen_for_signals()
            if Worker(queue, app).work(logging_level="WARNING"):
                wait = 0.5
        except RedisError as error:
            log.warning("the queue is away, trying again in %.0f s: %s", wait, error)
        except StopRequested:
            return
        listen_for_signals()
        rest(wait)
        wait = min(wait * 2, LONGEST_WAIT)


def main() -> None:
    """Start from the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in QUEUES:
        sys.exit(f"Say which queue: python -m jobs.worker {'|'.join(QUEUES)}")
    run(sys.argv[1], start())


if __name__ == "__main__":
    main()
