"""Orders and warehouses as other systems name them."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.orders.models import Order, Warehouse
from app.orders.service.records import list_orders
from app.orders.service.settings import list_warehouses


def find_by_number(session: Session, actor: Actor, number: str) -> UUID | None:
    """The order of the scope that has a number, or None."""
    statement = list_orders(session, actor).with_only_columns(Order.id)
    return session.scalar(statement.where(Order.number == number))


def find_warehouse(session: Session, actor: Actor, code: str) -> UUID | None:
    """The warehouse of a code, or None."""
    statement = list_warehouses(session, actor).with_only_columns(Warehouse.id)
    return session.scalar(statement.where(Warehouse.code == code))
