"""Keep the signed heads of the evidence log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('evidence_heads',
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('statement', sa.Text(), nullable=False),
    sa.Column('signature', sa.Text(), nullable=False),
    sa.Column('public_key', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_evidence_heads'))
    )
    op.execute(
        "create trigger append_only before update or delete on evidence_heads "
        "for each row execute function lifecycle_refuse_change()"
    )
    op.execute(
        "create trigger append_only_truncate before truncate on evidence_heads "
        "for each statement execute function lifecycle_refuse_change()"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('evidence_heads')
