"""The base of every form, so that the missing types of Flask-WTF are excused in one place."""

from __future__ import annotations

from flask_wtf import FlaskForm


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types.
    """A form with CSRF protection."""
