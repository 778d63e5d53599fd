"""Returns over REST."""

from flask.views import MethodView

from app.http.resources import Resource
from app.orders import service
from app.orders.models import OrderReturn
from app.orders.routes.blueprint import OFFICE, STAFF, blp
from app.orders.schemas import (
    RETURN_COMMAND_SCHEMAS,
    OfOrderQuery,
    OrderReturnCreateSchema,
    OrderReturnSchema,
)
from app.orders.sync import ORDER_RETURN

# A command locks the order before the return; to lock the return first would be the other way round.
RETURNS = Resource(
    blp=blp,
    model=OrderReturn,
    schema=OrderReturnSchema,
    entity=ORDER_RETURN,
    get=service.get_order_return,
    get_locked=service.get_locked_return,
)


@blp.route("/order-returns")
class OrderReturns(MethodView):
    """Those of one's scope."""

    get = RETURNS.lists(
        "List what accounts of your scope give back",
        STAFF,
        service.list_order_returns,
        OfOrderQuery,
        sorts=("created_at", "updated_at"),
        default_sort="created_at",
    )
    post = RETURNS.creates(
        "Ask that delivered goods may come back", STAFF, service.create_order_return, OrderReturnCreateSchema
    )


@blp.route("/order-returns/<uuid:return_id>")
class OrderReturnById(MethodView):
    """One of them."""

    get = RETURNS.shows("Get a return with its lines", STAFF)


publish = RETURNS.commands("/order-returns/<uuid:return_id>", service.RETURN_COMMANDS, RETURN_COMMAND_SCHEMAS)
publish("approve", "Let the goods come", OFFICE)
publish("receive", "Note that the goods are back", OFFICE)
publish("inspect", "Say how many of each item were good", OFFICE)
publish("credit", "Take what was good off what the order comes to", OFFICE)
publish("reject", "Refuse a return", OFFICE)
