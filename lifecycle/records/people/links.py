"""The links mailed to users: made for one purpose, used once, expiring; only their hash is kept.

The token is computed from the row's id under the installation's key (see `records/outbox/sealed.py`), so
that neither this table nor the outbox holds anything that opens.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.ids import new_id
from lifecycle.core.tokens import hash_token
from lifecycle.records.outbox.sealed import placeholder, sealed_token
from lifecycle.records.people.models import User, UserToken

Purpose = Literal["invitation", "password_reset"]
LIFETIMES: dict[Purpose, timedelta] = {"invitation": timedelta(days=7), "password_reset": timedelta(hours=1)}
KEPT_FOR = timedelta(days=30)


def make_link(user: User, purpose: Purpose) -> str:
    """Return what stands for the token in a mail to that user; earlier links for the same purpose die."""
    end_links(user, purpose)
    link_id = new_id()
    name = f"user_tokens/{link_id}"
    db.session.add(
        UserToken(
            id=link_id,
            user_id=user.id,
            purpose=purpose,
            token_hash=hash_token(sealed_token(name)),
            expires_at=now() + LIFETIMES[purpose],
        )
    )
    return placeholder(name, user.id)


def end_links(user: User, *purposes: Purpose) -> None:
    """Make every unused link of these purposes (default: all) useless."""
    db.session.execute(
        sa.update(UserToken)
        .where(UserToken.user_id == user.id, UserToken.used_at.is_(None))
        .where(UserToken.purpose.in_(purposes or LIFETIMES))
        .values(used_at=now())
    )


def find_by_link(token: str, purpose: Purpose) -> User | None:
    """Return whose link this is, or None when it is unknown, used, withdrawn or expired. Changes nothing."""
    return db.session.scalar(
        sa.select(User)
        .join(UserToken, UserToken.user_id == User.id)
        .where(*_is_open(token, purpose), User.is_active)
    )


def use_link(token: str, purpose: Purpose) -> User | None:
    """Return whose link this is and make it useless; of two at once, one gets None."""
    used = db.session.execute(
        sa.update(UserToken)
        .where(*_is_open(token, purpose))
        .values(used_at=now())
        .returning(UserToken.user_id)
    ).scalar_one_or_none()
    if used is None:
        return None
    user = db.session.scalar(
        sa.select(User)
        .where(User.id == used)
        .with_for_update(key_share=True, of=User)
        .execution_options(populate_existing=True)
    )
    return user if user and user.is_active else None


def prune_links() -> int:
    """Delete links that have been useless for a month; return how many."""
    over = now() - KEPT_FOR
    gone = db.session.execute(
        sa.delete(UserToken)
        .where(sa.or_(UserToken.expires_at < over, UserToken.used_at < over))
        .returning(UserToken.id)
    )
    return len(gone.all())


def _is_open(token: str, purpose: Purpose) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        UserToken.token_hash == hash_token(token),
        UserToken.purpose == purpose,
        UserToken.used_at.is_(None),
        UserToken.expires_at > now(),
    )
