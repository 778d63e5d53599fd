"""What may be done with orders, shipments, returns and stock; the one way to write them."""

from app.orders.service.credit import tell_committed
from app.orders.service.drafts import create_order, delete_order, update_order
from app.orders.service.lookups import find_by_number, find_warehouse
from app.orders.service.margins import Margin, margin_of, preview
from app.orders.service.records import get_order, list_orders, masked_fields
from app.orders.service.returning import (
    approve_return,
    create_order_return,
    credit_return,
    get_locked_return,
    get_order_return,
    inspect_return,
    list_order_returns,
    receive_return,
    reject_return,
)
from app.orders.service.settings import (
    change_settings,
    create_discount_limit,
    create_warehouse,
    delete_discount_limit,
    delete_warehouse,
    get_discount_limit,
    get_settings,
    get_warehouse,
    list_discount_limits,
    list_warehouses,
    update_discount_limit,
    update_warehouse,
)
from app.orders.service.shipped import items_of
from app.orders.service.shipping import (
    cancel_shipment,
    create_shipment,
    deliver,
    get_locked_shipment,
    get_shipment,
    list_shipments,
    ship,
)
from app.orders.service.steps import cancel, close, close_remaining, confirm, reopen
from app.orders.service.stock import list_stock, record_stock
from app.orders.service.submitting import recheck, request_release, submit

# By the names that phones send.
COMMANDS = {
    "submit": submit,
    "recheck": recheck,
    "request_release": request_release,
    "reopen": reopen,
    "cancel": cancel,
    "confirm": confirm,
    "close_remaining": close_remaining,
    "close": close,
}
SHIPMENT_COMMANDS = {"ship": ship, "deliver": deliver, "cancel": cancel_shipment}
RETURN_COMMANDS = {
    "approve": approve_return,
    "receive": receive_return,
    "inspect": inspect_return,
    "credit": credit_return,
    "reject": reject_return,
}

__all__ = [
    "COMMANDS",
    "RETURN_COMMANDS",
    "SHIPMENT_COMMANDS",
    "Margin",
    "cancel",
    "cancel_shipment",
    "change_settings",
    "close",
    "close_remaining",
    "confirm",
    "create_discount_limit",
    "create_order",
    "create_order_return",
    "create_shipment",
    "create_warehouse",
    "delete_discount_limit",
    "delete_order",
    "delete_warehouse",
    "deliver",
    "find_by_number",
    "find_warehouse",
    "get_discount_limit",
    "get_locked_return",
    "get_locked_shipment",
    "get_order",
    "get_order_return",
    "get_settings",
    "get_shipment",
    "get_warehouse",
    "items_of",
    "list_discount_limits",
    "list_order_returns",
    "list_orders",
    "list_shipments",
    "list_stock",
    "list_warehouses",
    "margin_of",
    "masked_fields",
    "preview",
    "recheck",
    "record_stock",
    "reopen",
    "request_release",
    "ship",
    "submit",
    "tell_committed",
    "update_discount_limit",
    "update_order",
    "update_warehouse",
]
