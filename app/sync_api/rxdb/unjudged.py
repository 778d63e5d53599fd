"""Rows that nobody judges: they are kept in the inbox as they were meant, so that a person can do what they say."""

from collections.abc import Mapping
from typing import Any

from app.sync_api.rxdb.documents import changed, writable
from app.sync_api.rxdb.wire import Row
from sync.policy import SyncEntity


def intent_of(entity: SyncEntity, row: Row, present: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Operation, fields and base of a row; None where its user wants nothing.

    Args:
        entity: Of the collection.
        row: As it was pushed.
        present: The record's fields as they are, where it is there.
    """
    if row.is_delete:
        return None if present is None else {"op": "delete", "base_version": row.version}
    if row.assumed is None and (not row.version or present is None):
        names = writable(entity, row.new)
        made = {name: row.new[name] for name in names if row.new[name] is not None}
        return {"op": "create", "fields": made}
    # What another replication gave is compared with what is there: what it was given is not known any more.
    base = (
        row.assumed if row.assumed is not None else {n: v for n, v in (present or {}).items() if n in row.new}
    )
    fields = {n: v for n, v in changed(entity, row.new, base).items() if n in writable(entity, [n])}
    if not fields:
        return None
    # All of it, as a native phone tells: whoever decides is shown what the user saw.
    sent = {n: base.get(n) for n in fields if n in entity.fields}
    return {"op": "update", "base_version": row.version, "fields": fields, "base": sent}
