"""Who asks: read from the database at each request, so that every change works at once."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.scope import Actor, ActorQuery, Role, Scope
from app.identity.queries import ACTOR, ACTOR_WITHOUT_SCOPE
from app.identity.service.errors import DeviceRevoked, PasswordChangeDue, SessionEnded, UserDisabled


def actor_of(
    session: Session,
    tenant_id: UUID,
    user_id: UUID,
    device_id: UUID | None,
    now: datetime,
    *,
    password_may_be_due: bool = False,
) -> Actor:
    """The person behind a verified access token, with the role and scope of this moment.

    Args:
        session: Open session of the tenant.
        tenant_id: From the token.
        user_id: From the token.
        device_id: From the token; ``None`` for integrations, which have no device and no session.
        now: Server time, aware UTC; dates of memberships are compared with the tenant's day.
        password_may_be_due: Whether a person who still has a one-time password may do this.

    Raises:
        UserDisabled: The person was disabled.
        DeviceRevoked: The device was locked out.
        SessionEnded: The device has no live session any more, or was never this person's.
        PasswordChangeDue: A password of their own has to be chosen first.
    """
    query = actor_query(tenant_id, user_id, device_id, now, password_may_be_due=password_may_be_due)
    return query.read(session.execute(query.statement, query.values).one_or_none())


def actor_query(
    tenant_id: UUID,
    user_id: UUID,
    device_id: UUID | None,
    now: datetime,
    *,
    password_may_be_due: bool = False,
) -> ActorQuery:
    """``actor_of`` for callers that send its statement themselves."""
    values = {"tenant": tenant_id, "user": user_id, "users": [user_id], "device": device_id, "now": now}
    return ActorQuery(ACTOR, values, partial(_read, values, password_may_be_due), ACTOR_WITHOUT_SCOPE)


def _read(
    asked: Mapping[str, Any], password_may_be_due: bool, row: Any, known: Collection[str] | None = None
) -> Actor:
    tenant_id, user_id, device_id, now = (asked[name] for name in ("tenant", "user", "device", "now"))
    if row is None:
        raise SessionEnded("Log in again.")
    if row.status != "active":
        raise UserDisabled("This account is closed.")
    if device_id is not None:
        if row.device_revoked:
            raise DeviceRevoked("This device was locked out.")
        if not (row.device_known and row.signed_in):
            raise SessionEnded("Log in again.")
    if row.must_change_password and not password_may_be_due:
        raise PasswordChangeDue("Choose a password of your own first.")
    buckets = row.buckets if known is None else known
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        device_id=device_id,
        scope=Scope(
            user_id=user_id,
            role=Role(row.role),
            territory_ids=ids_of("territory", buckets),
            unit_ids=ids_of("unit", buckets),
            at=now,
            buckets=frozenset(buckets),
        ),
        permissions=frozenset(row.permissions),
        locale=row.locale,
        time_zone=row.time_zone,
    )


def ids_of(kind: str, buckets: Collection[str]) -> frozenset[UUID]:
    """The ids in the buckets of one kind: ``territory:<id>`` gives ``<id>``."""
    prefix = f"{kind}:"
    return frozenset(UUID(bucket.removeprefix(prefix)) for bucket in buckets if bucket.startswith(prefix))
