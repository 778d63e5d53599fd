"""§1 record, version, stamp, change: what the model remembers of one record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
    stamp: Stamp
    author: Author | None
    kind: str  # insert, update, delete, restore


@dataclass(frozen=True, slots=True)
class Sent:
    """What a mutation asked for, "as it was sent", whether it won or lost (§4)."""

    author: Author
    version: int  # of the record after it was judged
    fields: Mapping[str, Any]
    op: str
    stamp: Stamp
    base_version: int


@dataclass(slots=True)
class Record:
    """One record with its parts, and all that ever happened to it."""

    entity: SyncEntity
    id: str
    version: int = 0
    deleted: bool = True
    erased: bool = False
    values: dict[str, Any] = member(default_factory=dict)
    stamps: dict[Path, Stamp] = member(default_factory=dict)
    history: list[Change] = member(default_factory=list)
    sent: list[Sent] = member(default_factory=list)
    # By version: fields that the server's ledger says were changed, also those that nobody wrote.
    told: dict[int, frozenset[str]] = member(default_factory=dict)

    @property
    def key(self) -> Key:
        """Its place in the model."""
        return self.entity.name, self.id

    def copy(self) -> "Record":
        """A record that can be changed alone; what happened is shared, for it never changes."""
        return replace(
            self,
            values=dict(self.values),
            stamps=dict(self.stamps),
            history=list(self.history),
            sent=list(self.sent),
            told=dict(self.told),
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

    def written_at(self, version: int) -> Stamp:
        """The latest stamp with which a version was written; confirmations make no version and do not count."""
        return max((change.stamp for change in self.history if change.version <= version), default=NEVER)

    @property
    def state(self) -> str | None:
        """The status, for an entity with a state machine."""
        machine = self.entity.machine
        found = self.values.get(machine.field) if machine else None
        return None if found is UNKNOWN else found
