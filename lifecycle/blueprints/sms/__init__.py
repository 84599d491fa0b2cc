"""Where providers of SMS post what became of texts, and what people answered."""

from __future__ import annotations

from flask import Blueprint

sms = Blueprint("sms", __name__)

from lifecycle.blueprints.sms import routes  # noqa: E402, F401  (routes hang themselves on it)
