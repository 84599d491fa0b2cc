"""The application, put together in order: configuration, extensions, web behavior, rooms."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from redis import Redis
from werkzeug.middleware.proxy_fix import ProxyFix

from lifecycle.blueprints import register_blueprints
from lifecycle.config import Settings, sqlalchemy_url
from lifecycle.core import clock
from lifecycle.core.db import check_rested, db, end_reading, watch_writes
from lifecycle.extensions import babel, csrf, htmx, limiter, login_manager
from lifecycle.insight.boards.changes import ChangeReader
from lifecycle.insight.health import HealthReader
from lifecycle.records.files.bucket import open_bucket
from lifecycle.records.mailer import mail
from lifecycle.schema import METADATA
from lifecycle.web import (
    access,
    addresses,
    assets,
    bodies,
    errors,
    faces,
    formatting,
    localization,
    navigation,
    requests,
    security,
)

STATEMENTS_KEPT = 400


def create_app(settings: Settings | None = None) -> Flask:
    """Return a ready application; `settings` come from the environment unless given.

    Raises:
        lifecycle.config.SettingsRefused: the settings would be unsafe; the sentence says which.
    """
    settings = settings or Settings.from_env()
    clock.set_by(settings.clock_file)
    app = Flask("lifecycle", template_folder="templates", static_folder="static")
    app.extensions["settings"] = settings
    app.config.update(flask_config(settings))
    app.extensions["redis"] = Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=2)

    app.extensions["bucket"] = open_bucket(settings)
    app.extensions["health"] = HealthReader(settings, app.extensions["bucket"])

    assert METADATA.tables, "the tables are declared before the session is bound"
    db.init_app(app)
    # Runs before the extension closes the session: the last to be registered is the first to be run.
    app.teardown_appcontext(_end_reading)
    mail.init_app(app)
    # Before those that turn a request away: what they say has its number, and the language of its reader.
    requests.init_app(app)
    bodies.init_app(app)
    localization.init_app(app, babel)
    csrf.init_app(app)
    htmx.init_app(app)
    login_manager.init_app(app)
    limiter.init_app(app)

    for part in (addresses, security, access, errors, assets, faces, formatting, navigation):
        part.init_app(app)
    register_blueprints(app, settings)
    if count := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    with app.app_context():
        sa.event.listen(db.engine, "connect", _keep_prepared)
        check_rested(db.engine)
        watch_writes(db.engine)
        app.extensions["board_changes"] = ChangeReader(db.engine)
    return app


def _end_reading(error: BaseException | None) -> None:
    if error is None:
        end_reading()


def _keep_prepared(connection: Any, _record: object) -> None:
    # The driver keeps a hundred, and we have more: each would push out another that is wanted soon.
    connection.prepared_max = STATEMENTS_KEPT


def flask_config(settings: Settings) -> dict[str, object]:
    """Return Flask's configuration keys for `settings`."""
    secure = settings.is_https
    return {
        "SECRET_KEY": settings.secret_key,
        "TESTING": settings.environment == "testing",
        "SQLALCHEMY_DATABASE_URI": sqlalchemy_url(settings.database_url),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # What is written is people's own; an error says which statement failed, not with what.
            "hide_parameters": True,
            "pool_size": 6,
            "max_overflow": 4,
            # The one that was used last has its statements prepared and its plans at hand.
            "pool_use_lifo": True,
            "connect_args": {
                "connect_timeout": 5,
                # Reports sort a long history; compiling their statements costs more than it brings.
                "options": "-c timezone=UTC -c jit=off -c work_mem=16MB -c statement_timeout=30000 "
                "-c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
            },
        },
        "MAX_CONTENT_LENGTH": settings.max_upload_bytes + 64 * 1024,
        "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": secure,
        "PERMANENT_SESSION_LIFETIME": 14 * 24 * 3600,
        "SESSION_REFRESH_EACH_REQUEST": False,  # Once a day instead (web/access.py).
        "WTF_CSRF_TIME_LIMIT": None,
        # For every form of a request it would read the form library's catalog from disk: English, as we are.
        "WTF_I18N_ENABLED": False,
        "RATELIMIT_STORAGE_URI": settings.redis_url.replace("unix://", "redis+unix://"),
        "RATELIMIT_KEY_PREFIX": "limits",
        "RATELIMIT_ENABLED": True,
        "BABEL_DEFAULT_LOCALE": "en",
        "BABEL_DEFAULT_TIMEZONE": "UTC",
    }
