"""What a company decides about orders over REST: settings, limits of discounts, warehouses, stock."""

from typing import Any

from flask.views import MethodView

from app.core.clock import utc_now
from app.http.etag import require_version, set_version
from app.http.resources import Collection, Resource
from app.http.transaction import transaction
from app.orders import service
from app.orders.models import DiscountLimit, StockSnapshot, Warehouse
from app.orders.routes.blueprint import ADMIN, KEEPERS, OFFICE, STAFF, blp
from app.orders.schemas import (
    CountedSchema,
    DiscountLimitChangeSchema,
    DiscountLimitCreateSchema,
    DiscountLimitSchema,
    SettingsSchema,
    StockCountSchema,
    StockQuery,
    StockSchema,
    WarehouseCreateSchema,
    WarehouseSchema,
)


@blp.route("/order-settings")
class Settings(MethodView):
    """Tolerances and rules."""

    @blp.allow(*OFFICE)
    @blp.etag
    @blp.response(200, SettingsSchema)
    def get(self) -> Any:
        """See what is decided about orders"""
        with transaction() as (session, actor):
            settings = service.get_settings(session, actor.tenant_id)
            set_version(settings.version)
            return settings

    @blp.allow(*ADMIN)
    @blp.etag
    @blp.arguments(SettingsSchema(partial=True))
    @blp.response(200, SettingsSchema)
    def patch(self, changes: dict[str, Any]) -> Any:
        """Decide anew about orders"""
        with transaction() as (session, actor):
            require_version(service.get_settings(session, actor.tenant_id, lock=True).version)
            settings = service.change_settings(session, actor, changes, now=utc_now())
            set_version(settings.version)
            return settings


LIMITS = Resource(blp=blp, model=DiscountLimit, schema=DiscountLimitSchema, get=service.get_discount_limit)


@blp.route("/discount-limits")
class DiscountLimits(MethodView):
    """How much may be granted by hand."""

    get = LIMITS.lists(
        "List your limits; for admins all",
        STAFF,
        service.list_discount_limits,
        sorts=("created_at",),
        default_sort="created_at",
    )
    post = LIMITS.creates(
        "Let a person, or everybody of a role, grant so many per cent",
        ADMIN,
        service.create_discount_limit,
        DiscountLimitCreateSchema,
    )


@blp.route("/discount-limits/<uuid:limit_id>")
class DiscountLimitById(MethodView):
    """One limit."""

    get = LIMITS.shows("Get a limit", STAFF)
    patch = LIMITS.changes(
        "Change how much it is", ADMIN, service.update_discount_limit, DiscountLimitChangeSchema
    )
    delete = LIMITS.deletes("Take a limit away", ADMIN, service.delete_discount_limit)


WAREHOUSES = Resource(blp=blp, model=Warehouse, schema=WarehouseSchema, get=service.get_warehouse)


@blp.route("/warehouses")
class Warehouses(MethodView):
    """Where goods are shipped from."""

    get = WAREHOUSES.lists(
        "List the warehouses", STAFF, service.list_warehouses, sorts=("code",), default_sort="code"
    )
    post = WAREHOUSES.creates("Open a warehouse", KEEPERS, service.create_warehouse, WarehouseCreateSchema)


@blp.route("/warehouses/<uuid:warehouse_id>")
class WarehouseById(MethodView):
    """One warehouse."""

    get = WAREHOUSES.shows("Get a warehouse", STAFF)
    patch = WAREHOUSES.changes("Change a warehouse", KEEPERS, service.update_warehouse)
    delete = WAREHOUSES.deletes("Close a warehouse", KEEPERS, service.delete_warehouse)


COUNTED = Collection(blp=blp, model=StockSnapshot, schema=StockSchema)


@blp.route("/stock")
class Stock(MethodView):
    """What warehouses have."""

    get = COUNTED.lists(
        "List what was counted last",
        STAFF,
        service.list_stock,
        StockQuery,
        sorts=("taken_at",),
        default_sort="taken_at",
    )

    @blp.allow(*KEEPERS)
    @blp.arguments(StockCountSchema)
    @blp.response(200, CountedSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Take over a count; an older one changes nothing"""
        with transaction() as (session, actor):
            taken = service.record_stock(session, actor, values["rows"], now=utc_now())
            return {"taken_over": taken}
