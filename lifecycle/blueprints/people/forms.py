"""What people fill in about themselves and others. The domain has the last word on every value."""

from __future__ import annotations

from wtforms import EmailField, PasswordField, RadioField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from lifecycle.core.errors import Invalid
from lifecycle.records.people.fields import LONGEST_NAME
from lifecycle.records.people.models import Department
from lifecycle.records.people.passwords import SHORTEST
from lifecycle.web.form import Form

ROLE_CHOICES = (
    SelectChoice("admin", "Administrator: everything, and manages users"),
    SelectChoice("manager", "Manager: members' work, and may override a move"),
    SelectChoice("member", "Member: works on cards and accounts"),
    SelectChoice("viewer", "Viewer: reads"),
)
_PASSWORD_HELP = f"At least {SHORTEST} characters. A few words in a row are easy to remember."


def _without_nul(text: str | None) -> str | None:
    # PostgreSQL cannot keep it, and nobody types it.
    return text.replace("\0", "") if text else text


class _Form(Form):
    def refuse(self, refusal: Invalid) -> None:
        """Hang what the domain said onto the fields it is about."""
        for name, sentence in refusal.field_errors.items():
            if name in self:
                self[name].errors = [*self[name].errors, sentence]
            else:
                self.form_errors.append(sentence)
        if not refusal.field_errors:
            self.form_errors.append(refusal.sentence)


def _email(label: str = "Email", autocomplete: str = "username") -> EmailField:
    return EmailField(
        label,
        [InputRequired("Enter the email address."), Length(max=254, message="This address is too long.")],
        filters=[_without_nul],
        render_kw={"autocomplete": autocomplete, "autocapitalize": "none", "spellcheck": "false"},
    )


def _name(label: str = "Name", autocomplete: str = "name") -> StringField:
    return StringField(
        label,
        [
            InputRequired("Enter a name."),
            Length(max=LONGEST_NAME, message=f"Use at most {LONGEST_NAME} characters for the name."),
        ],
        filters=[_without_nul],
        render_kw={"autocomplete": autocomplete},
    )


def _time_zone() -> StringField:
    return StringField(
        "Time zone",
        [InputRequired("Choose a time zone.")],
        description="Type a city and choose, for example Europe/Paris.",
        filters=[_without_nul],
        render_kw={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"},
        default="UTC",
    )


def _new_password(label: str = "Password") -> PasswordField:
    return PasswordField(
        label,
        [InputRequired("Choose a password.")],
        description=_PASSWORD_HELP,
        render_kw={"autocomplete": "new-password"},
    )


class LogInForm(_Form):
    """`POST /login`."""

    email = _email()
    password = PasswordField(
        "Password", [InputRequired("Enter your password.")], render_kw={"autocomplete": "current-password"}
    )


class FirstAdminForm(_Form):
    """The first administrator of an empty installation."""

    name = _name("Your name")
    email = _email("Your email")
    password = _new_password()
    time_zone = _time_zone()


class InvitationAcceptanceForm(_Form):
    """What an invited person says about themselves."""

    name = _name("Your name")
    password = _new_password()
    time_zone = _time_zone()


class PasswordResetRequestForm(_Form):
    """Who forgot a password."""

    email = _email()


class NewPasswordForm(_Form):
    """The password that replaces a forgotten one."""

    password = _new_password("New password")


class ProfileForm(_Form):
    """What everybody may change about themselves."""

    name = _name("Your name")
    time_zone = _time_zone()


class PasswordChangeForm(_Form):
    """Another password for somebody who knows the present one."""

    current = PasswordField(
        "Current password",
        [InputRequired("Enter your current password.")],
        render_kw={"autocomplete": "current-password"},
    )
    password = _new_password("New password")


class StandingForm(_Form):
    """What decides somebody's permissions."""

    role = RadioField("Role", [InputRequired("Choose a role.")], choices=ROLE_CHOICES, default="member")
    departments = SelectMultipleField(
        "Departments",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )

    def offer(self, departments: list[Department]) -> None:
        """Name the departments there are."""
        self.departments.choices = [
            SelectChoice(department.key, department.name) for department in departments
        ]


class UserInvitationForm(StandingForm):
    """Somebody who shall work here."""

    email = _email(autocomplete="off")
    name = _name(autocomplete="off")
