"""Who is told of what."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, NotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.webhooks import queries
from app.webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from app.webhooks.service.addresses import check_url
from app.webhooks.service.errors import DeliveryPending, TooManyEndpoints, WebhookEventUnknown

MOST: Final = 20
OVERLAP: Final = timedelta(hours=24)
_EVENT = re.compile(r"\*|[a-z][a-z_]{0,39}\.(\*|[a-z][a-z_]{0,39})")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it is shown, once, with the endpoint that it is for."""

    endpoint: WebhookEndpoint
    secret: str


def list_endpoints(session: Session, actor: Actor) -> Select[WebhookEndpoint]:
    """The company's endpoints, as a statement for the route to page."""
    _allow(actor)
    return queries.endpoints_of(actor)


def get_endpoint(session: Session, actor: Actor, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    """One endpoint.

    Raises:
        Forbidden: Only admins see them.
        NotFound: There is none.
    """
    _allow(actor)
    statement = queries.endpoints_of(actor).where(WebhookEndpoint.id == endpoint_id)
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def create_endpoint(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime, loopback: bool = False
) -> Secret:
    """Tell another system of events from now on.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: An admin.
        values: ``url``, ``events`` (names, ``room.*`` or ``*``), ``description``.
        now: Server time, aware UTC.
        loopback: Whether this machine itself is allowed; for tests.

    Raises:
        Forbidden: Only admins do.
        WebhookUrlRefused, WebhookEventUnknown, TooManyEndpoints: It cannot be.
    """
    _allow(actor)
    check_url(values["url"], loopback=loopback)
    _check_events(values["events"])
    count = select(func.count()).select_from(queries.endpoints_of(actor).subquery())
    if session.scalars(count).one() >= MOST:
        raise TooManyEndpoints(limit=MOST)
    endpoint = WebhookEndpoint(
        tenant_id=actor.tenant_id,
        id=new_id(),
        version=1,
        url=values["url"],
        events=list(values["events"]),
        description=values.get("description"),
        active=values.get("active", True),
        created_at=now,
        created_by=actor.user_id,
    )
    session.add(endpoint)
    session.flush()
    return Secret(endpoint, _new_secret(session, endpoint, now))


def update_endpoint(
    session: Session, actor: Actor, endpoint_id: UUID, changes: Mapping[str, Any], *, loopback: bool = False
) -> WebhookEndpoint:
    """Change an endpoint, or switch it off and on; raises as above, and NotFound."""
    endpoint = get_endpoint(session, actor, endpoint_id, lock=True)
    if "url" in changes:
        check_url(changes["url"], loopback=loopback)
    if "events" in changes:
        _check_events(changes["events"])
    differing = {name: value for name, value in changes.items() if getattr(endpoint, name) != value}
    for name, value in differing.items():
        setattr(endpoint, name, value)
    if differing:
        endpoint.version += 1
    session.flush()
    return endpoint


def rotate_secret(session: Session, actor: Actor, endpoint_id: UUID, *, now: datetime) -> Secret:
    """Give an endpoint a new secret; for a day its messages are signed with the old one too."""
    endpoint = get_endpoint(session, actor, endpoint_id, lock=True)
    queries.expire_secrets(session, endpoint, now + OVERLAP)
    endpoint.version += 1
    session.flush()
    return Secret(endpoint, _new_secret(session, endpoint, now))


def delete_endpoint(session: Session, actor: Actor, endpoint_id: UUID, *, now: datetime) -> None:
    """Tell an endpoint nothing more; what still waits for it is given up."""
    endpoint = get_endpoint(session, actor, endpoint_id, lock=True)
    endpoint.deleted_at = now
    endpoint.version += 1
    session.flush()
    queries.expire_secrets(session, endpoint, now)
    queries.give_up(session, endpoint)


def list_deliveries(
    session: Session,
    actor: Actor,
    *,
    endpoint_id: UUID | None = None,
    event_id: UUID | None = None,
    status: DeliveryStatus | None = None,
) -> Select[WebhookDelivery]:
    """The company's deliveries, as a statement for the route to page; of an endpoint, an event, in a state."""
    _allow(actor)
    statement = queries.deliveries_of(actor)
    if endpoint_id is not None:
        statement = statement.where(WebhookDelivery.endpoint_id == endpoint_id)
    if event_id is not None:
        statement = statement.where(WebhookDelivery.event_id == event_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    return statement


def replay_delivery(session: Session, actor: Actor, delivery_id: UUID, *, now: datetime) -> WebhookDelivery:
    """Send an event to an endpoint once more, under the same event id.

    Raises:
        NotFound: There is no such delivery, or its endpoint is gone.
        DeliveryPending: It is still being tried.
    """
    _allow(actor)
    known = session.scalars(
        queries.deliveries_of(actor).where(WebhookDelivery.id == delivery_id)
    ).one_or_none()
    if known is None:
        raise NotFound
    endpoint = get_endpoint(session, actor, known.endpoint_id)
    if known.status is DeliveryStatus.PENDING:
        raise DeliveryPending
    again = WebhookDelivery(
        tenant_id=actor.tenant_id,
        id=new_id(),
        event_id=known.event_id,
        endpoint_id=endpoint.id,
        status=DeliveryStatus.PENDING,
        attempts=0,
        created_at=now,
        next_attempt_at=now,
    )
    session.add(again)
    session.flush()
    return again


def replay_events(
    session: Session, actor: Actor, endpoint_id: UUID, start: datetime, end: datetime, *, now: datetime
) -> int:
    """Send an endpoint once more all that it asks for of a stretch of time; gives how many events.

    Raises:
        NotFound: There is no such endpoint.
    """
    endpoint = get_endpoint(session, actor, endpoint_id, lock=True)
    return queries.replay_events(session, endpoint, start, min(end, now), now)


def _new_secret(session: Session, endpoint: WebhookEndpoint, now: datetime) -> str:
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    queries.add_secret(session, endpoint, new_id(), secret, now)
    return secret


def _check_events(events: Sequence[str]) -> None:
    for event in events:
        if not _EVENT.fullmatch(event):
            raise WebhookEventUnknown(event=event)


def _allow(actor: Actor) -> None:
    if actor.role is not Role.ADMIN:
        raise Forbidden
