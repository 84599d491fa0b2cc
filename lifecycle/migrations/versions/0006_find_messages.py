"""Find messages about cards by their date, by what became of them, and by what they repeat"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index('ix_outbox_messages_about', 'outbox_messages', ['created_at', 'id'], unique=False, postgresql_where=sa.text('card_id is not null'))
    op.create_index('ix_outbox_messages_undelivered', 'outbox_messages', ['created_at'], unique=False, postgresql_where=sa.text("state in ('failed','unconfirmed')"))
    op.create_index('ix_outbox_messages_resent', 'outbox_messages', ['resent_from'], unique=False, postgresql_where=sa.text('resent_from is not null'))


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_outbox_messages_resent', table_name='outbox_messages', postgresql_where=sa.text('resent_from is not null'))
    op.drop_index('ix_outbox_messages_undelivered', table_name='outbox_messages', postgresql_where=sa.text("state in ('failed','unconfirmed')"))
    op.drop_index('ix_outbox_messages_about', table_name='outbox_messages', postgresql_where=sa.text('card_id is not null'))
