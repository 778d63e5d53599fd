"""What asks for approval: documents of other rooms, as they hand themselves in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.approvals.models import ApprovalRequest
from sync.values import wire_time

Decided = Callable[[Session, ApprovalRequest, str, datetime], None]
Lock = Callable[[Session, UUID], object]


@dataclass(frozen=True, slots=True)
class Document:
    """A document in one state.

    Attributes:
        kind: As registered, as ``order``.
        id: Of the record.
        account_id: Of the customer, if there is one.
        territory_id: Where its approvers by territory are looked for.
        title: One line for people.
        hash: Of everything that an approval is about: another state has another one.
        snapshot: The whole document as the requester may see it: no cost, margin or floor.
        metrics: What policies compare, by ``Metric``; those that are not known are left out.
        requester_id: Whose request it is; they never decide on it.
        excluded: Who else never does, as who changed or submitted it in the requester's place.
    """

    kind: str
    id: UUID
    account_id: UUID | None
    territory_id: UUID | None
    title: str
    hash: str
    snapshot: Mapping[str, Any]
    metrics: Mapping[str, Decimal]
    requester_id: UUID
    excluded: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """An approval that stands: of exactly one state of a document, at these metrics."""

    request_id: UUID
    metrics: Mapping[str, Decimal]
    approved_at: datetime


@dataclass(slots=True)
class Registered:
    """What rooms want to be told of their documents, by kind."""

    decided: dict[str, Decided] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)


REGISTERED = Registered()


def register(kind: str, on_decided: Decided, *, lock: Lock | None = None) -> None:
    """Let a room know what was decided on its documents; called once, when the room is imported.

    Args:
        kind: Of the documents.
        on_decided: Called in the deciding transaction with the request, ``approved``, ``rejected``, ``returned``
            or ``withdrawn``, and the server's time; what it raises undoes the decision.
        lock: Locks the document's row. A decision takes it before the request's, as the room itself does when
            it asks for approval: else the two would wait for each other.
    """
    REGISTERED.decided[kind] = on_decided
    if lock is not None:
        REGISTERED.locks[kind] = lock


def plain(value: Any) -> Any:
    """JSON of typed values: decimals and ids as text, times as the wire writes them."""
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
