"""What a push finds: the record as it stands, its ledger, and what the server knows of the device."""

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
