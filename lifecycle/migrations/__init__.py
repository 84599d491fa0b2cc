"""The versions of the schema, numbered one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Final

# The newest version, which this code expects. Read off the files' names: Alembic would import every one.
NEWEST: Final = max(
    file.name.partition("_")[0] for file in (Path(__file__).parent / "versions").glob("[0-9]*_*.py")
)
