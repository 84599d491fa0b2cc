"""Find things: the usual order of a list of cards"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

_DUE = sa.text("coalesce(sla_due_at, '9999-12-31 00:00:00+00'::timestamptz)")


def upgrade() -> None:
    """Apply."""
    op.create_index('ix_cards_due', 'cards', ['pipeline_id', _DUE, 'id'], unique=False, postgresql_where=sa.text('archived_at is null'))


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_cards_due', table_name='cards', postgresql_where=sa.text('archived_at is null'))
