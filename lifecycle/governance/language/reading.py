"""Read the files of a playbook into plain data, keeping the line of everything.

Hostile input costs little and gives a sentence: files are bounded in size, nesting, nodes and what aliases
add; tags, merge keys, several documents and duplicate keys are refused. Words are YAML 1.2's: `true` and
`false` are truth values; `yes`, `no` and dates are read as words and understood where one is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from lifecycle.governance.language.errors import BrokenPlaybook, Path, PlaybookError, path_in_words, shown

MOST_BYTES: Final = 256 * 1024
MOST_FILES: Final = 200
MOST_DEPTH: Final = 24
MOST_NODES: Final = 10_000

# The parser in C is fifteen times as fast; wheels have it, a build from source may not.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,15}")
_CONSTANTS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip

Place = tuple[int, int]


@dataclass
class Source:
    """One file as read: its data, where each path of it stands, and what is wrong with it."""

    file: str
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    errors: list[PlaybookError] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> tuple[Path, Place | None]:
        """Return the longest part of `path` that the author wrote, and where it stands.

        With `key` the place is that of the key and not of what it holds.
        """
        for length in range(len(path), -1, -1):
            part = path[:length]
            if key and length == len(path) and part in self.keys:
                return part, self.keys[part]
            if part in self.values:
                return part, self.values[part]
        return (), None

    def error(self, path: Path, sentence: str, remedy: str = "", *, key: bool = False) -> PlaybookError:
        """Return a mistake at `path`, with its line and column."""
        written, place = self.place(path, key=key)
        line, column = place or (None, None)
        return PlaybookError(self.file, line, column, path_in_words(written or path), sentence, remedy)


class _Stop(Exception):
    """Reading on makes no sense; the mistake is already noted."""


@dataclass
class _Node:
    """A piece of the file before it becomes data: a scalar's value, or entries with their keys."""

    place: Place
    value: Any = None
    entries: list[tuple[str, Place, _Node]] | None = None
    items: list[_Node] | None = None
    is_open: bool = True


class _Reader:
    """Builds the data of one file from its events, without recursion on what the author nests."""

    def __init__(self, file: str, text: str) -> None:
        self.source = Source(file)
        self._text = text
        self._anchors: dict[str, _Node] = {}
        self._written = 0
        self._nodes = 0

    def read(self) -> Source:
        """Return the source; mistakes are in its `errors`, and its data is then None."""
        try:
            root = self._root()
            if root is None:
                self._note((1, 1), "the file is empty", "write what it is, for example 'pipeline: growth'")
            else:
                self.source.data = self._data(root, ())
        except _Stop:
            pass
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            # The end of the file is marked as a line after the last.
            last = self._text.count("\n") + 1
            place = (min(mark.line + 1, last), mark.column + 1) if mark else (1, 1)
            problem = shown(error.problem or error.context or "this cannot be read")
            self._note(place, f"this is not YAML: {problem}", "check the indentation, colons and quotes here")
        except (YAMLError, ValueError) as error:
            self._note((1, 1), f"this is not YAML: {shown(error)}", "save the file as plain UTF-8 text")
        if self.source.errors:
            self.source.data = None
        return self.source

    def _note(self, place: Place, sentence: str, remedy: str = "", path: Path = ()) -> None:
        words = path_in_words(path)
        self.source.errors.append(PlaybookError(self.source.file, *place, words, sentence, remedy))

    def _stop(self, place: Place, sentence: str, remedy: str = "") -> _Stop:
        self._note(place, sentence, remedy)
        return _Stop()

    def _too_many(self, place: Place) -> _Stop:
        return self._stop(
            place, f"the file holds more than {MOST_NODES} values", "split it into smaller ones"
        )

    def _events(self) -> Iterator[Event]:
        yield from yaml.parse(self._text, Loader=_LOADER)

    def _root(self) -> _Node | None:
        """Return the outermost node, or None for an empty file."""
        stack: list[_Node] = []
        waiting: list[tuple[str, Place] | None] = []
        root: _Node | None = None
        documents = 0
        for event in self._events():
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._stop(_at(event), "a second document begins here", "keep one document a file")
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                stack.pop().is_open = False
                waiting.pop()
            elif isinstance(event, AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent):
                node = self._node(event)
                if stack and stack[-1].entries is not None and waiting[-1] is None:
                    waiting[-1] = self._key(event, node)
                    continue
                self._attach(stack, waiting, node)
                root = root or node
                if isinstance(event, MappingStartEvent | SequenceStartEvent):
                    stack.append(node)
                    waiting.append(None)
                    if len(stack) > MOST_DEPTH:
                        raise self._stop(
                            node.place,
                            f"this is nested more than {MOST_DEPTH} levels deep",
                            "write it flatter",
                        )
        is_empty = root is None or (root.entries is None and root.items is None and root.value is None)
        return None if is_empty else root

    def _node(self, event: AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent) -> _Node:
        place = _at(event)
        self._written += 1
        if self._written > 2 * MOST_NODES:  # Keys are nodes here too.
            raise self._too_many(place)
        if isinstance(event, AliasEvent):
            return self._aliased(event, place)
        if event.tag is not None:
            raise self._stop(place, f"the tag '{shown(event.tag)}' is not allowed", "leave it out")
        node = _Node(place)
        if isinstance(event, MappingStartEvent):
            node.entries = []
        elif isinstance(event, SequenceStartEvent):
            node.items = []
        else:
            hidden = next((mark for mark in event.value if is_hidden(mark)), None)
            if hidden is not None:
                raise self._stop(place, f"the text holds a hidden mark (U+{ord(hidden):04X})", "take it out")
            node.value = _scalar(event)
            node.is_open = False
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: AliasEvent, place: Place) -> _Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise self._stop(
                place, f"'*{shown(event.anchor)}' refers to nothing above", "write the value here"
            )
        if node.is_open:
            raise self._stop(place, f"'*{shown(event.anchor)}' refers to itself", "write the value here")
        return node

    def _key(self, event: Event, node: _Node) -> tuple[str, Place]:
        if not isinstance(event, ScalarEvent) or event.value == "":
            raise self._stop(node.place, "a key must be a word", "write 'key: value'")
        if event.value == "<<" and not event.style:
            raise self._stop(node.place, "'<<' is not used here", "use stage_defaults, or write the keys out")
        return str(event.value), node.place

    def _attach(self, stack: list[_Node], waiting: list[tuple[str, Place] | None], node: _Node) -> None:
        if not stack:
            return
        parent, key = stack[-1], waiting[-1]
        if parent.items is not None:
            parent.items.append(node)
        elif parent.entries is not None and key is not None:
            parent.entries.append((*key, node))
            waiting[-1] = None

    def _data(self, node: _Node, path: Path) -> Any:
        """Return plain data, noting where each path stands. Depth is bounded, and so is what aliases add."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self._too_many(node.place)
        if len(path) > MOST_DEPTH:
            raise self._stop(
                node.place, f"this is nested more than {MOST_DEPTH} levels deep", "write it flatter"
            )
        self.source.values[path] = node.place
        if node.items is not None:
            return [self._data(item, (*path, position)) for position, item in enumerate(node.items)]
        if node.entries is None:
            return node.value
        found: dict[str, Any] = {}
        for key, place, value in node.entries:
            inner = (*path, key)
            if key in found:
                first = self.source.keys[inner][0]
                self._note(place, f"'{shown(key)}' is written twice, first in line {first}", "keep one", path)
                continue
            self.source.keys[inner] = place
            found[key] = self._data(value, inner)
        return found


def _at(event: Event) -> Place:
    assert event.start_mark is not None  # What is parsed has one.
    return event.start_mark.line + 1, event.start_mark.column + 1


def is_hidden(mark: str) -> bool:
    """Say whether a character is a control or half a surrogate pair, which no store would take."""
    return unicodedata.category(mark) in {"Cc", "Cs"} and mark not in "\n\t"


def _scalar(event: ScalarEvent) -> Any:
    """Return a scalar's value; what stands in quotes or a block is always text."""
    text = str(event.value)
    if event.style:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


