"""The log of a process: one line a record, each with the id of the request or job that it was made in.

JSON in production, for machines that gather it; words in development. Tokens never reach it: whatever looks
like one is cut out of every line, wherever it came from.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

LogFormat = Literal["json", "text"]
FORMATS: Final[tuple[LogFormat, ...]] = ("json", "text")

# What a record may bring along. Everything else that a library hangs on one stays out.
_FIELDS: Final = (
    "route",
    "method",
    "status",
    "user",
    "queue",
    "function",
    "attempt",
    "outcome",
    "duration_ms",
)
# 256 random bits in base64 mix capitals and small letters; hardly a name in a program of that length does.
_TOKEN: Final = re.compile(r"(?=[\w-]{0,99}[A-Z])(?=[\w-]{0,99}[a-z])[\w-]{40,}")
# PostgreSQL quotes whole rows in a message's detail.
_DETAIL: Final = re.compile(r"^DETAIL:.*$", re.MULTILINE)
_PASSWORD: Final = re.compile(r"(?<=://)([^\s:/@]*):[^\s@/]+@")


class _Formatter(ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


def configure(log_format: LogFormat) -> None:
    """Send all records of this process, from `info` on, to its standard error in one format."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=False,
            pad_event_to=0,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[
                merge_contextvars,
                add_log_level,
                add_logger_name,
                ExtraAdder(_FIELDS),
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.processors.format_exc_info,
                _cut_details,
            ],
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for earlier in list(root.handlers):
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.INFO)


@contextmanager
def within(**names: str | None) -> Iterator[None]:
    """Give every record made inside these names, like `request_id`; None leaves one out."""
    with bound_contextvars(**{name: value for name, value in names.items() if value is not None}):
        yield


def request_id() -> str | None:
    """Return the id of the request that this work is part of, or that queued it; None outside of any."""
    found = get_contextvars().get("request_id")
    return str(found) if found is not None else None


def scrubbed(line: str) -> str:
    """Return `line` without what looks like a token, and without the password of an address."""
    return _PASSWORD.sub(r"\1:[cut]@", _TOKEN.sub("[cut]", line))


def _cut_details(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in ("event", "exception"):
        if name in event:
            event[name] = _DETAIL.sub("DETAIL: [cut]", str(event[name]))
    return event
