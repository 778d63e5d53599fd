"""Who sees what: the one definition that REST, sync, search and exports share."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    FromClause,
    Interval,
    TextClause,
    Uuid,
    and_,
    bindparam,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    table,
    true,
)

VISIT_DAYS_BACK = 3
VISIT_DAYS_AHEAD = 14
PRICE_DAYS_BACK = 7
PRICE_DAYS_AHEAD = 30


class Role(enum.StrEnum):
    """What a person does; permission sets add to it."""

    REP = "rep"
    TECHNICIAN = "technician"
    MANAGER = "manager"
    ADMIN = "admin"
    PARTNER = "partner"
    INTEGRATION = "integration"


class ShapeClass(enum.StrEnum):
    """Which fields a role may see; each entity groups these classes into its shapes."""

    SALES = "sales"
    SERVICE = "service"
    MANAGER = "manager"
    PARTNER = "partner"


SHAPE_OF_ROLE = {
    Role.REP: ShapeClass.SALES,
    Role.TECHNICIAN: ShapeClass.SERVICE,
    Role.MANAGER: ShapeClass.MANAGER,
    Role.ADMIN: ShapeClass.MANAGER,
    Role.PARTNER: ShapeClass.PARTNER,
    Role.INTEGRATION: ShapeClass.MANAGER,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What one user may see at one moment, read from the database for each request.

    ``territory_ids`` holds the territories that the user is a member of today, for managers with
    their descendants; ``unit_ids`` the own org unit, for managers with descendants; ``buckets`` is what
    their phones are given at this moment.
    """

    user_id: UUID
    role: Role
    territory_ids: frozenset[UUID]
    unit_ids: frozenset[UUID]
    at: datetime
    buckets: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Admins and integrations see all records of the tenant (never of another)."""
        return self.role in (Role.ADMIN, Role.INTEGRATION)

    @property
    def shape(self) -> ShapeClass:
        """The user's one shape class."""
        return SHAPE_OF_ROLE[self.role]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: identity from the token, role and scope from the database of this request."""

    tenant_id: UUID
    user_id: UUID
    device_id: UUID | None
    scope: Scope
    permissions: frozenset[str] = frozenset()
    locale: str = "ko"
    time_zone: str = "Asia/Seoul"

    @property
    def role(self) -> Role:
        """The actor's role."""
        return self.scope.role


class ActorReader(Protocol):
    """Makes the actor of a row or None; raises Unauthenticated."""

    def __call__(self, row: Any, known: Collection[str] | None = None, /) -> Actor:
        """Of the row of ``brief``, it is told the buckets that are *known*."""


@dataclass(frozen=True, slots=True)
class ActorQuery:
    """How an actor is read, also for callers that send the statement themselves.

    Attributes:
        statement: Gives one row, or none.
        values: Of its parameters.
        read: Makes the actor of the row or None; raises Unauthenticated.
        brief: Gives the same row without the buckets, for who knows them already; takes the same values.
    """

    statement: TextClause
    values: Mapping[str, Any]
    read: ActorReader
    brief: TextClause | None = None


_PARAMETERS: Mapping[str, Any] = {
    "user_id": bindparam("scope_user", type_=Uuid()),
    "territory_ids": bindparam("scope_territories", type_=ARRAY(Uuid())),
    "unit_ids": bindparam("scope_units", type_=ARRAY(Uuid())),
    "at": bindparam("scope_at", type_=DateTime(timezone=True)),
}


def kind_of(scope: Scope) -> Scope:
    """The same scope without its values: a condition made of it has parameters, and serves all scopes of its kind."""
    sets: dict[str, Any] = {
        name: frozenset({_PARAMETERS[name]} if getattr(scope, name) else ())
        for name in ("territory_ids", "unit_ids")
    }
    return replace(scope, user_id=_PARAMETERS["user_id"], at=_PARAMETERS["at"], buckets=frozenset(), **sets)


def values_of(scope: Scope) -> dict[str, Any]:
    """What the parameters of such a condition are given for a scope."""
    return {
        "scope_user": scope.user_id,
        "scope_territories": sorted(scope.territory_ids),
        "scope_units": sorted(scope.unit_ids),
        "scope_at": scope.at,
    }


# Light tables, so that core needs no room: only the columns that decide scope.
_visits = table(
    "visits", *(column(c) for c in ("tenant_id", "account_id", "assignee_id", "planned_start", "deleted_at"))
)
_accounts = table(
    "accounts", *(column(c) for c in ("tenant_id", "id", "territory_id", "owner_id", "deleted_at"))
)


def sees_account(scope: Scope, accounts: FromClause | Any) -> ColumnElement[bool]:
    """Whether the scope holds an account.

    Args:
        scope: Of the asking user.
        accounts: The accounts table, model or alias (``tenant_id, id, territory_id, owner_id``).

    Returns:
        A condition on *accounts*. Reps: own territories and owned; technicians: overlay
        territories and accounts of own visits -3 … +14 days; managers: the territories' subtree and owned.
    """
    if scope.everything:
        return true()
    ways: list[ColumnElement[bool]] = []
    columns = accounts.c if isinstance(accounts, FromClause) else accounts
    if scope.territory_ids:
        ways.append(_is_one_of(columns.territory_id, scope.territory_ids))
    if scope.role in (Role.REP, Role.MANAGER):
        ways.append(columns.owner_id == scope.user_id)
    if scope.role is Role.TECHNICIAN:
        ways.append(
            exists(
                select(1).where(
                    _visits.c.tenant_id == columns.tenant_id,
                    _visits.c.account_id == columns.id,
                    _visits.c.assignee_id == scope.user_id,
                    _visits.c.deleted_at.is_(None),
                    _visits.c.planned_start >= _days_from(scope.at, -VISIT_DAYS_BACK),
                    _visits.c.planned_start < _days_from(scope.at, VISIT_DAYS_AHEAD),
                )
            )
        )
    return or_(*ways) if ways else false()


def _days_from(at: Any, days: int) -> Any:
    """A moment, or the parameter in its place, so many days later; SQLAlchemy takes what it adds for a moment too."""
    distance = timedelta(days=days)
    return at + (literal(distance, Interval()) if isinstance(at, ColumnElement) else distance)


def _is_one_of(value: Any, ids: frozenset[Any]) -> ColumnElement[bool]:
    """Whether a value is one of *ids*, or of the array that the one parameter in their place stands for."""
    parameters = [one for one in ids if isinstance(one, ColumnElement)]
    found: ColumnElement[bool] = value == func.any(parameters[0]) if parameters else value.in_(ids)
    return found


def sees_child_of_account(scope: Scope, child: Any) -> ColumnElement[bool]:
    """Whether the account that *child* (with ``tenant_id, account_id``) hangs on is in the scope."""
    if scope.everything:
        return true()
    return exists(
        select(1).where(
            _accounts.c.tenant_id == child.tenant_id,
            _accounts.c.id == child.account_id,
            _accounts.c.deleted_at.is_(None),
            sees_account(scope, _accounts),
        )
    )


def sees_assigned(scope: Scope, child: Any) -> ColumnElement[bool]:
    """Whether the scope holds a record with ``assignee_id`` and ``account_id`` (a visit, a task).

    Technicians see their own only; reps their own and all of their accounts; managers those of
    their accounts. A child whose account is outside the scope is outside it too.
    """
    if scope.everything:
        return true()
    own = child.assignee_id == scope.user_id
    if scope.role is Role.TECHNICIAN:
        return and_(own, or_(child.account_id.is_(None), sees_child_of_account(scope, child)))
    return or_(and_(own, child.account_id.is_(None)), sees_child_of_account(scope, child))
