"""Stamps: when each value of a record was last written, and by which mutation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sync.values import microseconds_of, moment_at, wire_time

DEFAULT = "_"  # key of the stamp that holds for all that has none of its own
LONGEST_AGE_MS = 400 * 24 * 60 * 60 * 1000  # no phone runs longer without a restart


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When a value was written; of two, the later one wins, ties by mutation id.

    Attributes:
        at: Corrected time, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``: fixed width, so that text order is time order.
        mutation: Id of the mutation, lower-case; empty for a write without a phone.
    """

    at: str
    mutation: str

    @classmethod
    def of(cls, moment: datetime, mutation: UUID | str = "") -> "Stamp":
        """The stamp of *mutation* at *moment* (aware)."""
        return cls(wire_time(moment), str(mutation).lower())

    def to_json(self) -> list[str]:
        """The form that the ``stamps`` column keeps."""
        return [self.at, self.mutation]

    @property
    def moment(self) -> datetime:
        """``at`` as an aware UTC time."""
        return datetime.fromisoformat(self.at)


NEVER = Stamp("0001-01-01T00:00:00.000000Z", "")


def field_stamp(stamps: Mapping[str, Any], field: str) -> Stamp:
    """The stamp of a plain field; of a set field the newest of its elements."""
    node = stamps.get(field, stamps.get(DEFAULT))
    return max(_in_node(node), default=NEVER)


def element_stamp(stamps: Mapping[str, Any], field: str, element: str) -> Stamp:
    """The stamp of one element of a set field, whether it is present or absent."""
    node = stamps.get(field)
    if isinstance(node, Mapping):
        node = node.get(element, node.get(DEFAULT))
    if node is None:
        node = stamps.get(DEFAULT)
    return max(_in_node(node), default=NEVER)


def newest(stamps: Mapping[str, Any]) -> Stamp:
    """The newest stamp of a record or of a row, ``NEVER`` where it has none."""
    return max((stamp for node in stamps.values() for stamp in _in_node(node)), default=NEVER)


def corrected_time(
    *,
    now: datetime,
    sent_at: datetime | None,
    occurred_at: datetime | None,
    age_ms: int | None,
    floor: Stamp | None,
) -> datetime:
    """When an edit was made, by the server's clock.

    A phone's clock is never believed, only the span between its edit and its sending. Never later
    than *now*, and always above *floor*; where the two disagree, the floor wins.

    Args:
        now: Server time when the request came in, aware UTC.
        sent_at: The phone's clock when it sent the request.
        occurred_at: The phone's clock when the user made the edit.
        age_ms: Monotonic milliseconds from edit to sending; None after a reboot. A negative one
            counts as 0, one of more than 400 days as not given.
        floor: The newest stamp of the version that the edit was based on and of the device's earlier
            mutations of the record.

    Returns:
        Aware UTC, within the calendar whatever was sent.
    """
    latest = microseconds_of(now)
    made = min(latest - _span_before_sending(sent_at, occurred_at, age_ms), latest)
    if floor is not None:
        made = max(made, microseconds_of(floor.moment) + 1)
    return moment_at(made)


def _span_before_sending(sent_at: datetime | None, occurred_at: datetime | None, age_ms: int | None) -> int:
    """Microseconds from the edit to its sending."""
    if age_ms is not None and age_ms <= LONGEST_AGE_MS:
        return max(age_ms, 0) * 1000
    if sent_at is None or occurred_at is None:
        return 0
    return microseconds_of(sent_at) - microseconds_of(occurred_at)


def _in_node(node: Any) -> Iterator[Stamp]:
    """The stamps in one member of the column: a pair, or an object of pairs."""
    if isinstance(node, Mapping):
        for pair in node.values():
            yield Stamp(*pair)
    elif node is not None:
        yield Stamp(*node)
