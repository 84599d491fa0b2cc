"""Hand credentials over by links that work once, after a code"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('client_secrets',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('card_id', sa.Uuid(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('viewed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['card_id'], ['cards.id'], name=op.f('fk_client_secrets_card_id_cards')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_client_secrets_contact_id_contacts')),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], name=op.f('fk_client_secrets_created_by_users')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_secrets')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_client_secrets_token_hash'))
    )
    op.create_index('ix_client_secrets_card', 'client_secrets', ['card_id'], unique=False)
    op.alter_column('client_codes', 'link_id', nullable=True)
    op.add_column('client_codes', sa.Column('secret_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f('fk_client_codes_secret_id_client_secrets'), 'client_codes', 'client_secrets', ['secret_id'], ['id'])
    op.create_index('ix_client_codes_secret', 'client_codes', ['secret_id'], unique=False)
    op.create_check_constraint(op.f('ck_client_codes_of_one'), 'client_codes', 'num_nonnulls(link_id, secret_id) = 1')


def downgrade() -> None:
    """Undo."""
    op.execute("delete from client_codes where link_id is null")
    op.drop_constraint(op.f('ck_client_codes_of_one'), 'client_codes')
    op.drop_index('ix_client_codes_secret', table_name='client_codes')
    op.drop_column('client_codes', 'secret_id')
    op.alter_column('client_codes', 'link_id', nullable=False)
    op.drop_index('ix_client_secrets_card', table_name='client_secrets')
    op.drop_table('client_secrets')
