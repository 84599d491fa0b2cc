"""Count what is ever sent into a form, so that a link cannot fill the disk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Forms that are open already begin at none."""
    op.add_column('client_requests', sa.Column('sent_files', sa.Integer(), server_default='0', nullable=False))
    op.add_column('client_requests', sa.Column('sent_bytes', sa.BigInteger(), server_default='0', nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column('client_requests', 'sent_bytes')
    op.drop_column('client_requests', 'sent_files')
