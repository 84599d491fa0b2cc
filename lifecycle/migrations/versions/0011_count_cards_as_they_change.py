"""Count the cards of each stage as they change, so that opening a board counts none"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lifecycle.migrations.run_sql import run_sql

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('stage_totals',
    sa.Column('stage_id', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('cards', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.Numeric(), nullable=False),
    sa.Column('breached', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_stage_totals_pipeline_id_pipelines')),
    sa.ForeignKeyConstraint(['stage_id'], ['stages.id'], name=op.f('fk_stage_totals_stage_id_stages')),
    sa.PrimaryKeyConstraint('stage_id', 'currency', name=op.f('pk_stage_totals'))
    )
    op.create_index('ix_stage_totals_pipeline_id', 'stage_totals', ['pipeline_id'], unique=False)
    op.create_table('stage_total_folds',
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_stage_total_folds_pipeline_id_pipelines')),
    sa.PrimaryKeyConstraint('pipeline_id', name=op.f('pk_stage_total_folds'))
    )
    op.create_table('stage_total_changes',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('stage_id', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('cards', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.Numeric(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stage_total_changes'))
    )
    op.create_index('ix_stage_total_changes_pipeline', 'stage_total_changes', ['pipeline_id'], unique=False)
    op.create_index('ix_cards_waiting', 'cards', ['stage_id'], unique=False, postgresql_where=sa.text('waiting_on_client and archived_at is null'))
    # Nearly all of its rows are dead soon: cleaned up after so many, however long the table was once.
    op.execute("alter table stage_total_changes set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    # No card may change between the counting and the trigger.
    op.execute("lock table cards in share row exclusive mode")
    run_sql("totals.sql")
    op.execute(
        "insert into stage_totals (stage_id, currency, pipeline_id, cards, amount, breached) "
        "select stage_id, coalesce(value_currency, \'\'), pipeline_id, count(*), coalesce(sum(value_amount), 0), 0 "
        "from cards where archived_at is null group by 1, 2, 3"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_cards_waiting', table_name='cards', postgresql_where=sa.text('waiting_on_client and archived_at is null'))
    op.execute("drop trigger counts_a_changed_card on cards")
    op.execute("drop trigger counts_a_new_card on cards")
    op.execute("drop function lifecycle_count_card()")
    op.drop_table('stage_total_changes')
    op.drop_table('stage_total_folds')
    op.drop_table('stage_totals')
