"""Read submissions as they were asked: each knows the revision of the playbook it was made under"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

# The card stood on what its next take-over left behind, or stands on it still.
_FILL = """
update request_submissions s
set revision_id = coalesce(
    (
        select (e.body->'data'->>'before')::bigint from events e
        where e.card_id = r.card_id and e.kind = 'card.revision.changed' and e.at > s.created_at
        order by e.at, e.id limit 1
    ),
    c.revision_id
)
from client_requests r join cards c on c.id = r.card_id
where r.id = s.request_id
"""


def upgrade() -> None:
    """Apply."""
    op.add_column('request_submissions', sa.Column('revision_id', sa.BigInteger(), nullable=True))
    op.execute('alter table request_submissions disable trigger append_only')
    op.execute(_FILL)
    op.execute('alter table request_submissions enable trigger append_only')
    op.alter_column('request_submissions', 'revision_id', nullable=False)
    op.create_foreign_key(
        op.f('fk_request_submissions_revision_id_playbook_revisions'),
        'request_submissions', 'playbook_revisions', ['revision_id'], ['id'],
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column('request_submissions', 'revision_id')
