"""Hostile files cost little and give a sentence with a line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.language.reading import MOST_BYTES, load_folder, read_text

ENDINGS = {".yaml": MOST_BYTES, ".yml": MOST_BYTES}


def _billion_laughs(levels: int = 12) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


HOSTILE = {
    "an alias bomb": (_billion_laughs(), "more than 10000 values"),
    "a cycle": ("a: &a [*a]", "refers to itself"),
    "a longer cycle": ("a: &a {b: &b [*a]}", "refers to itself"),
    "a loose alias": ("a: *nothing", "refers to nothing above"),
    "deep lists": ("[" * 50_000, "nested more than 24 levels"),
    "deep mappings": ("{a: " * 50_000, "nested more than 24 levels"),
    "deep by indentation": (
        "\n".join(" " * depth + "a:" for depth in range(200)),
        "nested more than 24 levels",
    ),
    "deep by aliases": (
        "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40)),
        "nested more than 24 levels",
    ),
    "a tag that makes objects": ("a: !!python/object/apply:os.system [id]", "is not allowed"),
    "a harmless tag": ("a: !!str 5", "is not allowed"),
    "a merge key": ("a: &a {b: 1}\nc: {<<: *a}", "'<<' is not used here"),
    "two documents": ("a: 1\n---\nb: 2", "a second document begins here"),
    "a key twice": ("a: 1\nb: 2\na: 3", "f.yaml:3: 'a' is written twice, first in line 1"),
    "a key that is a list": ("? [a]\n: b", "a key must be a word"),
    "a tab": ("a:\n\tb: c", "this is not YAML"),
    "an open quote": ("a: 'b", "this is not YAML"),
    "an open bracket": ("a: [b, c", "this is not YAML"),
    "two colons": ("a: b: c", "this is not YAML"),
    "nothing": ("", "the file is empty"),
    "only a comment": ("# nothing\n", "the file is empty"),
    "a NUL": ("a: b\x00c", "this is not YAML"),
    "a hidden mark": ('a: "b\\0c"', "hidden mark (U+0000)"),
    "half a surrogate pair": ('a: "b\\uD800c"', "invalid Unicode character escape"),
    "an escape sequence": ('a: "\\e[31m"', "hidden mark (U+001B)"),
    "a megabyte": ("a: " + "x" * 1_000_000, "longer than 256 KiB"),
    "a hundred thousand values": ("[" + "1, " * 60_000 + "]", "more than 10000 values"),
    "an unknown directive": ("%YAML 9.9\n---\na: 1", "this is not YAML"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_gets_a_sentence_at_once(case):
    text, sentence = HOSTILE[case]
    begun = time.monotonic()
    source = read_text("f.yaml", text)
    assert time.monotonic() - begun < 60
    assert source.data is None
    assert any(sentence in str(error) for error in source.errors), [str(e) for e in source.errors]
    assert all(error.line for error in source.errors)


def test_words_are_read_as_a_person_means_them():
    source = read_text(
        "f.yaml", "no: yes\non: off\ndate: 2026-12-24\nversion: 1.5\nbig: 123456789012345678901\nnull: ~"
    )
    assert source.data == {
        "no": "yes",
        "on": "off",
        "date": "2026-12-24",
        "version": 1.5,
        "big": "123456789012345678901",
        "null": None,
    }
    assert source.errors == []


def test_an_alias_that_is_not_a_bomb_is_a_copy():
    data = read_text("f.yaml", "a: &a [1, 2]\nb: *a").data
    assert data == {"a": [1, 2], "b": [1, 2]}
    assert data["a"] is not data["b"]


def test_other_alphabets_are_text():
    assert read_text("f.yaml", "name: Пекарня 麵包店 🍞").data == {"name": "Пекарня 麵包店 🍞"}


def test_a_folder_is_read_in_order_and_hidden_files_are_left_out(tmp_path):
    (tmp_path / "messages").mkdir()
    for name in ("b.yaml", "a.yml", "messages/m.yaml", ".hidden.yaml", "README.md"):
        (tmp_path / name).write_text("a: 1")
    assert list(load_folder(tmp_path, ENDINGS)) == ["a.yml", "b.yaml", "messages/m.yaml"]


@pytest.mark.parametrize("case", ["latin", "large", "outside", "folder", "loop", "many"])
def test_a_folder_that_cannot_be_read_says_which_file(tmp_path, case):
    spoil = tmp_path / "spoil.yaml"
    {
        "latin": lambda: spoil.write_bytes(b"name: B\xe4ckerei"),
        "large": lambda: spoil.write_bytes(b"x" * (MOST_BYTES + 1)),
        "outside": lambda: spoil.symlink_to(Path("/etc/hostname")),
        "folder": spoil.mkdir,
        "loop": lambda: spoil.symlink_to(spoil),
        "many": lambda: [(tmp_path / f"f{n}.yaml").write_text("a: 1") for n in range(202)],
    }[case]()
    with pytest.raises(BrokenPlaybook) as broken:
        load_folder(tmp_path, ENDINGS)
    assert "Traceback" not in broken.value.sentence
    assert case == "many" or "spoil.yaml" in broken.value.sentence


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(BrokenPlaybook, match="there is no such folder"):
        load_folder(tmp_path / "nowhere", ENDINGS)
