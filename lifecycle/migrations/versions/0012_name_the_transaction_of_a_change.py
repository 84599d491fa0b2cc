"""Name the transaction of each change of a board, so that a snapshot says whether it has been seen"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Browsers that are open read their boards anew, so what was there is nobody's loss."""
    op.execute("delete from board_changes")
    op.add_column('board_changes', sa.Column('xid', sa.BigInteger(), server_default=sa.text('pg_current_xact_id()::text::bigint'), nullable=False))
    op.create_index('ix_board_changes_xid', 'board_changes', ['xid'], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_board_changes_xid', table_name='board_changes')
    op.drop_column('board_changes', 'xid')
