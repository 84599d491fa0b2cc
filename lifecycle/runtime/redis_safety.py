"""Whether a Redis that was given keeps what it is told; the queue must never lose a job silently."""

from __future__ import annotations

import redis

from lifecycle.runtime.datafolder import Refused


def check_redis(url: str) -> list[str]:
    """Return warnings, one sentence each. Raises Refused when it cannot be reached or evicts keys."""
    client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True)
    try:
        client.ping()
        policy = _setting(client, "maxmemory-policy")
        append_only = _setting(client, "appendonly")
    except redis.RedisError as error:
        raise Refused(f"Redis cannot be reached: {error}") from None
    finally:
        client.close()
    if policy is None:
        return ["This Redis does not tell its settings: make sure that maxmemory-policy is noeviction."]
    if policy != "noeviction":
        raise Refused(
            f"Redis drops jobs when memory is short (maxmemory-policy is {policy}): set it to noeviction."
        )
    if append_only == "no":
        return ["Redis runs without an append-only file: after a crash, jobs wait for the next sweep."]
    return []


def _setting(client: redis.Redis, name: str) -> str | None:
    try:
        return str(dict(client.config_get(name))[name])
    except (redis.ResponseError, KeyError):
        return None
