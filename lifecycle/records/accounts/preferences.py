"""How a contact wants to be reached: by SMS or mail, and when not; and what keeps one of them from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from lifecycle.core.clock import now
from lifecycle.core.quiet_hours import quiet_end
from lifecycle.core.words import _
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import SYSTEM

CHANNELS: Final = {"": "Email", "sms": "SMS, else email"}
_KINDS: Final = phonenumbers.PhoneNumberType
# What certainly is no handset; in many countries nobody can tell the others apart.
_NO_SMS: Final = (
    _KINDS.FIXED_LINE,
    _KINDS.TOLL_FREE,
    _KINDS.PREMIUM_RATE,
    _KINDS.SHARED_COST,
    _KINDS.UAN,
    _KINDS.VOICEMAIL,
    _KINDS.PAGER,
)


def sms_number(phone: str | None) -> str | None:
    """Return a number as networks write it, like `+34612345678`, or None if no SMS can be sent there."""
    try:
        number = phonenumbers.parse(phone or "", None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) in _NO_SMS:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mistakes_together(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a contact's preferences taken together, by field."""
    found = {}
    if values.get("channel") == "sms" and sms_number(values.get("phone")) is None:
        found["phone"] = "For SMS, enter a mobile number with its country, like +34 612 345 678."
    begins, ends = values.get("quiet_from"), values.get("quiet_until")
    if bool(begins) != bool(ends):
        found["quiet_until" if begins else "quiet_from"] = _("Give both ends of the quiet hours, or none.")
    elif begins and begins == ends:
        found["quiet_until"] = _("Quiet hours end at another time than they begin.")
    if begins and ends and not values.get("time_zone"):
        found["time_zone"] = _("Quiet hours need the time zone they are meant in.")
    return found


def quiet_until(contact: Contact, at: datetime) -> datetime | None:
    """Return until when a contact is left in peace, in UTC, or None if they can be written to at `at`."""
    if not (contact.time_zone and contact.quiet_from and contact.quiet_until):
        return None
    try:
        zone = ZoneInfo(contact.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        # A zone that this machine has no longer: to be late for it would be worse than early.
        return None
    return quiet_end(at, zone, contact.quiet_from, contact.quiet_until)


def stop_sms(contact: Contact, *, because: str) -> bool:
    """Send a contact no SMS any more, and put that on record; return False if that was so already.

    Args:
        contact: held by the caller.
        because: how we know, as a sentence.
    """
    if contact.sms_stopped_at is not None:
        return False
    contact.sms_stopped_at = now()
    _record("contact.sms_stopped", contact, because)
    return True


def resume_sms(contact: Contact, *, because: str) -> bool:
    """Send a contact SMS again who had stopped them; return False if they had not."""
    if contact.sms_stopped_at is None:
        return False
    contact.sms_stopped_at = None
    _record("contact.sms_resumed", contact, because)
    return True


def _record(kind: str, contact: Contact, because: str) -> None:
    record_event(
        kind,
        chain=account_chain(contact.account_id),
        actor=SYSTEM,
        channel="system",
        account_id=contact.account_id,
        data={"contact": contact.id, "name": contact.name, "phone": contact.phone},
        reason=because,
    )
