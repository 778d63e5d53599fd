"""The catalogue over REST: everybody of the staff reads their own, the office keeps it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.catalog import service, sync
from app.catalog.models import ExchangeRate, PriceChangeEvent, PriceListItem
from app.catalog.schemas import (
    CostSchema,
    CurrencyCreateSchema,
    CurrencySchema,
    DayQuery,
    ExchangeRateQuery,
    ExchangeRateSchema,
    FloorSchema,
    OfListQuery,
    OfPromotionQuery,
    PriceChangeQuery,
    PriceChangeSchema,
    PriceCreateSchema,
    PriceImportSchema,
    PriceListAssignmentCreateSchema,
    PriceListAssignmentSchema,
    PriceListCreateSchema,
    PriceListSchema,
    PriceQuery,
    PriceSchema,
    PricesTakenSchema,
    PriceWriteSchema,
    ProductCreateSchema,
    ProductQuery,
    ProductSchema,
    PromotionAccountCreateSchema,
    PromotionAccountSchema,
    PromotionCreateSchema,
    PromotionSchema,
    TaxCodeCreateSchema,
    TaxCodeSchema,
)
from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.fields import WireSchema
from app.http.paging import PageQuery, page, page_of
from app.http.resources import Collection, Resource
from app.http.transaction import note_access, transaction
from app.identity import service as identity
from sync.policy import SyncEntity

blp = Blueprint("catalog", __name__, url_prefix="/api/v1", description="What is sold, and for how much")

KEEPERS = (Role.ADMIN, Role.INTEGRATION)
OFFICE = (Role.MANAGER, *KEEPERS)
SALES = (Role.REP, *OFFICE)


def publish(
    path: str,
    noun: str,
    entity: SyncEntity,
    kept: service.Kept[Any],
    schema: type[WireSchema],
    create_schema: type[WireSchema],
    readers: Sequence[Role],
    *,
    query: type[PageQuery] = PageQuery,
    patch_schema: type[WireSchema] | None = None,
    sorts: Sequence[str] = ("updated_at",),
) -> None:
    """Give a kind of record its routes; *noun* is for the documents, as in "Create a price list"."""
    nouns = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    records = Resource(blp=blp, model=kept.model, schema=schema, entity=entity, get=kept.get)

    class All(MethodView):
        get = records.lists(f"List the {nouns} of your scope", readers, kept.list, query, sorts=sorts)
        post = records.creates(f"Create a {noun}", KEEPERS, kept.create, create_schema)

    class ById(MethodView):
        get = records.shows(f"Get a {noun}", readers)
        patch = records.changes(
            f"Change a {noun}", KEEPERS, kept.update, (patch_schema or schema)(partial=True)
        )
        delete = records.deletes(f"Delete a {noun}", KEEPERS, kept.delete)

    name = path.replace("-", "_")
    blp.route(f"/{path}", endpoint=f"{name}_all")(All)
    blp.route(f"/{path}/<uuid:record_id>", endpoint=f"{name}_by_id")(ById)


publish(
    "currencies",
    "currency",
    sync.CURRENCY,
    service.CURRENCIES,
    CurrencySchema,
    CurrencyCreateSchema,
    EVERYBODY,
    sorts=("code",),
)
publish(
    "tax-codes",
    "tax code",
    sync.TAX_CODE,
    service.TAX_CODES,
    TaxCodeSchema,
    TaxCodeCreateSchema,
    EVERYBODY,
    sorts=("code",),
)
publish(
    "products",
    "product",
    sync.PRODUCT,
    service.PRODUCTS,
    ProductSchema,
    ProductCreateSchema,
    EVERYBODY,
    query=ProductQuery,
    sorts=("sku", "name", "updated_at"),
)
publish(
    "price-lists",
    "price list",
    sync.PRICE_LIST,
    service.PRICE_LISTS,
    PriceListSchema,
    PriceListCreateSchema,
    SALES,
    sorts=("code", "name"),
)
publish(
    "price-list-assignments",
    "assignment of a price list",
    sync.PRICE_LIST_ASSIGNMENT,
    service.ASSIGNMENTS,
    PriceListAssignmentSchema,
    PriceListAssignmentCreateSchema,
    SALES,
    query=OfListQuery,
    sorts=("rank",),
)
publish(
    "prices",
    "price",
    sync.PRICE,
    service.PRICES,
    PriceSchema,
    PriceCreateSchema,
    SALES,
    query=PriceQuery,
    patch_schema=PriceWriteSchema,
    sorts=("valid_from", "updated_at"),
)
publish(
    "promotions",
    "promotion",
    sync.PROMOTION,
    service.PROMOTIONS,
    PromotionSchema,
    PromotionCreateSchema,
    SALES,
    sorts=("code", "priority"),
)
publish(
    "promotion-accounts",
    "promotion account",
    sync.PROMOTION_ACCOUNT,
    service.PROMOTION_ACCOUNTS,
    PromotionAccountSchema,
    PromotionAccountCreateSchema,
    SALES,
    query=OfPromotionQuery,
)


@blp.route("/prices/import")
class PriceImport(MethodView):
    """Thousands of prices at once."""

    @blp.allow(*KEEPERS)
    @blp.arguments(PriceImportSchema)
    @blp.response(200, PricesTakenSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Write many prices by the keys of another system

        A row that is refused leaves the others alone, and says why. What is there already is left as it is, so that
        an import whose answer was lost is simply sent again.
        """
        rows = [
            service.PriceRow(
                **{"min_quantity": Decimal(0), "valid_to": None} | row, keeps_floor="floor_price" not in row
            )
            for row in values["rows"]
        ]
        with transaction() as (session, actor):
            return {"results": service.import_prices(session, actor, rows)}


