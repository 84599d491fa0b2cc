"""How a worker or the scheduler starts: settings, log, signals, application."""

from __future__ import annotations

import sys

from flask import Flask

from jobs.stopping import listen_for_signals
from lifecycle.app import create_app
from lifecycle.config import Settings, SettingsRefused
from lifecycle.core import logs
from lifecycle.runtime.database import refuse_mighty
from lifecycle.runtime.datafolder import Refused


def start() -> Flask:
    """Return the application of a process that was just started; unsafe settings end it with one sentence."""
    try:
        settings = Settings.from_env()
        if settings.environment == "production":
            refuse_mighty(settings.database_url)
    except (Refused, SettingsRefused) as refusal:
        sys.exit(str(refusal))
    logs.configure(settings.log_format)
    listen_for_signals()
    return create_app(settings)
