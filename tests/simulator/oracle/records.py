"""§1 record, version, stamp, change: what the model remembers of one record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any

from sync.policy import SyncEntity
from tests.simulator.oracle.values import NEVER, UNKNOWN, Path, Stamp

Key = tuple[str, str]  # entity, record id


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote by which mutation; nobody's phone has no author."""

    user: str
    device: str
    mutation_id: str
    n: int


@dataclass(frozen=True, slots=True)
class Change:
    """§1 "change": one write that changed something; several of one transaction share a version."""

    version: int
    values: Mapping[str, tuple[Any, Any]]  # field: old, new (whole values)
    paths: frozenset[Path]  # what exactly changed: fields, elements, rows, fields of rows
    stamps: Mapping[Path, Stamp]
    author: Author | None
    kind: str  # insert, update, delete, restore

    @property
    def highest(self) -> Stamp:
        """The latest stamp that it wrote."""
        return max(self.stamps.values(), default=NEVER)


@dataclass(frozen=True, slots=True)
class Raise:
    """A write of an equal value: no change, no version, but a later stamp (§5)."""

    version: int  # of the record at that time
    stamp: Stamp
    author: Author | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What a mutation asked for, "as it was sent", whether it won or lost (§4)."""

    author: Author
    version: int  # of the record after it was judged
    fields: Mapping[str, Any]
    op: str
    stamp: Stamp


@dataclass(slots=True)
class Record:
    """One record with its parts, and all that ever happened to it."""

    entity: SyncEntity
    id: str
    version: int = 0
    deleted: bool = True
    values: dict[str, Any] = member(default_factory=dict)
    stamps: dict[Path, Stamp] = member(default_factory=dict)
    history: list[Change] = member(default_factory=list)
    raises: list[Raise] = member(default_factory=list)
    sent: list[Sent] = member(default_factory=list)

    @property
    def key(self) -> Key:
        """Its place in the model."""
        return self.entity.name, self.id

    def copy(self) -> "Record":
        """A record that can be changed alone; what happened is shared, for it never changes."""
        return Record(
            self.entity,
            self.id,
            self.version,
            self.deleted,
            dict(self.values),
            dict(self.stamps),
            list(self.history),
            list(self.raises),
            list(self.sent),
        )

    def after(self, version: int) -> Iterator[Change]:
        """Changes above a version, "every version between and not only the head" (§5)."""
        return (change for change in self.history if change.version > version)

    def value_at(self, version: int, name: str) -> Any:
        """A field as it was at a version."""
        for change in self.after(version):
            if name in change.values:
                return change.values[name][0]
        return self.values.get(name)

    def stamps_at(self, version: int) -> tuple[Stamp, Stamp]:
        """The highest stamp of a version: as it was when the version came, and with later confirmations of it."""
        written = max((change.highest for change in self.history if change.version <= version), default=NEVER)
        before = max((each.stamp for each in self.raises if each.version < version), default=NEVER)
        at_it = max((each.stamp for each in self.raises if each.version == version), default=NEVER)
        return max(written, before), max(written, before, at_it)

    @property
    def state(self) -> str | None:
        """The status, for an entity with a state machine."""
        machine = self.entity.machine
        found = self.values.get(machine.field) if machine else None
        return None if found is UNKNOWN else found
