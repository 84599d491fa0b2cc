"""Keep every published version of a legal document, so that what was accepted can be read for ever"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('legal_texts',
    sa.Column('playbook_key', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('since', sa.Date(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['playbook_key'], ['playbooks.key'], name=op.f('fk_legal_texts_playbook_key_playbooks')),
    sa.PrimaryKeyConstraint('playbook_key', 'key', 'version', name=op.f('pk_legal_texts'))
    )
    op.execute(
        "create trigger append_only before update or delete on legal_texts "
        "for each row execute function lifecycle_refuse_change()"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table('legal_texts')
