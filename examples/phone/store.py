"""What the phone keeps: the server's records, the queue of own mutations, and where it stands. SQLite."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    entity TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
    stale INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (entity, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mutations (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entity TEXT NOT NULL, record_id TEXT NOT NULL,
    body TEXT NOT NULL, boot TEXT NOT NULL, made_ms INTEGER NOT NULL,
    verdict TEXT, judged_at TEXT
);
CREATE INDEX IF NOT EXISTS unsent ON mutations (entity, record_id) WHERE verdict IS NULL;
"""


class Store:
    """One SQLite file. Records are as the server sent them; own edits are in the queue alone."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it."""
        self._db = sqlite3.connect(path)
        self._db.executescript(SCHEMA)

    def transaction(self) -> AbstractContextManager[Any]:
        """All or nothing: an answer is applied wholly, or asked for again."""
        return self._db

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Where the phone stands

    def read(self, key: str) -> str | None:
        """A remembered value."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def write(self, key: str, value: str | None) -> None:
        """Remember a value; ``None`` forgets it."""
        self._db.execute("DELETE FROM state WHERE key = ?", (key,))
        if value is not None:
            self._db.execute("INSERT INTO state VALUES (?, ?)", (key, value))

    # The server's records

    def record(self, entity: str, record_id: str) -> tuple[int, Json] | None:
        """Version and body of a record as the server sent it."""
        row = self._db.execute(
            "SELECT version, body FROM records WHERE entity = ? AND id = ?", (entity, record_id)
        ).fetchone()
        return None if row is None else (int(row[0]), json.loads(row[1]))

    def records(self, entity: str) -> dict[str, Json]:
        """Bodies by id."""
        rows = self._db.execute("SELECT id, body FROM records WHERE entity = ? ORDER BY id", (entity,))
        return {record_id: json.loads(body) for record_id, body in rows}

    def versions(self) -> dict[tuple[str, str], int]:
        """Version of every record that is held, by entity and id."""
        return {
            (entity, i): v for entity, i, v in self._db.execute("SELECT entity, id, version FROM records")
        }

    def put(self, entity: str, record_id: str, version: int, body: Json) -> None:
        """Take a record, unless the phone has a later version of it. An equal version overwrites."""
        self._db.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, 0) ON CONFLICT (entity, id) DO UPDATE"
            " SET version = excluded.version, body = excluded.body, stale = 0"
            " WHERE stale OR excluded.version >= version",
            (entity, record_id, version, json.dumps(body, ensure_ascii=False)),
        )

    def remove(self, entity: str, record_id: str) -> None:
        """Forget a record and its version: should it come back, any version is right."""
        self._db.execute("DELETE FROM records WHERE entity = ? AND id = ?", (entity, record_id))

    def mark_all_stale(self) -> None:
        """The server starts over: nothing is believed before it was sent again."""
        self._db.execute("UPDATE records SET stale = 1")

    def drop_stale(self) -> None:
        """The server has sent all it has: the rest is gone, but for records with unsent work on them."""
        self._db.execute(
            "DELETE FROM records WHERE stale AND NOT EXISTS (SELECT 1 FROM mutations m"
            " WHERE m.verdict IS NULL AND m.entity = records.entity AND m.record_id = records.id)"
        )

    def wipe(self) -> None:
        """Forget everything."""
        for table in ("records", "mutations", "state"):
            self._db.execute(f"DELETE FROM {table}")

    # The queue

    def enqueue(self, body: Json, boot: str, made_ms: int) -> None:
        """Add a mutation under the next ``n``. From here on it never changes."""
        (last,) = self._db.execute("SELECT coalesce(max(n), 0) FROM mutations").fetchone()
        body = {"id": body["id"], "n": last + 1, **body}
        self._db.execute(
            "INSERT INTO mutations VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (body["n"], body["id"], body["entity"], body["record_id"], json.dumps(body), boot, made_ms),
        )

    def unsent(self, limit: int) -> Iterator[tuple[Json, str, int]]:
        """Mutations without a verdict, oldest first, with when they were made: ``(body, boot, made_ms)``."""
        rows = self._db.execute(
            "SELECT body, boot, made_ms FROM mutations WHERE verdict IS NULL ORDER BY n LIMIT ?", (limit,)
        )
        return ((json.loads(body), boot, made_ms) for body, boot, made_ms in rows.fetchall())

    def unsent_count(self) -> int:
        """How long the queue is."""
        (count,) = self._db.execute("SELECT count(*) FROM mutations WHERE verdict IS NULL").fetchone()
        return int(count)

    def edits(self, entity: str, record_id: str | None = None) -> dict[str, list[Json]]:
        """Unsent mutations by record, oldest first."""
        found: dict[str, list[Json]] = {}
        rows = self._db.execute(
            "SELECT record_id, body FROM mutations WHERE verdict IS NULL AND entity = ?1"
            " AND (?2 IS NULL OR record_id = ?2) ORDER BY n",
            (entity, record_id),
        )
        for found_id, body in rows:
            found.setdefault(found_id, []).append(json.loads(body))
        return found

    def judge(self, verdict: Json, judged_at: str) -> Json | None:
        """Take a mutation out of the queue and keep its verdict; gives the mutation."""
        row = self._db.execute("SELECT body FROM mutations WHERE id = ?", (verdict["id"],)).fetchone()
        if row is None:
            return None
        kept = {key: value for key, value in verdict.items() if key != "record"}
        self._db.execute(
            "UPDATE mutations SET verdict = ?, judged_at = ? WHERE id = ?",
            (json.dumps(kept), judged_at, verdict["id"]),
        )
        mutation: Json = json.loads(row[0])
        return mutation

    def verdicts(self) -> list[tuple[Json, Json]]:
        """Judged mutations with their verdicts, oldest first."""
        rows = self._db.execute("SELECT body, verdict FROM mutations WHERE verdict IS NOT NULL ORDER BY n")
        return [(json.loads(body), json.loads(verdict)) for body, verdict in rows]

    def reopen_since(self, moment: str) -> None:
        """Put what was judged since *moment* back into the queue: the server's memory of it may be lost."""
        self._db.execute(
            "UPDATE mutations SET verdict = NULL, judged_at = NULL WHERE judged_at >= ?", (moment,)
        )
