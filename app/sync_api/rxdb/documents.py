"""Records as RxDB documents: what differs between two of them, and what the phone lacks."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from app.sync_api.rxdb.wire import STAMPED, Document, Row
from sync.policy import Field, Merge, SyncEntity
from sync.values import canonical, same

STRANGE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, IndexError)
"""What comparing raises on values that are not of the field's type: they differ, and the engine says why."""


def document(body: str, generation: int, without: frozenset[str] = frozenset()) -> str:
    """A record's body as a document.

    Args:
        body: As the feed has it.
        generation: The number of the set in which it is given.
        without: Fields that an older app does not know.
    """
    if without:
        found = {name: value for name, value in orjson.loads(body).items() if name not in without}
        body = orjson.dumps(found).decode()
    return f'{body[:-1]},"generation":{generation},"_deleted":false}}'


def gone(record_id: object) -> str:
    """What is said of a record that the phone is not to hold."""
    return f'{{"id":{orjson.dumps(str(record_id)).decode()},"_deleted":true}}'


def equal(declared: Field | None, left: Any, right: Any) -> bool:
    """Whether two values of a field say the same, whatever a phone has sent."""
    if declared is None:
        return bool(left == right)
    try:
        return same(declared, canonical(declared, left), canonical(declared, right))
    except STRANGE:
        return bool(left == right)


def changed(entity: SyncEntity, new: Document, base: Document) -> dict[str, Any]:
    """The fields that the user of the phone changed; what is missing was emptied."""
    names = [name for name in dict.fromkeys((*new, *base)) if name not in STAMPED]
    return {
        name: new.get(name)
        for name in names
        if not equal(entity.fields.get(name), new.get(name), base.get(name))
    }


def writable(entity: SyncEntity, names: Iterable[str]) -> list[str]:
    """Those of *names* that a phone may edit, or that no field has."""
    return [
        name
        for name in names
        if name not in STAMPED
        and not (name in entity.fields and entity.fields[name].merge is Merge.READ_ONLY)
    ]


def creation(new: Document, known: Iterable[str], entity: SyncEntity) -> dict[str, Any]:
    """The fields of a new record: what the server fills in itself is only a placeholder on the phone.

    Args:
        new: The document.
        known: Fields that a create takes.
        entity: Declaration.
    """
    taken = frozenset(known)
    return {
        name: value
        for name, value in new.items()
        if value is not None and name not in STAMPED and (name in taken or name not in entity.fields)
    }


def shows(entity: SyncEntity, row: Row, master: Mapping[str, Any]) -> bool:
    """Whether the phone's document says of the client's fields what the server's says.

    What the server stamps comes back stale and does not count, unless the phone's user has changed it.
    """
    if row.is_delete:
        return False
    if row.assumed is None and row.version:
        # It was given by another replication, maybe to an app that knew less.
        names = [name for name in master if name not in STAMPED]
    elif row.assumed is None:
        names = writable(entity, (name for name, value in row.new.items() if value is not None))
    else:
        edited = changed(entity, row.new, row.assumed)
        names = list(dict.fromkeys((*writable(entity, row.new), *edited)))
    return all(equal(entity.fields.get(name), row.new.get(name), master.get(name)) for name in names)
