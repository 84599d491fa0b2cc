"""Long texts as lawyers write them, in headings and paragraphs, and what changed between two of them.

Nothing is numbered, joined or marked up by us: what is accepted is what was written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final, Literal

Mark = Literal["same", "added", "removed"]

_MOST_WORDS: Final = 2000
"""A longer paragraph is shown as replaced: comparing its words would take too long."""
_ALIKE: Final = 0.6
"""From this share of common words on, in any order, two paragraphs are one that was changed."""


@dataclass(frozen=True)
class Block:
    """A heading of `level` 1 to 3, or a paragraph, of level 0. A paragraph keeps its line breaks."""

    level: int
    text: str


@dataclass(frozen=True)
class ChangedBlock:
    """A block with each part of its text marked; unchanged if the only part is "same"."""

    level: int
    parts: tuple[tuple[Mark, str], ...]

    @property
    def is_changed(self) -> bool:
        """Whether anything in it was added or removed."""
        return any(mark != "same" for mark, _ in self.parts)


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a text: divided by empty lines, headings begin with one to three `#`."""
    found = []
    for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").strip()):
        heading = re.fullmatch(r"(#{1,3})[ \t]+(.+)", part.strip())
        if heading:
            found.append(Block(len(heading[1]), heading[2].strip()))
        elif part.strip():
            found.append(Block(0, part.strip("\n")))
    return found


@lru_cache(maxsize=64)
def compare(old: str, new: str) -> tuple[ChangedBlock, ...]:
    """Return the blocks of the newer text and those that were removed, in reading order."""
    before, after = blocks_of(old), blocks_of(new)
    found: list[ChangedBlock] = []
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [_marked("same", block) for block in after[start:end]]
        else:
            found += _replaced(before[first:last], after[start:end])
    return tuple(found)


def _replaced(old: Sequence[Block], new: Sequence[Block]) -> Iterator[ChangedBlock]:
    """Yield what became of some blocks: each new one against the first old one that it is much like."""
    left = list(old)
    lost = [block for block in old if not any(_is_alike(block, each) for each in new)]
    for block in new:
        while left and left[0] in lost:
            yield _marked("removed", left.pop(0))
        place = next((at for at, each in enumerate(left) if _is_alike(each, block)), None)
        if place is None:
            yield _marked("added", block)
            continue
        yield from (_marked("removed", each) for each in left[:place])
        yield _compared(left[place], block)
        left = left[place + 1 :]
    yield from (_marked("removed", each) for each in left)


def _marked(mark: Mark, block: Block) -> ChangedBlock:
    return ChangedBlock(block.level, ((mark, block.text),))


def _is_alike(old: Block, new: Block) -> bool:
    before, after = Counter(_words(old.text)), Counter(_words(new.text))
    if old.level != new.level or max(before.total(), after.total()) > _MOST_WORDS:
        return False
    return 2 * (before & after).total() >= _ALIKE * (before.total() + after.total())


def _compared(old: Block, new: Block) -> ChangedBlock:
    before, after = _words(old.text), _words(new.text)
    parts: list[tuple[Mark, str]] = []
    removed = added = ""
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old_words, new_words = "".join(before[first:last]), "".join(after[start:end])
        # A blank between two changes belongs to both: three changed words are one change.
        if kind != "equal" or (new_words.isspace() and (removed or added)):
            removed, added = removed + old_words, added + new_words
            continue
        parts += [*_sides(removed, added), ("same", new_words)]
        removed = added = ""
    return ChangedBlock(new.level, (*parts, *_sides(removed, added)))


def _sides(removed: str, added: str) -> list[tuple[Mark, str]]:
    """Return what was changed at one place; nothing where nothing was."""
    sides: list[tuple[Mark, str]] = [("removed", removed), ("added", added)]
    return [side for side in sides if side[1]]


def _words(text: str) -> list[str]:
    """Return words and what stands between them, so that joined they are the text again."""
    return re.findall(r"\s+|[^\W_]+|[\W_]", text)
