"""One field of each kind."""

from __future__ import annotations

from wtforms import (
    BooleanField,
    DateField,
    DecimalField,
    FileField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from lifecycle.web.form import Form


class SpecimenForm(Form):
    """What every form of the product is made of."""

    name = StringField("Name", [InputRequired("Enter the name of the account.")])
    website = StringField("Website", description="As the client writes it, for example example.net.")
    value = DecimalField("Value", description="Without tax, in the account's currency.")
    starts_on = DateField("Start date")
    segment = SelectField(
        "Segment",
        choices=[
            SelectChoice("", "Choose one"),
            SelectChoice("small", "Up to 500"),
            SelectChoice("large", "Above 500"),
        ],
    )
    source = RadioField(
        "Source",
        [InputRequired("Choose where the lead came from.")],
        choices=[
            SelectChoice("referral", "Referral"),
            SelectChoice("fair", "Trade fair"),
            SelectChoice("site", "Web site"),
        ],
    )
    access = SelectMultipleField(
        "Access technologies",
        choices=[
            SelectChoice("fiber", "Fiber"),
            SelectChoice("radio", "Fixed wireless"),
            SelectChoice("cable", "Cable"),
        ],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    pain = TextAreaField("Pain", [InputRequired("Say what hurts today."), Length(max=2000)])
    sheet = FileField("Terms sheet", description="PDF or image, up to 25 MB.")
    password = PasswordField("Password", description="At least 12 characters.")
    agreed = BooleanField("The decision maker knows the price", description="Ask before you tick it.")
