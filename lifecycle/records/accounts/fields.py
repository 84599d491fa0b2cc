"""What may stand in the fields of accounts and contacts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.core.quiet_hours import is_clock
from lifecycle.core.text import many_lines, one_line
from lifecycle.core.words import LANGUAGES, _
from lifecycle.records.accounts.countries import country_name, find_country
from lifecycle.records.accounts.preferences import CHANNELS, mistakes_together, sms_number
from lifecycle.records.accounts.rights import CONTACT_RIGHTS
from lifecycle.records.people.fields import clean_time_zone
from lifecycle.records.people.models import User

LONGEST_NAME = 200
LONGEST_LINE = 200
LONGEST_ADDRESS = 2000
LONGEST_NOTES = 20_000

# The reader's names of the fields, in the order of the page.
ACCOUNT_FIELDS = {
    "name": "Name",
    "owner_id": "Owner",
    "segment": "Segment",
    "country": "Country",
    "website": "Website",
    "phone": "Phone",
    "notes": "Notes",
}
CONTACT_FIELDS = {
    "name": "Name",
    "title": "Position",
    "email": "Email",
    "phone": "Phone",
    "language": "Language",
    "rights": "May answer for their company as",
    "is_verified": "Verified",
    "channel": "Reached by",
    "time_zone": "Time zone",
    "quiet_from": "Quiet from",
    "quiet_until": "Quiet until",
}
OWN_FIELDS = ("language", "channel", "time_zone", "quiet_from", "quiet_until")
"""What contacts choose for themselves. Not where they are reached: a stolen link redirects nothing."""


class _Refused(ValueError):
    """What was typed cannot be kept; the sentence says what would be right."""


def read_account(typed: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of an account's fields; only those that are in `typed`.

    Args:
        kept: the present values; one that is typed unchanged is not judged again, so that an account from
            an import stays editable whatever it came with.

    Raises:
        Invalid: naming every field that cannot be taken.
    """
    return _read(_ACCOUNT_READERS, typed, kept, "The account")


