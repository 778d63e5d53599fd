"""Wire forms of the catalogue; the fields stand in the order of the feed."""

from typing import Any

from app.catalog.models import ProductStatus
from app.catalog.pricing import Benefit, ListKind, RoundingMode
from app.catalog.service import AT_ONCE, Outcome
from app.http.fields import (
    Boolean,
    Choice,
    Currency,
    Day,
    Id,
    Integer,
    Money,
    Quantity,
    Rate,
    Rows,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery, PlaceQuery

NAME_MAX = 500
CODE_MAX = 60
UNIT_MAX = 20
SMALLEST = "0.000001"
LOWEST = "0.0001"


def _code(**kwargs: Any) -> Text:
    return Text(max=CODE_MAX, blank=False, nfc=True, **kwargs)


def _unit(**kwargs: Any) -> Text:
    kwargs.setdefault("metadata", {"example": "BOX"})
    return Text(max=UNIT_MAX, blank=False, nfc=True, **kwargs)


def _name(example: str, **kwargs: Any) -> Text:
    return Text(max=NAME_MAX, nfc=True, metadata={"example": example}, **kwargs)


def _fixed(what: str = "Fixed once it is made") -> dict[str, str]:
    return {"description": what}


class CurrencySchema(WireSchema):
    """How amounts of a currency round."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = Currency(required=True, metadata=_fixed())
    line_unit = Money(min=LOWEST, required=True, metadata={"example": "1.0000"})
    line_mode = Choice(RoundingMode)
    tax_unit = Money(
        min=LOWEST,
        required=True,
        metadata={"description": "A multiple of `line_unit`", "example": "1.0000"},
    )
    tax_mode = Choice(RoundingMode)
    tax_inclusive = Boolean(metadata={"description": "Prices contain the tax", "example": False})


class CurrencyCreateSchema(CurrencySchema):
    """A new rule of rounding."""

    id = Id()


class ExchangeRateSchema(WireSchema):
    """What one of a currency is worth in the company's own, from a day on."""

    id = Id(dump_only=True)
    currency = Currency(required=True, metadata={"example": "USD"})
    day = Day(required=True)
    rate = Rate(min="0.0000000001", required=True)


class ExchangeRateQuery(PageQuery):
    """Filters of the list of rates."""

    currency = Currency(metadata={"example": "USD"})


class TaxCodeSchema(WireSchema):
    """A tax on sales."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = _code(required=True, metadata={"example": "standard", **_fixed()})
    name = _name("부가가치세", allow_none=True)
    percent = Money(min=0, max=100, required=True, metadata={"example": "10.0000"})


class TaxCodeCreateSchema(TaxCodeSchema):
    """A new tax."""

    id = Id()


class ProductUnitSchema(WireSchema):
    """A pack or measure that a product is sold in; a row of its product, known by its unit."""

    id = Id()
    unit = _unit(required=True)
    factor = Quantity(
        min=SMALLEST,
        required=True,
        metadata={"description": "How many base units it holds", "example": "12.000000"},
    )
    barcode = Text(max=CODE_MAX, allow_none=True, metadata={"example": "8801234567893"})


class ProductSchema(WireSchema):
    """What is sold."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    sku = _code(required=True, metadata={"example": "OIL-5W30-1L", **_fixed()})
    name = _name("합성 엔진오일 5W30 1L", blank=False, required=True)
    name_en = _name("Synthetic engine oil 5W30 1L", allow_none=True)
    categories = Texts(max=CODE_MAX, max_items=50)
    base_unit = _unit(required=True, metadata={"example": "EA", **_fixed()})
    units = Rows(
        ProductUnitSchema, max_items=50, metadata={"description": "The base unit is always among them"}
    )
    tax_code = _code(metadata={"example": "standard"})
    serial_tracked = Boolean(metadata={"example": False})
    warranty_months = Integer(min=0, max=1_200, allow_none=True, metadata={"example": 12})
    status = Choice(ProductStatus)
    substitutes = Texts(
        max=CODE_MAX, max_items=50, metadata={"description": "SKUs", "example": ["OIL-5W30-4L"]}
    )


class ProductCreateSchema(ProductSchema):
    """A new product."""

    id = Id()


class ProductQuery(PageQuery):
    """Filters of the list of products."""

    sku = _code(metadata={"example": "OIL-5W30-1L"})
    status = Choice(ProductStatus)


class CostSchema(WireSchema):
    """What one base unit of a product costs the company."""

    product_id = Id(dump_only=True)
    currency = Currency(required=True)
    cost = Money(min=0, required=True)
    valid_from = Day(required=True)


class DayQuery(WireSchema):
    """On which day."""

    day = Day(metadata={"description": "Today, when left out"})


class PriceListSchema(WireSchema):
    """Prices of one currency that are agreed or offered together."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = _code(required=True, metadata={"example": "DEALER-2027", **_fixed()})
    name = _name("대리점 단가표 2027", blank=False, required=True)
    kind = Choice(ListKind, metadata=_fixed())
    currency = Currency(required=True, metadata=_fixed())
    valid_from = Day(allow_none=True)
    valid_to = Day(allow_none=True, metadata={"description": "Inclusive"})


class PriceListCreateSchema(PriceListSchema):
    """A new price list."""

    id = Id()


class PriceListAssignmentSchema(WireSchema):
    """Who buys by a list: just one of an account, the accounts of a territory, everybody."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    price_list_id = Id(required=True)
    account_id = Id(allow_none=True)
    territory_id = Id(allow_none=True, metadata={"description": "Not of those below it"})
    everybody = Boolean()
    rank = Integer(
        min=0,
        max=1_000_000,
        metadata={
            "description": "Lower ones are asked first; an account's own before its territory's, and everybody's last"
        },
    )


class PriceListAssignmentCreateSchema(PriceListAssignmentSchema):
    """A new assignment."""

    id = Id()


class OfListQuery(PageQuery):
    """Filters by list."""

    price_list_id = Id()


class PriceItemSchema(WireSchema):
    """A step of a price: of one unit, from a quantity on; known by both."""

    id = Id()
    unit = _unit(required=True)
    min_quantity = Quantity(min=0, metadata={"example": "0.000000"})
    price = Money(min=0, required=True)


class PriceItemWriteSchema(PriceItemSchema):
    """A step as the office writes it."""

    min_quantity = Quantity(min=0, required=True, metadata={"example": "0.000000"})
    floor_price = Money(
        min=0,
        allow_none=True,
        metadata={"description": "Below it the office wants to be asked; stays as it is when left out"},
    )


class PriceSchema(WireSchema):
    """What a product costs by a list in a span of days."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    price_list_id = Id(required=True)
    product_id = Id(required=True)
    valid_from = Day(required=True)
    valid_to = Day(allow_none=True, metadata={"description": "Inclusive"})
    items = Rows(PriceItemSchema, max_items=100)


class PriceWriteSchema(PriceSchema):
    """A price as the office writes it."""

    items = Rows(PriceItemWriteSchema, max_items=100, required=True)


class PriceCreateSchema(PriceWriteSchema):
    """A new price."""

    id = Id()


class PriceQuery(OfListQuery):
    """Filters of the list of prices."""

    product_id = Id()


class FloorSchema(WireSchema):
    """A step of a price with its floor."""

    id = Id(dump_only=True)
    unit = _unit(dump_only=True)
    min_quantity = Quantity(dump_only=True)
    price = Money(dump_only=True)
    floor_price = Money(dump_only=True, allow_none=True)


class PromotionSchema(WireSchema):
    """A promotion."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = _code(required=True, metadata={"example": "WINTER-10", **_fixed()})
    name = _name("겨울 행사 10%", blank=False, required=True)
    name_en = _name("Ten percent in winter", allow_none=True)
    benefit = Choice(Benefit, required=True)
    value = Quantity(
        min=0,
        required=True,
        metadata={"description": "A percentage, an amount, a price or a quantity", "example": "10.000000"},
    )
    priority = Integer(min=0, max=1_000_000, metadata={"description": "The lower one goes first"})
    currency = Currency(allow_none=True, metadata={"description": "Needed where it gives or asks money"})
    stacking_group = Text(
        max=CODE_MAX,
        allow_none=True,
        metadata={"description": "At most one of a group counts on a line", "example": "season"},
    )
    exclusive = Boolean(metadata={"example": False})
    products = Texts(
        max=36, max_items=1_000, metadata={"description": "Ids; with `categories`, none for all"}
    )
    categories = Texts(max=CODE_MAX, max_items=100)
    unit = _unit(allow_none=True)
    min_quantity = Quantity(min=0)
    min_amount = Money(min=0)
    repeats = Boolean(metadata={"description": "Counts for each time that the minimum is reached"})
    free_product_id = Id(allow_none=True)
    free_unit = _unit(allow_none=True)
    tiers = Texts(max=CODE_MAX, max_items=50, metadata={"example": ["A"]})
    kinds = Texts(max=CODE_MAX, max_items=20, metadata={"example": ["customer"]})
    for_accounts = Boolean(metadata={"description": "Only for accounts that are named", "example": False})
    valid_from = Day(allow_none=True)
    valid_to = Day(allow_none=True, metadata={"description": "Inclusive"})
    budget_left = Quantity(
        min=0, allow_none=True, metadata={"description": "Null for no bound", "example": None}
    )


class PromotionCreateSchema(PromotionSchema):
    """A new promotion."""

    id = Id()


class PromotionAccountSchema(WireSchema):
    """An account that a promotion is for."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    promotion_id = Id(required=True)
    account_id = Id(required=True)


class PromotionAccountCreateSchema(PromotionAccountSchema):
    """A new one."""

    id = Id()


class OfPromotionQuery(PageQuery):
    """Filters by promotion."""

    promotion_id = Id()


class PriceChangeSchema(WireSchema):
    """A price was set, changed or taken back."""

    id = Id(dump_only=True)
    price_list_id = Id(dump_only=True)
    product_id = Id(dump_only=True)
    unit = _unit(dump_only=True)
    min_quantity = Quantity(dump_only=True)
    currency = Currency(dump_only=True)
    valid_from = Day(dump_only=True)
    old_price = Money(dump_only=True, allow_none=True)
    new_price = Money(dump_only=True, allow_none=True)
    at = Time(dump_only=True)


class PriceChangeQuery(PlaceQuery):
    """Filters of the changes of prices."""

    price_list_id = Id()
    product_id = Id()


class PriceRowSchema(WireSchema):
    """A step of a price by the keys of another system."""

    list_code = _code(required=True, metadata={"example": "DEALER-2027"})
    sku = _code(required=True, metadata={"example": "OIL-5W30-1L"})
    unit = _unit(required=True)
    min_quantity = Quantity(min=0, metadata={"description": "0, when left out", "example": "0.000000"})
    valid_from = Day(required=True)
    valid_to = Day(allow_none=True)
    price = Money(min=0, required=True)
    floor_price = Money(min=0, allow_none=True, metadata={"description": "Stays when left out"})


class PriceImportSchema(WireSchema):
    """Thousands of prices at once."""

    rows = Rows(PriceRowSchema, max_items=AT_ONCE, required=True)


class PriceTakenSchema(WireSchema):
    """What became of a row."""

    outcome = Choice(Outcome, dump_only=True)
    price_id = Id(dump_only=True, allow_none=True)
    code = Text(max=100, dump_only=True, allow_none=True, metadata={"example": None})


class PricesTakenSchema(WireSchema):
    """What became of each row, in their order."""

    results = Rows(PriceTakenSchema, max_items=AT_ONCE, dump_only=True)
