"""Reads of visits, scoped to who asks."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.orm import Session

from app.core.geo import ASK_FOR_REASON, Fix, Place, fix_at
from app.core.scope import Actor, Role, sees_assigned
from app.visits.models import Visit
from app.visits.states import MISSED_FROM, VisitStatus

FIX_MEMORY = timedelta(days=1)

# Light tables of other rooms and of the engine: only the columns that are needed here.
_accounts = table("accounts", *(column(c) for c in ("tenant_id", "id", "location", "time_zone")))
_sites = table("sites", *(column(c) for c in ("tenant_id", "id", "location", "radius_m")))
_hanging = tuple(
    table(name, *(column(c) for c in ("tenant_id", "visit_id", "deleted_at")))
    for name in ("activities", "diagnosis_runs", "article_uses")
)
_tenants = table("tenants", *(column(c) for c in ("id", "time_zone")))
_changes = table("changes", *(column(c) for c in ("tenant_id", "entity", "record_id", "old", "new")))


def visits_of(actor: Actor) -> Select[Visit]:
    """Live visits in the actor's scope. Partners have none."""
    sees = false() if actor.role is Role.PARTNER else sees_assigned(actor.scope, Visit)
    return select(Visit).where(Visit.tenant_id == actor.tenant_id, Visit.deleted_at.is_(None), sees)


def wants_reason() -> ColumnElement[bool]:
    """Visits checked in far away, or in a doubtful way, without a word about why."""
    asked = func.coalesce(Visit.geo_verdict.in_(ASK_FOR_REASON), false())
    return and_(asked, func.coalesce(Visit.geo_reason, "") == "")


def was_assigned_to(session: Session, visit: Visit, user_id: UUID) -> bool:
    """Whether the ledger knows the user as an earlier assignee of the visit."""
    before = _changes.c.old.op("->>")("assignee_id")
    return session.execute(
        select(
            exists().where(
                _changes.c.tenant_id == visit.tenant_id,
                _changes.c.entity == "visit",
                _changes.c.record_id == visit.id,
                before == str(user_id),
            )
        )
    ).scalar_one()


def has_dependants(session: Session, visit: Visit) -> bool:
    """Whether an activity, a diagnosis, the use of an article, or the visit that this one replaces points here."""
    hanging = [
        exists().where(
            one.c.tenant_id == visit.tenant_id, one.c.visit_id == visit.id, one.c.deleted_at.is_(None)
        )
        for one in _hanging
    ]
    replaced = exists().where(
        Visit.tenant_id == visit.tenant_id,
        Visit.rescheduled_to_id == visit.id,
        Visit.deleted_at.is_(None),
    )
    return session.execute(select(or_(*hanging, replaced))).scalar_one()


def find_place(session: Session, visit: Visit) -> Place | None:
    """Where the visit should take place: its site, else its account, else nobody knows."""
    if visit.site_id is not None:
        site = session.execute(
            select(_sites.c.location, _sites.c.radius_m).where(
                _sites.c.tenant_id == visit.tenant_id, _sites.c.id == visit.site_id
            )
        ).one_or_none()
        if site is not None and site.location is not None:
            return Place(site.location[0], site.location[1], radius_m=site.radius_m)
    location = session.execute(
        select(_accounts.c.location).where(
            _accounts.c.tenant_id == visit.tenant_id, _accounts.c.id == visit.account_id
        )
    ).scalar_one_or_none()
    return None if location is None else Place(location[0], location[1])


def find_last_fix(session: Session, visit: Visit, at: datetime) -> Fix | None:
    """The last position that the visit's assignee gave before *at*, on any visit but this one.

    Older than a day it says nothing about speed and is left out.
    """
    rows = session.execute(
        select(
            Visit.checked_in_at,
            Visit.checked_in_location,
            Visit.checked_in_accuracy_m,
            Visit.checked_out_at,
            Visit.checked_out_location,
        )
        .where(
            Visit.tenant_id == visit.tenant_id,
            Visit.assignee_id == visit.assignee_id,
            Visit.id != visit.id,
            Visit.checked_in_at <= at,
            Visit.checked_in_at > at - FIX_MEMORY,
        )
        .order_by(Visit.checked_in_at.desc())
        .limit(2)
    ).all()
    fixes = [
        fix_at(row.checked_in_location, row.checked_in_at, accuracy_m=row.checked_in_accuracy_m)
        for row in rows
        if row.checked_in_location
    ] + [
        fix_at(row.checked_out_location, row.checked_out_at)
        for row in rows
        if row.checked_out_location and row.checked_out_at <= at
    ]
    return max(fixes, key=lambda fix: fix.at, default=None)


def overdue_zones(session: Session, tenant_id: UUID, now: datetime) -> list[str]:
    """Time zones of the accounts that have planned visits before *now*."""
    return list(
        session.scalars(
            select(_zone_of_account())
            .select_from(Visit)
            .join(
                _accounts,
                and_(_accounts.c.tenant_id == Visit.tenant_id, _accounts.c.id == Visit.account_id),
            )
            .join(_tenants, _tenants.c.id == Visit.tenant_id)
            .where(*_planned_before(tenant_id, now))
            .distinct()
        )
    )


def miss_planned(session: Session, tenant_id: UUID, zone: str, before: datetime, limit: int) -> int:
    """Turn at most *limit* planned visits of accounts in *zone* that began before *before* to missed.

    Visits that somebody is just working on are left for the next run.

    Returns:
        How many.
    """
    due = (
        select(Visit.id)
        .join(_accounts, and_(_accounts.c.tenant_id == Visit.tenant_id, _accounts.c.id == Visit.account_id))
        .join(_tenants, _tenants.c.id == Visit.tenant_id)
        .where(*_planned_before(tenant_id, before), _zone_of_account() == zone)
        .order_by(Visit.planned_start, Visit.id)
        .limit(limit)
        .with_for_update(of=Visit, skip_locked=True)
    )
    missed = session.execute(
        update(Visit)
        .where(Visit.tenant_id == tenant_id, Visit.id.in_(due))
        .values(status=VisitStatus.MISSED)
        .returning(literal(1)),
        execution_options={"synchronize_session": False},
    )
    return len(missed.all())


def _zone_of_account() -> ColumnElement[str]:
    return func.coalesce(_accounts.c.time_zone, _tenants.c.time_zone)


def _planned_before(tenant_id: UUID, moment: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Visit.tenant_id == tenant_id,
        Visit.status == MISSED_FROM,
        Visit.deleted_at.is_(None),
        Visit.planned_start < moment,
    )
