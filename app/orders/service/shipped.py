"""How much of each item of an order was cut, shipped, delivered and returned, and what is still open."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.orm import Session

from app.orders import queries
from app.orders.models import Order
from app.orders.service.errors import LineListedTwice, QuantityNotOpen
from app.orders.states import OrderStatus, ShipmentStatus

ZERO: Final = Decimal(0)
PLACES: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an order, or goods that come along for free, in the ordered unit.

    ``key`` is the line's id; for free goods ``promotion:product:unit``. ``worth`` is what the line comes to.
    """

    key: str
    product_id: str
    unit: str
    ordered: Decimal
    worth: Decimal
    cut: Decimal = ZERO
    prepared: Decimal = ZERO
    shipped: Decimal = ZERO
    delivered: Decimal = ZERO
    claimed: Decimal = ZERO
    returned: Decimal = ZERO

    @property
    def open(self) -> Decimal:
        """What no shipment has and nobody cut."""
        return self.ordered - self.cut - self.prepared - self.shipped - self.delivered

    @property
    def unpaid(self) -> Decimal:
        """What of its worth nobody has to pay: cut, or come back."""
        gone = min(self.ordered, self.cut + self.returned)
        return (self.worth * gone / self.ordered).quantize(PLACES) if self.ordered else ZERO

    def as_json(self) -> dict[str, str]:
        """As phones keep it."""
        amounts = ("ordered", "cut", "prepared", "shipped", "delivered", "returned")
        return {
            "item": self.key,
            "product_id": self.product_id,
            "unit": self.unit,
            **{name: f"{getattr(self, name):.6f}" for name in amounts},
        }


def items_of(session: Session, order: Order) -> dict[str, Item]:
    """The items of a priced order, by key, as its shipments and returns have them now."""
    session.flush()
    cut = {one["item"]: Decimal(one["cut"]) for one in order.fulfilment or ()}
    moved = queries.shipped_quantities(session, order)
    back = queries.returned_quantities(session, order)
    found = {}
    for key, product_id, unit, ordered, worth in _ordered(order):
        left = moved.get(key, {})
        found[key] = Item(
            key,
            product_id,
            unit,
            ordered,
            worth,
            cut.get(key, ZERO),
            left.get(ShipmentStatus.PREPARED, ZERO),
            left.get(ShipmentStatus.SHIPPED, ZERO),
            left.get(ShipmentStatus.DELIVERED, ZERO),
            back.get(key, {}).get("claimed", ZERO),
            back.get(key, {}).get("credited", ZERO),
        )
    return found


def _ordered(order: Order) -> Iterable[tuple[str, str, str, Decimal, Decimal]]:
    totals = {line["id"]: Decimal(line["total"]) for line in order.priced["lines"]}
    for line in order.lines:
        key = str(line.id)
        yield key, str(line.product_id), line.unit, line.quantity, totals[key]
    free: dict[str, tuple[str, str, Decimal]] = {}
    for one in order.priced["free_goods"]:
        key = f"{one['promotion_id']}:{one['product_id']}:{one['unit']}"
        more = free.get(key, ("", "", ZERO))[2] + Decimal(one["quantity"])
        free[key] = (one["product_id"], one["unit"], more)
    for key, (product_id, unit, quantity) in free.items():
        yield key, product_id, unit, quantity, ZERO


def fulfilment_of(session: Session, order: Order) -> list[dict[str, str]]:
    """The items as phones keep them."""
    return [item.as_json() for item in items_of(session, order).values()]


def note_progress(session: Session, order: Order) -> OrderStatus:
    """Write how far an order has come, and what is to be paid of it; gives the state that this makes."""
    items = items_of(session, order)
    order.fulfilment = [item.as_json() for item in items.values()]
    unpaid = sum((item.unpaid for item in items.values()), ZERO)
    order.payable = max(ZERO, (order.total or ZERO) - unpaid)
    return progress_of(items)


def cut_open(session: Session, order: Order) -> None:
    """Note that what is open will never be delivered."""
    items = items_of(session, order).values()
    order.fulfilment = [replace(item, cut=item.cut + item.open).as_json() for item in items]


def progress_of(items: Mapping[str, Item]) -> OrderStatus:
    """Where an order stands by its shipments."""
    left = sum((item.shipped + item.delivered for item in items.values()), ZERO)
    waits = any(item.open + item.prepared > 0 for item in items.values())
    if left == 0:
        return OrderStatus.CONFIRMED
    if waits:
        return OrderStatus.PARTIALLY_SHIPPED
    return OrderStatus.SHIPPED if any(item.shipped for item in items.values()) else OrderStatus.DELIVERED


def take(
    items: Mapping[str, Item], rows: Sequence[Mapping[str, Any]], measure: str
) -> list[tuple[str, Decimal]]:
    """The quantities that *rows* (``item, quantity``) name, each within what *measure* leaves of its item.

    Raises:
        QuantityNotOpen: More than that, or no item of the order.
        LineListedTwice: An item stands twice.
    """
    keys = [row["item"] for row in rows]
    if len(set(keys)) < len(keys):
        raise LineListedTwice
    for row in rows:
        item = items.get(row["item"])
        left = ZERO if item is None else left_of(item, measure)
        if not ZERO < row["quantity"] <= left:
            raise QuantityNotOpen(item=row["item"], open=f"{left:.6f}")
    return [(row["item"], row["quantity"]) for row in rows]


def left_of(item: Item, measure: str) -> Decimal:
    """What may still be shipped (``open``) or returned (``delivered``)."""
    return item.open if measure == "open" else item.delivered - item.claimed
