"""What boards take: shape only; the domain judges the rest."""

from __future__ import annotations

from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length, Optional

from lifecycle.web.form import AmountField, Form


class QuickAddForm(Form):
    """A new card, from a column's plus."""

    stage = HiddenField()
    over_limit = StringField("Why one more may come", validators=[Optional(), Length(max=2000)])
    account = StringField(
        "Account",
        validators=[InputRequired("Say which account the card is for."), Length(max=200)],
        description="An account that exists, or a new one by its name.",
        render_kw={"autocomplete": "off", "maxlength": 200, "list": "account-options"},
    )
    title = StringField(
        "Title",
        validators=[InputRequired("Give the card a title."), Length(max=200)],
        render_kw={"autocomplete": "off", "maxlength": 200},
    )
    value = AmountField(
        "Value", validators=[Optional()], places=2, render_kw={"inputmode": "decimal", "autocomplete": "off"}
    )
    currency = StringField(
        "Currency",
        validators=[
            Optional(),
            Length(min=3, max=3, message="Give the currency by its three letters, like EUR."),
        ],
        default="EUR",
        render_kw={"maxlength": 3, "autocomplete": "off"},
    )
