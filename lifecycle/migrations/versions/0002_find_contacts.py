"""Find contacts by name and address"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(
        'ix_contacts_search',
        'contacts',
        [sa.literal_column('lifecycle_fold(name) gin_trgm_ops'), sa.literal_column('lifecycle_fold(email) gin_trgm_ops')],
        unique=False,
        postgresql_using='gin',
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_contacts_search', table_name='contacts')
