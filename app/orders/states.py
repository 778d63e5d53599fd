"""The states of orders, shipments and returns, and the steps between them."""

import enum
from typing import Final

from sync.policy import StateMachine


class OrderStatus(enum.StrEnum):
    """Where an order stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    PENDING_APPROVAL = "pending_approval"
    ON_HOLD = "on_hold"
    APPROVED = "approved"
    CONFIRMED = "confirmed"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class ShipmentStatus(enum.StrEnum):
    """Where a shipment is."""

    PREPARED = "prepared"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class ReturnStatus(enum.StrEnum):
    """How far goods have come back."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RECEIVED = "received"
    INSPECTED = "inspected"
    CREDITED = "credited"
    REJECTED = "rejected"


# Orders that the customer will have to pay: they count against the credit until they are invoiced.
COMMITTED: Final = (
    OrderStatus.APPROVED,
    OrderStatus.CONFIRMED,
    OrderStatus.PARTIALLY_SHIPPED,
    OrderStatus.SHIPPED,
    OrderStatus.DELIVERED,
    OrderStatus.CLOSED,
)
# Goods of these may leave the warehouse.
SHIPPABLE: Final = (OrderStatus.CONFIRMED, OrderStatus.PARTIALLY_SHIPPED)
# Something of these has arrived, and may come back.
RETURNABLE: Final = (
    OrderStatus.PARTIALLY_SHIPPED,
    OrderStatus.SHIPPED,
    OrderStatus.DELIVERED,
    OrderStatus.CLOSED,
)


def _from(*states: enum.StrEnum) -> frozenset[str]:
    return frozenset(state.value for state in states)


_BEFORE_APPROVAL = (OrderStatus.SUBMITTED, OrderStatus.PENDING_APPROVAL, OrderStatus.ON_HOLD)

# Where a submitted order goes is for the rules to say: approved, pending_approval or on_hold.
ORDER_MACHINE = StateMachine(
    field="status",
    steps={
        "submit": (_from(OrderStatus.DRAFT), OrderStatus.SUBMITTED.value),
        "recheck": (_from(OrderStatus.ON_HOLD), OrderStatus.SUBMITTED.value),
        "request_release": (
            _from(OrderStatus.ON_HOLD, *SHIPPABLE),
            OrderStatus.PENDING_APPROVAL.value,
        ),
        "reopen": (_from(*_BEFORE_APPROVAL, OrderStatus.APPROVED), OrderStatus.DRAFT.value),
        "cancel": (
            _from(OrderStatus.DRAFT, *_BEFORE_APPROVAL, OrderStatus.APPROVED, OrderStatus.CONFIRMED),
            OrderStatus.CANCELLED.value,
        ),
        "confirm": (_from(OrderStatus.APPROVED), OrderStatus.CONFIRMED.value),
        "close_remaining": (_from(OrderStatus.PARTIALLY_SHIPPED), OrderStatus.SHIPPED.value),
        "close": (_from(OrderStatus.DELIVERED), OrderStatus.CLOSED.value),
    },
    frozen_states=_from(*(status for status in OrderStatus if status is not OrderStatus.DRAFT)),
)

SHIPMENT_MACHINE = StateMachine(
    field="status",
    steps={
        "ship": (_from(ShipmentStatus.PREPARED), ShipmentStatus.SHIPPED.value),
        "deliver": (_from(ShipmentStatus.SHIPPED), ShipmentStatus.DELIVERED.value),
        "cancel": (_from(ShipmentStatus.PREPARED), ShipmentStatus.CANCELLED.value),
    },
    frozen_states=_from(ShipmentStatus.SHIPPED, ShipmentStatus.DELIVERED, ShipmentStatus.CANCELLED),
)

RETURN_MACHINE = StateMachine(
    field="status",
    steps={
        "approve": (_from(ReturnStatus.REQUESTED), ReturnStatus.APPROVED.value),
        "receive": (_from(ReturnStatus.APPROVED), ReturnStatus.RECEIVED.value),
        "inspect": (_from(ReturnStatus.RECEIVED), ReturnStatus.INSPECTED.value),
        "credit": (_from(ReturnStatus.INSPECTED), ReturnStatus.CREDITED.value),
        "reject": (
            _from(
                ReturnStatus.REQUESTED, ReturnStatus.APPROVED, ReturnStatus.RECEIVED, ReturnStatus.INSPECTED
            ),
            ReturnStatus.REJECTED.value,
        ),
    },
    frozen_states=_from(ReturnStatus.CREDITED, ReturnStatus.REJECTED),
)
