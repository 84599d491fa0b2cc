"""What administrators fill in about a channel. The domain has the last word on every value."""

from __future__ import annotations

from wtforms import RadioField, StringField, URLField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import InputRequired, Length

from lifecycle.core.errors import Invalid
from lifecycle.records.team_channels.addresses import LONGEST
from lifecycle.records.team_channels.configure import LONGEST_NAME
from lifecycle.records.team_channels.models import LONGEST_KEY
from lifecycle.web.form import Form

KIND_CHOICES = (
    SelectChoice("slack", "Slack: the address of an incoming webhook"),
    SelectChoice("teams", "Teams: the address of a workflow that posts webhook requests to a channel"),
    SelectChoice("webhook", "Webhook: any program that takes JSON, signed"),
)


def _without_nul(text: str | None) -> str | None:
    return text.replace("\0", "") if text else text


class _Form(Form):
    def refuse(self, refusal: Invalid) -> None:
        """Hang what the domain said onto the fields it is about."""
        for name, sentence in refusal.field_errors.items():
            if name in self:
                self[name].errors = [*self[name].errors, sentence]
            else:
                self.form_errors.append(sentence)


def _name() -> StringField:
    too_long = f"Use at most {LONGEST_NAME} characters for the name."
    checks = [InputRequired("Enter a name."), Length(max=LONGEST_NAME, message=too_long)]
    return StringField("Name", checks, filters=[_without_nul])


def _address() -> URLField:
    checks = [
        InputRequired("Enter the address."),
        Length(max=LONGEST, message="This address is too long."),
    ]
    typed = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    return URLField("Address", checks, filters=[_without_nul], render_kw=typed)


class ChannelForm(_Form):
    """A new channel."""

    key = StringField(
        "Key",
        [InputRequired("Enter a key."), Length(max=LONGEST_KEY + 1, message="This key is too long.")],
        filters=[_without_nul],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    name = _name()
    kind = RadioField("Kind", [InputRequired("Choose a kind.")], choices=list(KIND_CHOICES), default="slack")
    address = _address()


class NameForm(_Form):
    """Another name."""

    name = _name()


class AddressForm(_Form):
    """Another address."""

    address = _address()
