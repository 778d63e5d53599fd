"""What an order would come to, and what is left of it: the latter for the office alone."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.orders.service.pricing import quote_order
from app.orders.service.records import get_order


@dataclass(frozen=True, slots=True)
class Margin:
    """What an order costs the company. ``below_floor`` names lines; amounts are in the order's currency."""

    currency: str
    cost: Decimal | None
    margin_percent: Decimal | None
    below_floor: list[str]


def preview(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> dict[str, Any]:
    """The server's price of an order as it stands today, with its problems; nothing is written.

    Raises:
        NotFound: No such order in the actor's scope.
    """
    order = get_order(session, actor, order_id)
    if order.priced is not None:
        found: dict[str, Any] = order.priced
        return found
    return quote_order(session, actor, order, identity.tenant_day(session, actor.tenant_id, now)).trace


def margin_of(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> Margin:
    """Cost, margin and floors of an order: as it was submitted, of a draft as of today.

    Raises:
        NotFound: No such order in the actor's scope.
        Forbidden: Not a manager or an admin.
    """
    order = get_order(session, actor, order_id)
    if actor.role not in (Role.MANAGER, Role.ADMIN):
        raise Forbidden
    if order.priced is not None:
        return Margin(order.currency, order.cost, order.margin_percent, order.facts.get("below_floor", []))
    quote = quote_order(session, actor, order, identity.tenant_day(session, actor.tenant_id, now))
    return Margin(order.currency, quote.cost, quote.margin_percent, list(quote.below_floor))
