"""Count the changes of a company's sync settings

Two administrators who set them at once: the second is told, as with every other record. Rows that are
there begin at 1, as the defaults of companies without a row do; none is rewritten.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE sync_settings ADD COLUMN version integer NOT NULL DEFAULT 1")


def downgrade() -> None:
    op.execute("ALTER TABLE sync_settings DROP COLUMN version")
