"""The WSGI entry: `gunicorn wsgi:app`."""

from lifecycle.app import create_app
from lifecycle.web.metrics import watch_pool

app = create_app()
watch_pool(app)
