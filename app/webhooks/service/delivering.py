"""What waits in the outbox is sent, and sent again."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Engine, Row

from app.core.clock import utc_now
from app.webhooks import queries
from app.webhooks.models import DeliveryStatus
from app.webhooks.service.addresses import Resolve, resolve
from app.webhooks.service.sending import SIGNATURE, WHOLE_S, send, signature

EACH: Final = 20
MOST: Final = 200
THREADS: Final = 8
KEPT: Final = timedelta(days=30)
BATCH: Final = 1_000
GONE: Final = 410
# After the first failure ten seconds, after the last one a day; then it is given up.
BACK_OFF_S: Final = (10, 30, 60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 86_400)
# A slow endpoint gives its thread back after a while; who took a batch is done by the end of the lease.
ROUND: Final = timedelta(seconds=30)
LEASE: Final = ROUND + timedelta(seconds=WHOLE_S + 60)


def deliver_due(
    engine: Engine,
    tenant_id: UUID,
    now: datetime,
    *,
    loopback: bool,
    resolver: Resolve = resolve,
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Send what is due of a company's events, at least once each.

    The messages of one endpoint go out one after the other in the order of their events; after one that fails the
    others wait as long as it does. Endpoints do not wait for each other.

    Args:
        engine: Of the engine role, which alone may read the secrets.
        tenant_id: Whose.
        now: Server time, aware UTC.
        loopback: Whether this machine itself is allowed; for tests.
        resolver: Looks names up.
        clock: Gives the time of each attempt.

    Returns:
        How many messages arrived.
    """
    with engine.begin() as connection:
        due = queries.claim(connection, tenant_id, now=now, lease=now + LEASE, each=EACH, most=MOST)
    batches = [list(rows) for _, rows in groupby(due, key=lambda row: row.endpoint_id)]
    if not batches:
        return 0

    def work(batch: list[Row[Any]]) -> int:
        return _deliver(engine, tenant_id, batch, loopback=loopback, resolver=resolver, clock=clock)

    with ThreadPoolExecutor(min(THREADS, len(batches)), thread_name_prefix="webhook") as pool:
        return sum(pool.map(work, batches))


def forget_events(engine: Engine, tenant_id: UUID, now: datetime) -> int:
    """Delete events that are older than can be replayed, with their deliveries; gives how many rows."""
    total = 0
    while True:
        with engine.begin() as connection:
            gone = queries.forget(connection, tenant_id, cut=now - KEPT, batch=BATCH)
        total += gone
        if not gone:
            return total


def message(row: Row[Any]) -> bytes:
    """The body of a message: the event's id, which stays when it is sent again, its name, moment and data."""
    moment = row.happened_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return orjson.dumps(
        {"id": str(row.event_id), "event": row.event, "happened_at": moment, "data": row.data}
    )


def _deliver(
    engine: Engine,
    tenant_id: UUID,
    batch: Sequence[Row[Any]],
    *,
    loopback: bool,
    resolver: Resolve,
    clock: Callable[[], datetime],
) -> int:
    """Send the messages of one endpoint until one fails, or its time is over; gives how many arrived."""
    begun = clock()
    for place, row in enumerate(batch):
        body, at = message(row), clock()
        if at - begun > ROUND:
            with engine.begin() as connection:
                queries.put_back(connection, tenant_id, [one.id for one in batch[place:]], at)
            return place
        headers = {
            "Content-Type": "application/json",
            "Fieldmerge-Event": row.event,
            "Fieldmerge-Event-Id": str(row.event_id),
            "Fieldmerge-Delivery": str(row.id),
            SIGNATURE: signature(row.secrets, body, at),
        }
        answer = send(row.url, body, headers, loopback=loopback, resolver=resolver)
        then = clock()
        values = {"now": then, "response": answer.status, "error": answer.error}
        with engine.begin() as connection:
            if answer.arrived:
                status = DeliveryStatus.DELIVERED
                queries.settle(connection, tenant_id, row.id, status=status.value, next=None, **values)
                continue
            again = _next_attempt(row.attempts, then)
            status = DeliveryStatus.FAILED if again is None else DeliveryStatus.PENDING
            queries.settle(connection, tenant_id, row.id, status=status.value, next=again, **values)
            if answer.status == GONE:
                queries.switch_off(connection, tenant_id, row.endpoint_id)
            queries.put_back(connection, tenant_id, [one.id for one in batch[place + 1 :]], again or then)
            return place
    return len(batch)


def _next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many earlier failures, or None to give up."""
    return now + timedelta(seconds=BACK_OFF_S[attempts]) if attempts < len(BACK_OFF_S) else None
