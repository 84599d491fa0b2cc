"""How gunicorn serves the product: `gunicorn --config python:lifecycle.runtime.server wsgi:app`.

Read by gunicorn's first process before it starts any other, so settings that would be unsafe end the start
here, with one sentence, and not in workers that die one after the other.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Any

from gunicorn.glogging import Logger

from lifecycle.config import Settings, SettingsRefused
from lifecycle.core import logs
from lifecycle.runtime.database import refuse_mighty
from lifecycle.runtime.datafolder import Refused

try:
    _settings = Settings.from_env()
    if _settings.environment == "production":
        refuse_mighty(_settings.database_url)
except (Refused, SettingsRefused) as refusal:
    sys.exit(str(refusal))
# The processes of one start add up what they count in a folder of their own; what earlier ones left would be
# counted again. Set before the library is imported, which reads it then.
if _settings.metrics_dir is None:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="lifecycle-metrics-")
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


def child_exit(_server: Any, worker: Any) -> None:
    """Take away what a worker that has ended had in use."""
    # Imported only now: the library looks for the folder when it is imported.
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Clear away what the processes counted, if the folder was made here."""
    if _settings.metrics_dir is None:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
