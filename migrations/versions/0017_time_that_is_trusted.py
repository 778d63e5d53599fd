"""Remember how far time has gone that forgetting may trust

Both clocks ten years ahead for one night, and every verdict, tombstone and cursor of the company was forgotten.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sync_trusted_times (
            tenant_id uuid PRIMARY KEY,
            trusted_at timestamptz NOT NULL,
            noted_at timestamptz NOT NULL
        )
        """
    )
    op.execute("SELECT tenant_protect('sync_trusted_times', '')")
    op.execute("INSERT INTO sync_trusted_times SELECT tenant_id, now(), now() FROM sync_heads")


def downgrade() -> None:
    op.execute("DROP TABLE sync_trusted_times")
