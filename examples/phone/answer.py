"""How an answer of the server is taken in: wholly, in one transaction with its cursor, or not at all."""

from datetime import datetime, timedelta
from typing import Any

from examples.phone.clock import time_text
from examples.phone.store import Store

Json = dict[str, Any]

KEEP_ACKNOWLEDGED_DAYS = 7
"""How long acknowledged work is kept until the server has told its own number."""


def take(store: Store, answer: Json) -> None:
    """Take one answer of ``POST /sync`` in.

    The order matters. What the answer starts over is marked before it brings anything; verdicts come before
    changes, which are later; what is gone is gone after all changes; only a checkpoint drops what did not come.
    """
    with store.transaction():
        store.doubt_told()
        if "rebase" in answer["directives"]:
            _start_over(store)
        if "wipe" in answer["directives"]:
            store.write("locked", "wipe")
        heard_at = time_text(datetime.fromisoformat(answer["server_time"]))
        for verdict in answer["verdicts"]:
            _judged(store, verdict, heard_at, answer["epoch"])
        for change in answer["changes"]:
            store.put(change["entity"], change["id"], change["version"], change["record"], answer["epoch"])
        for gone in answer["removed"]:
            store.remove(gone["entity"], gone["id"])
        if not answer["has_more"]:
            store.drop_stale()
            store.forget_judged_before(window_before(store, heard_at))
        store.write("epoch", answer["epoch"])
        if answer["cursor"] is not None:  # a farewell has none: nothing was pulled
            store.write("cursor", answer["cursor"])
        store.write("heard_at", heard_at)
        store.write("last_error", None)


def _start_over(store: Store) -> None:
    """``rebase``: believe nothing that is not sent again, and tell again what was acknowledged lately.

    Perhaps the server was restored from a backup and no longer knows what it acknowledged. What it can have
    forgotten was acknowledged before this phone last heard from it, so the window ends there and not today: the
    phone may have lain in a drawer since. Judged mutations go back into the queue as they are, their epoch too;
    to a server that knows them they are replays.
    """
    store.mark_all_stale()
    heard_at = store.read("heard_at")
    if heard_at is not None:
        store.reopen_since(window_before(store, heard_at))


def _judged(store: Store, verdict: Json, heard_at: str, epoch: str) -> None:
    mutation = store.judge(verdict, heard_at)
    record = verdict.get("record")
    if mutation is not None and record is not None:
        # The record is of this moment; the verdict's version may be older, when it is a replay.
        store.put_told(mutation["entity"], mutation["record_id"], record["version"], record, epoch)


def window_before(store: Store, moment: str) -> str:
    """Since when acknowledged work is kept. Both ends are the server's time: the phone's clock may be wrong."""
    days = int(store.read("keep_acknowledged_days") or KEEP_ACKNOWLEDGED_DAYS)
    return time_text(datetime.fromisoformat(moment) - timedelta(days=days))
