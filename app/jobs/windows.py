"""Windows in time move: what came into one or fell out of it is marked, to be put into its buckets again."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text

from app.core.db import Database
from app.core.scope import PRICE_DAYS_AHEAD, PRICE_DAYS_BACK, VISIT_DAYS_AHEAD, VISIT_DAYS_BACK
from app.knowledge.sync.articles import USED_DAYS
from app.knowledge.sync.diagnosis import WALKED_DAYS
from app.knowledge.sync.field import KEPT_DAYS as SAID_DAYS
from app.receivables.sync import KEPT_DAYS

WINDOW: Final = "visits"

# Where the windows of visits begin and end, seen from now: the assignee's and the team's day.
EDGES: Final = (
    timedelta(days=-VISIT_DAYS_BACK),
    timedelta(days=VISIT_DAYS_AHEAD),
    timedelta(days=-1),
    timedelta(days=1),
)
# A drain that read the clock just before us may have judged a mark of ours with the older time.
OVERLAP: Final = timedelta(minutes=1)

# Before its tenant was made no visit was ever rendered.
LAST_EDGE = text(
    """
    INSERT INTO sync_windows AS w (tenant_id, name, edge)
    SELECT id, :name, least(created_at, :now) FROM tenants WHERE id = :tenant
    ON CONFLICT (tenant_id, name) DO UPDATE SET edge = w.edge
    RETURNING edge
    """
)
_PASSED = " OR ".join(f"(planned_start >= :from{n} AND planned_start < :to{n})" for n in range(len(EDGES)))
MARK = text(
    f"""
    WITH moved AS MATERIALIZED (
        SELECT id, account_id FROM visits
        WHERE tenant_id = :tenant AND deleted_at IS NULL
          AND ({_PASSED})
    )
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT CAST(:tenant AS uuid), 'account', account_id, true FROM (SELECT DISTINCT account_id FROM moved) a
    UNION ALL
    SELECT CAST(:tenant AS uuid), 'visit', id, true FROM moved
    """  # noqa: S608  (built of constants of this file)
)
# What stays on phones for a while after it was decided, or told.
KEPT: Final = (
    ("conflict", "conflicts", "resolved_at", timedelta(days=14)),
    ("approval", "approval_requests", "decided_at", timedelta(days=30)),
    ("notification", "notifications", "notified_at", timedelta(days=30)),
    # What was settled, and payments of whatever state, leave the phones after a while.
    ("invoice", "invoices", "settled_at", timedelta(days=KEPT_DAYS)),
    ("payment", "payments", "received_at", timedelta(days=KEPT_DAYS)),
    # What the field said, and what was decided of it.
    ("article_feedback", "article_feedback", "given_at", timedelta(days=SAID_DAYS)),
    ("article_proposal", "article_proposals", "decided_at", timedelta(days=SAID_DAYS)),
    ("expert_question", "expert_questions", "answered_at", timedelta(days=SAID_DAYS)),
    ("article_use", "article_uses", "used_at", timedelta(days=SAID_DAYS)),
)
# Versions that stay for a while with who used or walked them: where that is written, and in which column.
KEPT_VERSIONS: Final = (
    ("article_version", "article_uses", "version_id", "used_at", timedelta(days=USED_DAYS)),
    ("article", "article_uses", "article_id", "used_at", timedelta(days=USED_DAYS)),
    ("tree_version", "diagnosis_runs", "tree_version_id", "ran_at", timedelta(days=WALKED_DAYS)),
    ("diagnosis_tree", "diagnosis_runs", "tree_id", "ran_at", timedelta(days=WALKED_DAYS)),
)
# Prices come and go by the day of the company: those that begin within the month, those that ended a week ago.
_DAYS = """
    SELECT (CAST(:from AS timestamptz) AT TIME ZONE time_zone)::date AS since,
           (CAST(:to AS timestamptz) AT TIME ZONE time_zone)::date AS until
    FROM tenants WHERE id = :tenant
"""
_PRICED = " UNION ALL ".join(
    f"""
    SELECT r.tenant_id, '{entity}', r.id, true FROM {table} r, days
    WHERE r.tenant_id = :tenant AND r.deleted_at IS NULL
      AND (r.valid_to >= since - {PRICE_DAYS_BACK} AND r.valid_to < until - {PRICE_DAYS_BACK}
           OR r.valid_from > since + {PRICE_DAYS_AHEAD} AND r.valid_from <= until + {PRICE_DAYS_AHEAD})
    """  # noqa: S608  (built of constants of this file)
    for entity, table in (("price_list", "price_lists"), ("price", "prices"), ("promotion", "promotions"))
)
MARK_PRICED = text(
    f"""
    WITH days AS MATERIALIZED ({_DAYS})
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak) {_PRICED}
    """
)


def _mark_kept(entity: str, table: str, moment: str, record_id: str = "id") -> TextClause:
    return text(
        f"""
        INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
        SELECT DISTINCT CAST(:tenant AS uuid), '{entity}', {record_id}, true FROM {table}
        WHERE tenant_id = :tenant AND {moment} >= :from AND {moment} < :to
        """  # noqa: S608  (built of constants of this file)
    )


# Orders stay with reps for 90 days and with managers for 30, and what hangs on an order with it.
ORDERS_KEPT: Final = (timedelta(hours=2160), timedelta(hours=720))
MOVE_EDGE = text("UPDATE sync_windows SET edge = :now WHERE tenant_id = :tenant AND name = :name")


def move_windows(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Mark what an edge has passed since the last run: visits with their accounts, prices and promotions, and what
    became old.

    The marks are weak: nothing is rendered again unless its buckets come out different. The last
    edge is kept in ``sync_windows``, and its row lets one run at a time through.

    Args:
        db: Pools; the engine role marks.
        tenant_id: Whose records.
        now: Server time, aware UTC.

    Returns:
        How many marks were written.
    """
    with db.engine.begin() as connection:
        names = {"tenant": tenant_id, "name": WINDOW, "now": now}
        last: datetime | None = connection.execute(LAST_EDGE, names).scalar_one_or_none()
        if last is None or last > now:
            return 0
        ranges = {
            key: moment
            for n, edge in enumerate(EDGES)
            for key, moment in ((f"from{n}", last - OVERLAP + edge), (f"to{n}", now + edge))
        }
        marked = connection.execute(MARK, {"tenant": tenant_id, **ranges}).rowcount
        for entity, table, moment, kept in KEPT:
            marked += connection.execute(
                _mark_kept(entity, table, moment),
                {"tenant": tenant_id, "from": last - OVERLAP - kept, "to": now - kept},
            ).rowcount
        for entity, table, record_id, moment, kept in KEPT_VERSIONS:
            marked += connection.execute(
                _mark_kept(entity, table, moment, record_id),
                {"tenant": tenant_id, "from": last - OVERLAP - kept, "to": now - kept},
            ).rowcount
        for kept in ORDERS_KEPT:
            marked += connection.execute(
                _mark_kept("order", "orders", "taken_at"),
                {"tenant": tenant_id, "from": last - OVERLAP - kept, "to": now - kept},
            ).rowcount
        marked += connection.execute(
            MARK_PRICED, {"tenant": tenant_id, "from": last - OVERLAP, "to": now}
        ).rowcount
        connection.execute(MOVE_EDGE, names)
        return int(marked)
