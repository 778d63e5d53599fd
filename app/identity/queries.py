"""Reads that decide who may ask, and what they see: one SQL for requests and for the feed."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, column, literal, or_, select, table, text, true
from sqlalchemy.orm import InstrumentedAttribute

from app.core.scope import Actor, Role
from app.identity.models import OrgUnit, Territory, User

# Whose phone is given which buckets, on a day. Reps, technicians and partners get the territories that
# they are members of, managers also all that lie below; disabled people get nothing. Who stands in for
# another gets their territories as that person has them, in their own shape; what that person has by
# standing in for a third is not handed on, and outsiders stand in for nobody. UNION (not ALL) ends the
# walk even if SQL by hand made a circle in a tree.
SUBSCRIPTIONS_SQL = """
WITH RECURSIVE people AS (
    SELECT u.id, u.role, u.org_unit_id, u.role IN ('manager', 'admin') AS sees_below
    FROM users u
    WHERE u.tenant_id = :tenant AND u.id = ANY (CAST(:users AS uuid[]))
      AND u.status = 'active' AND u.deleted_at IS NULL
), places AS (
    SELECT p.id AS user_id, p.id AS member_id, p.sees_below FROM people p
    UNION ALL
    SELECT p.id, f.id, p.sees_below OR f.role IN ('manager', 'admin')
    FROM people p
    JOIN delegations d ON d.tenant_id = :tenant AND d.to_user_id = p.id AND d.work = 'territories'
         AND d.deleted_at IS NULL
         AND d.valid_from <= CAST(:today AS date) AND coalesce(d.valid_to >= CAST(:today AS date), true)
    JOIN users f ON f.tenant_id = :tenant AND f.id = d.from_user_id
         AND f.status = 'active' AND f.deleted_at IS NULL
    WHERE p.role NOT IN ('partner', 'integration')
), held_territories AS (
    SELECT p.user_id, p.sees_below, t.id
    FROM places p
    JOIN territory_members m ON m.tenant_id = :tenant AND m.user_id = p.member_id AND m.deleted_at IS NULL
         AND m.valid_from <= CAST(:today AS date) AND coalesce(m.valid_to >= CAST(:today AS date), true)
    JOIN territories t ON t.tenant_id = :tenant AND t.id = m.territory_id AND t.deleted_at IS NULL
    UNION
    SELECT h.user_id, h.sees_below, t.id
    FROM held_territories h
    JOIN territories t ON t.tenant_id = :tenant AND t.parent_id = h.id AND t.deleted_at IS NULL
    WHERE h.sees_below
), held_units AS (
    SELECT p.id AS user_id, p.sees_below, o.id
    FROM people p
    JOIN org_units o ON o.tenant_id = :tenant AND o.id = p.org_unit_id AND o.deleted_at IS NULL
    UNION
    SELECT h.user_id, h.sees_below, o.id
    FROM held_units h
    JOIN org_units o ON o.tenant_id = :tenant AND o.parent_id = h.id AND o.deleted_at IS NULL
    WHERE h.sees_below
), given AS (
    SELECT id AS user_id, 'user:' || id AS bucket FROM people
    UNION ALL SELECT id, 'audience:' || role FROM people
    UNION ALL SELECT id, 'tenant' FROM people
    UNION ALL SELECT user_id, 'unit:' || id FROM held_units
    UNION ALL
    SELECT h.user_id, 'territory:' || h.id
    FROM held_territories h
    JOIN territories t ON t.tenant_id = :tenant AND t.id = h.id
    WHERE coalesce(t.valid_from <= CAST(:today AS date), true)
      AND coalesce(t.valid_to >= CAST(:today AS date), true)
)
SELECT g.user_id, p.role, g.bucket FROM given g JOIN people p ON p.id = g.user_id
"""

# The day that dates of memberships are compared with: the tenant's own, at the moment :now.
TODAY_SQL = """
SELECT (CAST(:now AS timestamptz) AT TIME ZONE t.time_zone)::date FROM tenants t WHERE t.id = :tenant
"""
# The same at the moment :now, for the sequencer.
SUBSCRIPTIONS_NOW_SQL = SUBSCRIPTIONS_SQL.replace(":today", f"({TODAY_SQL})")
_SUBSCRIPTIONS_TODAY = SUBSCRIPTIONS_SQL.replace(":today", "(SELECT today FROM clock)")

_ACTOR = f"""
WITH clock AS MATERIALIZED (SELECT ({TODAY_SQL}) AS today)
SELECT u.role, u.status, u.locale, u.time_zone, u.must_change_password,
       d.id IS NOT NULL AS device_known, d.revoked_at IS NOT NULL AS device_revoked,
       EXISTS (SELECT 1 FROM refresh_families f
               WHERE f.tenant_id = u.tenant_id AND f.device_id = d.id AND f.user_id = u.id
                 AND f.revoked_at IS NULL AND f.expires_at > :now) AS signed_in,
       ARRAY(SELECT s.code FROM user_permission_sets h
             JOIN permission_sets s ON s.tenant_id = h.tenant_id AND s.id = h.permission_set_id
             WHERE h.tenant_id = u.tenant_id AND h.user_id = u.id) AS permissions,
       (SELECT today FROM clock) AS today@more
