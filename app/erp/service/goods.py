"""What becomes of orders in the ERP, what leaves its warehouses, and what lies there."""

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.core.errors import NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.erp.service.errors import NewsUnknown, RowChanged
from app.erp.service.naming import account_of, order_numbered, product_of
from app.erp.service.taking import Delivery, Wrote
from app.orders import service as orders


class OrderNews(enum.StrEnum):
    """What the ERP says of an order."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class ShipmentNews(enum.StrEnum):
    """Where the ERP says that goods are."""

    PREPARED = "prepared"
    SHIPPED = "shipped"
    DELIVERED = "delivered"


ZERO: Final = Decimal(0)
# States in which an order is at least confirmed.
CONFIRMED_ALREADY: Final = frozenset({"confirmed", "partially_shipped", "shipped", "delivered", "closed"})
TAKEN_OVER: Final = ("currency", "requested_on", "customer_reference", "note")
STEPS: Final = {ShipmentNews.SHIPPED: ("ship",), ShipmentNews.DELIVERED: ("ship", "deliver")}
DONE_BEFORE: Final = {"ship": frozenset({"shipped", "delivered"}), "deliver": frozenset({"delivered"})}


def write_order(delivery: Delivery, values: Mapping[str, Any], known: UUID | None) -> Wrote:
    """Confirm or cancel an order of ours, or take one that began in the ERP.

    The first news names ours by its id or number. Without one it brings account and lines: the order is then taken,
    priced and judged as anybody's is, and confirmed if the rules let it pass; where it stands is told.

    Raises:
        ReferenceNotFound: No such order, account or product.
        NewsUnknown: The first news neither names an order nor brings one.
        RowChanged: Later news bring other lines; an order is changed where it was priced.
        TransitionNotAllowed: It is not in a state for it.
    """
    session, actor, now = delivery.session, delivery.actor, delivery.now
    is_new = known is None and not any(values.get(name) for name in ("order_id", "order_number"))
    order_id = _take(delivery, values) if is_new else known or _named_order(delivery, values)
    order = orders.get_order(session, actor, order_id, lock=True)
    if not is_new and values.get("lines"):
        _check_same(delivery, order.lines, values["lines"])
    if values["status"] is OrderNews.CANCELLED:
        if order.status != "cancelled":
            reason = values.get("reason") or delivery.system
            order = orders.cancel(session, actor, order_id, {"reason": reason}, at=now, now=now)
    elif order.status not in CONFIRMED_ALREADY and not (is_new and order.status != "approved"):
        order = orders.confirm(session, actor, order_id, {}, at=now, now=now)
    return Wrote(order_id, {"status": str(order.status), "number": order.number})


def write_shipment(delivery: Delivery, values: Mapping[str, Any], known: UUID | None) -> Wrote:
    """Prepare, ship or deliver goods of an order. Its lines are told with the first news, or it is all that is open.

    Raises:
        ReferenceNotFound: No such order or product in it.
        TransitionNotAllowed, QuantityNotOpen, CreditExceeded: See ``orders``.
    """
    session, actor, now = delivery.session, delivery.actor, delivery.now
    shipment_id = known or _prepare(delivery, values)
    for step in STEPS.get(values["status"], ()):
        status = orders.get_shipment(session, actor, shipment_id, lock=True).status
        if status not in DONE_BEFORE[step]:
            args = {"signed_by": values.get("signed_by") or delivery.system} if step == "deliver" else {}
            verb = orders.SHIPMENT_COMMANDS[step]
            verb(session, actor, shipment_id, args, at=values["happened_at"], now=now)
    return Wrote(shipment_id)


def write_stock(delivery: Delivery, values: Mapping[str, Any], known: UUID | None) -> Wrote:
    """Note how much of a product a warehouse has; an older count than is known changes nothing.

    Raises:
        ReferenceNotFound: No such warehouse or product.
    """
    session, actor = delivery.session, delivery.actor
    warehouse_id = orders.find_warehouse(session, actor, values["warehouse"])
    if warehouse_id is None:
        raise ReferenceNotFound(field="warehouse")
    product_id = product_of(delivery, values["sku"])
    row = {
        "warehouse_id": warehouse_id,
        "product_id": product_id,
        "quantity": values["quantity"],
        "taken_at": values["as_of"],
    }
    orders.record_stock(session, actor, [row], now=delivery.now)
    return Wrote(product_id)


def _take(delivery: Delivery, values: Mapping[str, Any]) -> UUID:
    """An order that began in the ERP, submitted: nobody saw a price, so that ours holds."""
    session, actor, now = delivery.session, delivery.actor, delivery.now
    if not values.get("account_external_id") or not values.get("lines"):
        raise NewsUnknown(field="order_number")
    lines = [
        {
            "id": new_id(),
            "product_id": product_of(delivery, row["sku"]),
            "unit": row["unit"],
            "quantity": row["quantity"],
            "position": position,
        }
        for position, row in enumerate(values["lines"])
    ]
    taken = {name: values[name] for name in TAKEN_OVER if name in values}
    taken |= {"account_id": account_of(delivery, values), "lines": lines}
    order_id = orders.create_order(session, actor, taken, now=now).id
    orders.submit(session, actor, order_id, {}, at=now, now=now)
    return order_id


def _check_same(delivery: Delivery, lines: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Whether the ERP still means what was ordered: so much of each product, in whatever lines."""
    ordered, told = Counter[tuple[Any, str]](), Counter[tuple[Any, str]]()
    for line in lines:
        ordered[line.product_id, line.unit] += line.quantity
    for row in rows:
        told[product_of(delivery, row["sku"]), row["unit"]] += row["quantity"]
    if ordered != told:
        raise RowChanged(field="lines")


