"""Keep the bytes of files in pieces, and say where they are, so that none is ever held whole"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None

PIECE = 1048576


def upgrade() -> None:
    """Apply."""
    op.create_table('file_chunks',
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['sha256'], ['file_contents.sha256'], name=op.f('fk_file_chunks_sha256')),
    sa.PrimaryKeyConstraint('sha256', 'number', name=op.f('pk_file_chunks'))
    )
    op.execute(
        'insert into file_chunks (sha256, number, content) '
        f'select sha256, number, substring(content from number * {PIECE} + 1 for {PIECE}) '
        f'from file_contents, generate_series(0, (octet_length(content) - 1) / {PIECE}) as number'
    )
    op.add_column(
        'file_contents', sa.Column('place', sa.Text(), server_default='database', nullable=False)
    )
    op.add_column('file_contents', sa.Column('key', sa.Text(), nullable=True))
    op.drop_column('file_contents', 'content')
    op.create_check_constraint(
        op.f('ck_file_contents_place'), 'file_contents', "place in ('database','s3')"
    )
    op.create_check_constraint(
        op.f('ck_file_contents_key'), 'file_contents', "(place = 's3') = (key is not null)"
    )
    op.create_index('uq_file_contents_key', 'file_contents', ['key'], unique=True)
    for table in ('file_contents', 'file_chunks'):
        op.execute(
            f'create trigger append_only before update or delete on {table} '
            'for each row execute function lifecycle_refuse_change()'
        )


def downgrade() -> None:
    """Undo; refused while a file lies elsewhere, for its bytes would be lost."""
    op.execute(
        "do $$ begin if exists (select from file_contents where place <> 'database') then "
        "raise exception 'files lie in a bucket'; end if; end $$"
    )
    op.execute('drop trigger append_only on file_contents')
    op.add_column('file_contents', sa.Column('content', sa.LargeBinary(), nullable=True))
    op.execute(
        'update file_contents set content = (select string_agg(content, null order by number) '
        'from file_chunks where file_chunks.sha256 = file_contents.sha256)'
    )
    op.alter_column('file_contents', 'content', nullable=False)
    op.drop_index('uq_file_contents_key', table_name='file_contents')
    op.drop_constraint(op.f('ck_file_contents_key'), 'file_contents')
    op.drop_constraint(op.f('ck_file_contents_place'), 'file_contents')
    op.drop_column('file_contents', 'key')
    op.drop_column('file_contents', 'place')
    op.drop_table('file_chunks')
