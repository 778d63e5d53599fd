"""What of an order is commercial: its hash, and the snapshot that approvers decide on."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from app.orders.models import Order, OrderLine


def snapshot_of(order: Order) -> dict[str, Any]:
    """Everything commercial of a priced order, as JSON; nothing of it is hidden from its rep."""
    return {
        "id": str(order.id),
        "revision": order.revision,
        "account_id": str(order.account_id),
        "site_id": _text(order.site_id),
        "currency": order.currency,
        "priced_on": _text(order.priced_on),
        "requested_on": _text(order.requested_on),
        "terms_days": order.terms_days,
        "prepaid": order.prepaid,
        "manual_percent": _amount(order.manual_percent),
        "lines": [_line(line) for line in order.lines],
        "priced": order.priced,
        "net": _amount(order.net),
        "tax": _amount(order.tax),
        "total": _amount(order.total),
    }


def hash_of(snapshot: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(orjson.dumps(dict(snapshot), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "id": str(line.id),
        "product_id": str(line.product_id),
        "unit": line.unit,
        "quantity": f"{line.quantity:.6f}",
        "manual_kind": _text(line.manual_kind),
        "manual_value": _amount(line.manual_value),
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.4f}"
