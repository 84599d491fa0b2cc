"""What the doors of a card take: shape only; the domain judges the rest."""

from __future__ import annotations

from flask_wtf.file import FileField
from wtforms import (
    DateTimeLocalField,
    Field,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from lifecycle.web.form import AmountField, Form

_LARGEST_ID = 2**62


def _is_an_id(_form: Form, field: Field) -> None:
    # WTForms' own NumberRange stumbles over numbers that no float can hold.
    if not isinstance(field.data, int) or not 1 <= field.data <= _LARGEST_ID:
        raise ValidationError("That is not a number of ours.")


class MoveForm(Form):
    """A move, from a drop, the keyboard, the menu or the panel."""

    class Meta(Form.Meta):
        """Never drawn, so it needs no token of its own; the application has checked the one that came."""

        csrf = False

    to_stage = StringField(validators=[InputRequired(), Length(max=100)])
    seen_visit = IntegerField(validators=[InputRequired(), _is_an_id])
    reason = StringField(validators=[Optional()])
    override = HiddenField()
    over_limit = HiddenField()
    channel = HiddenField()


class DetailsForm(Form):
    """Title, value, contact and owner of a card; `version` is the one it was made from."""

    version = IntegerField(validators=[InputRequired(), _is_an_id])
    title = StringField("Title", validators=[InputRequired("Give the card a title."), Length(max=200)])
    value = AmountField("Value", validators=[Optional()], places=2, render_kw={"inputmode": "decimal"})
    currency = StringField("Currency", validators=[Optional(), Length(max=3)], render_kw={"maxlength": 3})
    owner = SelectField("Owner", validators=[InputRequired()])
    contact = SelectField("Contact", validators=[Optional()])


class NextActionForm(Form):
    """What is to be done next (E10)."""

    text = StringField("Next action", validators=[InputRequired("Say what is to be done."), Length(max=300)])
    due = DateTimeLocalField("Due", validators=[InputRequired("Say by when.")])
    assignee = SelectField("Who", validators=[InputRequired()])


class AttachmentForm(Form):
    """A proof: a file, a link, a note or a talk."""

    key = HiddenField()
    kind = HiddenField()
    title = StringField("Title", validators=[Optional(), Length(max=200)])
    file = FileField("File")
    url = StringField("Address", validators=[Optional(), Length(max=2000)])
    note = TextAreaField("Note", validators=[Optional(), Length(max=20_000)])
    happened_at = DateTimeLocalField("When", validators=[Optional()])
    medium = StringField("How", validators=[Optional(), Length(max=30)])
    outcome = StringField("Outcome", validators=[Optional(), Length(max=60)])


class MeetingForm(Form):
    """A meeting, planned or held."""

    key = HiddenField()
    starts_at = DateTimeLocalField("When", validators=[Optional()])
    our_attendees = StringField("From us", validators=[Optional(), Length(max=500)])
    client_attendees = StringField("From the client", validators=[Optional(), Length(max=500)])
    notes = TextAreaField("Notes", validators=[Optional(), Length(max=20_000)])
    decisions = TextAreaField("Decisions", validators=[Optional(), Length(max=5_000)])
    outcomes = TextAreaField("Outcomes", validators=[Optional(), Length(max=5_000)])
    send_to = StringField("Send the outcome to", validators=[Optional(), Length(max=60)])