@blp.route("/prices/<uuid:price_id>/floors")
class Floors(MethodView):
    """What the office wants to be asked below."""

    @blp.allow(*OFFICE)
    @blp.arguments(PageQuery, location="query")
    @blp.response(200, page_of(FloorSchema))
    def get(self, args: dict[str, Any], price_id: UUID) -> Any:
        """List the steps of a price with their floors"""
        with transaction() as (session, actor):
            found = service.list_floors(session, actor, price_id)
            note_access(session, actor, "floor", price_id, "read")
            return page(session, found, model=PriceListItem, sortable={"unit": PriceListItem.unit}, args=args)


@blp.route("/products/<uuid:product_id>/cost")
class Cost(MethodView):
    """What a product costs the company."""

    @blp.allow(*OFFICE)
    @blp.arguments(DayQuery, location="query")
    @blp.response(200, CostSchema)
    def get(self, args: dict[str, Any], product_id: UUID) -> Any:
        """Show what one base unit of a product costs us"""
        with transaction() as (session, actor):
            day = args.get("day") or identity.tenant_day(session, actor.tenant_id, utc_now())
            note_access(session, actor, "cost", product_id, "read")
            return service.get_cost(session, actor, product_id, day)

    @blp.allow(*KEEPERS)
    @blp.arguments(CostSchema)
    @blp.response(201, CostSchema)
    def post(self, values: dict[str, Any], product_id: UUID) -> Any:
        """Say what one base unit of a product costs us from a day on"""
        with transaction() as (session, actor):
            service.get_product(session, actor, product_id)
            return service.set_cost(session, actor, product_id, **values)


RATES = Collection(blp=blp, model=ExchangeRate, schema=ExchangeRateSchema)


@blp.route("/exchange-rates")
class ExchangeRates(MethodView):
    """What currencies are worth in the company's own."""

    get = RATES.lists(
        "List the rates, day by day",
        SALES,
        service.list_rates,
        ExchangeRateQuery,
        sorts=("day",),
        default_sort="-day",
    )

    @blp.allow(*KEEPERS)
    @blp.arguments(ExchangeRateSchema)
    @blp.response(201, ExchangeRateSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Note a rate, in place of what was noted for that day"""
        with transaction() as (session, actor):
            return service.set_rate(session, actor, **values)


CHANGES = Collection(blp=blp, model=PriceChangeEvent, schema=PriceChangeSchema)


@blp.route("/price-changes")
class PriceChanges(MethodView):
    """How prices changed."""

    get = CHANGES.lists(
        "List the changes of prices of your lists, the latest first",
        SALES,
        service.list_price_changes,
        PriceChangeQuery,
        sorts=("at",),
        default_sort="-at",
    )
