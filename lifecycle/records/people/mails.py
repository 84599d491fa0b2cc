"""What users are written: invitation, password reset, and the notice that a password was changed."""

from __future__ import annotations

from flask import current_app

from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.letters import render_letter
from lifecycle.records.people.models import User


def send_invitation(user: User, token: str, inviter: str) -> None:
    """Write to somebody who was invited; `token` is the link's placeholder."""
    _send("invitation", user, link=_address(f"/invitations/{token}"), inviter=inviter, is_secret=True)


def send_password_reset(user: User, token: str) -> None:
    """Write to somebody who asked for a new password; `token` is the link's placeholder."""
    _send("password_reset", user, link=_address(f"/password-resets/{token}"), is_secret=True)


def send_password_changed(user: User) -> None:
    """Tell somebody that their password is another one now, in case it was not they."""
    _send("password_changed", user, link=_address("/password-resets"))


def _send(kind: str, user: User, *, link: str, is_secret: bool = False, **context: str) -> None:
    letter = render_letter(kind, person=user.name, link=link, home=_address("/"), **context)
    send_message(
        kind,
        to_address=user.email,
        to_name=user.name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        user_id=user.id,
        # The same link twice does no harm; none at all leaves somebody outside.
        resend_if_unsure=is_secret,
    )


def _address(path: str) -> str:
    base: str = current_app.extensions["settings"].base_url
    return base + path
