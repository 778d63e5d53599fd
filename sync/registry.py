"""The set of synced entities, checked once when the process starts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from sync.policy import ALL_CLASSES, SyncEntity


class RegistryInvalid(Exception):
    """The declarations contradict each other; the message says which."""


@dataclass(frozen=True)
class Registry:
    """All synced entities in the order in which the sequencer renders them.

    Attributes:
        entities: Parents before their children; the inbox last.
        subscriptions_sql: Yields ``(user_id uuid, role text, bucket text)`` for users ``:users``
            of ``:tenant`` at the moment ``:now``.
        schema_version: Of the wire that this server speaks; rises with each new field or entity.
        oldest_wire: The oldest one whose requests are understood at all.
    """

    entities: tuple[SyncEntity, ...]
    subscriptions_sql: str
    schema_version: int = 1
    oldest_wire: int = 1
    _by_name: dict[str, SyncEntity] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse declarations under which a phone would get a record twice or never."""
        for entity in self.entities:
            if entity.name in self._by_name:
                raise RegistryInvalid(f"two entities are named {entity.name}")
            self._by_name[entity.name] = entity
            _check_shapes(entity)
            if newest_since(entity) > self.schema_version:
                raise RegistryInvalid(f"{entity.name} is newer than schema version {self.schema_version}")
        for entity in self.entities:
            strange = {f.refers for f in entity.fields.values() if f.refers} - self._by_name.keys()
            if strange:
                raise RegistryInvalid(f"{entity.name} refers to {', '.join(sorted(strange))}, which is none")

    @classmethod
    def of(cls, entities: Iterable[SyncEntity], subscriptions_sql: str) -> Self:
        """Make a registry; raises RegistryInvalid."""
        return cls(tuple(entities), subscriptions_sql)

    @property
    def oldest_schema(self) -> int:
        """The oldest schema version whose phones are given changes: two before the present one."""
        return max(1, self.schema_version - 2)

    def changed_since(self, schema_version: int) -> frozenset[str]:
        """Entities of which an app of *schema_version* could not keep all that phones are given now."""
        return frozenset(name for name, since in self._newest.items() if since > schema_version)

    def unknown_to(self, schema_version: int) -> frozenset[str]:
        """Entities that an app of *schema_version* does not know."""
        return frozenset(e.name for e in self.entities if e.since > schema_version)

    def find(self, name: str) -> SyncEntity | None:
        """The entity of that name, or None."""
        return self._by_name.get(name)

    def get(self, name: str) -> SyncEntity:
        """The entity of that name; raises KeyError."""
        return self._by_name[name]

    def shapes_of(self, shape_class: str) -> tuple[str, ...]:
        """The shapes, over all entities, that *shape_class* is given."""
        return self._shapes[shape_class]

    @cached_property
    def _newest(self) -> dict[str, int]:
        # Asked with every request, of some three hundred fields.
        return {e.name: newest_since(e) for e in self.entities}

    @cached_property
    def _shapes(self) -> dict[str, tuple[str, ...]]:
        found = {
            cls: sorted({s for e in self.entities if (s := e.shape_for(cls)) is not None})
            for cls in ALL_CLASSES
        }
        return {cls: tuple(shapes) for cls, shapes in found.items()}


def newest_since(entity: SyncEntity) -> int:
    """The schema version that changed the entity last."""
    cells = (cell for f in entity.fields.values() for cell in f.rows.values())
    return max(entity.since, *(f.since for f in (*entity.fields.values(), *cells)), 1)


def _check_shapes(entity: SyncEntity) -> None:
    if entity.shapes == ("all",):
        return
    classes = [cls for shape in entity.shapes for cls in shape.split("+")]
    if len(classes) != len(set(classes)) or not set(classes) <= set(ALL_CLASSES):
        raise RegistryInvalid(f"the shapes of {entity.name} do not partition the classes: {entity.shapes}")
