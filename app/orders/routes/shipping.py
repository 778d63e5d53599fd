"""Shipments over REST."""

from flask.views import MethodView

from app.http.resources import Resource
from app.orders import service
from app.orders.models import Shipment
from app.orders.routes.blueprint import OFFICE, STAFF, blp
from app.orders.schemas import (
    SHIPMENT_COMMAND_SCHEMAS,
    OfOrderQuery,
    ShipmentCreateSchema,
    ShipmentSchema,
)
from app.orders.sync import SHIPMENT

# A command locks the order before the shipment; to lock the shipment first would be the other way round.
SHIPMENTS = Resource(
    blp=blp,
    model=Shipment,
    schema=ShipmentSchema,
    entity=SHIPMENT,
    get=service.get_shipment,
    get_locked=service.get_locked_shipment,
)


@blp.route("/shipments")
class Shipments(MethodView):
    """Those of one's scope."""

    get = SHIPMENTS.lists(
        "List the shipments of your scope",
        STAFF,
        service.list_shipments,
        OfOrderQuery,
        sorts=("created_at", "updated_at"),
        default_sort="created_at",
    )
    post = SHIPMENTS.creates(
        "Prepare goods of a confirmed order to leave together",
        OFFICE,
        service.create_shipment,
        ShipmentCreateSchema,
    )


@blp.route("/shipments/<uuid:shipment_id>")
class ShipmentById(MethodView):
    """One of them."""

    get = SHIPMENTS.shows("Get a shipment with its lines", STAFF)


publish = SHIPMENTS.commands(
    "/shipments/<uuid:shipment_id>", service.SHIPMENT_COMMANDS, SHIPMENT_COMMAND_SCHEMAS
)
publish("ship", "Let the goods leave, if the credit still allows it", OFFICE)
publish("deliver", "Note that the goods have arrived, with the proof", STAFF)
publish("cancel", "Unpack a shipment that has not left", OFFICE)
