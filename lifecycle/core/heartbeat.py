"""That a process of ours is alive, told over Redis: by itself, and read by whoever asks.

Redis counts the age, so hosts whose clocks differ agree on it.
"""

from __future__ import annotations

from typing import Any, Final, cast

from redis import Redis

SCHEDULER: Final = "scheduler"
_LIFETIME: Final = 24 * 3600
_PREFIX: Final = "lifecycle:alive:"


def beat(redis: Redis, who: str) -> None:
    """Say that `who` is alive now. Raises RedisError when Redis is away."""
    redis.set(_PREFIX + who, 1, ex=_LIFETIME)


def end(redis: Redis, who: str) -> None:
    """Say that `who` ends on purpose."""
    redis.delete(_PREFIX + who)


def ask_age(pipeline: Any, who: str) -> None:
    """Put the question for the age of the last beat into a pipeline; `age` reads the answer."""
    pipeline.pttl(_PREFIX + who)


def age(answer: object) -> float | None:
    """Return how many seconds ago the last beat was, None when there was none within a day."""
    left = cast(int, answer)
    return None if left < 0 else max(0.0, _LIFETIME - left / 1000)
