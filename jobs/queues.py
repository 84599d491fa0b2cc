"""The queues, by how long their jobs may wait. Each has one worker process of its own.

A worker on two queues would take jobs with BLPOP, and lose the one in its hand when it is killed.
"""

from __future__ import annotations

from lifecycle.core.queue import BULK, URGENT

# urgent: somebody waits for it, like mail. bulk: it may take minutes, like an import.
QUEUES = (URGENT, BULK)

# How long a job that drains what is due goes on before it goes to the end of its queue: mail, rules and
# reminders share one worker, and a flood of one must not keep the others waiting.
TURN_SECONDS = 10.0
