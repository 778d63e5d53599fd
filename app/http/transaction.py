"""One database transaction per request, opened and committed inside the view."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from flask import has_request_context, request
from sqlalchemy import Connection, DateTime, Integer, String, Uuid, column, insert, table, text
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Actor
from app.http.auth import current_actor, current_claims
from app.http.services import services

# A light table: the identity room owns the model.
_access_log = table(
    "access_log",
    column("tenant_id", Uuid),
    column("id", Uuid),
    column("at", DateTime(timezone=True)),
    column("user_id", Uuid),
    column("device_id", Uuid),
    column("ip", String),
    column("action", String),
    column("entity", String),
    column("record_id", Uuid),
    column("count", Integer),
)


_NOTED = text(
    "INSERT INTO access_log (tenant_id, id, at, user_id, device_id, ip, action, entity, count)"
    " SELECT :tenant, n.id, :at, :user, :device, :ip, :action, n.entity, n.count"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:entities AS text[]), CAST(:counts AS integer[])) AS n (id, entity, count)"
)


@contextmanager
def transaction() -> Iterator[tuple[Session, Actor]]:
    """Open the request's transaction for the bearer of its token; commit when the block ends.

    It commits here and never in a teardown: a commit that fails there has already sent 200.

    Raises:
        Unauthenticated: No good token, or its user or device is no longer welcome.
        Forbidden: The operation's rule does not name the actor's role.
    """
    claims = current_claims()
    with services().db.session(
        claims.tenant_id, user_id=claims.user_id, device_id=claims.device_id
    ) as session:
        yield session, current_actor(session)


@contextmanager
def anonymous_transaction(tenant_id: UUID | None) -> Iterator[Session]:
    """Open a transaction of a tenant for nobody yet (login, refresh, password reset).

    Args:
        tenant_id: Whose rows it may touch; ``None`` sees none of any tenant.
    """
    with services().db.session(tenant_id) as session:
        yield session


def note_access(
    session: Session,
    actor: Actor,
    subject_entity: str,
    subject_id: UUID | None,
    action: str,
    *,
    count: int = 1,
) -> None:
    """Write down, in the same transaction, that *actor* read personal data.

    Args:
        session: Of the read; if it rolls back, nothing was shown and nothing is noted.
        actor: Who read.
        subject_entity: Whose kind of data: ``account``, ``contact`` …
        subject_id: Whose data; ``None`` for a list.
        action: What was done: ``read``, ``list``, ``history``, ``export`` …
        count: How many records were shown.
    """
    session.execute(
        insert(_access_log).values(
            tenant_id=actor.tenant_id,
            id=new_id(),
            at=utc_now(),
            user_id=actor.user_id,
            device_id=actor.device_id,
            ip=request.remote_addr if has_request_context() else None,
            action=action,
            entity=subject_entity,
            record_id=subject_id,
            count=count,
        )
    )


def note_accesses(connection: Connection, actor: Actor, counts: Mapping[str, int], action: str) -> None:
    """``note_access`` for lists of several entities, in one statement.

    Args:
        connection: In the transaction that has to commit before anything is shown.
        actor: Who read.
        counts: How many records were shown of each entity.
        action: What was done.
    """
    entities = sorted(counts)
    values = {
        "tenant": actor.tenant_id,
        "ids": [new_id() for _ in entities],
        "at": utc_now(),
        "user": actor.user_id,
        "device": actor.device_id,
        "ip": request.remote_addr if has_request_context() else None,
        "action": action,
        "entities": entities,
        "counts": [counts[entity] for entity in entities],
    }
    connection.execute(_NOTED, values)
