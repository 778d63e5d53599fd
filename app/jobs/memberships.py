"""Days on which memberships, territories and delegations begin or end: whose scope they change is marked."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from app.core.db import Database

WINDOW: Final = "memberships"
# A drain that read the clock just before midnight may have judged a mark of ours by the day before.
OVERLAP: Final = timedelta(minutes=1)

DAY = "(CAST({moment} AS timestamptz) AT TIME ZONE t.time_zone)::date"
# The tenant's day now, and a minute ago: until then a drain may work by the day before.
DAYS = text(
    f"""
    SELECT {DAY.format(moment=":now")} AS today, {DAY.format(moment=":then")} AS settled,
           {DAY.format(moment="least(t.created_at, :then)")} AS opened
    FROM tenants t WHERE t.id = :tenant
    """  # noqa: S608  (built of constants of this file)
)
# The row lets one run at a time through. The edge is a day, written as its midnight in UTC: so that a
# change of the tenant's zone, too, is seen as a step from one day to another.
LAST_DAY = text(
    """
    INSERT INTO sync_windows AS w (tenant_id, name, edge) VALUES (:tenant, :name, :edge)
    ON CONFLICT (tenant_id, name) DO UPDATE SET edge = w.edge
    RETURNING edge
    """
)
MOVE_DAY = text("UPDATE sync_windows SET edge = :edge WHERE tenant_id = :tenant AND name = :name")


def _turns(row: str) -> str:
    """Whether *row* begins or ends between the two days."""
    return (
        f"({row}.valid_from > :first AND {row}.valid_from <= :last"
        f" OR {row}.valid_to >= :first AND {row}.valid_to < :last)"
    )


def _stands(row: str) -> str:
    """Whether *row* holds on one of the days."""
    return f"({row}.valid_from <= :last AND coalesce({row}.valid_to >= :first, true))"


# Who gains or loses: members whose own days turn; of a territory whose days turn its members, and the
# managers of what lies above it; and all who stand in for one of these, or begin or end to do so.
MARK = text(
    f"""
    WITH RECURSIVE turned AS (
        SELECT t.id FROM territories t WHERE t.tenant_id = :tenant AND t.deleted_at IS NULL AND {_turns("t")}
    ), above AS (
        SELECT t.parent_id AS id FROM turned JOIN territories t ON t.tenant_id = :tenant AND t.id = turned.id
        UNION
        SELECT t.parent_id FROM above JOIN territories t ON t.tenant_id = :tenant AND t.id = above.id
    ), touched AS (
        SELECT m.user_id, true AS itself FROM territory_members m
        WHERE m.tenant_id = :tenant AND m.deleted_at IS NULL AND {_turns("m")}
        UNION
        SELECT m.user_id, true FROM territory_members m JOIN turned ON turned.id = m.territory_id
        WHERE m.tenant_id = :tenant AND m.deleted_at IS NULL AND {_stands("m")}
        UNION
        SELECT m.user_id, false FROM territory_members m JOIN above ON above.id = m.territory_id
        WHERE m.tenant_id = :tenant AND m.deleted_at IS NULL AND {_stands("m")}
    ), concerned AS (
        SELECT k.user_id FROM touched k JOIN users u ON u.tenant_id = :tenant AND u.id = k.user_id
        WHERE k.itself OR u.role IN ('manager', 'admin')
        UNION
        SELECT d.to_user_id FROM delegations d
        WHERE d.tenant_id = :tenant AND d.deleted_at IS NULL AND d.work = 'territories' AND {_turns("d")}
        UNION
        SELECT d.to_user_id FROM touched k
        JOIN delegations d ON d.tenant_id = :tenant AND d.from_user_id = k.user_id
         AND d.deleted_at IS NULL AND d.work = 'territories' AND {_stands("d")}
        JOIN users f ON f.tenant_id = :tenant AND f.id = d.from_user_id
        JOIN users u ON u.tenant_id = :tenant AND u.id = d.to_user_id
        WHERE k.itself OR f.role IN ('manager', 'admin') OR u.role IN ('manager', 'admin')
    )
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT u.tenant_id, 'user', u.id, true FROM concerned c
    JOIN users u ON u.tenant_id = :tenant AND u.id = c.user_id
    WHERE u.status = 'active' AND u.deleted_at IS NULL
    """  # noqa: S608  (built of constants of this file)
)


# Who begins or ends to decide in somebody's name: what that person was asked, if it can be on a phone.
MARK_APPROVALS = text(
    f"""
    INSERT INTO sync_pending (tenant_id, entity, record_id, weak)
    SELECT DISTINCT r.tenant_id, 'approval', r.id, true
    FROM delegations d
    JOIN approval_steps s ON s.tenant_id = :tenant AND s.assignee_id = d.from_user_id
    JOIN approval_requests r ON r.tenant_id = :tenant AND r.id = s.request_id
    WHERE d.tenant_id = :tenant AND d.deleted_at IS NULL AND d.work = 'approvals' AND {_turns("d")}
      AND (r.status = 'pending' OR r.decided_at > CAST(:now AS timestamptz) - interval '31 days')
    """  # noqa: S608  (built of constants of this file)
)


def turn_days(db: Database, tenant_id: UUID, now: datetime) -> int:
    """Mark the people whose scope changes by a day alone, since the last run, and approvals by delegations.

    The marks are weak: nobody's scope is written anew unless it comes out different. The last day is
    kept in ``sync_windows``; runs that were missed are made up for by the next, however long ago. Should
    the tenant's day go back, because of its zone or the clock, the same days turn the other way.

    Args:
        db: Pools; the engine role marks.
        tenant_id: Whose people.
        now: Server time, aware UTC; days are the tenant's.

    Returns:
        How many marks were written.
    """
    with db.engine.begin() as connection:
        days = connection.execute(
            DAYS, {"tenant": tenant_id, "now": now, "then": now - OVERLAP}
        ).one_or_none()
        if days is None:
            return 0
        known = _last_day(connection, tenant_id, days.opened)
        first, last = sorted((known, days.today))
        if first == last:
            return 0
        turned = {"tenant": tenant_id, "first": first, "last": last}
        marked = connection.execute(MARK, turned).rowcount
        marked += connection.execute(MARK_APPROVALS, turned | {"now": now}).rowcount
        connection.execute(MOVE_DAY, _edge(tenant_id, days.settled))
        return int(marked)


def _last_day(connection: Connection, tenant_id: UUID, opened: date) -> date:
    edge: datetime = connection.execute(LAST_DAY, _edge(tenant_id, opened)).scalar_one()
    return edge.astimezone(UTC).date()


def _edge(tenant_id: UUID, day: date) -> dict[str, Any]:
    return {"tenant": tenant_id, "name": WINDOW, "edge": datetime.combine(day, time(), UTC)}
