"""What may stand in a person's fields: addresses, names, roles, departments, time zones."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from zoneinfo import available_timezones

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.records.people.models import ROLES, Department

LONGEST_NAME = 100


def clean_email(email: str) -> str:
    """Return the address in its normal form.

    Raises:
        Invalid: it could not receive mail; the error stands at `email`.
    """
    try:
        # Not "globally deliverable": a company's own names, like .local or .test, are fine.
        found = validate_email(
            email.strip(), check_deliverability=False, allow_smtputf8=False, globally_deliverable=False
        )
    except EmailNotValidError:
        found = None
    if found is None or ("." not in found.domain and found.domain != "localhost"):
        sentence = "Enter an email address like name@company.com."
        raise Invalid(sentence, {"email": sentence})
    return found.normalized


def clean_name(name: str) -> str:
    """Return the name on one line without control characters.

    Raises:
        Invalid: nothing is left, or too much; the error stands at `name`.
    """
    visible = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in name)
    cleaned = " ".join(visible.split())
    if not cleaned:
        raise Invalid("Enter a name.", {"name": "Enter a name."})
    if len(cleaned) > LONGEST_NAME:
        sentence = f"Use at most {LONGEST_NAME} characters for the name."
        raise Invalid(sentence, {"name": sentence})
    return cleaned


def check_role(role: str) -> None:
    """Raise Invalid unless `role` is one of the four."""
    if role not in ROLES:
        sentence = f"Choose one of the roles: {', '.join(ROLES)}."
        raise Invalid(sentence, {"role": sentence})


def clean_time_zone(text: str) -> str:
    """Return the name of the time zone that `text` means: its name, or just its city, in any case.

    Raises:
        Invalid: there is none, or several; the error stands at `time_zone`.
    """
    wanted = "_".join(text.split()).casefold()
    found = [name for name in time_zones() if name.casefold() == wanted]
    found = found or [name for name in time_zones() if name.rpartition("/")[2].casefold() == wanted]
    if len(found) != 1:
        sentence = "Choose a time zone from the list, like Europe/Paris."
        raise Invalid(sentence, {"time_zone": sentence})
    return found[0]


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Return the names of all places with a time zone, sorted, UTC first."""
    legacy = ("Etc/", "SystemV/", "US/", "posix/", "right/")
    places = {name for name in available_timezones() if "/" in name and not name.startswith(legacy)}
    return ("UTC", *sorted(places))


def departments_by_key(keys: Iterable[str]) -> list[Department]:
    """Return the departments, by name. Raises Invalid at `departments` when there is no such one."""
    wanted = sorted(set(keys))
    found = list(
        db.session.scalars(sa.select(Department).where(Department.key.in_(wanted)).order_by(Department.name))
    )
    if len(found) != len(wanted):
        sentence = "One of the departments is not there any more. Choose again."
        raise Invalid(sentence, {"departments": sentence})
    return found
