"""Reads of orders and what hangs on them, scoped to who asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, case, column, false, func, literal_column, or_, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.core.scope import Actor, Role, sees_child_of_account
from app.orders.models import (
    DiscountLimit,
    Order,
    OrderLine,
    OrderNumbers,
    OrderReturn,
    OrderSettings,
    ReturnLine,
    Shipment,
    ShipmentLine,
    StockSnapshot,
    Warehouse,
)
from app.orders.states import COMMITTED, ReturnStatus, ShipmentStatus

Hung = TypeVar("Hung", Order, Shipment, OrderReturn)

SALES = (Role.REP, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)

# Light tables of other rooms: only the columns that are needed here.
_users = table("users", *(column(c) for c in ("tenant_id", "id", "org_unit_id", "role")))
_invoices = table(
    "invoices",
    *(column(c) for c in ("tenant_id", "order_id", "currency", "amount", "status", "deleted_at")),
)
_products = table("products", *(column(c) for c in ("tenant_id", "id", "status", "deleted_at")))
_accounts = table(
    "accounts", *(column(c) for c in ("tenant_id", "id", "name", "territory_id", "lifecycle_stage"))
)
_units = table("org_units", *(column(c) for c in ("tenant_id", "id", "code")))


def of_accounts(actor: Actor, model: type[Hung]) -> Select[Hung]:
    """Live records of *model* on accounts of the scope; technicians and partners have none."""
    sees = sees_child_of_account(actor.scope, model) if actor.role in SALES else false()
    return select(model).where(model.tenant_id == actor.tenant_id, model.deleted_at.is_(None), sees)


def is_id_used(session: Session, tenant_id: UUID, model: type[Hung], record_id: UUID) -> bool:
    """Whether any record, also a deleted or a foreign one, has the id."""
    found = select(model.id).where(model.tenant_id == tenant_id, model.id == record_id)
    return session.scalar(found) is not None


def foreign_lines(session: Session, order: Order, line_ids: Iterable[UUID]) -> bool:
    """Whether one of the ids is another order's line."""
    ids = list(line_ids)
    found = select(OrderLine.id).where(OrderLine.tenant_id == order.tenant_id, OrderLine.id.in_(ids))
    return bool(ids) and session.scalars(found).first() is not None


def settings_of(session: Session, tenant_id: UUID, *, lock: bool = False) -> OrderSettings | None:
    """What the company decided, if it decided anything."""
    found = select(OrderSettings).where(OrderSettings.tenant_id == tenant_id)
    return session.scalars(found.with_for_update() if lock else found).one_or_none()


def ensured_settings(session: Session, tenant_id: UUID) -> OrderSettings:
    """The company's row, locked; made with the defaults where there is none."""
    session.execute(insert(OrderSettings).values(tenant_id=tenant_id, id=new_id()).on_conflict_do_nothing())
    return session.scalars(
        select(OrderSettings).where(OrderSettings.tenant_id == tenant_id).with_for_update()
    ).one()


def limit_of(session: Session, tenant_id: UUID, user_id: UUID) -> Decimal | None:
    """The discount limit of a person, else of their role, else None."""
    role = select(_users.c.role).where(_users.c.tenant_id == tenant_id, _users.c.id == user_id)
    return session.scalars(
        select(DiscountLimit.percent)
        .where(
            DiscountLimit.tenant_id == tenant_id,
            DiscountLimit.deleted_at.is_(None),
            or_(DiscountLimit.user_id == user_id, DiscountLimit.role == role.scalar_subquery()),
        )
        .order_by(DiscountLimit.user_id.is_(None))
        .limit(1)
    ).one_or_none()


def unit_of(session: Session, tenant_id: UUID, user_id: UUID) -> tuple[UUID | None, str]:
    """Id and code of a person's org unit; None and ``0`` for who has none."""
    row = session.execute(
        select(_units.c.id, _units.c.code).where(
            _users.c.tenant_id == tenant_id,
            _users.c.id == user_id,
            _units.c.tenant_id == tenant_id,
            _units.c.id == _users.c.org_unit_id,
        )
    ).one_or_none()
    return (None, "0") if row is None else (row.id, row.code)


def take_number(session: Session, tenant_id: UUID, unit_id: UUID | None, year: int) -> int:
    """The next of a series, which stays locked until commit: who rolls back leaves no gap."""
    statement = insert(OrderNumbers).values(
        tenant_id=tenant_id, id=new_id(), org_unit_id=unit_id, year=year, last=1
    )
    statement = statement.on_conflict_do_update(
        constraint="uq_order_numbers_tenant_id_org_unit_id_year", set_={"last": OrderNumbers.last + 1}
    )
    number: int = session.execute(statement.returning(OrderNumbers.last)).scalar_one()
    return number


@dataclass(frozen=True, slots=True)
class Committed:
    """What an account will have to pay for one order, and has not been invoiced."""

    order_id: UUID
    currency: str
    rate: Decimal
    amount: Decimal
    prepaid: bool


