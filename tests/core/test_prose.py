"""W12: texts in headings and paragraphs, and what changed between two of them."""

from __future__ import annotations

import random

import pytest

from lifecycle.core.prose import Block, blocks_of, compare

OLD = """\
Sample.

# 1. Price

1.1 Invoices are due after 30 days.

1.2 We may raise the price.

# 2. The end

2.1 Each of us may end it."""


def told(old: str, new: str) -> tuple[list[str], list[str]]:
    """Return the texts before and after, block by block, as the comparison tells them."""
    before, after = [], []
    for block in compare(old, new):
        left = "".join(text for mark, text in block.parts if mark != "added")
        right = "".join(text for mark, text in block.parts if mark != "removed")
        before += [left] if left else []
        after += [right] if right else []
    return before, after


def test_a_text_is_headings_and_paragraphs_and_nothing_is_numbered_anew() -> None:
    assert blocks_of("# 1. Price\r\n\r\n3. Third\n7. Seventh\n\n \n\n#no heading\n\n### Deep ") == [
        Block(1, "1. Price"),
        Block(0, "3. Third\n7. Seventh"),
        Block(0, "#no heading"),
        Block(3, "Deep"),
    ]
    assert blocks_of(" \n\n ") == []


def test_only_what_changed_is_marked() -> None:
    new = OLD.replace("30 days", "14 days").replace("# 2. The end", "1.3 We say so before.\n\n# 2. The end")
    changed = [block for block in compare(OLD, new) if block.is_changed]
    assert [block.parts for block in changed] == [
        (
            ("same", "1.1 Invoices are due after "),
            ("removed", "30"),
            ("added", "14"),
            ("same", " days."),
        ),
        (("added", "1.3 We say so before."),),
    ]


def test_a_removed_paragraph_is_told_where_it_stood() -> None:
    new = OLD.replace("1.2 We may raise the price.\n\n", "")
    marks = [block.parts for block in compare(OLD, new)]
    assert marks[3] == (("removed", "1.2 We may raise the price."),)
    assert len(marks) == 6


def test_words_changed_in_a_row_are_one_change_and_a_paragraph_that_grew_is_the_same() -> None:
    old = "2.3 It goes on for the same term unless one of us ends it."
    new = "2.3 It goes on for twelve months unless one of us ends it. You are told 60 days before."
    (block,) = compare(old, new)
    assert block.parts == (
        ("same", "2.3 It goes on for "),
        ("removed", "the same term"),
        ("added", "twelve months"),
        ("same", " unless one of us ends it."),
        ("added", " You are told 60 days before."),
    )


def test_what_is_told_is_both_texts_and_nothing_else() -> None:
    chance = random.Random(16)
    words = ["price", "may", "end", "30", "days", "<b>", "é", "we", "\u202e", "the", "\n"]
    for _ in range(300):
        texts = []
        for _ in range(2):
            parts = [
                ("# " if chance.randrange(4) == 0 else "")
                + " ".join(chance.choices(words[:-1], k=chance.randrange(1, 9)))
                for _ in range(chance.randrange(1, 7))
            ]
            texts.append("\n\n".join(parts))
        old, new = texts
        before, after = told(old, new)
        assert before == [block.text for block in blocks_of(old)]
        assert after == [block.text for block in blocks_of(new)]


@pytest.mark.parametrize("length", [1_000, 100_000])
def test_a_paragraph_without_an_end_is_shown_as_replaced(length: int) -> None:
    old, new = "a b " * (length // 4), "a c " * (length // 4)
    assert [block.parts[0][0] for block in compare(old, new)] == (
        ["same"] if length == 1_000 else ["removed", "added"]
    )
