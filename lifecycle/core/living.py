"""Whether whoever holds something is still there, as the database knows it: no clock can be wrong about that.

A lease that has run out says that its holder is gone only as far as clocks agree. The holder of a number is
there for as long as its connection is, and the database lets the number go with it, however it ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from lifecycle.core.db import db


@contextmanager
def living() -> Iterator[int]:
    """Yield a number that `is_living` knows while the block runs; it needs a connection of its own."""
    # Apart from the few small numbers in `core/locks.py`.
    number = (1 << 62) + secrets.randbits(61)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
        own.execute(sa.select(sa.func.pg_advisory_lock(number)))
        try:
            yield number
        finally:
            try:
                own.execute(sa.select(sa.func.pg_advisory_unlock(number)))
            except DBAPIError:
                # It went with the connection.
                own.invalidate()


def is_living(number: int) -> bool:
    """Say whether somebody holds the number. Needs an open transaction, for whose length it is then ours."""
    is_free = db.session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(number)))
    return not is_free
