"""Keep every submission of a client with what staff said to it, and who wrote which answer when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

_APPEND_ONLY = ('request_submissions', 'request_reviews')


def upgrade() -> None:
    """Apply."""
    op.add_column('client_requests', sa.Column('marks', postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.add_column('client_requests', sa.Column('edition', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('client_requests', sa.Column('comments', postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.add_column('client_links', sa.Column('pages', postgresql.JSONB(), nullable=True))
    op.create_table('request_submissions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('request_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('answers', postgresql.JSONB(), nullable=False),
    sa.Column('files', postgresql.JSONB(), nullable=False),
    sa.Column('scores', postgresql.JSONB(), nullable=False),
    sa.Column('proof', postgresql.JSONB(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['client_requests.id'], name=op.f('fk_request_submissions_request_id_client_requests')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_submissions')),
    sa.UniqueConstraint('request_id', 'number', name=op.f('uq_request_submissions_request_id'))
    )
    op.create_table('request_reviews',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('comments', postgresql.JSONB(), nullable=False),
    sa.Column('reviewed_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("outcome in ('accepted','returned')", name=op.f('ck_request_reviews_outcome')),
    sa.ForeignKeyConstraint(['reviewed_by'], ['users.id'], name=op.f('fk_request_reviews_reviewed_by_users')),
    sa.ForeignKeyConstraint(['submission_id'], ['request_submissions.id'], name=op.f('fk_request_reviews_submission_id_request_submissions')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_reviews')),
    sa.UniqueConstraint('submission_id', name=op.f('uq_request_reviews_submission_id'))
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger append_only before update or delete on {table} "
            "for each row execute function lifecycle_refuse_change()"
        )


def downgrade() -> None:
    """Undo."""
    op.drop_table('request_reviews')
    op.drop_table('request_submissions')
    op.drop_column('client_links', 'pages')
    op.drop_column('client_requests', 'comments')
    op.drop_column('client_requests', 'edition')
    op.drop_column('client_requests', 'marks')
