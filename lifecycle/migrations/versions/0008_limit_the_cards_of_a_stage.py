"""Keep on a stage's row how many cards it may hold, where whoever enters it looks and waits

A limit that was declared before counted for nothing; it holds from the next publishing of its playbook.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column('stages', sa.Column('card_limit', sa.BigInteger(), nullable=True))
    op.add_column('stages', sa.Column('limit_is_hard', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_check_constraint('card_limit', 'stages', 'card_limit > 0')


def downgrade() -> None:
    """Undo."""
    op.drop_constraint('card_limit', 'stages', type_='check')
    op.drop_column('stages', 'limit_is_hard')
    op.drop_column('stages', 'card_limit')
