"""Follow an import: what was read, what a dry run found, and whether its job lives"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

_DEFAULTS = {'reading': "'{}'", 'forecast': "'{}'", 'run_number': '0'}


def upgrade() -> None:
    """Apply."""
    op.add_column('card_imports', sa.Column('accounts_file_id', sa.Uuid(), nullable=True))
    op.add_column('card_imports', sa.Column('accounts_file_name', sa.Text(), nullable=True))
    for name, default in _DEFAULTS.items():
        kind = sa.BigInteger() if name == 'run_number' else postgresql.JSONB()
        op.add_column('card_imports', sa.Column(name, kind, nullable=False, server_default=sa.text(default)))
        op.alter_column('card_imports', name, server_default=None)
    op.add_column('card_imports', sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        'fk_card_imports_accounts_file_id', 'card_imports', 'files', ['accounts_file_id'], ['id']
    )


def downgrade() -> None:
    """Undo."""
    op.drop_constraint('fk_card_imports_accounts_file_id', 'card_imports', type_='foreignkey')
    for name in ('seen_at', *_DEFAULTS, 'accounts_file_name', 'accounts_file_id'):
        op.drop_column('card_imports', name)
