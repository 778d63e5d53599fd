"""Wire forms of orders and what belongs to them; the fields stand in the order of the feed."""

from typing import Any

from app.core.scope import Role
from app.http.fields import (
    Boolean,
    Choice,
    CurrencyCode,
    Day,
    Float,
    Id,
    Integer,
    Json,
    Money,
    Nested,
    Point,
    Quantity,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery
from app.orders.models import ManualKind, Verdict
from app.orders.states import OrderStatus, ReturnStatus, ShipmentStatus

LINE_MAX = 500
TEXT_MAX = 20_000
LINES_MAX = 500
UNIT_MAX = 40
ITEM_MAX = 200
JSON_MAX = 2_000_000
SHA256 = "[0-9a-f]{64}"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _text(longest: int, example: Any, **kwargs: Any) -> Text:
    return Text(max=longest, allow_none=True, metadata={"example": example}, **kwargs)


def _told(field: type[Any], **kwargs: Any) -> Any:
    """A field of the server."""
    return field(dump_only=True, allow_none=True, **kwargs)


class OrderLineSchema(WireSchema):
    """So many of a product; a row of its order."""

    id = Id()
    product_id = Id(metadata={"description": "Required of a new line, with unit and quantity"})
    unit = Text(max=UNIT_MAX, blank=False, metadata={"example": "BOX"})
    quantity = Quantity(min="0.000001", metadata={"example": "12.000000"})
    manual_kind = Choice(
        ManualKind, allow_none=True, metadata={"description": "How a discount by hand is written"}
    )
    manual_value = Money(min=0, allow_none=True, metadata={"example": "5.0000"})
    position = Integer(min=0, max=10_000, metadata={"example": 1})
    note = _text(LINE_MAX, "지게차 하차 필요")


class OrderSchema(WireSchema):
    """An order with its lines, and what the server made of them."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True, metadata={"description": "Fixed once the order is made"})
    site_id = Id(allow_none=True)
    warehouse_id = Id(allow_none=True)
    owner_id = Id(dump_only=True)
    currency = CurrencyCode(
        metadata={"description": "That of the account's credit, or the company's, when left out"}
    )
    requested_on = Day(allow_none=True)
    customer_reference = _text(LINE_MAX, "PO-2026-118")
    terms_days = Integer(min=0, max=3650, allow_none=True, metadata={"example": 30})
    prepaid = Boolean(metadata={"description": "Passes the credit if payments cover it", "example": False})
    manual_percent = Money(min=0, max=100, allow_none=True, metadata={"example": "3.0000"})
    note = _text(TEXT_MAX, "월말 세금계산서 합산")
    lines = Rows(OrderLineSchema, max_items=LINES_MAX)
    status = Choice(OrderStatus, dump_only=True)
    revision = Integer(dump_only=True, metadata={"example": 1})
    number = Text(max=80, dump_only=True, allow_none=True, metadata={"example": "SEOUL-2026-000118"})
    taken_at = Time(dump_only=True)
    submitted_at = _told(Time)
    submitted_by = _told(Id)
    approved_at = _told(Time)
    confirmed_at = _told(Time)
    cancel_reason = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    hold_reasons = Texts(max=40, max_items=10, dump_only=True, metadata={"example": []})
    findings = _told(Json, metadata={"description": "What the rules said: code, verdict and values of each"})
    priced_on = _told(Day)
    priced = _told(Json, metadata={"description": "The server's price with its trace"})
    fulfilment = _told(
        Json, metadata={"description": "Of each item what was ordered, cut, shipped, returned"}
    )
    discount_percent = _told(Money)
    net = _told(Money)
    tax = _told(Money)
    total = _told(Money)
    payable = _told(Money)
    base_total = _told(Money)
    base_currency = CurrencyCode(dump_only=True, allow_none=True)
    document_hash = Text(max=64, dump_only=True, allow_none=True, metadata={"example": HASH})
    approval_id = _told(Id)


class OrderCreateSchema(OrderSchema):
    """A new order; its id may be minted by the caller."""

    id = Id()


class OrderQuery(PageQuery):
    """Filters of the list of orders."""

    account_id = Id()
    owner_id = Id()
    status = Choice(OrderStatus)
    taken_from = Time()
    taken_to = Time(metadata={"description": "Exclusive"})


class ShownLineSchema(WireSchema):
    """What a phone showed for one line."""

    id = Id(required=True)
    total = Money(required=True, metadata={"example": "13200.0000"})


class ShownPriceSchema(WireSchema):
    """The price that the customer saw."""

    currency = CurrencyCode(required=True)
    priced_on = Day(required=True)
    lines = Rows(ShownLineSchema, max_items=LINES_MAX, required=True)
    total = Money(required=True, metadata={"example": "13200.0000"})


class SubmitSchema(WireSchema):
    """What the phone showed, to be compared with the server's price."""

    price = Nested(
        ShownPriceSchema,
        allow_none=True,
        metadata={"description": "Left out where nobody saw a price: the server's is taken"},
    )


class NoArgsSchema(WireSchema):
    """A command that needs no more than its name."""


class ReasonSchema(WireSchema):
    """Why."""

    reason = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "고객 요청"})


