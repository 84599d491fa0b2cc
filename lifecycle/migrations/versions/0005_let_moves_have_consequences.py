"""Let a move have consequences: rules, reminders, notices, requests to clients, handoffs, a fuller outbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from lifecycle.migrations.run_sql import run_sql

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('scheduled_runs',
    sa.Column('playbook_key', sa.Text(), nullable=False),
    sa.Column('rule_key', sa.Text(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('run_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('playbook_key', 'rule_key', 'due_at', name=op.f('pk_scheduled_runs'))
    )
    op.create_table('handoffs',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('from_card_id', sa.Uuid(), nullable=False),
    sa.Column('to_card_id', sa.Uuid(), nullable=False),
    sa.Column('from_pipeline', sa.Text(), nullable=False),
    sa.Column('to_pipeline', sa.Text(), nullable=False),
    sa.Column('to_department', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('round', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('context', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('offered_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('offered_by', sa.Uuid(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('answered_by', sa.Uuid(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.CheckConstraint("state in ('offered','accepted','returned','withdrawn')", name=op.f('ck_handoffs_state')),
    sa.ForeignKeyConstraint(['answered_by'], ['users.id'], name=op.f('fk_handoffs_answered_by')),
    sa.ForeignKeyConstraint(['from_card_id'], ['cards.id'], name=op.f('fk_handoffs_from_card_id')),
    sa.ForeignKeyConstraint(['offered_by'], ['users.id'], name=op.f('fk_handoffs_offered_by')),
    sa.ForeignKeyConstraint(['to_card_id'], ['cards.id'], name=op.f('fk_handoffs_to_card_id')),
    sa.ForeignKeyConstraint(['to_department'], ['departments.key'], name=op.f('fk_handoffs_to_department')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handoffs')),
    sa.UniqueConstraint('from_card_id', 'to_pipeline', name=op.f('uq_handoffs_from_card_id_to_pipeline'))
    )
    op.create_index('ix_handoffs_open', 'handoffs', ['to_department', 'due_at'], unique=False, postgresql_where=sa.text("state = 'offered'"))
    op.create_index('ix_handoffs_to_card', 'handoffs', ['to_card_id'], unique=False)
    op.create_table('reminders',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('says', sa.Text(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('basis_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.CheckConstraint("kind in ('request','task','sla','handoff','meeting','series')", name=op.f('ck_reminders_kind')),
    sa.CheckConstraint("state in ('pending','fired','cancelled','skipped')", name=op.f('ck_reminders_state')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_reminders_card_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reminders')),
    sa.UniqueConstraint('subject', 'step', 'due_at', name=op.f('uq_reminders_subject_step_due_at'))
    )
    op.create_index('ix_reminders_card', 'reminders', ['card_id'], unique=False)
    op.create_index('ix_reminders_due', 'reminders', ['due_at'], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.create_table('client_requests',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('to_right', sa.Text(), nullable=True),
    sa.Column('contact_id', sa.Uuid(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('intro', sa.Text(), nullable=False),
    sa.Column('consent', sa.Text(), nullable=False),
    sa.Column('shown', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('shown_hash', sa.Text(), nullable=False),
    sa.Column('documents', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('answers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('files', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.Uuid(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('stuck_reason', sa.Text(), nullable=True),
    sa.Column('stuck_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('proof', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_why', sa.Text(), nullable=True),
    sa.CheckConstraint("status in ('not_asked','asked','opened','in_progress','submitted','returned','accepted','declined','expired')", name=op.f('ck_client_requests_status')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_client_requests_card_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_client_requests_contact_id')),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_client_requests_created_by')),
    sa.ForeignKeyConstraint(['decided_by'], ['users.id'], name=op.f('fk_client_requests_decided_by')),
    sa.ForeignKeyConstraint(['revision_id'], ['playbook_revisions.id'], name=op.f('fk_client_requests_revision_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_client_requests_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_requests'))
    )
    op.create_index('ix_client_requests_card', 'client_requests', ['card_id'], unique=False)
    op.create_index('uq_client_requests_open', 'client_requests', ['card_id', 'key'], unique=True, postgresql_where=sa.text('closed_at is null'))
    op.create_table('notices',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=True),
    sa.Column('visit_id', sa.BigInteger(), nullable=True),
    sa.Column('tone', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=True),
    sa.Column('link', sa.Text(), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('shows_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_notices_card_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_notices_user_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_notices_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
    sa.UniqueConstraint('cause', name=op.f('uq_notices_cause'))
    )
    op.create_index('ix_notices_unread', 'notices', ['user_id', 'shows_at'], unique=False, postgresql_where=sa.text('read_at is null and withdrawn_at is null'))
    op.create_index('ix_notices_user', 'notices', ['user_id', 'shows_at'], unique=False)
    op.create_index('ix_notices_visit', 'notices', ['visit_id'], unique=False)
    op.create_table('rule_firings',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('rule_key', sa.Text(), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('event_kind', sa.Text(), nullable=True),
    sa.Column('event', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('depth', sa.BigInteger(), nullable=False),
    sa.Column('root_id', sa.Uuid(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('undo_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('results', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('dismissed_by', sa.Uuid(), nullable=True),
    sa.CheckConstraint("state in ('pending','done','failed','cancelled')", name=op.f('ck_rule_firings_state')),
    sa.ForeignKeyConstraint(['actor_id'], ['users.id'], name=op.f('fk_rule_firings_actor_id')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_rule_firings_card_id')),
    sa.ForeignKeyConstraint(['dismissed_by'], ['users.id'], name=op.f('fk_rule_firings_dismissed_by')),
    sa.ForeignKeyConstraint(['revision_id'], ['playbook_revisions.id'], name=op.f('fk_rule_firings_revision_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_rule_firings_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_firings')),
    sa.UniqueConstraint('card_id', 'rule_key', 'cause', name=op.f('uq_rule_firings_card_id_rule_key_cause'))
    )
    op.create_index('ix_rule_firings_failed', 'rule_firings', ['created_at'], unique=False, postgresql_where=sa.text("state = 'failed'"))
    op.create_index('ix_rule_firings_pending', 'rule_firings', ['next_attempt_at'], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.create_index('ix_rule_firings_root', 'rule_firings', ['root_id'], unique=False, postgresql_where=sa.text('root_id is not null'))
    op.create_index('ix_rule_firings_rule', 'rule_firings', ['rule_key', 'created_at'], unique=False)
    op.create_index('ix_rule_firings_visit', 'rule_firings', ['visit_id'], unique=False)
    op.create_table('client_links',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('request_id', sa.Uuid(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_client_links_contact_id')),
    sa.ForeignKeyConstraint(['request_id'], ['client_requests.id'], name=op.f('fk_client_links_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_links')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_client_links_token_hash'))
    )
    op.create_index('ix_client_links_request', 'client_links', ['request_id'], unique=False)
    op.add_column('cards', sa.Column('client_status', sa.Text(), nullable=True))
    # Every card so far began its own journey.
    op.add_column('cards', sa.Column('journey_id', sa.Uuid(), nullable=True))
    op.execute('update cards set journey_id = id')
    op.alter_column('cards', 'journey_id', nullable=False)
    op.create_index(op.f('ix_cards_journey_id'), 'cards', ['journey_id'], unique=False)
    op.add_column(
        'contacts', sa.Column('rights', postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default=sa.text("'[]'"))
    )
    op.alter_column('contacts', 'rights', server_default=None)
    op.add_column('outbox_messages', sa.Column('contact_id', sa.Uuid(), nullable=True))
    op.add_column('outbox_messages', sa.Column('visit_id', sa.BigInteger(), nullable=True))
    op.add_column('outbox_messages', sa.Column('request_id', sa.Uuid(), nullable=True))
    op.add_column('outbox_messages', sa.Column('thread', sa.Text(), nullable=True))
    op.add_column('outbox_messages', sa.Column('reply_to', sa.Text(), nullable=True))
    op.add_column('outbox_messages', sa.Column('cause', sa.Text(), nullable=True))
    op.add_column('outbox_messages', sa.Column('added_line', sa.Text(), nullable=True))
    op.add_column('outbox_messages', sa.Column('added_by', sa.Uuid(), nullable=True))
    op.add_column('outbox_messages', sa.Column('held_by', sa.Uuid(), nullable=True))
    op.add_column('outbox_messages', sa.Column('resent_from', sa.Uuid(), nullable=True))
    op.create_index('ix_outbox_messages_card', 'outbox_messages', ['card_id'], unique=False, postgresql_where=sa.text('card_id is not null'))
    op.create_index('ix_outbox_messages_visit', 'outbox_messages', ['visit_id'], unique=False, postgresql_where=sa.text('visit_id is not null'))
    op.create_unique_constraint(op.f('uq_outbox_messages_cause'), 'outbox_messages', ['cause'])
    op.create_foreign_key(op.f('fk_outbox_messages_held_by'), 'outbox_messages', 'users', ['held_by'], ['id'])
    op.create_foreign_key(op.f('fk_outbox_messages_visit_id'), 'outbox_messages', 'stage_visits', ['visit_id'], ['id'])
    op.create_foreign_key(op.f('fk_outbox_messages_request_id'), 'outbox_messages', 'client_requests', ['request_id'], ['id'])
    op.create_foreign_key(op.f('fk_outbox_messages_resent_from'), 'outbox_messages', 'outbox_messages', ['resent_from'], ['id'])
    op.create_foreign_key(op.f('fk_outbox_messages_added_by'), 'outbox_messages', 'users', ['added_by'], ['id'])
    op.create_foreign_key(op.f('fk_outbox_messages_contact_id'), 'outbox_messages', 'contacts', ['contact_id'], ['id'])
    run_sql("consequences.sql")


def downgrade() -> None:
    """Undo."""
    op.execute("drop function lifecycle_guard_answer() cascade")
    op.drop_constraint(op.f('fk_outbox_messages_contact_id'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('fk_outbox_messages_added_by'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('fk_outbox_messages_resent_from'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('fk_outbox_messages_request_id'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('fk_outbox_messages_visit_id'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('fk_outbox_messages_held_by'), 'outbox_messages', type_='foreignkey')
    op.drop_constraint(op.f('uq_outbox_messages_cause'), 'outbox_messages', type_='unique')
    op.drop_index('ix_outbox_messages_visit', table_name='outbox_messages', postgresql_where=sa.text('visit_id is not null'))
    op.drop_index('ix_outbox_messages_card', table_name='outbox_messages', postgresql_where=sa.text('card_id is not null'))
    op.drop_column('outbox_messages', 'resent_from')
    op.drop_column('outbox_messages', 'held_by')
    op.drop_column('outbox_messages', 'added_by')
    op.drop_column('outbox_messages', 'added_line')
    op.drop_column('outbox_messages', 'cause')
    op.drop_column('outbox_messages', 'reply_to')
    op.drop_column('outbox_messages', 'thread')
    op.drop_column('outbox_messages', 'request_id')
    op.drop_column('outbox_messages', 'visit_id')
    op.drop_column('outbox_messages', 'contact_id')
    op.drop_column('contacts', 'rights')
    op.drop_index(op.f('ix_cards_journey_id'), table_name='cards')
    op.drop_column('cards', 'journey_id')
    op.drop_column('cards', 'client_status')
    op.drop_index('ix_client_links_request', table_name='client_links')
    op.drop_table('client_links')
    op.drop_index('ix_rule_firings_visit', table_name='rule_firings')
    op.drop_index('ix_rule_firings_rule', table_name='rule_firings')
    op.drop_index('ix_rule_firings_root', table_name='rule_firings', postgresql_where=sa.text('root_id is not null'))
    op.drop_index('ix_rule_firings_pending', table_name='rule_firings', postgresql_where=sa.text("state = 'pending'"))
    op.drop_index('ix_rule_firings_failed', table_name='rule_firings', postgresql_where=sa.text("state = 'failed'"))
    op.drop_table('rule_firings')
    op.drop_index('ix_notices_visit', table_name='notices')
    op.drop_index('ix_notices_user', table_name='notices')
    op.drop_index('ix_notices_unread', table_name='notices', postgresql_where=sa.text('read_at is null and withdrawn_at is null'))
    op.drop_table('notices')
    op.drop_index('uq_client_requests_open', table_name='client_requests', postgresql_where=sa.text('closed_at is null'))
    op.drop_index('ix_client_requests_card', table_name='client_requests')
    op.drop_table('client_requests')
    op.drop_index('ix_reminders_due', table_name='reminders', postgresql_where=sa.text("state = 'pending'"))
    op.drop_index('ix_reminders_card', table_name='reminders')
    op.drop_table('reminders')
    op.drop_index('ix_handoffs_to_card', table_name='handoffs')
    op.drop_index('ix_handoffs_open', table_name='handoffs', postgresql_where=sa.text("state = 'offered'"))
    op.drop_table('handoffs')
    op.drop_table('scheduled_runs')
