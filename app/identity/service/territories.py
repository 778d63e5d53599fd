"""Territories and who works them, from when to when."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, true
from sqlalchemy.orm import Session

from app.core.errors import HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity.models import Territory, TerritoryMember
from app.identity.queries import has_accounts, is_below
from app.identity.service.errors import CodeTaken, DatesReversed, MembershipTaken, TreeLoop
from app.identity.service.office import require_admin
from app.identity.service.people import reference_user
from app.identity.service.tenants import tenant_day


def list_territories(session: Session, actor: Actor, *, parent_id: UUID | None = None) -> Select[Territory]:
    """The territories of the actor's scope, for administrators all; narrowed to the children of one."""
    scope = true() if actor.scope.everything else Territory.id.in_(actor.scope.territory_ids)
    statement = select(Territory).where(
        Territory.tenant_id == actor.tenant_id, Territory.deleted_at.is_(None), scope
    )
    return statement if parent_id is None else statement.where(Territory.parent_id == parent_id)


def get_territory(session: Session, actor: Actor, territory_id: UUID, *, lock: bool = False) -> Territory:
    """One of ``list_territories``.

    Raises:
        NotFound: It is outside the actor's scope.
    """
    statement = list_territories(session, actor).where(Territory.id == territory_id)
    territory = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if territory is None:
        raise NotFound("No such territory.")
    return territory


def reference_territory(session: Session, actor: Actor, territory_id: UUID, field: str) -> Territory:
    """The territory of the actor's scope that *field* of another record names; for other rooms.

    Raises:
        ReferenceNotFound: No such territory in the actor's scope.
    """
    try:
        return get_territory(session, actor, territory_id)
    except NotFound:
        raise ReferenceNotFound("No such territory.", field=field) from None


