"""What another system means: its keys and numbers, as our records."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.catalog import service as catalog
from app.core.errors import ReferenceNotFound
from app.erp.service.taking import Delivery
from app.orders import service as orders


def account_of(delivery: Delivery, values: Mapping[str, Any]) -> UUID:
    """The account that a row names; raises ReferenceNotFound."""
    found = delivery.find("account", values["account_external_id"])
    if found is None:
        raise ReferenceNotFound(field="account_external_id")
    return found


def order_numbered(delivery: Delivery, number: str) -> UUID:
    """Our order of a number; raises ReferenceNotFound."""
    found = orders.find_by_number(delivery.session, delivery.actor, number)
    if found is None:
        raise ReferenceNotFound(field="order_number")
    return found


def product_of(delivery: Delivery, sku: str) -> UUID:
    """The product of a number; raises ReferenceNotFound."""
    found = catalog.find_by_sku(delivery.session, delivery.actor, [sku])
    if sku not in found:
        raise ReferenceNotFound(field="sku")
    return found[sku]