def read_contact(typed: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of a contact's fields; as `read_account`."""
    values = _read(_CONTACT_READERS, typed, kept, "The contact")
    if errors := _mistakes_together(values, kept):
        raise Invalid(f"The contact was not saved: {' '.join(errors.values())}", errors)
    return values


def read_preferences(typed: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored form of what contacts choose for themselves; as `read_contact`."""
    own = {key: value for key, value in typed.items() if key in OWN_FIELDS}
    sentence = _("Nothing was saved. Look at what is marked.")
    try:
        values = _read(_CONTACT_READERS, own, kept, "It")
    except Invalid as refusal:
        raise Invalid(sentence, refusal.field_errors) from None
    # A number that takes no SMS is not theirs to mend.
    errors = {key: text for key, text in _mistakes_together(values, kept).items() if key in own}
    if values.get("channel") == "sms" and sms_number(kept.get("phone")) is None:
        errors["channel"] = _("We have no mobile number of yours.")
    if errors:
        raise Invalid(sentence, errors)
    return values


def _mistakes_together(values: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, str]:
    if all(values[key] == kept.get(key) for key in _TOGETHER if key in values):
        return {}
    return mistakes_together({**kept, **values})


def _read(
    readers: Mapping[str, Callable[[Any], Any]], typed: Mapping[str, Any], kept: Mapping[str, Any], what: str
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for key, reader in readers.items():
        if key not in typed:
            continue
        if key in kept and kept[key] not in (None, "") and str(typed[key]) == str(kept[key]):
            values[key] = kept[key]
            continue
        try:
            values[key] = reader(typed[key])
        except _Refused as refusal:
            errors[key] = str(refusal)
    if errors:
        raise Invalid(f"{what} was not saved: {' '.join(errors.values())}", errors)
    return values


def _name(typed: Any) -> str:
    name = one_line(str(typed or ""))
    if not name:
        raise _Refused("Enter a name.")
    if len(name) > LONGEST_NAME:
        raise _Refused(
            _(
                "A name may have %(most)s characters; this has %(has)s.",
                most=LONGEST_NAME,
                has=f"{len(name):,}",
            )
        )
    return name


def _line(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    if len(text) > LONGEST_LINE:
        raise _Refused(f"This may have {LONGEST_LINE} characters; it has {len(text):,}.")
    return text or None


def _notes(typed: Any) -> str | None:
    text = many_lines(str(typed or ""))
    if len(text) > LONGEST_NOTES:
        raise _Refused(f"Notes may have {LONGEST_NOTES:,} characters; these have {len(text):,}.")
    return text or None


def _country(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    if not text:
        return None
    code = find_country(text)
    if code is None:
        raise _Refused(f"“{text[:40]}” is not a country. Choose one from the list.")
    return code


def _website(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    if not text:
        return None
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise _Refused(_WEBSITE) from None
    is_address = parts.scheme in ("http", "https") and "." in host and " " not in address
    if not is_address or len(address) > LONGEST_ADDRESS:
        raise _Refused(_WEBSITE)
    return address


_WEBSITE = "Enter a web address like https://example.com."


def _phone(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    if not text:
        return None
    try:
        number = phonenumbers.parse(text[:60], None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise _Refused("Enter a phone number with its country, like +34 912 345 678.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _email(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    if not text:
        return None
    try:
        return validate_email(text[:320], check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:
        raise _Refused(_("Enter an email address like ana@example.com.")) from None


def _language(typed: Any) -> str | None:
    text = str(typed or "")
    if text and text not in LANGUAGES:
        raise _Refused(_("Choose a language from the list."))
    return text or None


def _rights(typed: Any) -> list[str]:
    given = [str(each) for each in typed] if isinstance(typed, list | tuple) else []
    if unknown := [each for each in given if each not in CONTACT_RIGHTS]:
        raise _Refused(f"“{unknown[0][:40]}” is not something that a contact answers for.")
    return [right for right in CONTACT_RIGHTS if right in given]


def _channel(typed: Any) -> str | None:
    text = str(typed or "")
    if text not in CHANNELS:
        raise _Refused(_("Choose email or SMS."))
    return text or None


def _time_zone(typed: Any) -> str | None:
    text = one_line(str(typed or ""))
    try:
        return clean_time_zone(text[:100]) if text else None
    except Invalid:
        raise _Refused(_("Choose a time zone from the list, like Europe/Paris.")) from None


def _clock(typed: Any) -> str | None:
    text = one_line(str(typed or ""))[:20]
    if text and not is_clock(text):
        raise _Refused(_("Enter a time like 22:00."))
    return text or None


def _owner(typed: Any) -> uuid.UUID | None:
    if typed in (None, ""):
        return None
    try:
        user_id = typed if isinstance(typed, uuid.UUID) else uuid.UUID(str(typed))
    except ValueError:
        raise _Refused(_OWNER) from None
    working = select(User.id).where(User.id == user_id, User.is_active, User.role != "viewer")
    if db.session.scalar(working) is None:
        raise _Refused(_OWNER)
    return user_id


_OWNER = "Choose an owner who works here and may edit."

_ACCOUNT_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "owner_id": _owner,
    "segment": _line,
    "country": _country,
    "website": _website,
    "phone": _phone,
    "notes": _notes,
}
_CONTACT_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "title": _line,
    "email": _email,
    "phone": _phone,
    "language": _language,
    "rights": _rights,
    "is_verified": bool,
    "channel": _channel,
    "time_zone": _time_zone,
    "quiet_from": _clock,
    "quiet_until": _clock,
}
_TOGETHER = ("phone", "channel", "time_zone", "quiet_from", "quiet_until")


def show_account_value(key: str, value: Any, owners: Mapping[uuid.UUID, str]) -> str:
    """Return a field's stored value as people read it; `owners` are names by user id."""
    if value in (None, ""):
        return "empty"
    if key == "country":
        return country_name(str(value))
    if key == "owner_id":
        return owners.get(value, "somebody who left")
    return str(value)
