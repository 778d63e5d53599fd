"""Renew the statistics of all tables when a company has grown, however small it is beside the others

A company that the planner does not know is taken for one row. The first 5,000 customers of a third company were
one seventh of the table: not enough to be looked at, and each of them was compared with all of them, for 48 s.

Revision ID: 0016
Revises: 0015
"""

from alembic import context, op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION sync_analyze_grown({parameter}) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname <> 'sync_pending' -- a queue: what it holds now says nothing of what it will hold
          AND ({condition}
               pg_relation_size(c.oid) / current_setting('block_size')::integer > 1.2 * c.relpages + 8)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
    END LOOP;
END $$;
"""
EVERY_TABLE_IN_USE = "a_company_has AND pg_relation_size(c.oid) > 0 OR"


def _for_the_engine(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f'GRANT EXECUTE ON FUNCTION {function} TO "{context.config.attributes["roles"]["engine"]}"')


def upgrade() -> None:
    op.execute("DROP FUNCTION sync_analyze_grown()")
    op.execute(FUNCTION.format(parameter="a_company_has boolean", condition=EVERY_TABLE_IN_USE))
    _for_the_engine("sync_analyze_grown(boolean)")


def downgrade() -> None:
    op.execute("DROP FUNCTION sync_analyze_grown(boolean)")
    op.execute(FUNCTION.format(parameter="", condition=""))
    _for_the_engine("sync_analyze_grown()")
