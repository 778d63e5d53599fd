"""Note when the set of documents began that a device's collection was last given anew

A column with a constant default: the table is locked for a moment and not rewritten. Rows of before say 0, which is
before any set.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Milliseconds: what a phone was given before it is below, and what is not below was given since.
    op.add_column(
        "rxdb_pulls", sa.Column("began", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    op.drop_column("rxdb_pulls", "began")
