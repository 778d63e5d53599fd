"""What a company decides about its orders: tolerances, rules, limits of discounts, warehouses."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, false, or_, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.orders import queries
from app.orders.models import DiscountLimit, OrderSettings, Warehouse
from app.orders.service.errors import LimitOfNobody, LimitTaken, WarehouseCodeTaken

STAFF = (Role.REP, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
Kept = TypeVar("Kept", DiscountLimit, Warehouse)


def get_settings(session: Session, tenant_id: UUID, *, lock: bool = False) -> OrderSettings:
    """What holds now: what was decided, or the defaults (which are not stored)."""
    found = queries.settings_of(session, tenant_id, lock=lock)
    return found or _defaults(tenant_id)


def change_settings(
    session: Session, actor: Actor, changes: Mapping[str, Any], *, now: datetime
) -> OrderSettings:
    """Decide anew about orders. What stands already is judged by it at its next step.

    Raises:
        Forbidden: Only admins do.
    """
    if actor.role is not Role.ADMIN:
        raise Forbidden
    found = queries.ensured_settings(session, actor.tenant_id)
    found.version += 1
    for name, value in changes.items():
        setattr(found, name, value)
    session.flush()
    return found


def _defaults(tenant_id: UUID) -> OrderSettings:
    columns = OrderSettings.__table__.columns
    chosen = {c.name: c.default.arg for c in columns if c.default is not None and c.default.is_scalar}
    return OrderSettings(tenant_id=tenant_id, id=new_id(), **chosen)


def discount_limit_of(session: Session, tenant_id: UUID, user_id: UUID, settings: OrderSettings) -> Decimal:
    """How many per cent a person may grant by hand: their own limit, their role's, or everybody's."""
    found = queries.limit_of(session, tenant_id, user_id)
    return settings.default_discount if found is None else found


def list_discount_limits(session: Session, actor: Actor) -> Select[DiscountLimit]:
    """All limits for admins and integrations; others know their own and their role's."""
    statement = select(DiscountLimit).where(
        DiscountLimit.tenant_id == actor.tenant_id, DiscountLimit.deleted_at.is_(None)
    )
    if actor.scope.everything:
        return statement
    if actor.role not in STAFF:
        return statement.where(false())
    return statement.where(or_(DiscountLimit.user_id == actor.user_id, DiscountLimit.role == actor.role))


def get_discount_limit(
    session: Session, actor: Actor, limit_id: UUID, *, lock: bool = False
) -> DiscountLimit:
    """One limit; raises NotFound."""
    return _get(session, list_discount_limits(session, actor), DiscountLimit, limit_id, lock=lock)


def create_discount_limit(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> DiscountLimit:
    """Let a person, or everybody of a role, grant so many per cent.

    Raises:
        Forbidden: Only admins do.
        LimitOfNobody: Neither or both of ``user_id`` and ``role``.
        LimitTaken: There is one already.
        ReferenceNotFound: No such person.
    """
    _allow_admin(actor)
    user_id, role = values.get("user_id"), values.get("role")
    if (user_id is None) == (role is None):
        raise LimitOfNobody
    if user_id is not None:
        identity.reference_user(session, actor, user_id, "user_id")
    taken = select(DiscountLimit.id).where(
        DiscountLimit.tenant_id == actor.tenant_id,
        DiscountLimit.deleted_at.is_(None),
        DiscountLimit.user_id.is_not_distinct_from(user_id),
        DiscountLimit.role.is_not_distinct_from(role),
    )
    if session.scalar(taken) is not None:
        raise LimitTaken
    return _add(session, actor, DiscountLimit, values)


def update_discount_limit(
    session: Session, actor: Actor, limit_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> DiscountLimit:
    """Change how much; whose it is stays."""
    _allow_admin(actor)
    limit = get_discount_limit(session, actor, limit_id, lock=True)
    limit.percent = changes.get("percent", limit.percent)
    session.flush()
    session.refresh(limit)
    return limit


def delete_discount_limit(session: Session, actor: Actor, limit_id: UUID, *, now: datetime) -> None:
    """Take a limit away: the next one that fits holds."""
    _allow_admin(actor)
    get_discount_limit(session, actor, limit_id, lock=True).deleted_at = now
    session.flush()


def list_warehouses(session: Session, actor: Actor) -> Select[Warehouse]:
    """The warehouses, for those who sell."""
    sees = Warehouse.deleted_at.is_(None) if actor.role in STAFF else false()
    return select(Warehouse).where(Warehouse.tenant_id == actor.tenant_id, sees)


def get_warehouse(session: Session, actor: Actor, warehouse_id: UUID, *, lock: bool = False) -> Warehouse:
    """One warehouse; raises NotFound."""
    return _get(session, list_warehouses(session, actor), Warehouse, warehouse_id, lock=lock)


def create_warehouse(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> Warehouse:
    """Open a warehouse; raises Forbidden, IdTaken, WarehouseCodeTaken, ReferenceNotFound."""
    _allow_office(actor)
    _check_warehouse(session, actor, None, values)
    return _add(session, actor, Warehouse, values)


def update_warehouse(
    session: Session, actor: Actor, warehouse_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Warehouse:
    """Change a warehouse; raises as ``create_warehouse``."""
    _allow_office(actor)
    warehouse = get_warehouse(session, actor, warehouse_id, lock=True)
    _check_warehouse(session, actor, warehouse, changes)
    for name, value in changes.items():
        setattr(warehouse, name, value)
    session.flush()
    session.refresh(warehouse)
    return warehouse


def delete_warehouse(session: Session, actor: Actor, warehouse_id: UUID, *, now: datetime) -> None:
    """Close a warehouse: nothing is shipped from it any more, and what it holds counts no longer."""
    _allow_office(actor)
    get_warehouse(session, actor, warehouse_id, lock=True).deleted_at = now
    session.flush()


def _check_warehouse(
    session: Session, actor: Actor, warehouse: Warehouse | None, values: Mapping[str, Any]
) -> None:
    if values.get("org_unit_id") is not None:
        try:
            identity.get_org_unit(session, actor, values["org_unit_id"])
        except NotFound:
            raise ReferenceNotFound(field="org_unit_id") from None
    taken = select(Warehouse.id).where(
        Warehouse.tenant_id == actor.tenant_id,
        Warehouse.deleted_at.is_(None),
        Warehouse.code == values.get("code"),
    )
    found = session.scalar(taken)
    if found is not None and (warehouse is None or found != warehouse.id):
        raise WarehouseCodeTaken


def _get(
    session: Session, statement: Select[Kept], model: type[Kept], record_id: UUID, *, lock: bool
) -> Kept:
    statement = statement.where(model.id == record_id)
    if lock:
        statement = statement.with_for_update(of=model, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def _add(session: Session, actor: Actor, model: type[Kept], values: Mapping[str, Any]) -> Kept:
    used = select(model.id).where(model.tenant_id == actor.tenant_id, model.id == values.get("id"))
    if session.scalar(used) is not None:
        raise IdTaken
    record = model(tenant_id=actor.tenant_id, **{"id": new_id(), **values})
    session.add(record)
    session.flush()
    session.refresh(record)
    return record


def _allow_admin(actor: Actor) -> None:
    if actor.role is not Role.ADMIN:
        raise Forbidden


def _allow_office(actor: Actor) -> None:
    if actor.role not in (Role.ADMIN, Role.INTEGRATION):
        raise Forbidden
