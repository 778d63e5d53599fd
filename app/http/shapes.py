"""Bodies cut to what a viewer's shape class may see."""

from collections.abc import Callable
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


def rendered(entity: SyncEntity, schema_cls: type[WireSchema], shape_class: str) -> Callable[[Any], Rendered]:
    """A function that renders records for one shape class; ``@blp.response`` sends on what it gives."""
    schema = schema_for(entity, schema_cls, shape_class)
    return lambda record: Rendered(schema.dump(record))
