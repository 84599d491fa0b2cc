"""Reach contacts as they like: by SMS or mail, and not in their quiet hours"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

CONTACT = ('channel', 'time_zone', 'quiet_from', 'quiet_until', 'mail_refused_why')
MESSAGE = ('to_phone', 'sms_text', 'by_mail_because', 'provider', 'provider_id')


def upgrade() -> None:
    """Apply."""
    for name in CONTACT:
        op.add_column('contacts', sa.Column(name, sa.Text(), nullable=True))
    op.add_column('contacts', sa.Column('sms_stopped_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('contacts', sa.Column('mail_refused_at', sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f('ck_contacts_channel'), 'contacts', "channel in ('sms')")
    op.create_check_constraint(
        op.f('ck_contacts_quiet_hours'), 'contacts', '(quiet_from is null) = (quiet_until is null)'
    )
    for name in MESSAGE:
        op.add_column('outbox_messages', sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        'outbox_messages', sa.Column('channel', sa.Text(), server_default='email', nullable=False)
    )
    op.add_column(
        'outbox_messages', sa.Column('attempts_before', sa.BigInteger(), server_default='0', nullable=False)
    )
    op.add_column(
        'outbox_messages', sa.Column('at_once', sa.Boolean(), server_default='false', nullable=False)
    )
    op.add_column('outbox_messages', sa.Column('quiet_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('outbox_messages', sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f('ck_outbox_messages_channel'), 'outbox_messages', "channel in ('email','sms')"
    )
    op.create_index(
        'ix_outbox_messages_provider', 'outbox_messages', ['provider', 'provider_id'], unique=False,
        postgresql_where=sa.text('provider_id is not null'),
    )
    op.create_table('sms_replies',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('provider_id', sa.Text(), nullable=False),
    sa.Column('word', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sms_replies')),
    sa.UniqueConstraint('provider', 'provider_id', name=op.f('uq_sms_replies_provider'))
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('sms_replies')
    op.drop_index('ix_outbox_messages_provider', table_name='outbox_messages')
    op.drop_constraint(op.f('ck_outbox_messages_channel'), 'outbox_messages')
    for name in (*MESSAGE, 'channel', 'attempts_before', 'at_once', 'quiet_until', 'delivered_at'):
        op.drop_column('outbox_messages', name)
    op.drop_constraint(op.f('ck_contacts_quiet_hours'), 'contacts')
    op.drop_constraint(op.f('ck_contacts_channel'), 'contacts')
    for name in (*CONTACT, 'sms_stopped_at', 'mail_refused_at'):
        op.drop_column('contacts', name)
