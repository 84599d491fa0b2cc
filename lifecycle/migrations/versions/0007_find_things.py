"""Find things: the usual order of a list of cards, saved views, names of documents and requests"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

_DUE = sa.text("coalesce(sla_due_at, '9999-12-31 00:00:00+00'::timestamptz)")


def upgrade() -> None:
    """Apply."""
    op.create_table('saved_views',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('owner_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('query', sa.Text(), nullable=False),
    sa.Column('is_list', sa.Boolean(), nullable=False),
    sa.Column('is_shared', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_saved_views_owner_id')),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipelines.id'], name=op.f('fk_saved_views_pipeline_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_views'))
    )
    op.create_index('uq_saved_views_own', 'saved_views', ['pipeline_id', 'owner_id', sa.text('lower(name)')], unique=True, postgresql_where=sa.text('not is_shared'))
    op.create_index('uq_saved_views_shared', 'saved_views', ['pipeline_id', sa.text('lower(name)')], unique=True, postgresql_where=sa.text('is_shared'))
    op.create_index('ix_attachments_search', 'attachments', [sa.text('lifecycle_fold(title) gin_trgm_ops')], unique=False, postgresql_using='gin')
    op.create_index('ix_client_requests_search', 'client_requests', [sa.text('lifecycle_fold(name) gin_trgm_ops')], unique=False, postgresql_using='gin')
    op.create_index('ix_cards_due', 'cards', ['pipeline_id', _DUE, 'id'], unique=False, postgresql_where=sa.text('archived_at is null'))


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_client_requests_search', table_name='client_requests', postgresql_using='gin')
    op.drop_index('ix_attachments_search', table_name='attachments', postgresql_using='gin')
    op.drop_table('saved_views')
    op.drop_index('ix_cards_due', table_name='cards', postgresql_where=sa.text('archived_at is null'))
