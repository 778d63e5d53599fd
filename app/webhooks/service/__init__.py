"""What other systems are told, and how."""

from app.webhooks.service.delivering import deliver_due, forget_events
from app.webhooks.service.endpoints import (
    Secret,
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    list_deliveries,
    list_endpoints,
    replay_delivery,
    replay_events,
    rotate_secret,
    update_endpoint,
)
from app.webhooks.service.publishing import publish

__all__ = [
    "Secret",
    "create_endpoint",
    "delete_endpoint",
    "deliver_due",
    "forget_events",
    "get_endpoint",
    "list_deliveries",
    "list_endpoints",
    "publish",
    "replay_delivery",
    "replay_events",
    "rotate_secret",
    "update_endpoint",
]
