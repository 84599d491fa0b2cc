"""What users are written: invitation, password reset, and the notice that a password was changed."""

from __future__ import annotations

from lifecycle.records.outbox.letters import base_url, send_letter
from lifecycle.records.people.models import User


def send_invitation(user: User, token: str, inviter: str) -> None:
    """Write to somebody who was invited; `token` is the link's placeholder."""
    _send("invitation", user, f"/invitations/{token}", inviter=inviter, is_secret=True)


def send_password_reset(user: User, token: str) -> None:
    """Write to somebody who asked for a new password; `token` is the link's placeholder."""
    _send("password_reset", user, f"/password-resets/{token}", is_secret=True)


def send_password_changed(user: User) -> None:
    """Tell somebody that their password is another one now, in case it was not they."""
    _send("password_changed", user, "/password-resets")


def _send(kind: str, user: User, path: str, *, is_secret: bool = False, **words: str) -> None:
    send_letter(
        kind,
        {"link": base_url() + path, **words},
        to_address=user.email,
        to_name=user.name,
        user_id=user.id,
        # The same link twice does no harm; none at all leaves somebody outside.
        resend_if_unsure=is_secret,
    )
