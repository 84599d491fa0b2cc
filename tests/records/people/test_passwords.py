"""What may be a password, and how it is kept."""

from __future__ import annotations

import pytest
from flask import Flask

from lifecycle.records.people import passwords

EMAIL = "grace.hopper@demo.example"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "eleven char",
        "grace.hopper@demo.example",
        "Grace.Hopper@Demo.Example ",
        "grace.hopper",
        "password1234",
        "PASSWORD!!!!!",
        "qwertyuiop123",
        "123456789012",
        "aaaaaaaaaaaa",
        "ababababababab",
        "x" * 257,
    ],
)
def test_what_is_short_known_or_guessed_first_is_refused(password: str) -> None:
    sentence = passwords.find_fault(password, EMAIL)
    assert sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    "password", ["a long river", "korrekt pferd!", "密码密码密码甲乙丙丁戊己", "Password of Grace, twice"]
)
def test_length_is_what_counts(password: str) -> None:
    assert passwords.find_fault(password, EMAIL) is None


def test_a_hash_is_argon2id_with_its_own_salt_and_opens_only_for_its_password(app: Flask) -> None:
    with app.app_context():
        first, second = (passwords.hash_password("a long river é") for _ in range(2))
        assert first.startswith("$argon2id$")
        assert first != second
        assert passwords.matches(first, "a long river é")
        # The same letter, typed on another system.
        assert passwords.matches(first, "a long river e\u0301")
        assert not passwords.matches(first, "a long river e")
        assert not passwords.matches(None, "a long river é")
        assert not passwords.matches("nonsense", "a long river é")
        assert not passwords.is_outdated(first)


def test_hashes_made_for_real_cost_something(app: Flask) -> None:
    hasher = passwords._hasher("production")
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (47_104, 2, 1)
    with app.app_context():
        assert passwords.is_outdated(hasher.hash("a long river"))
