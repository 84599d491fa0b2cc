"""Let nothing enter a stage as an undo or an import that is neither"""

from __future__ import annotations

from alembic import op

from lifecycle.migrations.run_sql import run_sql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    run_sql("entrances.sql")


def downgrade() -> None:
    """Undo what was added; the function keeps its stricter form, which takes all that the older one should."""
    op.execute("drop trigger origin_is_final on cards")
    op.execute("drop function lifecycle_guard_origin()")
