"""Find the visits that an undo opened: reports join them to those they continue"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('ix_stage_visits_continued', 'stage_visits', ['continues_visit_id', 'number'], unique=False, postgresql_where=sa.text('continues_visit_id is not null'))


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_stage_visits_continued', table_name='stage_visits', postgresql_where=sa.text('continues_visit_id is not null'))
