"""Flask-Mail, bound to the app here so that jobs and tests share one instance."""

from __future__ import annotations

from flask_mail import Mail

mail = Mail()
