"""The catalogs of `lifecycle/translations` against the sentences of the product.

`python -m tests.catalogs` writes what the sources say now into every catalog: new sentences come without a
translation, and those that no source says any more go.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from lifecycle.core.words import CATALOGS, LANGUAGES, SOURCE

PRODUCT = Path(__file__).parents[1] / "lifecycle"
TRANSLATED = tuple(language for language in LANGUAGES if language != SOURCE)
KEYWORDS = {"_": None, "marked": None, "ngettext": (1, 2)}
OPTIONS = {"jinja2": {"silent": "false", "trimmed": "true"}, "python": {}}
WIDTH = 110


def sentences() -> Catalog:
    """Return every sentence that the sources mark, with where it stands."""
    found = Catalog(project="Lifecycle", charset="utf-8", fuzzy=False)
    for method, file in _sources():
        place = str(file.relative_to(PRODUCT.parent))
        with file.open("rb") as stream:
            for _line, message, _comments, _context in extract(
                method, stream, keywords=KEYWORDS, options=OPTIONS[method]
            ):
                found.add(message, None, [(place, None)])  # type: ignore[list-item]  # Lines change daily.
    return found


def path_of(language: str) -> Path:
    """Return where the catalog of a language is."""
    return CATALOGS / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """Return the catalog of a language."""
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def _sources() -> Iterator[tuple[str, Path]]:
    yield from (("python", file) for file in sorted(PRODUCT.rglob("*.py")))
    for ending in ("html", "txt"):
        files = sorted((PRODUCT / "templates").rglob(f"*.{ending}"))
        yield from (("jinja2", file) for file in files)


def update() -> None:
    """Bring the catalogs to what the sources say."""
    template = sentences()
    for language in TRANSLATED:
        catalog = read(language)
        catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalog.obsolete.clear()
        with path_of(language).open("wb") as file:
            write_po(file, catalog, width=WIDTH, sort_output=True, ignore_obsolete=True)


if __name__ == "__main__":
    update()