def read_text(file: str, text: str) -> Source:
    """Read one file's text. Never raises: what is wrong is in the source's `errors`."""
    if len(text) > MOST_BYTES:
        error = PlaybookError(file, 1, 1, "", f"the file is longer than {MOST_BYTES // 1024} KiB", "split it")
        return Source(file, errors=[error])
    return _Reader(file, text).read()


def load_folder(folder: FilePath, endings: Mapping[str, int]) -> dict[str, str]:
    """Return the text of every file of a playbook's folder by relative name, in order of name.

    Args:
        endings: of the files that belong to it, each with the most bytes that one may have.

    Raises BrokenPlaybook when there is no such folder, or a file is too large, not UTF-8, or leads outside.
    """
    home = folder.resolve()
    if not home.is_dir():
        raise BrokenPlaybook(
            [
                PlaybookError(
                    str(folder),
                    None,
                    None,
                    "",
                    "there is no such folder",
                    "name a folder with a playbook.yaml",
                )
            ]
        )
    found = [path for path in sorted(home.rglob("*")) if path.suffix in endings and _is_plain(path, home)]
    errors: list[PlaybookError] = []
    texts: dict[str, str] = {}
    for path in found[: MOST_FILES + 1]:
        name = path.relative_to(home).as_posix()
        text, sentence = _text_of(path, home, endings[path.suffix])
        if sentence:
            errors.append(PlaybookError(name, 1, 1, "", sentence))
        texts[name] = text
    if len(found) > MOST_FILES:
        errors.append(
            PlaybookError(folder.name, None, None, "", f"the folder holds more than {MOST_FILES} files")
        )
    if errors:
        raise BrokenPlaybook(errors)
    return texts


def _is_plain(path: FilePath, home: FilePath) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(home).parts)


def _text_of(path: FilePath, home: FilePath, most_bytes: int) -> tuple[str, str]:
    """Return a file's text, or a sentence that says why it cannot be read."""
    try:
        if not path.resolve(strict=True).is_relative_to(home):
            return "", "the file is a link that leads out of the folder"
        if not path.is_file():
            return "", "this is not a file"
        if path.stat().st_size > most_bytes:
            return "", f"the file is longer than {most_bytes // 1024} KiB"
        return path.read_text(encoding="utf-8-sig"), ""
    except UnicodeDecodeError as error:
        return "", f"the file is not UTF-8 text (byte {error.start}); save it as UTF-8"
    except (OSError, RuntimeError) as error:
        # A loop of links is a RuntimeError before Python 3.13.
        why = getattr(error, "strerror", None) or "its links go in a circle"
        return "", f"the file cannot be read: {why}"
