"""Remember which meetings' notes a client was sent, to show them on the client's page too"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column('meetings', sa.Column('shared_at', sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "update meetings set shared_at = sent.at from ("
        " select split_part(cause, '/', 2) as meeting, min(created_at) as at from outbox_messages"
        " where kind = 'meeting_outcome' and cause like 'meeting/%' group by 1"
        ") sent where meetings.id::text = sent.meeting"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column('meetings', 'shared_at')
