"""What a push finds: the record as it stands, its ledger, and what the server knows of the device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

MOST_NAMES = 50
"""Nobody reinstalls an app so often within the life of one queue; who replays more costs the server no more."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What the server knows of a device.

    ``also_known_as`` holds the devices under which mutations that it replayed were first judged, the
    latest last: a reinstalled app restores its queue under a new device.
    """

    highest_n: int
    also_known_as: tuple[UUID, ...] = ()

    def known_as(self, device_id: UUID) -> "DeviceState":
        """The same device, also known as *device_id*; the oldest of too many names is forgotten."""
        names = (*(name for name in self.also_known_as if name != device_id), device_id)
        return replace(self, also_known_as=names[-MOST_NAMES:])


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """The first answer to a mutation."""

    device_id: UUID
    hash: bytes
    status: str
    code: str | None
    detail: Any
    fields: Any
    version: int | None
    conflict_id: UUID | None
    entity: str
    record_id: UUID


@dataclass(frozen=True, slots=True)
class RecordState:
    """A record as it stands: every field in wire form, and the stamps beside it.

    ``row_stamps`` holds, for each field of parts, the stamps of each part by its id.
    """

    version: int
    deleted: bool
    fields: dict[str, Any]
    stamps: dict[str, Any]
    row_stamps: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One change after a base version. ``old``/``new`` hold the changed columns as the ledger keeps them.

    ``own`` tells whether an earlier mutation of the asking device made it.
    """

    id: int
    version: int
    op: str
    part: str | None
    part_id: UUID | None
    old: dict[str, Any]
    new: dict[str, Any]
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    own: bool


@dataclass(frozen=True, slots=True)
class OwnMutation:
    """An earlier mutation of the same device on the same record, as it was sent."""

    op: str
    fields: dict[str, Any]
    base_version: int | None
    version: int | None
    stamp_at: datetime | None
    status: str


@dataclass(frozen=True, slots=True)
class HistoryAsked:
    """What a mutation has to know of its record's past.

    Attributes:
        entity: Name.
        record_id: Id.
        version: The base version.
        n: Of the asking mutation: what this device did later is no basis of it (a clone did it).
    """

    entity: str
    record_id: UUID
    version: int
    n: int


@dataclass(frozen=True, slots=True)
class History:
    """The past of a record, as one mutation asks for it.

    Attributes:
        ledger: Changes of the record and its parts after the base version, oldest first.
        newest_stamp_at: The newest stamp of the record as it was at the base version.
        own: This device's judged earlier mutations of the record, oldest first. Its own counter orders them;
            what was judged under its earlier names was all made before.
    """

    ledger: tuple[LedgerRow, ...] = ()
    newest_stamp_at: datetime | None = None
    own: tuple[OwnMutation, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """Values that lost: ``lost`` against what stood there, ``present``, with the winner named."""

    entity: str
    record_id: UUID
    version: int
    account_id: UUID | None
    lost: Mapping[str, Any]
    present: Mapping[str, Any]
    mutation_id: UUID
    occurred_at: datetime | None
    stamp_at: str
    winner: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Writer:
    """What the capture triggers are told of the writer of one record: the mutation and its stamps."""

    mutation_id: UUID
    occurred_at: datetime | None
    stamp: tuple[str, str]
    stamps: Mapping[str, Any]
