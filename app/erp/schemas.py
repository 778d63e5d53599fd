"""Wire forms of what an ERP sends: a delivery of rows, and what became of each."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from app.erp.service import OrderNews, Outcome, PaymentMethod, PaymentNews, ShipmentNews
from app.http.fields import (
    Boolean,
    Choice,
    CurrencyCode,
    Day,
    Id,
    Integer,
    Json,
    ListOf,
    Money,
    Quantity,
    Rows,
    Text,
    Time,
    WireSchema,
)

KEY_MAX = 100
LINE_MAX = 500
ROWS_MAX = 2_000
LINES_MAX = 500


def _key(example: str, **kwargs: Any) -> Text:
    return Text(max=KEY_MAX, blank=False, metadata={"example": example}, **kwargs)


class RowSchema(WireSchema):
    """What every row has: its key in the other system."""

    external_id = _key("4500017731", required=True)


class OrderLineRowSchema(WireSchema):
    """A line as the ERP writes it."""

    sku = _key("ZIC-X7-5W30-4L", required=True)
    unit = _key("BOX", required=True)
    quantity = Quantity(min="0.000001", required=True)


class OrderRowSchema(RowSchema):
    """News of an order: accepted by the ERP, called off there, or begun there."""

    order_id = Id(metadata={"description": "Ours, with the first news; or `order_number`"})
    order_number = _key("HQ-2026-000123")
    account_external_id = _key("100234")
    currency = CurrencyCode()
    requested_on = Day(allow_none=True)
    customer_reference = Text(max=LINE_MAX, allow_none=True, metadata={"example": "PO-2026-118"})
    note = Text(max=LINE_MAX, allow_none=True, metadata={"example": "화요일 오전 배송"})
    lines = Rows(OrderLineRowSchema, max_items=LINES_MAX)
    status = Choice(OrderNews, required=True)
    reason = Text(max=LINE_MAX, allow_none=True, metadata={"example": "단종"})


class ShipmentRowSchema(RowSchema):
    """Goods on their way; a shipment's lines are told once."""

    order_external_id = _key("4500017731")
    order_number = _key("HQ-2026-000123")
    status = Choice(ShipmentNews, required=True)
    lines = Rows(OrderLineRowSchema, max_items=LINES_MAX)
    carrier = Text(max=KEY_MAX, allow_none=True, metadata={"example": "한진택배"})
    tracking_number = Text(max=KEY_MAX, allow_none=True, metadata={"example": "1234-5678-9012"})
    happened_at = Time(required=True, metadata={"description": "When it was shipped or delivered"})
    signed_by = Text(max=KEY_MAX, allow_none=True, metadata={"example": "김영희"})

    @validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        """A shipment is of an order."""
        if "order_external_id" not in data and "order_number" not in data:
            raise ValidationError("required", "order_number")


class InvoiceRowSchema(RowSchema):
    """An invoice."""

    number = _key("INV-2026-0099", required=True)
    account_external_id = _key("100234", required=True)
    order_number = _key("HQ-2026-000123", allow_none=True)
    currency = CurrencyCode(required=True)
    amount = Money(min="0.0001", required=True)
    issued_on = Day(required=True)
    due_on = Day(required=True)
    void = Boolean(metadata={"description": "Called off", "example": False})


class AllocationRowSchema(WireSchema):
    """Which invoice a payment pays, and how much of it."""

    invoice_external_id = _key("9000012345", required=True)
    amount = Money(min="0.0001", required=True)


class PaymentRowSchema(RowSchema):
    """Money that came in, or did not after all."""

    account_external_id = _key("100234", required=True)
    currency = CurrencyCode(required=True)
    amount = Money(min="0.0001", required=True)
    method = Choice(PaymentMethod, required=True)
    receipt_number = _key("R-7F3A-000123", allow_none=True)
    reason = Text(max=LINE_MAX, allow_none=True, metadata={"example": "잔액 부족"})
    paid_at = Time(required=True)
    status = Choice(PaymentNews, load_default=PaymentNews.CONFIRMED)
    allocations = Rows(AllocationRowSchema, max_items=LINES_MAX)


class StockRowSchema(RowSchema):
    """How much of a product lies in a warehouse."""

    warehouse = _key("ICN-1", required=True)
    sku = _key("ZIC-X7-5W30-4L", required=True)
    quantity = Quantity(min="0", required=True, metadata={"description": "In the product's base unit"})
    as_of = Time(required=True)


class DeliverySchema(WireSchema):
    """Rows of one kind; each is judged by itself."""

    system = _key("SAP", required=True)
    rows = ListOf(Json(), min_items=1, max_items=ROWS_MAX, required=True)


class RowErrorSchema(WireSchema):
    """What is wrong with a field of a row."""

    pointer = Text(max=LINE_MAX, dump_only=True, metadata={"example": "/amount"})
    code = Text(max=KEY_MAX, dump_only=True, metadata={"example": "too_many_decimals"})


class TakenSchema(WireSchema):
    """What became of a row."""

    external_id = Text(max=KEY_MAX, dump_only=True, allow_none=True, metadata={"example": "4500017731"})
    outcome = Choice(Outcome, dump_only=True)
    id = Id(dump_only=True, allow_none=True)
    code = Text(max=KEY_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    details = Json(dump_only=True)
    errors = Rows(RowErrorSchema, dump_only=True)


class DeliveredSchema(WireSchema):
    """What became of a delivery, row by row in its order."""

    created = Integer(dump_only=True, metadata={"example": 1})
    updated = Integer(dump_only=True, metadata={"example": 0})
    unchanged = Integer(dump_only=True, metadata={"example": 0})
    rejected = Integer(dump_only=True, metadata={"example": 0})
    results = Rows(TakenSchema, dump_only=True, max_items=ROWS_MAX)
