"""What can go wrong with webhooks."""

from app.core.errors import Conflict, RuleViolation


class WebhookUrlRefused(RuleViolation):
    """The address is none that events may go to. ``details``: ``reason``."""

    code = "webhook.url_refused"


class WebhookEventUnknown(RuleViolation):
    """What is asked for is no event, no room of events, and not ``*``. ``details``: ``event``."""

    code = "webhook.event_unknown"


class TooManyEndpoints(RuleViolation):
    """A company has so many endpoints at most. ``details``: ``limit``."""

    code = "webhook.too_many_endpoints"


class DeliveryPending(Conflict):
    """The delivery is still being tried."""

    code = "webhook.delivery_pending"
