"""Renew the statistics for large drains when a table has grown by a fifth

A second company's import as large as the first one's does not double a table. Its rows were then unknown to the
planner, which took them for none and looped over all of them: a drain of 96,000 marks took more than five minutes.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE OR REPLACE FUNCTION sync_analyze_grown() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname <> 'sync_pending' -- a queue: what it holds now says nothing of what it will hold
          AND pg_relation_size(c.oid) / current_setting('block_size')::integer > {growth} * c.relpages + 8
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    """Renew them sooner."""
    op.execute(FUNCTION.format(growth="1.2"))


def downgrade() -> None:
    """Renew them as before."""
    op.execute(FUNCTION.format(growth="2"))
