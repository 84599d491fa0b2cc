"""Keep with a message which deliverer holds it, so that nobody takes it from one who lives"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column('outbox_messages', sa.Column('claimed_by', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column('outbox_messages', 'claimed_by')