def _named_order(delivery: Delivery, values: Mapping[str, Any]) -> UUID:
    if values.get("order_id") is not None:
        try:
            return orders.get_order(delivery.session, delivery.actor, values["order_id"]).id
        except NotFound:
            raise ReferenceNotFound(field="order_id") from None
    if values.get("order_number") is None:
        raise NewsUnknown(field="order_number")
    return order_numbered(delivery, values["order_number"])


def _order_of_shipment(delivery: Delivery, values: Mapping[str, Any]) -> UUID:
    if values.get("order_external_id") is not None:
        found = delivery.find("order", values["order_external_id"])
        if found is None:
            raise ReferenceNotFound(field="order_external_id")
        return found
    return order_numbered(delivery, values["order_number"])


def _prepare(delivery: Delivery, values: Mapping[str, Any]) -> UUID:
    session, actor = delivery.session, delivery.actor
    order_id = _order_of_shipment(delivery, values)
    wanted: dict[str, Any] = {
        "order_id": order_id,
        "carrier": values.get("carrier"),
        "tracking_number": values.get("tracking_number"),
    }
    if values.get("lines"):
        order = orders.get_order(session, actor, order_id, lock=True)
        wanted["lines"] = _items(delivery, orders.items_of(session, order), values["lines"])
    return orders.create_shipment(session, actor, wanted, now=delivery.now).id


def _items(
    delivery: Delivery, left: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The items of an order that an ERP's lines are: it knows products and units, and no ids of lines."""
    taken: dict[str, Decimal] = {}
    for row in rows:
        product_id, quantity = str(product_of(delivery, row["sku"])), row["quantity"]
        fitting = [one for one in left.values() if (one.product_id, one.unit) == (product_id, row["unit"])]
        if not fitting:
            raise ReferenceNotFound(field="sku")
        for item in fitting:
            part = min(quantity, item.open - taken.get(item.key, ZERO))
            if part > 0:
                taken[item.key] = taken.get(item.key, ZERO) + part
                quantity -= part
        if quantity > 0:  # more than is open: orders says so
            taken[fitting[-1].key] = taken.get(fitting[-1].key, ZERO) + quantity
    return [{"item": key, "quantity": quantity} for key, quantity in taken.items()]
