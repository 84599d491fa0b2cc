"""`lifecycle import`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lifecycle.commands import imports as command
from lifecycle.core.errors import Invalid
from tests.exchange.imports.conftest import BOARD, as_csv
from tests.exchange.imports.test_importing import ROWS

MAP = """
external_id: id
title: name
account: { column: company }
stage: { column: stage, values: { New: sourced, Talking: engaged, Won: closed_won, Lost: closed_lost } }
entered: { engaged: engaged, closed_won: closed, closed_lost: closed }
value: { column: amount, currency: EUR }
"""


class Typed:
    """A terminal in a folder with a file and a map."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "deals.csv").write_bytes(as_csv(ROWS))
        (folder / "map.yaml").write_text(MAP)

    def __call__(self, *words: object, error: type[Exception] | None = None) -> Result:
        result = CliRunner().invoke(command.import_, [str(word) for word in words])
        if error is None:
            assert result.exception is None, result.output
        else:
            assert isinstance(result.exception, error), result.output
        return result

    def cards(self, *words: object, error: type[Exception] | None = None) -> Result:
        files = (self.folder / "deals.csv", "--map", self.folder / "map.yaml")
        return self("cards", *files, "--pipeline", BOARD, *words, error=error)


@pytest.fixture
def typed(app, manager, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "create_app", lambda: app)
    return Typed(tmp_path)


def test_a_file_is_checked_imported_listed_and_withdrawn(typed):
    who = ("--as", "mary@demo.example")
    dry = typed.cards("--dry-run", *who)
    assert "4 rows read; 4 cards would be put on the board, worth EUR 2,100.50." in dry.output
    real = typed.cards(*who)
    assert "4 cards were put on the board" in real.output
    assert "  Closed-Won: 1, EUR 900.00" in real.output
    number = real.output.split("This is import ")[1].split(".")[0]
    assert f"{number}" in typed("list").output
    assert "4 cards" in typed("withdraw", number, *who).output


def test_questions_and_errors_are_told(typed):
    (typed.folder / "deals.csv").write_bytes(as_csv([("1", "", "Acme", "Talking", "03/04/2024", "", "")]))
    asked = typed.cards("--as", "mary@demo.example", error=Invalid)
    assert "03/04/2024: 3 Apr 2024 (day-month-year), or 4 Mar 2024 (month-day-year)" in asked.output
    (typed.folder / "map.yaml").write_text(MAP + "dates: day-month-year\n")
    told = typed.cards("--as", "mary@demo.example")
    assert "Row 2: name: Give the card a title." in told.output


def test_somebody_must_stand_for_it(typed):
    assert "--as EMAIL" in str(typed.cards(error=Invalid).exception)
    assert "Nobody who works here" in str(typed.cards("--as", "x@y.example", error=Invalid).exception)
