"""Why a person is given a bucket: membership, a place in the tree, standing in for somebody."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.identity.service.actors import ids_of
from app.identity.service.tenants import tenant_day


class Way(enum.StrEnum):
    """How somebody comes to be given something."""

    OWN = "own"
    MEMBER = "member"
    ABOVE = "above"
    STANDS_IN = "stands_in"
    UNIT = "unit"
    ROLE = "role"
    EVERYBODY = "everybody"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reason:
    """One of the ways by which a person is given a bucket.

    Attributes:
        territory_id: Of which they, or the person that they stand in for, are a member.
        kind: Of that membership.
        until: Its last day, if it has one.
        for_user_id: The person that they stand in for.
    """

    way: Way
    territory_id: UUID | None = None
    kind: str | None = None
    until: date | None = None
    for_user_id: UUID | None = None


# The memberships that lead to territories :territories: the reverse of the walk of SUBSCRIPTIONS_SQL.
_MEMBERSHIPS = text("""
WITH RECURSIVE me AS (
    SELECT u.id, u.role, u.role IN ('manager', 'admin') AS sees_below
    FROM users u WHERE u.tenant_id = :tenant AND u.id = :user
), places AS (
    SELECT me.id AS member_id, me.sees_below, CAST(NULL AS uuid) AS for_user FROM me
    UNION ALL
    SELECT f.id, me.sees_below OR f.role IN ('manager', 'admin'), f.id
    FROM me
    JOIN delegations d ON d.tenant_id = :tenant AND d.to_user_id = me.id AND d.work = 'territories'
         AND d.deleted_at IS NULL
         AND d.valid_from <= :today AND coalesce(d.valid_to >= :today, true)
    JOIN users f ON f.tenant_id = :tenant AND f.id = d.from_user_id
         AND f.status = 'active' AND f.deleted_at IS NULL
    WHERE me.role NOT IN ('partner', 'integration')
), up AS (
    SELECT t.id AS target, t.id, t.parent_id FROM territories t
    WHERE t.tenant_id = :tenant AND t.id = ANY(:territories) AND t.deleted_at IS NULL
    UNION
    SELECT up.target, t.id, t.parent_id
    FROM up JOIN territories t ON t.tenant_id = :tenant AND t.id = up.parent_id AND t.deleted_at IS NULL
)
SELECT up.target, up.id = up.target AS direct, m.territory_id, m.kind, m.valid_to, p.for_user
FROM up
JOIN territory_members m ON m.tenant_id = :tenant AND m.territory_id = up.id AND m.deleted_at IS NULL
     AND m.valid_from <= :today AND coalesce(m.valid_to >= :today, true)
JOIN places p ON p.member_id = m.user_id
WHERE up.id = up.target OR p.sees_below
ORDER BY up.target, direct DESC, m.kind, m.id
""")

_BY_KIND = {
    "user": Way.OWN,
    "unit": Way.UNIT,
    "audience": Way.ROLE,
    "tenant": Way.EVERYBODY,
}


def reasons_for(
    session: Session, tenant_id: UUID, user_id: UUID, buckets: Iterable[str], *, now: datetime
) -> dict[str, list[Reason]]:
    """Why a person is given each of *buckets*, which they are given at this moment.

    Args:
        session: Open session of the tenant.
        tenant_id: Whose.
        user_id: The person.
        buckets: Names, of any kind.
        now: Server time, aware UTC; dates are compared with the tenant's day.
    """
    wanted = list(buckets)
    territories = ids_of("territory", wanted)
    found: dict[str, list[Reason]] = {}
    if territories:
        rows = session.execute(
            _MEMBERSHIPS,
            {
                "tenant": tenant_id,
                "user": user_id,
                "territories": sorted(territories),
                "today": tenant_day(session, tenant_id, now),
            },
        )
        for target, direct, territory_id, kind, until, for_user in rows:
            way = Way.STANDS_IN if for_user else Way.MEMBER if direct else Way.ABOVE
            reason = Reason(way, territory_id, kind, until, for_user)
            found.setdefault(f"territory:{target}", []).append(reason)
    return {
        bucket: found.get(bucket) or [Reason(_BY_KIND.get(bucket.partition(":")[0], Way.OTHER))]
        for bucket in wanted
    }