def committed_of(session: Session, tenant_id: UUID, account_id: UUID) -> list[Committed]:
    """The account's approved orders as far as no invoice names them; read while its balance is locked."""
    invoiced = (
        select(func.sum(_invoices.c.amount))
        .where(
            _invoices.c.tenant_id == Order.tenant_id,
            _invoices.c.order_id == Order.id,
            _invoices.c.currency == Order.currency,
            _invoices.c.status != "void",
            _invoices.c.deleted_at.is_(None),
        )
        .scalar_subquery()
    )
    left = Order.payable - func.coalesce(invoiced, 0)
    rows = session.execute(
        select(Order.id, Order.currency, Order.rate, left.label("amount"), Order.prepaid)
        .where(
            Order.tenant_id == tenant_id,
            Order.account_id == account_id,
            Order.deleted_at.is_(None),
            Order.status.in_(COMMITTED),
            left > 0,
        )
        .order_by(Order.id)
    )
    return [Committed(row.id, row.currency, row.rate, row.amount, row.prepaid) for row in rows]


def shipments_of(session: Session, order: Order, *statuses: ShipmentStatus) -> list[Shipment]:
    """The order's live shipments in some states, oldest first."""
    return list(
        session.scalars(
            select(Shipment)
            .where(
                Shipment.tenant_id == order.tenant_id,
                Shipment.order_id == order.id,
                Shipment.deleted_at.is_(None),
                Shipment.status.in_(statuses),
            )
            .order_by(Shipment.id)
        )
    )


def shipped_quantities(session: Session, order: Order) -> dict[str, dict[str, Decimal]]:
    """How many of each item were prepared, shipped and delivered: a shipment counts where it stands."""
    rows = session.execute(
        select(ShipmentLine.item, Shipment.status, func.sum(ShipmentLine.quantity).label("quantity"))
        .join(
            Shipment,
            (Shipment.tenant_id == ShipmentLine.tenant_id) & (Shipment.id == ShipmentLine.shipment_id),
        )
        .where(
            Shipment.tenant_id == order.tenant_id,
            Shipment.order_id == order.id,
            Shipment.deleted_at.is_(None),
            Shipment.status != ShipmentStatus.CANCELLED,
        )
        .group_by(ShipmentLine.item, Shipment.status)
    )
    found: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        found.setdefault(row.item, {})[row.status.value] = row.quantity
    return found


def returned_quantities(session: Session, order: Order) -> dict[str, dict[str, Decimal]]:
    """How many of each item are asked to come back (``claimed``) and how many were credited (``credited``)."""
    credited = case(
        (
            OrderReturn.status == ReturnStatus.CREDITED,
            func.coalesce(ReturnLine.accepted, ReturnLine.quantity),
        ),
        else_=literal_column("0"),
    )
    rows = session.execute(
        select(
            ReturnLine.item,
            func.sum(ReturnLine.quantity).label("claimed"),
            func.sum(credited).label("credited"),
        )
        .join(
            OrderReturn,
            (OrderReturn.tenant_id == ReturnLine.tenant_id) & (OrderReturn.id == ReturnLine.return_id),
        )
        .where(
            OrderReturn.tenant_id == order.tenant_id,
            OrderReturn.order_id == order.id,
            OrderReturn.deleted_at.is_(None),
            OrderReturn.status != ReturnStatus.REJECTED,
        )
        .group_by(ReturnLine.item)
    )
    return {row.item: {"claimed": row.claimed, "credited": row.credited} for row in rows}


def stock_of(
    session: Session, tenant_id: UUID, product_ids: Iterable[UUID], warehouse_id: UUID | None
) -> Mapping[UUID, Decimal]:
    """What was counted last of products, in base units: in one warehouse, or in all together."""
    statement = (
        select(StockSnapshot.product_id, func.sum(StockSnapshot.quantity).label("quantity"))
        .join(
            Warehouse,
            (Warehouse.tenant_id == StockSnapshot.tenant_id) & (Warehouse.id == StockSnapshot.warehouse_id),
        )
        .where(
            StockSnapshot.tenant_id == tenant_id,
            StockSnapshot.product_id.in_(list(product_ids)),
            Warehouse.deleted_at.is_(None),
        )
        .group_by(StockSnapshot.product_id)
    )
    if warehouse_id is not None:
        statement = statement.where(StockSnapshot.warehouse_id == warehouse_id)
    return {row.product_id: row.quantity for row in session.execute(statement)}


def known_products(session: Session, tenant_id: UUID, product_ids: Iterable[UUID]) -> set[UUID]:
    """Which of the ids are live products of the company."""
    return set(
        session.scalars(
            select(_products.c.id).where(
                _products.c.tenant_id == tenant_id,
                _products.c.id.in_(list(product_ids)),
                _products.c.deleted_at.is_(None),
            )
        )
    )


def gone_products(session: Session, tenant_id: UUID, product_ids: Iterable[UUID]) -> list[UUID]:
    """Which of the products are sold no more."""
    return list(
        session.scalars(
            select(_products.c.id)
            .where(
                _products.c.tenant_id == tenant_id,
                _products.c.id.in_(list(product_ids)),
                or_(_products.c.status == "discontinued", _products.c.deleted_at.is_not(None)),
            )
            .order_by(_products.c.id)
        )
    )


def account_facts(session: Session, order: Order) -> Any:
    """Name, territory and lifecycle stage of the order's account."""
    return session.execute(
        select(_accounts.c.name, _accounts.c.territory_id, _accounts.c.lifecycle_stage).where(
            _accounts.c.tenant_id == order.tenant_id, _accounts.c.id == order.account_id
        )
    ).one()
