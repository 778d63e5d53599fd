"""Days off: of one person, and of the whole company."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.approvals.models import Absence, CompanyHoliday
from app.approvals.service.errors import AbsencePast, HolidayTaken
from app.core.errors import Forbidden, IdTaken, NotFound
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.identity import service as identity


def list_absences(session: Session, actor: Actor, *, user_id: UUID | None = None) -> Select[Absence]:
    """Own ones, for managers also their team's, for administrators all; of one user's."""
    statement = select(Absence).where(
        Absence.tenant_id == actor.tenant_id,
        Absence.deleted_at.is_(None),
        identity.reports_to(actor, Absence.user_id),
    )
    return statement if user_id is None else statement.where(Absence.user_id == user_id)


def get_absence(session: Session, actor: Actor, absence_id: UUID, *, lock: bool = False) -> Absence:
    """One of ``list_absences``; raises NotFound."""
    statement = list_absences(session, actor).where(Absence.id == absence_id)
    found = session.scalars(statement.with_for_update(of=Absence) if lock else statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def create_absence(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Absence:
    """Enter a leave: from its first day on requests pass the person over, unless somebody stands in.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: The person themself, a manager for their team, or an administrator.
        values: ``first_day, last_day``; optional ``id, user_id`` (else the actor) and ``reason``.
        now: Server time, aware UTC; days are compared with the tenant's.

    Raises:
        Forbidden: The person is not of the actor's team.
        ReferenceNotFound: No such active person.
        AbsencePast, DatesReversed, IdTaken: As they say.
    """
    user_id = values.get("user_id") or actor.user_id
    identity.reference_user(session, actor, user_id, "user_id")
    _check_may_enter(session, actor, user_id)
    absence_id = values.get("id") or new_id()
    if session.get(Absence, (actor.tenant_id, absence_id)) is not None:
        raise IdTaken
    absence = Absence(
        tenant_id=actor.tenant_id,
        id=absence_id,
        user_id=user_id,
        first_day=values["first_day"],
        last_day=values["last_day"],
        reason=mask_fields(values, ("reason",))[0].get("reason"),
    )
    _check_days(session, absence, now)
    session.add(absence)
    session.flush()
    return absence


def update_absence(
    session: Session, actor: Actor, absence_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Absence:
    """Change the days of a leave, or why; raises NotFound, AbsencePast and DatesReversed."""
    absence = get_absence(session, actor, absence_id, lock=True)
    clean, _ = mask_fields(changes, ("reason",))
    with session.no_autoflush:
        for field in ("first_day", "last_day", "reason"):
            if field in clean:
                setattr(absence, field, clean[field])
        if clean.keys() & {"first_day", "last_day"}:
            _check_days(session, absence, now)
    session.flush()
    return absence


def delete_absence(session: Session, actor: Actor, absence_id: UUID, *, now: datetime) -> None:
    """Take a leave back: the person is asked again; raises NotFound."""
    get_absence(session, actor, absence_id, lock=True).deleted_at = now
    session.flush()


def list_holidays(session: Session, actor: Actor) -> Select[CompanyHoliday]:
    """The company's own holidays."""
    return select(CompanyHoliday).where(
        CompanyHoliday.tenant_id == actor.tenant_id, CompanyHoliday.deleted_at.is_(None)
    )


def get_holiday(session: Session, actor: Actor, holiday_id: UUID, *, lock: bool = False) -> CompanyHoliday:
    """One of ``list_holidays``; raises NotFound."""
    statement = list_holidays(session, actor).where(CompanyHoliday.id == holiday_id)
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def create_holiday(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> CompanyHoliday:
    """Close the company for a day: no time of approvals runs on it. Times that run already stay as they are.

    Raises:
        Forbidden: Not an administrator.
        HolidayTaken, IdTaken: As they say.
    """
    identity.require_admin(actor)
    holiday_id = values.get("id") or new_id()
    if session.get(CompanyHoliday, (actor.tenant_id, holiday_id)) is not None:
        raise IdTaken
    same = list_holidays(session, actor).where(CompanyHoliday.day == values["day"])
    if session.scalars(same).first() is not None:
        raise HolidayTaken
    holiday = CompanyHoliday(tenant_id=actor.tenant_id, id=holiday_id, day=values["day"], name=values["name"])
    session.add(holiday)
    session.flush()
    return holiday


def delete_holiday(session: Session, actor: Actor, holiday_id: UUID, *, now: datetime) -> None:
    """Open the company again; raises NotFound and Forbidden."""
    identity.require_admin(actor)
    get_holiday(session, actor, holiday_id, lock=True).deleted_at = now
    session.flush()


def _check_may_enter(session: Session, actor: Actor, user_id: UUID) -> None:
    if user_id == actor.user_id or actor.role is Role.ADMIN:
        return
    if actor.role is Role.MANAGER and identity.is_in_team(session, actor.tenant_id, actor.user_id, user_id):
        return
    raise Forbidden


def _check_days(session: Session, absence: Absence, now: datetime) -> None:
    if absence.last_day < absence.first_day:
        raise identity.DatesReversed
    if absence.last_day < identity.tenant_day(session, absence.tenant_id, now):
        raise AbsencePast
