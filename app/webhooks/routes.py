"""Webhooks over REST."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.scope import Actor, Role
from app.http.api import Blueprint
from app.http.etag import require_version, set_version
from app.http.resources import Collection, Resource
from app.http.services import services
from app.http.transaction import transaction
from app.webhooks import service
from app.webhooks.models import WebhookDelivery, WebhookEndpoint
from app.webhooks.schemas import (
    DeliveryQuery,
    DeliverySchema,
    ReplayedSchema,
    ReplaySchema,
    WebhookQuery,
    WebhookSchema,
    WebhookSecretSchema,
)

blp = Blueprint(
    "webhooks", __name__, url_prefix="/api/v1", description="Other systems that are told of events"
)


ADMIN = (Role.ADMIN,)
ENDPOINTS = Resource(blp=blp, model=WebhookEndpoint, schema=WebhookSchema, get=service.get_endpoint)
DELIVERIES = Collection(blp=blp, model=WebhookDelivery, schema=DeliverySchema)


def _update(
    session: Session, actor: Actor, endpoint_id: UUID, changes: dict[str, Any], *, now: datetime
) -> Any:
    """With what the configuration says of addresses; the time is not asked for."""
    return service.update_endpoint(session, actor, endpoint_id, changes, loopback=_loopback())


@blp.route("/webhooks")
class Webhooks(MethodView):
    """The endpoints of the company."""

    get = ENDPOINTS.lists(
        "List the endpoints",
        ADMIN,
        service.list_endpoints,
        WebhookQuery,
        sorts=("created_at",),
        default_sort="created_at",
    )

    @blp.allow(*ADMIN)
    @blp.arguments(WebhookSchema)
    @blp.response(201, WebhookSecretSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Tell another system of events; the answer has the secret, this once"""
        with transaction() as (session, actor):
            made = service.create_endpoint(session, actor, values, now=utc_now(), loopback=_loopback())
            return _with_secret(made)


@blp.route("/webhooks/<uuid:endpoint_id>")
class WebhookById(MethodView):
    """One endpoint."""

    get = ENDPOINTS.shows("Get an endpoint", ADMIN)
    patch = ENDPOINTS.changes("Change an endpoint, or switch it off and on", ADMIN, _update)
    delete = ENDPOINTS.deletes("Tell an endpoint nothing more", ADMIN, service.delete_endpoint)


@blp.route("/webhooks/<uuid:endpoint_id>/rotate-secret")
class SecretRotation(MethodView):
    """A new secret."""

    @blp.allow(*ADMIN)
    @blp.etag
    @blp.response(200, WebhookSecretSchema)
    def post(self, endpoint_id: UUID) -> Any:
        """Give an endpoint a new secret; the old one signs too for a day"""
        with transaction() as (session, actor):
            require_version(service.get_endpoint(session, actor, endpoint_id, lock=True).version)
            return _with_secret(service.rotate_secret(session, actor, endpoint_id, now=utc_now()))


@blp.route("/webhooks/<uuid:endpoint_id>/replay")
class Replay(MethodView):
    """Events that are sent once more."""

    @blp.allow(*ADMIN)
    @blp.arguments(ReplaySchema)
    @blp.response(202, ReplayedSchema)
    def post(self, args: dict[str, Any], endpoint_id: UUID) -> Any:
        """Send an endpoint once more all that it asks for of a stretch of time"""
        with transaction() as (session, actor):
            start, end = args["happened_from"], args["happened_to"]
            count = service.replay_events(session, actor, endpoint_id, start, end, now=utc_now())
            return {"events": count}


@blp.route("/webhook-deliveries")
class Deliveries(MethodView):
    """What became of events."""

    get = DELIVERIES.lists(
        "List deliveries, waiting, arrived and given up",
        ADMIN,
        service.list_deliveries,
        DeliveryQuery,
        sorts=("created_at",),
        default_sort="-created_at",
    )


@blp.route("/webhook-deliveries/<uuid:delivery_id>/replay")
class DeliveryReplay(MethodView):
    """A delivery that is made once more."""

    @blp.allow(*ADMIN)
    @blp.response(202, DeliverySchema)
    def post(self, delivery_id: UUID) -> Any:
        """Send an event to its endpoint once more"""
        with transaction() as (session, actor):
            return service.replay_delivery(session, actor, delivery_id, now=utc_now())


def _with_secret(made: service.Secret) -> dict[str, Any]:
    set_version(made.endpoint.version)
    shown = {name: getattr(made.endpoint, name) for name in WebhookSchema().fields}
    return shown | {"secret": made.secret}


def _loopback() -> bool:
    return services().config.webhooks_loopback
