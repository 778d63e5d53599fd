"""Whether the phone holds what the server thinks it holds; and how it is mended where it does not."""

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from examples.phone.client import Client, Refused
from examples.phone.store import Store

Json = dict[str, Any]


def digest(versions: Iterable[tuple[str, int]]) -> Json:
    """Count and sum of ids and versions: equal on both sides in whatever order they are added."""
    count = total = 0
    for record_id, version in versions:
        count += 1
        total += int.from_bytes(hashlib.sha256(f"{record_id}:{version}".encode()).digest()[:8], "big")
    return {"count": count, "sum": str(total % (1 << 64))}


def mend(store: Store, client: Client) -> list[tuple[str, str]]:
    """Ask for the server's digest, and for the records of the entities that differ.

    Returns:
        What was put right, by entity and id. Nothing, when the server has newer changes for this phone: sync first.
    """
    cursor = store.read("cursor")
    if cursor is None:
        return []
    try:
        theirs = client.call("GET", f"/sync/digest?cursor={quote(cursor)}")["entities"]
    except Refused as refused:
        if refused.code == "behind":
            return []
        raise
    mended = []
    ours = _by_entity(store)
    for entity in sorted(ours.keys() | theirs.keys()):
        held = ours.get(entity, {})
        if digest(held.items()) != theirs.get(entity, digest(())):
            mended += _repair(store, client, cursor, entity, held)
    return mended


def _by_entity(store: Store) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (entity, record_id), version in store.versions().items():
        found.setdefault(entity, {})[record_id] = version
    return found


def _repair(
    store: Store, client: Client, cursor: str, entity: str, held: dict[str, int]
) -> list[tuple[str, str]]:
    """What the server sends here holds whatever version the phone has."""
    body = {
        "cursor": cursor,
        "entity": entity,
        "records": [{"id": record_id, "version": version} for record_id, version in held.items()],
    }
    answer = client.call("POST", "/sync/repair", lambda: body)
    with store.transaction():
        for change in answer["changes"]:
            store.replace(entity, change["id"], change["version"], change["record"], store.read("epoch"))
        for gone in answer["removed"]:
            store.remove(entity, gone["id"])
    return [(entity, one["id"]) for one in (*answer["changes"], *answer["removed"])]