FROM users u
LEFT JOIN devices d ON d.tenant_id = u.tenant_id AND d.user_id = u.id AND d.id = CAST(:device AS uuid)
WHERE u.tenant_id = :tenant AND u.id = CAST(:user AS uuid) AND u.deleted_at IS NULL
"""  # noqa: S608  (constant text only)
_BUCKETS = f", ARRAY(SELECT given.bucket FROM ({_SUBSCRIPTIONS_TODAY}) given) AS buckets"  # noqa: S608

# Everything that a request needs to know of its user, in one round trip.
ACTOR = text(_ACTOR.replace("@more", _BUCKETS))
# The same but for the buckets, which take three quarters of it: for who knows them and proves it by other rows.
ACTOR_WITHOUT_SCOPE = text(_ACTOR.replace("@more", ""))


def reports_to(
    actor: Actor, user_id: ColumnElement[UUID] | InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """Whether *user_id* is the actor, or someone of their team: who reports to them, directly or not.

    Only managers have a team; administrators and integrations reach everybody in the tenant.
    """
    if actor.scope.everything:
        return true()
    if actor.role is not Role.MANAGER:
        return user_id == actor.user_id
    return user_id.in_(team_of(actor.tenant_id, actor.user_id))


def team_of(tenant_id: UUID, manager_id: UUID) -> Select[UUID]:
    """The manager and all below them; UNION ends the walk in a circle made by hand. May stand twice in a statement."""
    team = select(User.id).where(User.tenant_id == tenant_id, User.id == manager_id).cte(recursive=True)
    below = select(User.id).where(User.tenant_id == tenant_id, User.manager_id == team.c.id)
    team = team.union(below)
    return select(team.c.id)


def sees_user(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may know a person: themself, their team, and who is in the units of their scope."""
    if actor.scope.everything:
        return true()
    return or_(reports_to(actor, User.id), User.org_unit_id.in_(actor.scope.unit_ids))


def is_below(model: type[OrgUnit] | type[Territory], tenant_id: UUID, top_id: UUID) -> Select[UUID]:
    """The ids of *top_id* and all below it in a tree of units or territories."""
    tree = select(model.id).where(model.tenant_id == tenant_id, model.id == top_id).cte(recursive=True)
    tree = tree.union(select(model.id).where(model.tenant_id == tenant_id, model.parent_id == tree.c.id))
    return select(tree.c.id)


# A light table: accounts are another room's; only the column that keeps a territory in use.
_accounts = table("accounts", *(column(c) for c in ("tenant_id", "territory_id", "deleted_at")))


def has_accounts(tenant_id: UUID, territory_id: UUID) -> Select[int]:
    """A row if a live account lies in the territory."""
    return (
        select(literal(1))
        .select_from(_accounts)
        .where(
            _accounts.c.tenant_id == tenant_id,
            _accounts.c.territory_id == territory_id,
            _accounts.c.deleted_at.is_(None),
        )
        .limit(1)
    )
