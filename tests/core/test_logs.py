"""P14: each line of the log is one record with the id of its work, and holds no secret."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lifecycle.core import logs

log = logging.getLogger("lifecycle.test")


class Written:
    """What the process has written to its standard error so far."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._captured.readouterr().err
        return self._text


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """The log of this process; it is as it was afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield Written(capsys)
    root.handlers[:] = before
    root.setLevel(level)


def _fail(why: str) -> None:
    raise ValueError(why)


def lines(stream: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_with_the_ids_of_its_work(written: Written) -> None:
    logs.configure("json")
    with logs.within(request_id="abc", job_id=None):
        log.warning("over %s\nlines", "two", extra={"status": 200, "arguments": ["not ours"]})
    log.info("alone")
    first, second = lines(written)
    assert first.pop("time").endswith("Z")
    assert first == {
        "event": "over two\nlines",
        "level": "warning",
        "logger": "lifecycle.test",
        "request_id": "abc",
        "status": 200,
    }
    assert "request_id" not in second


def test_people_read_words(written: Written) -> None:
    logs.configure("text")
    with logs.within(request_id="abc"):
        log.info("it went well")
    line = written.getvalue()
    assert "it went well" in line
    assert "request_id=abc" in line
    assert line.count("\n") == 1


def test_tokens_passwords_and_rows_are_cut_out_wherever_they_come_from(written: Written) -> None:
    # One in 1,500 has no digit.
    tokens = ["nJJyIRhrGcuRxY_yO_IgbsEqWh-fRwWUuZTgCEyRCQQ", *(secrets.token_urlsafe(32) for _ in range(200))]
    logs.configure("json")
    for token in tokens:
        log.info("GET /c/%s/answers", token)
    log.info("cannot reach redis://user:hunter2@queue:6379/0 or postgresql://app:hunter2@/db?host=/run")
    rows = f"bad row\nDETAIL:  Failing row contains (Dear Grace).\nat /c/{tokens[0]}"
    try:
        _fail(rows)
    except ValueError:
        log.exception("failed")
    text = written.getvalue()
    assert [token for token in tokens if token in text] == []
    assert "hunter2" not in text
    assert "Dear Grace" not in text
    *_, address, failure = lines(written)
    assert "redis://user:[cut]@queue:6379/0" in address["event"]
    assert "ValueError: bad row" in failure["exception"]


def test_what_a_program_is_made_of_stays(written: Written) -> None:
    logs.configure("json")
    for word in (
        "0193a5b2-7c5e-7d3a-9f10-2b7c5e7d3a9f",
        "lifecycle_guard_visit_chain_follows_its_predecessor_2",
        "a" * 64,
    ):
        log.info(word)
    assert "[cut]" not in written.getvalue()
