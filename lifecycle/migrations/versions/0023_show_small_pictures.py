"""Keep a thumbnail of each picture, by the hash of its bytes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('file_thumbnails',
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('tries', sa.BigInteger(), nullable=False),
    sa.Column('tried_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=True),
    sa.Column('width', sa.BigInteger(), nullable=True),
    sa.Column('height', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("state in ('trying','made','none')", name=op.f('ck_file_thumbnails_state')),
    sa.CheckConstraint("(state = 'made') = (content is not null)", name=op.f('ck_file_thumbnails_content')),
    sa.ForeignKeyConstraint(['sha256'], ['file_contents.sha256'], name=op.f('fk_file_thumbnails_sha256')),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_file_thumbnails'))
    )
    op.create_index(
        'ix_files_pictures', 'files', ['sha256'], unique=False,
        postgresql_where=sa.text("media_type in ('image/png', 'image/jpeg', 'image/gif', 'image/webp')"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index('ix_files_pictures', table_name='files')
    op.drop_table('file_thumbnails')
