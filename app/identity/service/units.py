"""Org units: head office, regions, branches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, true
from sqlalchemy.orm import Session

from app.core.errors import HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity.models import OrgUnit, User, UserStatus
from app.identity.queries import is_below
from app.identity.service.errors import CodeTaken, TreeLoop
from app.identity.service.office import require_admin
from app.identity.service.tenants import check_zone


def list_org_units(session: Session, actor: Actor, *, parent_id: UUID | None = None) -> Select[OrgUnit]:
    """The own unit, for managers all below it, for administrators all; narrowed to the children of one."""
    scope = true() if actor.scope.everything else OrgUnit.id.in_(actor.scope.unit_ids)
    statement = select(OrgUnit).where(
        OrgUnit.tenant_id == actor.tenant_id, OrgUnit.deleted_at.is_(None), scope
    )
    return statement if parent_id is None else statement.where(OrgUnit.parent_id == parent_id)


def get_org_unit(session: Session, actor: Actor, unit_id: UUID, *, lock: bool = False) -> OrgUnit:
    """One of ``list_org_units``.

    Raises:
        NotFound: The actor may not know of it.
    """
    statement = list_org_units(session, actor).where(OrgUnit.id == unit_id)
    unit = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if unit is None:
        raise NotFound("No such unit.")
    return unit


def create_org_unit(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> OrgUnit:
    """Add a unit to the tree.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        values: ``kind, code, name``; optional ``id, parent_id, currency, time_zone, locale``.
        now: Server time, aware UTC.

    Raises:
        Forbidden, IdTaken, CodeTaken, ReferenceNotFound, ZoneUnknown: As they say.
    """
    require_admin(actor)
    values = dict(values)
    unit = OrgUnit(tenant_id=actor.tenant_id, id=values.pop("id", None) or new_id())
    if session.get(OrgUnit, (actor.tenant_id, unit.id)) is not None:
        raise IdTaken("This id is in use.")
    _check(session, unit, values)
    for name, value in values.items():
        setattr(unit, name, value)
    session.add(unit)
    session.flush()
    return unit


def update_org_unit(
    session: Session, actor: Actor, unit_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> OrgUnit:
    """Change or move a unit; what its managers see moves with it.

    Raises:
        NotFound: The actor may not know of it.
        Forbidden, CodeTaken, ReferenceNotFound, TreeLoop, ZoneUnknown: As they say.
    """
    unit = get_org_unit(session, actor, unit_id, lock=True)
    require_admin(actor)
    _check(session, unit, changes)
    for name, value in changes.items():
        setattr(unit, name, value)
    session.flush()
    return unit


def delete_org_unit(session: Session, actor: Actor, unit_id: UUID, *, now: datetime) -> None:
    """Close a unit that nobody works in.

    Raises:
        HasDependants: It has units below it or active people.
        NotFound, Forbidden: As they say.
    """
    unit = get_org_unit(session, actor, unit_id, lock=True)
    require_admin(actor)
    below = select(OrgUnit.id).where(
        OrgUnit.tenant_id == actor.tenant_id, OrgUnit.parent_id == unit.id, OrgUnit.deleted_at.is_(None)
    )
    people = select(User.id).where(
        User.tenant_id == actor.tenant_id, User.org_unit_id == unit.id, User.status == UserStatus.ACTIVE
    )
    for statement in (below, people):
        if session.scalar(statement.limit(1)) is not None:
            raise HasDependants("Move its people and the units below it first.")
    unit.deleted_at = now
    session.flush()


def _check(session: Session, unit: OrgUnit, values: Mapping[str, Any]) -> None:
    check_zone(values.get("time_zone"))
    if "code" in values:
        same = select(OrgUnit.id).where(
            OrgUnit.tenant_id == unit.tenant_id, OrgUnit.code == values["code"], OrgUnit.deleted_at.is_(None)
        )
        if session.scalar(same.where(OrgUnit.id != unit.id)) is not None:
            raise CodeTaken(f"There is a unit {values['code']} already.")
    parent_id = values.get("parent_id")
    if parent_id is None:
        return
    parent = session.get(OrgUnit, (unit.tenant_id, parent_id))
    if parent is None or parent.deleted_at is not None:
        raise ReferenceNotFound("No such unit.", field="parent_id")
    if parent_id in set(session.scalars(is_below(OrgUnit, unit.tenant_id, unit.id))):
        raise TreeLoop("A unit cannot lie below itself.")
