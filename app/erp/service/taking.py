"""Rows of another system: each by itself, safe to send again, and what became of it."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import DomainError
from app.core.scope import Actor


class Outcome(enum.StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class InboundRow:
    """One checked row.

    Attributes:
        external_id: Its key in the other system.
        values: Typed.
        sent: The same as JSON: what is compared with the last delivery.
    """

    external_id: str
    values: Mapping[str, Any]
    sent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a row: the record, or why not."""

    external_id: str
    outcome: Outcome
    record_id: UUID | None = None
    code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of one system, as the writers of its rows see it."""

    session: Session
    actor: Actor
    system: str
    now: datetime

    def find(self, entity: str, external_id: str) -> UUID | None:
        """Our record that the system means by a key, or None."""
        known = accounts.known_references(
            self.session, self.actor.tenant_id, self.system, entity, [external_id]
        )
        return known[external_id].record_id if external_id in known else None


@dataclass(frozen=True, slots=True)
class Wrote:
    """The record that a row became, and what the other system should know of it."""

    record_id: UUID
    details: Mapping[str, Any] = field(default_factory=dict)


Writer = Callable[[Delivery, Mapping[str, Any], UUID | None], Wrote]
"""Writes a row: the record of an earlier delivery or None goes in, the record comes out."""


def take(
    session: Session,
    actor: Actor,
    system: str,
    *,
    entity: str,
    rows: Sequence[InboundRow],
    write: Writer,
    now: datetime,
) -> list[Taken]:
    """Write rows in their order; one that is refused leaves the others alone.

    A row that says what its last delivery said changes nothing, so that a delivery whose answer was lost is
    simply sent again. Deliveries of one system wait for each other.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An integration.
        system: Name of the source; its keys are unique for each entity.
        entity: What the rows are.
        rows: Checked; a key may stand in several of them, the later ones count then.
        write: Of such rows.
        now: Server time, aware UTC.

    Returns:
        What became of each, in the same order.
    """
    accounts.hold_system(session, actor.tenant_id, system)
    known = accounts.known_references(
        session, actor.tenant_id, system, entity, [row.external_id for row in rows]
    )
    delivery = Delivery(session, actor, system, now)
    taken = []
    for row in rows:
        one = _take(delivery, entity, row, known.get(row.external_id), write)
        if one.record_id is not None and one.outcome is not Outcome.UNCHANGED:
            known[row.external_id] = accounts.Reference(one.record_id, dict(row.sent))
        taken.append(one)
    return taken


def _take(
    delivery: Delivery, entity: str, row: InboundRow, known: accounts.Reference | None, write: Writer
) -> Taken:
    if known is not None and all(
        name in known.last_values and known.last_values[name] == value for name, value in row.sent.items()
    ):
        return Taken(row.external_id, Outcome.UNCHANGED, known.record_id)
    session, tenant_id = delivery.session, delivery.actor.tenant_id
    try:
        with session.begin_nested():
            wrote = write(delivery, row.values, known.record_id if known else None)
            accounts.remember_reference(
                session, tenant_id, delivery.system, entity, row.external_id, wrote.record_id, row.sent
            )
            session.flush()
    except DomainError as error:
        return Taken(row.external_id, Outcome.REJECTED, code=error.code, details=dict(error.details))
    except IntegrityError:
        return Taken(row.external_id, Outcome.REJECTED, code="duplicate")
    outcome = Outcome.UPDATED if known else Outcome.CREATED
    return Taken(row.external_id, outcome, wrote.record_id, details=wrote.details)
