"""What the phone keeps: the server's records, the queue of own mutations, and where it stands. SQLite."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SCHEMA = (
    "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE records ("
    " entity TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,"
    " stale INTEGER NOT NULL DEFAULT 0, epoch TEXT, PRIMARY KEY (entity, id)) WITHOUT ROWID",
    "CREATE TABLE mutations ("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entity TEXT NOT NULL, record_id TEXT NOT NULL,"
    " body TEXT NOT NULL, boot TEXT NOT NULL, made_ms INTEGER NOT NULL,"
    " verdict TEXT, judged_at TEXT)",
    "CREATE INDEX unsent ON mutations (entity, record_id) WHERE verdict IS NULL",
)
FROM_FIRST = (
    "ALTER TABLE records ADD COLUMN epoch TEXT",
    "INSERT INTO state SELECT 'last_n', max(n) FROM mutations HAVING max(n) > 0",
)
"""What a file of the first version lacks."""

FRESH, STALE, TOLD, DOUBTED = 0, 1, 2, 3
"""What the feed gave; what must come again, in any version; what a verdict of this answer, or of an earlier
one, told and the feed never gave."""

UNSENT_WORK = (
    "SELECT 1 FROM mutations m WHERE m.verdict IS NULL AND m.entity = r.entity AND m.record_id = r.id"
)


@dataclass(frozen=True)
class Held:
    """A record as the server sent it."""

    version: int
    body: Json
    epoch: str | None


@dataclass(frozen=True)
class Queued:
    """A mutation in the queue, and when it was made: by which life of the counting clock, at what count."""

    body: Json
    boot: str
    made_ms: int


class Store:
    """One SQLite file. Records are as the server sent them; own edits are in the queue alone.

    Every write belongs to a ``transaction()``: a phone that dies between two writes has done neither.
    """

    def __init__(self, path: str) -> None:
        """Open the file, or make it."""
        self._db = sqlite3.connect(path, isolation_level=None)  # transactions are begun and ended here alone
        self._db.execute("PRAGMA synchronous = FULL")  # what was committed outlives an empty battery
        self._db.execute("PRAGMA secure_delete = ON")  # what was wiped is not left in the file's free pages
        self._depth = 0
        with self.transaction():
            self._make()

    def _make(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'records'").fetchone()
        if version == 0:
            for statement in FROM_FIRST if tables else SCHEMA:
                self._db.execute(statement)
            self._db.execute("PRAGMA user_version = 1")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. One inside another is a part of it."""
        if self._depth:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth = 0

    def _write(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        if not self._depth:
            raise RuntimeError("a write outside a transaction could be half done")
        return self._db.execute(statement, tuple(values))

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
        self._write("DELETE FROM state WHERE key = ?", (key,))
        if value is not None:
            self._write("INSERT INTO state VALUES (?, ?)", (key, value))

    # The server's records

    def record(self, entity: str, record_id: str) -> Held | None:
        """A record as the server sent it."""
        row = self._db.execute(
            "SELECT version, body, epoch FROM records WHERE entity = ? AND id = ?", (entity, record_id)
        ).fetchone()
        return None if row is None else Held(int(row[0]), json.loads(row[1]), row[2])

    def records(self, entity: str) -> dict[str, Json]:
        """Bodies by id."""
        rows = self._db.execute("SELECT id, body FROM records WHERE entity = ? ORDER BY id", (entity,))
        return {record_id: json.loads(body) for record_id, body in rows}

    def versions(self) -> dict[tuple[str, str], int]:
        """Version of every record that is held, by entity and id."""
        return {
            (entity, i): v for entity, i, v in self._db.execute("SELECT entity, id, version FROM records")
        }

    def sound_versions(self) -> dict[str, dict[str, int]]:
        """Versions by entity and id for a comparison; 0 where the body is not what its row says."""
        found: dict[str, dict[str, int]] = {}
        for entity, record_id, version in self._db.execute(
            "SELECT entity, id, CASE WHEN json_valid(body) THEN CASE WHEN json_extract(body, '$.id') = id"
            " AND json_extract(body, '$.version') = version THEN version ELSE 0 END ELSE 0 END FROM records"
        ):
            found.setdefault(entity, {})[record_id] = version
        return found

    def put(self, entity: str, record_id: str, version: int, body: Json, epoch: str | None) -> None:
        """Take a record from the feed, unless the phone has a later version. An equal one overwrites."""
        self._put(entity, record_id, version, body, epoch, FRESH)
        self._write(
            "UPDATE records SET stale = ? WHERE stale IN (?, ?) AND entity = ? AND id = ?",
            (FRESH, TOLD, DOUBTED, entity, record_id),
        )

    def put_told(self, entity: str, record_id: str, version: int, body: Json, epoch: str | None) -> None:
        """Take a record from a verdict. One that the feed did not give stays only until it has had its say:
        it may lie outside the windows of what this phone holds.
        """
        self._put(entity, record_id, version, body, epoch, TOLD)

    def _put(
        self, entity: str, record_id: str, version: int, body: Json, epoch: str | None, fresh: int
    ) -> None:
        self._write(
            "INSERT INTO records AS r VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (entity, id) DO UPDATE"
            " SET version = excluded.version, body = excluded.body, epoch = excluded.epoch,"
            " stale = CASE WHEN r.stale = 0 THEN 0 ELSE excluded.stale END"
            " WHERE r.stale = 1 OR excluded.version >= r.version",
            (entity, record_id, version, json.dumps(body, ensure_ascii=False), fresh, epoch),
        )

    def replace(self, entity: str, record_id: str, version: int, body: Json, epoch: str | None) -> None:
        """Take a record whatever version is held: a repair."""
        self.remove(entity, record_id)
        self.put(entity, record_id, version, body, epoch)

    def remove(self, entity: str, record_id: str) -> None:
        """Forget a record and its version: should it come back, any version is right."""
        self._write("DELETE FROM records WHERE entity = ? AND id = ?", (entity, record_id))

    def mark_all_stale(self) -> None:
        """The server starts over: nothing is believed before it was sent again."""
        self._write("UPDATE records SET stale = ?", (STALE,))

    def doubt_told(self) -> None:
        """A new answer: what an earlier verdict told must come by the feed now."""
        self._write("UPDATE records SET stale = ? WHERE stale = ?", (DOUBTED, TOLD))

    def drop_stale(self) -> None:
        """The server has sent all it has: the rest is gone, but for records with unsent work on them."""
        self._write(
            f"DELETE FROM records AS r WHERE stale IN (?, ?) AND NOT EXISTS ({UNSENT_WORK})", (STALE, DOUBTED)
        )

    def has_told(self) -> bool:
        """Whether a record is here of which only a verdict told."""
        found = self._db.execute("SELECT EXISTS (SELECT 1 FROM records WHERE stale = ?)", (TOLD,))
        return bool(found.fetchone()[0])

    def wipe(self, *kept: str) -> None:
        """Forget everything but some keys of the state."""
        self._write("DELETE FROM records")
        self._write("DELETE FROM mutations")
        marks = ", ".join("?" * len(kept))
        self._write(f"DELETE FROM state WHERE key NOT IN ({marks})", kept)

    # The queue

    def enqueue(self, body: Json, boot: str, made_ms: int) -> None:
        """Add a mutation under the next ``n``. From here on it never changes."""
        n = int(self.read("last_n") or 0) + 1
        self._insert({"id": body["id"], "n": n, **body}, boot, made_ms)

    def _insert(self, body: Json, boot: str, made_ms: int) -> None:
        self._write(
            "INSERT INTO mutations VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (
                body["n"],
                body["id"],
                body["entity"],
                body["record_id"],
                json.dumps(body, ensure_ascii=False),
                boot,
                made_ms,
            ),
        )
        # Beside the queue: judged mutations leave it some day, their numbers are never given again.
        self.write("last_n", str(max(int(self.read("last_n") or 0), body["n"])))

    def unsent(self, limit: int, most_bytes: int = 1 << 62) -> list[Queued]:
        """What the next request can take: mutations without a verdict, lowest ``n`` first, groups whole."""
        found: list[Queued] = []
        size = 0
        rows = self._db.execute(
            "SELECT body, boot, made_ms FROM mutations WHERE verdict IS NULL ORDER BY n LIMIT ?", (limit + 1,)
        ).fetchall()
        for text, boot, made_ms in rows:
            size += len(text.encode())
            one = Queued(json.loads(text), boot, made_ms)
            if found and (len(found) == limit or size > most_bytes):
                return self._whole_groups(found, one)
            found.append(one)
        return found

    def _whole_groups(self, found: list[Queued], following: Queued) -> list[Queued]:
        """Leave out the beginning of a group whose end did not fit; alone it is sent whole, whatever its size."""
        group = following.body["group"]
        if group is None or found[-1].body["group"] != group:
            return found
        before = [one for one in found if one.body["group"] != group]
        return before or [
            Queued(json.loads(text), boot, made_ms)
            for text, boot, made_ms in self._db.execute(
                "SELECT body, boot, made_ms FROM mutations WHERE verdict IS NULL"
                " AND json_extract(body, '$.group') = ? ORDER BY n",
                (group,),
            ).fetchall()
        ]

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
        self._write(
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
        self._write("UPDATE mutations SET verdict = NULL, judged_at = NULL WHERE judged_at >= ?", (moment,))

    def forget_judged_before(self, moment: str) -> None:
        """Let go of what was acknowledged so long ago that every backup holds it."""
        self._write("DELETE FROM mutations WHERE judged_at < ?", (moment,))

    def queue(self) -> list[Json]:
        """All mutations, judged ones too, for a backup: each as it was made."""
        return [json.loads(body) for (body,) in self._db.execute("SELECT body FROM mutations ORDER BY n")]

    def restore_queue(self, mutations: Iterable[Mapping[str, Any]]) -> None:
        """Take the queue of a former installation, unchanged; whatever was judged is judged as a replay."""
        for body in mutations:
            self._insert(dict(body), "", 0)
