"""Lay the first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from lifecycle.migrations.run_sql import run_sql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    run_sql("search.sql")
    op.create_table('board_changes',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_board_changes'))
    )
    op.create_index('ix_board_changes_at', 'board_changes', ['at'], unique=False)
    op.create_table('departments',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_departments'))
    )
    op.create_table('evidence_chains',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('head_seq', sa.BigInteger(), nullable=False),
    sa.Column('head_hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_evidence_chains')),
    sa.UniqueConstraint('key', name=op.f('uq_evidence_chains_key'))
    )
    op.create_table('file_contents',
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_file_contents'))
    )
    op.create_table('playbooks',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('current_revision_id', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_playbooks'))
    )
    op.create_table('users',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('time_zone', sa.Text(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('session_epoch', sa.BigInteger(), nullable=False),
    sa.Column('failed_logins', sa.BigInteger(), nullable=False),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_login_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role in ('admin','manager','member','viewer')", name=op.f('ck_users_role')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users'))
    )
    op.create_index('uq_users_email', 'users', [sa.literal_column('lower(email)')], unique=True)
    op.create_table('accounts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('country', sa.Text(), nullable=True),
    sa.Column('segment', sa.Text(), nullable=True),
    sa.Column('website', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('notes', sa.Text(), nullable=True),
    sa.Column('owner_id', sa.Uuid(), nullable=True),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('is_holding', sa.Boolean(), nullable=False),
    sa.Column('import_id', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_accounts_owner_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_accounts'))
    )
    op.create_index(op.f('ix_accounts_import_id'), 'accounts', ['import_id'], unique=False)
    op.create_index('ix_accounts_name_lower', 'accounts', [sa.literal_column('lower(name)')], unique=False)
    op.create_index('ix_accounts_search', 'accounts', [sa.literal_column('lifecycle_fold(name) gin_trgm_ops')], unique=False, postgresql_using='gin')
    op.create_table('events',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('chain_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('account_id', sa.Uuid(), nullable=True),
    sa.Column('card_id', sa.Uuid(), nullable=True),
    sa.Column('canonical', sa.Text(), nullable=False),
    sa.Column('body', postgresql.JSONB(astext_type=sa.Text()), sa.Computed('canonical::jsonb', persisted=True), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.CheckConstraint("hash = sha256(convert_to(canonical, 'UTF8'))", name=op.f('ck_events_hash_of_canonical')),
    sa.ForeignKeyConstraint(['chain_id'], ['evidence_chains.id'], name=op.f('fk_events_chain_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('chain_id', 'seq', name=op.f('uq_events_chain_id_seq'))
    )
    op.create_index('ix_events_account', 'events', ['account_id', 'at'], unique=False)
    op.create_index('ix_events_card', 'events', ['card_id', 'at'], unique=False)
    op.create_table('files',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('media_type', sa.Text(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('uploaded_by', sa.Uuid(), nullable=True),
    sa.Column('uploaded_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['sha256'], ['file_contents.sha256'], name=op.f('fk_files_sha256')),
    sa.ForeignKeyConstraint(['uploaded_by'], ['users.id'], name=op.f('fk_files_uploaded_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_files'))
    )
    op.create_table('pipelines',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('playbook_key', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['playbook_key'], ['playbooks.key'], name=op.f('fk_pipelines_playbook_key')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pipelines')),
    sa.UniqueConstraint('playbook_key', 'key', name=op.f('uq_pipelines_playbook_key_key')),
    sa.UniqueConstraint('slug', name=op.f('uq_pipelines_slug'))
    )
    op.create_table('playbook_revisions',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('playbook_key', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('content', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_by', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['playbook_key'], ['playbooks.key'], name=op.f('fk_playbook_revisions_playbook_key')),
    sa.ForeignKeyConstraint(['published_by'], ['users.id'], name=op.f('fk_playbook_revisions_published_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_playbook_revisions')),
    sa.UniqueConstraint('playbook_key', 'number', name=op.f('uq_playbook_revisions_playbook_key_number')),
    sa.UniqueConstraint('playbook_key', 'sha256', name=op.f('uq_playbook_revisions_playbook_key_sha256'))
    )
    op.create_table('user_departments',
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('department_key', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['department_key'], ['departments.key'], name=op.f('fk_user_departments_department_key')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_departments_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'department_key', name=op.f('pk_user_departments'))
    )
    op.create_table('user_tokens',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("purpose in ('invitation','password_reset')", name=op.f('ck_user_tokens_purpose')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_tokens_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_tokens')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_user_tokens_token_hash'))
    )
    op.create_index(op.f('ix_user_tokens_user_id'), 'user_tokens', ['user_id'], unique=False)
    op.create_table('card_imports',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=True),
    sa.Column('file_name', sa.Text(), nullable=False),
    sa.Column('mapping', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('rows_total', sa.BigInteger(), nullable=False),
    sa.Column('rows_done', sa.BigInteger(), nullable=False),
    sa.Column('rows_refused', sa.BigInteger(), nullable=False),
    sa.Column('summary', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('failure', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.Uuid(), nullable=True),
    sa.CheckConstraint("state in ('draft','checking','checked','running','done','failed','withdrawn')", name=op.f('ck_card_imports_state')),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_card_imports_created_by')),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_card_imports_file_id')),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_card_imports_pipeline_id')),
    sa.ForeignKeyConstraint(['withdrawn_by'], ['users.id'], name=op.f('fk_card_imports_withdrawn_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_card_imports'))
    )
    op.create_table('contacts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('is_verified', sa.Boolean(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_contacts_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contacts'))
    )
    op.create_index(op.f('ix_contacts_account_id'), 'contacts', ['account_id'], unique=False)
    op.create_index('ix_contacts_email_lower', 'contacts', [sa.literal_column('lower(email)')], unique=False)
    op.create_table('stages',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("kind in ('open','won','lost')", name=op.f('ck_stages_kind')),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_stages_pipeline_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stages')),
    sa.UniqueConstraint('pipeline_id', 'key', name=op.f('uq_stages_pipeline_id_key'))
    )
    op.create_table('cards',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('stage_id', sa.BigInteger(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=True),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('value_amount', sa.Numeric(precision=14, scale=2), nullable=True),
    sa.Column('value_currency', sa.Text(), nullable=True),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('owner_id', sa.Uuid(), nullable=False),
    sa.Column('department_key', sa.Text(), nullable=False),
    sa.Column('next_action', sa.Text(), nullable=True),
    sa.Column('next_action_due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_action_assignee_id', sa.Uuid(), nullable=True),
    sa.Column('sla_due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('is_paused', sa.Boolean(), nullable=False),
    sa.Column('waiting_on_client', sa.Boolean(), nullable=False),
    sa.Column('gate_passed', sa.BigInteger(), nullable=False),
    sa.Column('gate_total', sa.BigInteger(), nullable=False),
    sa.Column('board_order', sa.BigInteger(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=True),
    sa.Column('import_id', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(value_amount is null) = (value_currency is null)', name=op.f('ck_cards_value_has_currency')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_cards_account_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_cards_contact_id')),
    sa.ForeignKeyConstraint(['department_key'], ['departments.key'], name=op.f('fk_cards_department_key')),
    sa.ForeignKeyConstraint(['next_action_assignee_id'], ['users.id'], name=op.f('fk_cards_next_action_assignee_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_cards_owner_id')),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_cards_pipeline_id')),
    sa.ForeignKeyConstraint(['revision_id'], ['playbook_revisions.id'], name=op.f('fk_cards_revision_id')),
    sa.ForeignKeyConstraint(['stage_id'], ['stages.id'], name=op.f('fk_cards_stage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cards'))
    )
    op.create_index('ix_cards_account', 'cards', ['account_id'], unique=False)
    op.create_index('ix_cards_column', 'cards', ['stage_id', 'board_order', 'id'], unique=False, postgresql_where=sa.text('archived_at is null'))
    op.create_index('ix_cards_import', 'cards', ['import_id'], unique=False, postgresql_where=sa.text('import_id is not null'))
    op.create_index('ix_cards_owner', 'cards', ['owner_id'], unique=False, postgresql_where=sa.text('archived_at is null'))
    op.create_index('ix_cards_search', 'cards', [sa.literal_column('lifecycle_fold(title) gin_trgm_ops')], unique=False, postgresql_using='gin')
    op.create_index('ix_cards_totals', 'cards', ['pipeline_id', 'stage_id'], unique=False, postgresql_include=['value_amount', 'value_currency', 'sla_due_at', 'is_paused'], postgresql_where=sa.text('archived_at is null'))
    op.create_index('uq_cards_external_id', 'cards', ['pipeline_id', 'external_id'], unique=True, postgresql_where=sa.text('external_id is not null and withdrawn_at is null'))
    op.create_table('collapsed_columns',
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('stage_id', sa.BigInteger(), nullable=False),
    sa.Column('is_collapsed', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['stage_id'], ['stages.id'], name=op.f('fk_collapsed_columns_stage_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_collapsed_columns_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'stage_id', name=op.f('pk_collapsed_columns'))
    )
    op.create_table('import_row_errors',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('import_id', sa.BigInteger(), nullable=False),
    sa.Column('row_number', sa.BigInteger(), nullable=False),
    sa.Column('column', sa.Text(), nullable=True),
    sa.Column('value', sa.Text(), nullable=True),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['card_imports.id'], name=op.f('fk_import_row_errors_import_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_row_errors'))
    )
    op.create_index('ix_import_row_errors_import', 'import_row_errors', ['import_id', 'row_number'], unique=False)
    op.create_table('checklist_ticks',
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('checklist_key', sa.Text(), nullable=False),
    sa.Column('item_key', sa.Text(), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_by', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_checklist_ticks_card_id')),
    sa.ForeignKeyConstraint(['done_by'], ['users.id'], name=op.f('fk_checklist_ticks_done_by')),
    sa.PrimaryKeyConstraint('card_id', 'checklist_key', 'item_key', name=op.f('pk_checklist_ticks'))
    )
    op.create_table('comments',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('author_id', sa.Uuid(), nullable=True),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['author_id'], ['users.id'], name=op.f('fk_comments_author_id')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_comments_card_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_comments'))
    )
    op.create_index(op.f('ix_comments_card_id'), 'comments', ['card_id'], unique=False)
    op.create_table('outbox_messages',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('to_address', sa.Text(), nullable=False),
    sa.Column('to_name', sa.Text(), nullable=True),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('text_body', sa.Text(), nullable=False),
    sa.Column('html_body', sa.Text(), nullable=True),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('resend_if_unsure', sa.Boolean(), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('card_id', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state in ('held','due','claimed','handing_over','sent','failed','cancelled','unconfirmed')", name=op.f('ck_outbox_messages_state')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_outbox_messages_card_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_outbox_messages_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox_messages')),
    sa.UniqueConstraint('message_id', name=op.f('uq_outbox_messages_message_id'))
    )
    op.create_index('ix_outbox_messages_due', 'outbox_messages', ['next_attempt_at'], unique=False, postgresql_where=sa.text("state in ('held','due','claimed','handing_over')"))
    op.create_table('stage_visits',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('stage_id', sa.BigInteger(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('owner_id', sa.Uuid(), nullable=False),
    sa.Column('department_key', sa.Text(), nullable=False),
    sa.Column('entered_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('entered_by', sa.Uuid(), nullable=True),
    sa.Column('entered_channel', sa.Text(), nullable=False),
    sa.Column('entered_by_edge', sa.Text(), nullable=False),
    sa.Column('entered_reason', sa.Text(), nullable=True),
    sa.Column('answers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('gate_report_id', sa.BigInteger(), nullable=True),
    sa.Column('continues_visit_id', sa.BigInteger(), nullable=True),
    sa.Column('is_imported', sa.Boolean(), nullable=False),
    sa.Column('sla_due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('left_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('left_by', sa.Uuid(), nullable=True),
    sa.Column('left_channel', sa.Text(), nullable=True),
    sa.Column('our_seconds', sa.BigInteger(), nullable=True),
    sa.Column('client_seconds', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('left_at is null or left_at >= entered_at', name=op.f('ck_stage_visits_left_after_entered')),
    sa.CheckConstraint('number = 1 or is_imported or gate_report_id is not null or continues_visit_id is not null', name=op.f('ck_stage_visits_entered_through_a_gate')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_stage_visits_card_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['continues_visit_id'], ['stage_visits.id'], name=op.f('fk_stage_visits_continues_visit_id')),
    sa.ForeignKeyConstraint(['department_key'], ['departments.key'], name=op.f('fk_stage_visits_department_key')),
    sa.ForeignKeyConstraint(['entered_by'], ['users.id'], name=op.f('fk_stage_visits_entered_by')),
    sa.ForeignKeyConstraint(['left_by'], ['users.id'], name=op.f('fk_stage_visits_left_by')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_stage_visits_owner_id')),
    sa.ForeignKeyConstraint(['revision_id'], ['playbook_revisions.id'], name=op.f('fk_stage_visits_revision_id')),
    sa.ForeignKeyConstraint(['stage_id'], ['stages.id'], name=op.f('fk_stage_visits_stage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stage_visits')),
    sa.UniqueConstraint('card_id', 'number', name=op.f('uq_stage_visits_card_id_number')),
    sa.UniqueConstraint('gate_report_id', name=op.f('uq_stage_visits_gate_report_id'))
    )
    op.create_index('ix_stage_visits_stage', 'stage_visits', ['stage_id', 'entered_at'], unique=False)
    op.create_index('uq_stage_visits_open', 'stage_visits', ['card_id'], unique=True, postgresql_where=sa.text('left_at is null'))
    op.create_table('approval_requests',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('needed', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('subject', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('subject_hash', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.Uuid(), nullable=True),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_approval_requests_card_id')),
    sa.ForeignKeyConstraint(['requested_by'], ['users.id'], name=op.f('fk_approval_requests_requested_by')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_approval_requests_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval_requests'))
    )
    op.create_index('uq_approval_requests_open', 'approval_requests', ['card_id', 'key'], unique=True, postgresql_where=sa.text('closed_at is null'))
    op.create_table('attachments',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=True),
    sa.Column('url', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('happened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('medium', sa.Text(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('added_by', sa.Uuid(), nullable=True),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.Uuid(), nullable=True),
    sa.CheckConstraint("kind in ('file','link','note','talk')", name=op.f('ck_attachments_kind')),
    sa.ForeignKeyConstraint(['added_by'], ['users.id'], name=op.f('fk_attachments_added_by')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_attachments_card_id')),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_attachments_file_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_attachments_visit_id')),
    sa.ForeignKeyConstraint(['withdrawn_by'], ['users.id'], name=op.f('fk_attachments_withdrawn_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attachments'))
    )
    op.create_index(op.f('ix_attachments_card_id'), 'attachments', ['card_id'], unique=False)
    op.create_table('gate_reports',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('from_visit_id', sa.BigInteger(), nullable=False),
    sa.Column('to_stage_id', sa.BigInteger(), nullable=False),
    sa.Column('revision_id', sa.BigInteger(), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('edge_kind', sa.Text(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('results', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint("outcome in ('passed','blocked')", name=op.f('ck_gate_reports_outcome')),
    sa.ForeignKeyConstraint(['actor_id'], ['users.id'], name=op.f('fk_gate_reports_actor_id')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_gate_reports_card_id')),
    sa.ForeignKeyConstraint(['from_visit_id'], ['stage_visits.id'], name=op.f('fk_gate_reports_from_visit_id')),
    sa.ForeignKeyConstraint(['revision_id'], ['playbook_revisions.id'], name=op.f('fk_gate_reports_revision_id')),
    sa.ForeignKeyConstraint(['to_stage_id'], ['stages.id'], name=op.f('fk_gate_reports_to_stage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_gate_reports'))
    )
    op.create_index('ix_gate_reports_card', 'gate_reports', ['card_id', 'at'], unique=False)
    op.create_table('meetings',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('agenda', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('our_attendees', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('client_attendees', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('held_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('notes', sa.Text(), nullable=True),
    sa.Column('decisions', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('cancelled_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_meetings_card_id')),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_meetings_created_by')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_meetings_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_meetings'))
    )
    op.create_index(op.f('ix_meetings_card_id'), 'meetings', ['card_id'], unique=False)
    op.create_table('sla_pauses',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_by', sa.Uuid(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['ended_by'], ['users.id'], name=op.f('fk_sla_pauses_ended_by')),
    sa.ForeignKeyConstraint(['started_by'], ['users.id'], name=op.f('fk_sla_pauses_started_by')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_sla_pauses_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sla_pauses'))
    )
    op.create_index(op.f('ix_sla_pauses_visit_id'), 'sla_pauses', ['visit_id'], unique=False)
    op.create_index('uq_sla_pauses_open', 'sla_pauses', ['visit_id'], unique=True, postgresql_where=sa.text('ended_at is null'))
    op.create_table('waivers',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('check_key', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('given_by', sa.Uuid(), nullable=True),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_waivers_card_id')),
    sa.ForeignKeyConstraint(['given_by'], ['users.id'], name=op.f('fk_waivers_given_by')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_waivers_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_waivers'))
    )
    op.create_index('uq_waivers_check', 'waivers', ['card_id', 'visit_id', 'check_key'], unique=True, postgresql_where=sa.text('withdrawn_at is null'))
    op.create_table('approval_decisions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('request_id', sa.Uuid(), nullable=False),
    sa.Column('decision', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('decided_by', sa.Uuid(), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("decision in ('approved','rejected')", name=op.f('ck_approval_decisions_decision')),
    sa.ForeignKeyConstraint(['decided_by'], ['users.id'], name=op.f('fk_approval_decisions_decided_by')),
    sa.ForeignKeyConstraint(['request_id'], ['approval_requests.id'], name=op.f('fk_approval_decisions_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval_decisions')),
    sa.UniqueConstraint('request_id', 'decided_by', name=op.f('uq_approval_decisions_request_id_decided_by'))
    )
    op.create_table('tasks',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('visit_id', sa.BigInteger(), nullable=False),
    sa.Column('meeting_id', sa.Uuid(), nullable=True),
    sa.Column('key', sa.Text(), nullable=True),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('assignee_id', sa.Uuid(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_by', sa.Uuid(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('cancelled_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['assignee_id'], ['users.id'], name=op.f('fk_tasks_assignee_id')),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_tasks_card_id')),
    sa.ForeignKeyConstraint(['done_by'], ['users.id'], name=op.f('fk_tasks_done_by')),
    sa.ForeignKeyConstraint(['meeting_id'], ['meetings.id'], name=op.f('fk_tasks_meeting_id')),
    sa.ForeignKeyConstraint(['visit_id'], ['stage_visits.id'], name=op.f('fk_tasks_visit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tasks'))
    )
    op.create_index('ix_tasks_card', 'tasks', ['card_id'], unique=False)
    op.create_index('ix_tasks_open', 'tasks', ['assignee_id', 'due_at'], unique=False, postgresql_where=sa.text('done_at is null and cancelled_at is null'))
    # Two tables that name each other: the second half of the knot is tied here.
    op.create_foreign_key("fk_playbooks_current_revision", "playbooks", "playbook_revisions", ["current_revision_id"], ["id"])
    op.create_foreign_key("fk_cards_visit", "cards", "stage_visits", ["visit_id"], ["id"], deferrable=True, initially="DEFERRED")
    op.create_foreign_key("fk_stage_visits_gate_report", "stage_visits", "gate_reports", ["gate_report_id"], ["id"])
    run_sql("invariants.sql")


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("Restore the backup taken before the upgrade.")
