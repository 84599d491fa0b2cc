"""How gunicorn serves the product: `gunicorn --config python:lifecycle.runtime.server wsgi:app`.

Read by gunicorn's first process before it starts any other, so settings that would be unsafe end the start
here, with one sentence, and not in workers that die one after the other.
"""

from __future__ import annotations

import sys
from typing import Any

from gunicorn.glogging import Logger

from lifecycle.config import Settings, SettingsRefused
from lifecycle.core import logs

try:
    _settings = Settings.from_env()
except SettingsRefused as refusal:
    sys.exit(str(refusal))
logs.configure(_settings.log_format)


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's own records, in our log with all others; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = ServerLog
worker_class = "gthread"
timeout = 60
graceful_timeout = 8
keepalive = 5
control_socket_disable = True
