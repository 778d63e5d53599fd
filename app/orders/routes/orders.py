"""Orders over REST: drafts, prices, commands."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core.clock import utc_now
from app.core.scope import Role
from app.http.resources import Resource
from app.http.transaction import note_access, transaction
from app.orders import service
from app.orders.models import Order
from app.orders.routes.blueprint import OFFICE, STAFF, blp
from app.orders.schemas import (
    COMMAND_SCHEMAS,
    MarginSchema,
    OrderCreateSchema,
    OrderQuery,
    OrderSchema,
    PriceSchema,
)
from app.orders.sync import ORDER

ORDERS = Resource(blp=blp, model=Order, schema=OrderSchema, entity=ORDER, get=service.get_order)


@blp.route("/orders")
class Orders(MethodView):
    """The orders of one's scope."""

    get = ORDERS.lists(
        "List the orders of your scope",
        STAFF,
        service.list_orders,
        OrderQuery,
        sorts=("taken_at", "status", "updated_at"),
        default_sort="taken_at",
    )
    post = ORDERS.creates(
        "Write down what an account wants, as a draft", STAFF, service.create_order, OrderCreateSchema
    )


@blp.route("/orders/<uuid:order_id>")
class OrderById(MethodView):
    """One order."""

    get = ORDERS.shows("Get an order with its lines", STAFF)
    patch = ORDERS.changes("Change a draft; lines as a whole list", STAFF, service.update_order)
    delete = ORDERS.deletes("Throw a draft away that was never submitted", STAFF, service.delete_order)


@blp.route("/orders/<uuid:order_id>/price")
class OrderPrice(MethodView):
    """What an order comes to."""

    @blp.allow(*STAFF)
    @blp.response(200, PriceSchema)
    def get(self, order_id: UUID) -> Any:
        """Price an order: a draft as of today, others as they were submitted"""
        with transaction() as (session, actor):
            note_access(session, actor, "order", order_id, "read")
            return {"price": service.preview(session, actor, order_id, now=utc_now())}


@blp.route("/orders/<uuid:order_id>/margin")
class OrderMargin(MethodView):
    """What is left of an order."""

    @blp.allow(Role.MANAGER, Role.ADMIN)
    @blp.response(200, MarginSchema)
    def get(self, order_id: UUID) -> Any:
        """See cost, margin and lines below their floor"""
        with transaction() as (session, actor):
            note_access(session, actor, "order", order_id, "margin")
            return service.margin_of(session, actor, order_id, now=utc_now())


publish = ORDERS.commands("/orders/<uuid:order_id>", service.COMMANDS, COMMAND_SCHEMAS)
publish("submit", "Submit a draft, with the price that was shown", STAFF)
publish("recheck", "Judge an order on hold again", STAFF)
publish("request_release", "Ask for an approval although the credit is used up", STAFF)
publish("reopen", "Make a draft of an order again", STAFF)
publish("cancel", "Call an order off", STAFF)
publish("confirm", "Let the warehouse have an approved order", OFFICE)
publish("close_remaining", "Deliver no more than what has left", OFFICE)
publish("close", "Put a delivered order away", OFFICE)
