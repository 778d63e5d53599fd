"""What an ERP may tell, by kind of row; each is written by the room that it belongs to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.erp.service.errors import NewsUnknown, RowChanged
from app.erp.service.goods import OrderNews, ShipmentNews, write_order, write_shipment, write_stock
from app.erp.service.money import PaymentNews, write_invoice, write_payment
from app.erp.service.taking import InboundRow, Outcome, Taken, take
from app.receivables.service import PaymentMethod


class Taker(Protocol):
    """Takes the rows of one kind; see ``taking.take``."""

    def __call__(
        self, session: Session, actor: Actor, system: str, *, rows: Sequence[InboundRow], now: datetime
    ) -> list[Taken]: ...


# By the names of their addresses.
TAKERS: Final[Mapping[str, Taker]] = {
    "orders": partial(take, entity="order", write=write_order),
    "shipments": partial(take, entity="shipment", write=write_shipment),
    "invoices": partial(take, entity="invoice", write=write_invoice),
    "payments": partial(take, entity="payment", write=write_payment),
    "stock": partial(take, entity="stock", write=write_stock),
}

__all__ = [
    "TAKERS",
    "InboundRow",
    "NewsUnknown",
    "OrderNews",
    "Outcome",
    "PaymentMethod",
    "PaymentNews",
    "RowChanged",
    "ShipmentNews",
    "Taken",
    "Taker",
]
