"""Whether the phone holds what the server thinks it holds; and how it is mended where it does not."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

from examples.phone.client import Client, Refused
from examples.phone.store import Store

Json = dict[str, Any]

STRETCH = 5_000
"""Ids in one request; the server takes twice as many."""


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
        What was put right, by entity and id. Where the server has newer changes for this phone it stops: sync first.
    """
    mended: list[tuple[str, str]] = []
    cursor = store.read("cursor")
    if cursor is None:
        return mended
    try:
        theirs = client.call("GET", f"/sync/digest?cursor={quote(cursor)}")["entities"]
        ours = store.sound_versions()
        for entity in sorted(ours.keys() | theirs.keys()):
            held = ours.get(entity, {})
            if digest(held.items()) != theirs.get(entity, digest(())):
                for one in _repaired(store, client, cursor, entity, held):
                    mended.append((entity, one))
    except Refused as refused:
        if refused.code != "behind":
            raise
    return mended


def _repaired(store: Store, client: Client, cursor: str, entity: str, held: dict[str, int]) -> Iterator[str]:
    """Go through an entity in stretches of ids; what the server sends here holds whatever version the phone has."""
    ids = sorted(held)
    after: str | None = None
    while True:
        part = [record_id for record_id in ids if after is None or record_id > after][:STRETCH]
        until = part[-1] if len(part) == STRETCH else None
        body: Json = {
            "cursor": cursor,
            "entity": entity,
            "held": [{"id": record_id, "version": held[record_id]} for record_id in part],
            "after": after,
            "until": until,
        }
        answer = client.call("POST", "/sync/repair", partial(dict, body))
        with store.transaction():
            for change in answer["changes"]:
                store.replace(entity, change["id"], change["version"], change["record"], store.read("epoch"))
            for gone in answer["removed"]:
                store.remove(entity, gone["id"])
        yield from (one["id"] for one in (*answer["changes"], *answer["removed"]))
        after = answer["next_after"] or until
        if after is None:
            return
