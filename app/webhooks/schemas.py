"""Wire forms of webhooks."""

from app.http.fields import Boolean, Choice, Id, Integer, Text, Texts, Time, WireSchema
from app.http.paging import PageQuery
from app.webhooks.models import DeliveryStatus

URL_MAX = 2_000
LINE_MAX = 500
EVENT_MAX = 90
EVENTS_MAX = 50


class WebhookSchema(WireSchema):
    """An address that is told of events."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    url = Text(max=URL_MAX, blank=False, required=True, metadata={"example": "https://erp.example.com/hooks"})
    events = Texts(
        max=EVENT_MAX,
        max_items=EVENTS_MAX,
        required=True,
        metadata={
            "description": "Names, rooms (`order.*`) or `*`",
            "example": ["order.*", "payment.bounced"],
        },
    )
    description = Text(max=LINE_MAX, allow_none=True, metadata={"example": "ERP"})
    active = Boolean()
    created_at = Time(dump_only=True)
    created_by = Id(dump_only=True)


class WebhookSecretSchema(WebhookSchema):
    """The same with the secret, which is shown this once."""

    secret = Text(
        max=100, dump_only=True, metadata={"example": "whsec_Jr2…", "description": "Shown once, never again"}
    )


class WebhookQuery(PageQuery):
    """Paging of the list of endpoints."""


class DeliverySchema(WireSchema):
    """One event for one endpoint, and how far it came."""

    id = Id(dump_only=True)
    event_id = Id(dump_only=True)
    endpoint_id = Id(dump_only=True)
    status = Choice(DeliveryStatus, dump_only=True)
    attempts = Integer(dump_only=True)
    created_at = Time(dump_only=True)
    next_attempt_at = Time(dump_only=True, allow_none=True)
    last_attempt_at = Time(dump_only=True, allow_none=True)
    response_status = Integer(dump_only=True, allow_none=True, metadata={"example": 503})
    error = Text(max=40, dump_only=True, allow_none=True, metadata={"example": "refused"})


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    endpoint_id = Id()
    event_id = Id()
    status = Choice(DeliveryStatus)


class ReplaySchema(WireSchema):
    """A stretch of time whose events are sent once more."""

    happened_from = Time(required=True)
    happened_to = Time(required=True, metadata={"description": "Exclusive"})


class ReplayedSchema(WireSchema):
    """How many events are sent once more."""

    events = Integer(dump_only=True, metadata={"example": 12})
