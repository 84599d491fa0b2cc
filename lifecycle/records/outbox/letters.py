"""A message's words: `templates/emails/<name>/` holds subject.txt, text.txt and body.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import render_template


@dataclass(frozen=True)
class Letter:
    """A message as it will be read: one line of subject, plain text, and the same as HTML."""

    subject: str
    text: str
    html: str


def render_letter(name: str, **context: Any) -> Letter:
    """Return the letter `name` with `context` filled in; needs an application context, no request."""
    folder = f"emails/{name}"
    return Letter(
        subject=" ".join(render_template(f"{folder}/subject.txt", **context).split()),
        text=render_template(f"{folder}/text.txt", **context).strip() + "\n",
        html=render_template(f"{folder}/body.html", **context),
    )
