"""Alembic's entry: runs the migrations on the connection that `lifecycle/prepare.py` hands over."""

from __future__ import annotations

from alembic import context

from lifecycle.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
