"""Count what entered, was won and was lost as it happens, so that the command center counts none of it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lifecycle.migrations.run_sql import run_sql

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('flow_totals',
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('entered', sa.BigInteger(), nullable=False),
    sa.Column('won', sa.BigInteger(), nullable=False),
    sa.Column('lost', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_flow_totals_pipeline_id_pipelines')),
    sa.PrimaryKeyConstraint('at', 'pipeline_id', name=op.f('pk_flow_totals'))
    )
    op.create_table('flow_changes',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('entered', sa.BigInteger(), nullable=False),
    sa.Column('won', sa.BigInteger(), nullable=False),
    sa.Column('lost', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_flow_changes'))
    )
    # Nearly all of its rows are dead soon: cleaned up after so many, however long the table was once.
    op.execute("alter table flow_changes set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    # Nothing may begin, be withdrawn or change its kind between the counting and the triggers.
    op.execute("lock table stages, cards, stage_visits in share row exclusive mode")
    run_sql("flows.sql")
    op.execute(
        "insert into flow_totals (at, pipeline_id, entered, won, lost) "
        "select lifecycle_quarter(v.entered_at), s.pipeline_id, count(*) filter (where v.number = 1), "
        "count(*) filter (where s.kind = 'won'), count(*) filter (where s.kind = 'lost') "
        "from stage_visits v join stages s on s.id = v.stage_id join cards c on c.id = v.card_id "
        "where c.withdrawn_at is null and v.continues_visit_id is null "
        "and v.entered_by_edge <> 'imported_undated' and (v.number = 1 or s.kind <> 'open') "
        "and not exists (select from stage_visits f where f.card_id = v.card_id "
        "and f.number = v.number + 1 and f.continues_visit_id is not null) group by 1, 2"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("drop trigger counts_another_kind on stages")
    op.execute("drop trigger counts_a_withdrawn_card on cards")
    op.execute("drop trigger counts_new_visits on stage_visits")
    op.execute("drop function lifecycle_count_kind()")
    op.execute("drop function lifecycle_count_withdrawal()")
    op.execute("drop function lifecycle_count_visits()")
    op.execute("drop function lifecycle_quarter(timestamptz)")
    op.drop_table('flow_changes')
    op.drop_table('flow_totals')
