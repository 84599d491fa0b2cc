"""Passwords: what may be one, how one is kept, how one is compared."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app

from lifecycle.core.tokens import new_token

SHORTEST = 12
# Argon2 reads the whole text: a bound, so that nobody sends megabytes of it.
LONGEST = 256

# The commonest that are long enough to get through; digits and marks at their end do not save them.
_COMMONEST = frozenset((files("lifecycle.records.people") / "commonest_passwords.txt").read_text().split())


def find_fault(password: str, email: str) -> str | None:
    """Return the sentence that says why `password` cannot be that of `email`; None when it can.

    Length is what counts (no rule about kinds of characters); the email address and the commonest are out.
    """
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters; a few words in a row are easy to remember."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    folded = password.casefold().strip()
    address = email.casefold().strip()
    if folded in (address, address.partition("@")[0]):
        return "Do not use the email address as the password."
    stem = folded.rstrip("0123456789!?.,_-*#$ ")
    if folded in _COMMONEST or stem in _COMMONEST or len(set(folded)) < 4 or folded.isdecimal():
        return (
            "This password is among the first that are tried. Choose another; a few words in a row are good."
        )
    return None


def hash_password(password: str) -> str:
    """Return the text that is stored: Argon2id with its own salt and parameters."""
    return _hasher(_environment()).hash(_normal(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Say whether `password` is the one behind `password_hash`.

    Without a hash the same work is done on a made-up one, so that the answer takes as long.
    """
    environment = _environment()
    try:
        _hasher(environment).verify(password_hash or _nobodys_hash(environment), _normal(password)[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Say whether the hash was made with other parameters than those of today."""
    return _hasher(_environment()).check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    # The same key gives different code points on different systems.
    return unicodedata.normalize("NFKC", password)


def _environment() -> str:
    environment: str = current_app.extensions["settings"].environment
    return environment


@lru_cache(maxsize=3)
def _hasher(environment: str) -> PasswordHasher:
    if environment == "testing":
        # Hundreds of log-ins in a test run; the real cost would be most of its time.
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)


@lru_cache(maxsize=3)
def _nobodys_hash(environment: str) -> str:
    return _hasher(environment).hash(new_token())
