"""Bodies cut to what a viewer's shape class may see."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from app.core.errors import Forbidden
from app.http.fields import Rendered, WireSchema
from sync.policy import SyncEntity

ALWAYS = ("id", "version")

_schemas: dict[tuple[str, type[WireSchema], str], WireSchema] = {}


def schema_for(entity: SyncEntity, schema_cls: type[WireSchema], shape_class: str) -> WireSchema:
    """The schema of *entity*'s bodies for one shape class: the fields of its feed, in the feed's order.

    Args:
        entity: The sync policy; its shapes decide.
        schema_cls: The full wire record.
        shape_class: ``sales``, ``service``, ``manager`` or ``partner``.

    Raises:
        Forbidden: The shape class sees none of the entity.
    """
    key = (entity.name, schema_cls, str(shape_class))
    if key not in _schemas:
        shape = entity.shape_for(shape_class)
        if shape is None:
            raise Forbidden
        _schemas[key] = schema_cls(only=[*ALWAYS, *entity.fields_of(shape)])
    return _schemas[key]


def schema_of(
    entity: SyncEntity, schema_cls: type[WireSchema], shape_class: str, names: Iterable[str]
) -> WireSchema:
    """The same for some of the fields only: to read three of forty, the others need not be asked.

    Names that the shape does not have are as unknown to it as to the whole schema.
    """
    whole = schema_for(entity, schema_cls, shape_class)
    known = frozenset(name for name in names if name in whole.fields)
    return whole if not known else _cut(entity.name, schema_cls, str(shape_class), known)


@lru_cache(maxsize=1024)
def _cut(entity: str, schema_cls: type[WireSchema], shape_class: str, names: frozenset[str]) -> WireSchema:
    whole = _schemas[entity, schema_cls, shape_class]
    return schema_cls(only=[name for name in whole.fields if name in names])


def rendered(entity: SyncEntity, schema_cls: type[WireSchema], shape_class: str) -> Callable[[Any], Rendered]:
    """A function that renders records for one shape class; ``@blp.response`` sends on what it gives."""
    schema = schema_for(entity, schema_cls, shape_class)
    return lambda record: Rendered(schema.dump(record))
