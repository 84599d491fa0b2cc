"""The WSGI entry: `gunicorn wsgi:app`."""

from lifecycle.app import create_app

app = create_app()
