"""Tell teams in their channels"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

CHANNEL = 'ck_outbox_messages_channel'


def upgrade() -> None:
    """Apply."""
    op.create_table('team_channels',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('sealed_address', sa.LargeBinary(), nullable=False),
    sa.Column('shown_address', sa.Text(), nullable=False),
    sa.Column('sealed_secret', sa.LargeBinary(), nullable=True),
    sa.Column('former_secret', sa.LargeBinary(), nullable=True),
    sa.Column('former_secret_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('is_on', sa.Boolean(), nullable=False),
    sa.Column('off_because', sa.Text(), nullable=True),
    sa.Column('rests_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_success_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_failure_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_failure', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind in ('slack','teams','webhook')", name=op.f('ck_team_channels_kind')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_team_channels')),
    sa.UniqueConstraint('key', name=op.f('uq_team_channels_key'))
    )
    op.add_column('outbox_messages', sa.Column('team_key', sa.Text(), nullable=True))
    op.add_column('outbox_messages', sa.Column('about', postgresql.JSONB(), nullable=True))
    op.drop_constraint(op.f(CHANNEL), 'outbox_messages')
    op.create_check_constraint(op.f(CHANNEL), 'outbox_messages', "channel in ('email','sms','team')")
    op.create_check_constraint(
        op.f('ck_outbox_messages_team_key'), 'outbox_messages', "(channel = 'team') = (team_key is not null)"
    )
    op.create_index(
        'ix_outbox_messages_team', 'outbox_messages', ['team_key', 'created_at'], unique=False,
        postgresql_where=sa.text('team_key is not null'),
    )


def downgrade() -> None:
    """Undo."""
    op.execute("delete from outbox_messages where channel = 'team'")
    op.drop_index('ix_outbox_messages_team', table_name='outbox_messages')
    op.drop_constraint(op.f('ck_outbox_messages_team_key'), 'outbox_messages')
    op.drop_constraint(op.f(CHANNEL), 'outbox_messages')
    op.create_check_constraint(op.f(CHANNEL), 'outbox_messages', "channel in ('email','sms')")
    op.drop_column('outbox_messages', 'about')
    op.drop_column('outbox_messages', 'team_key')
    op.drop_table('team_channels')