def create_territory(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> Territory:
    """Add a territory to the tree.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        values: ``code, name``; optional ``id, parent_id, valid_from, valid_to`` (days, both included).
        now: Server time, aware UTC.

    Raises:
        Forbidden, IdTaken, CodeTaken, ReferenceNotFound, DatesReversed: As they say.
    """
    require_admin(actor)
    values = dict(values)
    territory = Territory(tenant_id=actor.tenant_id, id=values.pop("id", None) or new_id())
    if session.get(Territory, (actor.tenant_id, territory.id)) is not None:
        raise IdTaken("This id is in use.")
    _set(session, territory, values)
    session.add(territory)
    session.flush()
    return territory


def update_territory(
    session: Session, actor: Actor, territory_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Territory:
    """Change or move a territory; what managers above it see moves with it.

    Raises:
        NotFound: It is outside the actor's scope.
        Forbidden, CodeTaken, ReferenceNotFound, TreeLoop, DatesReversed: As they say.
    """
    territory = get_territory(session, actor, territory_id, lock=True)
    require_admin(actor)
    _set(session, territory, changes)
    session.flush()
    return territory


def delete_territory(session: Session, actor: Actor, territory_id: UUID, *, now: datetime) -> None:
    """Give up a territory that is empty.

    Raises:
        HasDependants: It has territories below it, members, or customers, whom nobody would see any more.
        NotFound, Forbidden: As they say.
    """
    territory = get_territory(session, actor, territory_id, lock=True)
    require_admin(actor)
    below = select(Territory.id).where(
        Territory.tenant_id == actor.tenant_id,
        Territory.parent_id == territory.id,
        Territory.deleted_at.is_(None),
    )
    day = tenant_day(session, actor.tenant_id, now)
    members = _members(actor.tenant_id, territory.id).where(
        or_(TerritoryMember.valid_to.is_(None), TerritoryMember.valid_to >= day)
    )
    for statement in (below, members, has_accounts(actor.tenant_id, territory.id)):
        if session.execute(statement.limit(1)).first() is not None:
            raise HasDependants("Move its customers, members and the territories below it first.")
    territory.deleted_at = now
    session.flush()


def list_members(session: Session, actor: Actor, territory_id: UUID) -> Select[TerritoryMember]:
    """Past, present and coming members of a territory of the actor's scope.

    Raises:
        NotFound: The territory is outside the actor's scope.
    """
    return _members(actor.tenant_id, get_territory(session, actor, territory_id).id)


def get_member(
    session: Session, actor: Actor, territory_id: UUID, member_id: UUID, *, lock: bool = False
) -> TerritoryMember:
    """One of ``list_members``.

    Raises:
        NotFound: The territory is outside the actor's scope, or has no such member.
    """
    statement = list_members(session, actor, territory_id).where(TerritoryMember.id == member_id)
    member = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if member is None:
        raise NotFound("No such member.")
    return member


def add_member(
    session: Session, actor: Actor, territory_id: UUID, values: Mapping[str, Any], *, now: datetime
) -> TerritoryMember:
    """Let a person work a territory.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        territory_id: Where.
        values: ``user_id, kind, valid_from``; optional ``id, valid_to`` (days, both included).
        now: Server time, aware UTC.

    Raises:
        MembershipTaken: They are a member of this kind on some of these days.
        NotFound, Forbidden, IdTaken, ReferenceNotFound, DatesReversed: As they say.
    """
    territory = get_territory(session, actor, territory_id, lock=True)
    require_admin(actor)
    values = dict(values)
    member = TerritoryMember(
        tenant_id=actor.tenant_id, id=values.pop("id", None) or new_id(), territory_id=territory.id
    )
    if session.get(TerritoryMember, (actor.tenant_id, member.id)) is not None:
        raise IdTaken("This id is in use.")
    reference_user(session, actor, values["user_id"], "user_id")
    for name, value in values.items():
        setattr(member, name, value)
    _check_days(session, member)
    session.add(member)
    session.flush()
    return member


def update_member(
    session: Session,
    actor: Actor,
    territory_id: UUID,
    member_id: UUID,
    changes: Mapping[str, Any],
    *,
    now: datetime,
) -> TerritoryMember:
    """Change kind or days of a membership; ``valid_to`` in the past ends it.

    Raises:
        NotFound, Forbidden, MembershipTaken, DatesReversed: As they say.
    """
    territory = get_territory(session, actor, territory_id, lock=True)
    member = get_member(session, actor, territory.id, member_id, lock=True)
    require_admin(actor)
    with session.no_autoflush:
        for name, value in changes.items():
            setattr(member, name, value)
        _check_days(session, member)
    session.flush()
    return member


def remove_member(
    session: Session, actor: Actor, territory_id: UUID, member_id: UUID, *, now: datetime
) -> None:
    """Take back a membership that was a mistake; one that ends keeps its days with ``valid_to``."""
    member = get_member(session, actor, territory_id, member_id, lock=True)
    require_admin(actor)
    member.deleted_at = now
    session.flush()


def _members(tenant_id: UUID, territory_id: UUID) -> Select[TerritoryMember]:
    return select(TerritoryMember).where(
        TerritoryMember.tenant_id == tenant_id,
        TerritoryMember.territory_id == territory_id,
        TerritoryMember.deleted_at.is_(None),
    )


def _set(session: Session, territory: Territory, values: Mapping[str, Any]) -> None:
    first, last = (values.get(name, getattr(territory, name)) for name in ("valid_from", "valid_to"))
    _check_order(first, last)
    if "code" in values:
        same = select(Territory.id).where(
            Territory.tenant_id == territory.tenant_id,
            Territory.code == values["code"],
            Territory.deleted_at.is_(None),
            Territory.id != territory.id,
        )
        if session.scalar(same) is not None:
            raise CodeTaken(f"There is a territory {values['code']} already.")
    _check_parent(session, territory, values.get("parent_id"))
    for name, value in values.items():
        setattr(territory, name, value)


def _check_parent(session: Session, territory: Territory, parent_id: UUID | None) -> None:
    if parent_id is None:
        return
    parent = session.get(Territory, (territory.tenant_id, parent_id))
    if parent is None or parent.deleted_at is not None:
        raise ReferenceNotFound("No such territory.", field="parent_id")
    if parent_id in set(session.scalars(is_below(Territory, territory.tenant_id, territory.id))):
        raise TreeLoop("A territory cannot lie below itself.")


def _check_order(first: date | None, last: date | None) -> None:
    if first is not None and last is not None and last < first:
        raise DatesReversed("The last day lies before the first.")


def _check_days(session: Session, member: TerritoryMember) -> None:
    """The territory's row is locked, so that two overlapping memberships cannot pass at one moment."""
    _check_order(member.valid_from, member.valid_to)
    overlapping = (
        _members(member.tenant_id, member.territory_id)
        .where(
            TerritoryMember.user_id == member.user_id,
            TerritoryMember.kind == member.kind,
            TerritoryMember.id != member.id,
            func.coalesce(TerritoryMember.valid_to >= member.valid_from, True),
        )
        .with_only_columns(TerritoryMember.id)
    )
    if member.valid_to is not None:
        overlapping = overlapping.where(TerritoryMember.valid_from <= member.valid_to)
    if session.scalar(overlapping.limit(1)) is not None:
        raise MembershipTaken("The person is a member of this kind on some of these days already.")