class CommentSchema(WireSchema):
    """Why, where there is something to say."""

    reason = _text(LINE_MAX, "한도 상향 요청")


class MarginSchema(WireSchema):
    """What an order costs the company; for the office alone."""

    currency = CurrencyCode(dump_only=True)
    cost = _told(Money)
    margin_percent = _told(Money)
    below_floor = Texts(max=40, max_items=LINES_MAX, dump_only=True, metadata={"description": "Ids of lines"})


class PriceSchema(WireSchema):
    """What the server asks for an order."""

    price = Json(dump_only=True, metadata={"description": "The trace that phones compare with their own"})


class SettingsSchema(WireSchema):
    """What a company decided about its orders; amounts in its own currency."""

    version = Integer(dump_only=True)
    price_tolerance_percent = Money(min=0, max=100, metadata={"example": "0.5000"})
    price_tolerance_amount = Money(min=0, metadata={"example": "100.0000"})
    price_days = Integer(min=0, max=365, metadata={"example": 7})
    overdue_days = Integer(min=0, max=3650, metadata={"example": 30})
    minimum_order = Money(min=0, allow_none=True)
    minimum_margin = Money(min=-100, max=100, allow_none=True, metadata={"example": "12.0000"})
    default_discount = Money(min=0, max=100, metadata={"example": "0.0000"})
    minimum_rule = Choice(Verdict)
    stock_rule = Choice(Verdict)
    floor_rule = Choice(Verdict)
    margin_rule = Choice(Verdict)
    expired_rule = Choice(Verdict)
    discontinued_rule = Choice(Verdict)


class DiscountLimitSchema(WireSchema):
    """How many per cent a person, or everybody of a role, may grant by hand."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    user_id = Id(allow_none=True, metadata={"description": "Either a person or a role"})
    role = Choice(Role, allow_none=True)
    percent = Money(min=0, max=100, required=True, metadata={"example": "5.0000"})


class DiscountLimitCreateSchema(DiscountLimitSchema):
    """A new limit."""

    id = Id()


class DiscountLimitChangeSchema(WireSchema):
    """How much it is from now on."""

    percent = Money(min=0, max=100, required=True, metadata={"example": "7.0000"})


class WarehouseSchema(WireSchema):
    """A place that goods are shipped from."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = Text(max=UNIT_MAX, blank=False, required=True, metadata={"example": "ICN-1"})
    name = Text(max=LINE_MAX, blank=False, required=True, nfc=True, metadata={"example": "인천 물류센터"})
    org_unit_id = Id(allow_none=True)


class WarehouseCreateSchema(WarehouseSchema):
    """A new warehouse."""

    id = Id()


class StockSchema(WireSchema):
    """How much of a product a warehouse had when it was last counted, in base units."""

    id = Id(dump_only=True)
    warehouse_id = Id(required=True)
    product_id = Id(required=True)
    quantity = Quantity(min=0, required=True)
    taken_at = Time()


class StockCountSchema(WireSchema):
    """A count of many products."""

    rows = Rows(StockSchema, max_items=10_000, required=True)


class CountedSchema(WireSchema):
    """How many of the rows were newer than what was known."""

    taken_over = Integer(dump_only=True)


class StockQuery(PageQuery):
    """Filters of the list of stock."""

    warehouse_id = Id()
    product_id = Id()


class OfOrderQuery(PageQuery):
    """What hangs on one order."""

    order_id = Id()


