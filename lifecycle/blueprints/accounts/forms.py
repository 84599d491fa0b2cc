"""Forms for accounts and contacts. The domain judges what was typed; these only ask and show."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from wtforms import (
    BooleanField,
    EmailField,
    HiddenField,
    SelectField,
    SelectMultipleField,
    StringField,
    TelField,
    TextAreaField,
    URLField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from lifecycle.core.errors import Invalid
from lifecycle.core.words import LANGUAGES
from lifecycle.records.accounts.countries import countries, country_name
from lifecycle.records.accounts.fields import LONGEST_NAME, LONGEST_NOTES
from lifecycle.records.accounts.models import Account
from lifecycle.records.accounts.preferences import CHANNELS
from lifecycle.records.accounts.rights import CONTACT_RIGHTS
from lifecycle.web.form import Form


class _Form(Form):
    version = HiddenField()

    def typed(self) -> dict[str, Any]:
        """Return what was typed, by field name of the domain."""
        return {name: value for name, value in self.data.items() if name not in ("version", "csrf_token")}

    def seen_version(self) -> int:
        """Return the version the form was made from; 0, which no record has, when that cannot be read."""
        text = str(self.version.data or "")
        return int(text) if text.isdecimal() and len(text) < 18 else 0

    def refuse(self, refusal: Invalid) -> None:
        """Hang what the domain said onto the fields it is about."""
        for name, sentence in refusal.field_errors.items():
            if name in self:
                self[name].errors = [sentence]
        if not any(name in self for name in refusal.field_errors):
            self.form_errors.append(refusal.sentence)


class AccountForm(_Form):
    """An account; `offer` fills its lists."""

    name = StringField(
        "Name", [InputRequired("Enter a name.")], render_kw={"maxlength": LONGEST_NAME, "autocomplete": "off"}
    )
    owner_id = SelectField("Owner", validate_choice=False)
    segment = SelectField("Segment", validate_choice=False)
    country = SelectField("Country", validate_choice=False)
    website = URLField(
        "Website",
        description="Like https://example.com.",
        render_kw={"autocomplete": "off", "inputmode": "url", "type": "text"},
    )
    phone = TelField(
        "Phone", description="With its country, like +34 912 345 678.", render_kw={"autocomplete": "off"}
    )
    notes = TextAreaField("Notes", render_kw={"rows": 5, "maxlength": LONGEST_NOTES})

    def offer(
        self,
        people: Iterable[tuple[uuid.UUID, str]],
        segments: Iterable[tuple[str, str]],
        kept: Account | None = None,
        owner_name: str = "",
    ) -> None:
        """Fill the lists; what the account has now stays a choice, though nobody could choose it afresh."""
        owners = [("", "Nobody"), *((str(user_id), name) for user_id, name in people)]
        known_segments = [("", "None"), *segments]
        known_countries = [("", "None"), *countries()]
        if kept is not None:
            owner = str(kept.owner_id) if kept.owner_id else ""
            owners = _keeping(owners, owner, owner_name or "Somebody who left")
            known_segments = _keeping(known_segments, kept.segment or "", kept.segment or "")
            known_countries = _keeping(known_countries, kept.country or "", country_name(kept.country))
        self.owner_id.choices = owners
        self.segment.choices = known_segments
        self.country.choices = known_countries


class ContactForm(_Form):
    """A person in an account."""

    name = StringField(
        "Name", [InputRequired("Enter a name.")], render_kw={"maxlength": LONGEST_NAME, "autocomplete": "off"}
    )
    title = StringField("Position", render_kw={"maxlength": 200, "autocomplete": "off"})
    email = EmailField(
        "Email", render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    )
    phone = TelField(
        "Phone", description="With its country, like +34 912 345 678.", render_kw={"autocomplete": "off"}
    )
    language = SelectField(
        "Language",
        description="Of their pages and of our letters to them.",
        choices=[
            SelectChoice("", "As their browser asks"),
            *(SelectChoice(*each) for each in LANGUAGES.items()),
        ],
        validate_choice=False,
    )
    rights = SelectMultipleField(
        "May answer for their company as",
        description="Gates ask whoever answers for it; the others see what they are sent.",
        choices=[SelectChoice(key, name) for key, name in CONTACT_RIGHTS.items()],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )
    is_verified = BooleanField(
        "Verified", description="They answered, or an address of theirs did not bounce."
    )
    channel = SelectField(
        "Reached by",
        choices=[SelectChoice(key, name) for key, name in CHANNELS.items()],
        validate_choice=False,
    )
    time_zone = StringField(
        "Time zone",
        render_kw={
            "list": "time-zones",
            "autocomplete": "off",
            "spellcheck": "false",
            "placeholder": "Type a city",
        },
    )
    quiet_from = StringField("Quiet from", render_kw={"type": "time", "autocomplete": "off"})
    quiet_until = StringField("Quiet until", render_kw={"type": "time", "autocomplete": "off"})


def _keeping(choices: list[tuple[str, str]], value: str, label: str) -> list[tuple[str, str]]:
    return choices if value in {key for key, _ in choices} else [*choices, (value, label)]


def differences(
    form: _Form, kept: Mapping[str, Any], names: Mapping[str, str], show: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str]]:
    """Return (field, present value) where a stale form says something else than what is kept now.

    Args:
        show: labels of stored values, by field.
    """
    found = []
    for key, label in names.items():
        now = kept[key]
        typed = form.typed().get(key)
        if _plain(typed) != _plain(now):
            text = _plain(now)
            found.append((label, show.get(key, {}).get(text, text) or "empty"))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(CONTACT_RIGHTS.get(each, str(each)) for each in value)
    return str(value or "").replace("\r\n", "\n").strip()
