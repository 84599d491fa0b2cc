"""Let clients sign: codes mailed as a second step, and the signed paper of a request"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lifecycle.migrations.run_sql import run_sql

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


_GUARD_BEFORE = """
create or replace function lifecycle_guard_answer() returns trigger language plpgsql as $$
declare
    mutable constant text[] := array['closed_at', 'closed_why'];
begin
    if tg_op = 'DELETE' then
        raise exception 'client request %: a request is never deleted', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if old.status = 'accepted' and (to_jsonb(new) - mutable) is distinct from (to_jsonb(old) - mutable) then
        raise exception 'client request %: what the client accepted cannot be changed', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.status = 'accepted' and (new.answered_at is null or new.proof = '{}'::jsonb) then
        raise exception 'client request %: nothing is accepted without its proof', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$"""


def upgrade() -> None:
    """Apply."""
    op.create_table('client_codes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('link_id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['link_id'], ['client_links.id'], name=op.f('fk_client_codes_link_id_client_links')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_codes'))
    )
    op.create_index('ix_client_codes_link', 'client_codes', ['link_id'], unique=False)
    op.add_column('client_requests', sa.Column('signed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('client_requests', sa.Column('paper_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f('fk_client_requests_paper_id_files'), 'client_requests', 'files', ['paper_id'], ['id'])
    op.create_index('ix_client_requests_without_paper', 'client_requests', ['signed_at'], unique=False, postgresql_where=sa.text('signed_at is not null and paper_id is null'))
    run_sql("signing.sql")


def downgrade() -> None:
    """Undo."""
    op.execute(_GUARD_BEFORE)
    op.drop_index('ix_client_requests_without_paper', table_name='client_requests')
    op.drop_constraint(op.f('fk_client_requests_paper_id_files'), 'client_requests', type_='foreignkey')
    op.drop_column('client_requests', 'paper_id')
    op.drop_column('client_requests', 'signed_at')
    op.drop_index('ix_client_codes_link', table_name='client_codes')
    op.drop_table('client_codes')