class ShipmentLineSchema(WireSchema):
    """So many of an item, in the ordered unit."""

    id = Id(dump_only=True)
    item = Text(
        max=ITEM_MAX,
        blank=False,
        required=True,
        metadata={
            "description": "Id of the order's line; of free goods as `fulfilment` names it",
            "example": "01936f2e-8a3b-7c11-9e0d-2f6a7b8c9d0e",
        },
    )
    quantity = Quantity(min="0.000001", required=True)


class ShipmentSchema(WireSchema):
    """Goods of one order that leave together."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    order_id = Id(required=True)
    account_id = Id(dump_only=True)
    warehouse_id = Id(allow_none=True)
    status = Choice(ShipmentStatus, dump_only=True)
    carrier = _text(LINE_MAX, "대한통운")
    tracking_number = _text(LINE_MAX, "6890123456")
    lines = Rows(
        ShipmentLineSchema,
        max_items=LINES_MAX,
        metadata={"description": "All that is open, when left out"},
    )
    shipped_at = _told(Time)
    delivered_at = _told(Time)
    signed_by = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    signature_sha256 = Text(max=64, dump_only=True, allow_none=True, metadata={"example": HASH})
    photo_sha256 = Text(max=64, dump_only=True, allow_none=True, metadata={"example": HASH})
    delivered_location = Point(dump_only=True, allow_none=True)


class ShipmentCreateSchema(ShipmentSchema):
    """A new shipment."""

    id = Id()


class PlaceSchema(WireSchema):
    """Where something was handed over."""

    lat = Float(min=-90, max=90, required=True, metadata={"example": 37.5665})
    lon = Float(min=-180, max=180, required=True, metadata={"example": 126.978})


class ProofSchema(WireSchema):
    """Proof that goods have arrived."""

    signed_by = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "김담당"})
    signature_sha256 = Text(max=64, pattern=SHA256, allow_none=True, metadata={"example": HASH})
    photo_sha256 = Text(max=64, pattern=SHA256, allow_none=True, metadata={"example": HASH})
    location = Nested(PlaceSchema, allow_none=True)


class ReturnLineSchema(WireSchema):
    """So many of an item that come back, and how many of them were good."""

    id = Id()
    item = Text(
        max=ITEM_MAX,
        blank=False,
        required=True,
        metadata={"example": "01936f2e-8a3b-7c11-9e0d-2f6a7b8c9d0e"},
    )
    quantity = Quantity(min="0.000001", required=True)
    accepted = _told(Quantity)


class OrderReturnSchema(WireSchema):
    """Goods of one order that come back."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    order_id = Id(required=True)
    account_id = Id(dump_only=True)
    status = Choice(ReturnStatus, dump_only=True)
    reason = Text(max=LINE_MAX, blank=False, required=True, metadata={"example": "용기 파손"})
    lines = Rows(ReturnLineSchema, max_items=LINES_MAX, required=True)
    decision = Text(max=LINE_MAX, dump_only=True, allow_none=True, metadata={"example": None})
    credited = _told(Money)
    currency = CurrencyCode(dump_only=True, allow_none=True)


class OrderReturnCreateSchema(OrderReturnSchema):
    """A new return; its id may be minted by the caller."""

    id = Id()


class InspectedLineSchema(WireSchema):
    """How many of an item were good."""

    item = Text(
        max=ITEM_MAX, blank=False, required=True, metadata={"example": "01936f2e-8a3b-7c11-9e0d-2f6a7b8c9d0e"}
    )
    accepted = Quantity(min=0, required=True)


class InspectionSchema(WireSchema):
    """What was found of each item."""

    lines = Rows(InspectedLineSchema, max_items=LINES_MAX, required=True)


# By the names that phones send.
COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "submit": SubmitSchema,
    "recheck": NoArgsSchema,
    "request_release": NoArgsSchema,
    "reopen": NoArgsSchema,
    "cancel": ReasonSchema,
    "confirm": NoArgsSchema,
    "close_remaining": NoArgsSchema,
    "close": NoArgsSchema,
}
SHIPMENT_COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "ship": NoArgsSchema,
    "deliver": ProofSchema,
    "cancel": NoArgsSchema,
}
RETURN_COMMAND_SCHEMAS: dict[str, type[WireSchema]] = {
    "approve": CommentSchema,
    "receive": NoArgsSchema,
    "inspect": InspectionSchema,
    "credit": NoArgsSchema,
    "reject": ReasonSchema,
}
