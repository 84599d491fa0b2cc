"""What clients read of a playbook in other languages: `words/fr.po`, as translators' tools write it.

Hostile input costs little and gives a sentence, as with the playbook's other files.
"""

from __future__ import annotations

from io import StringIO
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, read_po

from lifecycle.core.words import LANGUAGES, SOURCE
from lifecycle.governance.language.errors import PlaybookError, nearest, shown
from lifecycle.governance.language.reading import Source, is_hidden

FOLDER: Final = "words"
ENDING: Final = ".po"
MOST_BYTES: Final = 1024 * 1024
MOST_SENTENCES: Final = 5_000
_PLURAL: Final = "msgid_plural"
_REMARK: Final = "#"
OTHERS: Final = tuple(language for language in LANGUAGES if language != SOURCE)


def read_catalog(file: str, text: str) -> Source:
    """Return a catalog's translations by sentence, without those that are empty or marked as unsure.

    Never raises: what is wrong is in the source's `errors`.
    """
    source = Source(file)
    if len(text) > MOST_BYTES:
        _note(source, 1, f"the file is longer than {MOST_BYTES // 1024} KiB", "")
        return source
    if language_of(file) is None:
        name = file.rpartition("/")[2].removesuffix(ENDING)
        remedy = nearest(name, OTHERS) or f"use one of {', '.join(OTHERS)}"
        _note(source, 1, f"'{shown(name)}' is not a language that clients can read", remedy)
        return source
    lines = [line.strip() for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        # Not left to be read: how many plurals are made room for is what the file's head asks for.
        if line.startswith(_PLURAL):
            _note(source, number, "a playbook's sentences have no plural", "write two sentences")
            return source
    try:
        # Without a locale, so that nothing in the file's head decides how it is read.
        catalog: Catalog = read_po(StringIO("\n".join(map(_unremarked, lines))), abort_invalid=True)
    except PoFileError as error:
        _note(source, error.lineno + 1, f"this is not a catalog: {shown(error)}", "check the quotes here")
        return source
    except (ValueError, LookupError, TypeError) as error:
        _note(source, 1, f"this is not a catalog: {shown(error)}", "check the quotes and the head")
        return source
    source.data = {}
    for message in catalog:
        _take(source, message)
    if len(source.data) > MOST_SENTENCES:
        _note(source, 1, f"the file holds more than {MOST_SENTENCES} sentences", "take out what is not used")
    if source.errors:
        source.data = None
    return source


def language_of(file: str) -> str | None:
    """Return the language that a file of this name holds the words in, or None."""
    folder, _, name = file.rpartition("/")
    language = name.removesuffix(ENDING)
    return language if folder == FOLDER and name.endswith(ENDING) and language in OTHERS else None


def _unremarked(line: str) -> str:
    """Return a line without remarks, but for what marks a translation as unsure: each would be compared with
    all others of its sentence."""
    if not line.startswith(_REMARK):
        return line
    flags = line.removeprefix("#,").split(",") if line.startswith("#,") else []
    return "#, fuzzy" if any(flag.strip() == "fuzzy" for flag in flags) else _REMARK


def _take(source: Source, message: Message) -> None:
    # What has a plural, and so is more than one text, is not read.
    sentence, said, line = str(message.id), str(message.string), message.lineno or 1
    if not sentence or message.fuzzy or not said:
        return
    hidden = next((mark for mark in sentence + said if is_hidden(mark)), None)
    if hidden is not None:
        _note(source, line, f"the text holds a hidden mark (U+{ord(hidden):04X})", "take it out")
        return
    sentence = sentence.strip()
    source.values[sentence,] = (line, 1)
    source.data[sentence] = said.strip()


def _note(source: Source, line: int, sentence: str, remedy: str) -> None:
    source.errors.append(PlaybookError(source.file, line, 1, "", sentence, remedy))
