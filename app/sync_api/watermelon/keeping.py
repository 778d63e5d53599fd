"""What the door writes down of a device: marks, the rows that it holds, and the edits that it pushed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.sync_api.pushing import Identity

KEPT_MARKS = 50
WITHHELD = timedelta(hours=24)
"""How long a removal waits for edits that a device may not have pushed yet."""

FORGOTTEN_AFTER = 2
"""A pushed edit is forgotten with so many pulls that brought no push of its record."""

Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this door, as it stands."""

    serial: int
    n: int
    answered_at: datetime | None
    base_epoch: UUID | None
    replace_since: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """A row that the device holds: which versions it was given with which marks, its base first."""

    marks: Sequence[int]
    versions: Sequence[int]

    def base(self) -> int:
        """The version that its user saw; 0 where nobody knows."""
        return self.versions[0] if self.versions else 0

    def seen(self, mark: int) -> tuple[int, ...]:
        """Later versions that its user may have seen when they made what is pushed with *mark*.

        What came with that very mark came in the same call, after the edit.
        """
        given = zip(self.marks[1:], self.versions[1:], strict=True)
        return tuple(version for at, version in given if at < mark)


@dataclass(frozen=True, slots=True)
class Known:
    """An edit that came before, or just now."""

    mutation_id: UUID
    base_version: int | None
    base_epoch: UUID | None
    judged: bool
    version: int | None
    owed: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """A row of which the device has to be told more than what changes.

    ``may_go`` says that it may be taken away should its record not be there: it left long enough ago, or the device
    made it and was refused.
    """

    entity: str
    record_id: UUID
    owed: str | None
    may_go: bool


class Book:
    """The pages of one device, in the caller's transaction."""

    def __init__(self, connection: Connection, who: Identity) -> None:
        """Open them; *connection* has the tenant set."""
        self.connection = connection
        self.who = who

    def _run(self, sql: str, **values: Any) -> Any:
        told = {"tenant": self.who.tenant_id, "device": self.who.device_id, "user": self.who.user_id}
        return self.connection.execute(text(sql), told | values)

    # -- the device

    def lock(self, now: datetime) -> Device:
        """The device, held until the transaction ends; made when it comes for the first time."""
        self._run(
            "INSERT INTO watermelon_devices (tenant_id, device_id, seen_at) VALUES (:tenant, :device, :now)"
            " ON CONFLICT (tenant_id, device_id) DO UPDATE SET seen_at = :now",
            now=now,
        )
        return self.device()

    def device(self) -> Device:
        """The device as it stands."""
        row = self._run(
            "SELECT w.serial, greatest(w.n, d.highest_n), w.answered_at, w.base_epoch, w.replace_since"
            " FROM watermelon_devices w LEFT JOIN sync_devices d USING (tenant_id, device_id)"
            " WHERE tenant_id = :tenant AND device_id = :device"
        ).one_or_none()
        return Device(0, 0, None, None, None) if row is None else Device(*row)

    def cursor_at(self, mark: int | None) -> str | None:
        """The cursor behind a mark; None where none is kept."""
        found: str | None = self._run(
            "SELECT cursor FROM watermelon_marks WHERE tenant_id = :tenant AND device_id = :device AND mark = :mark",
            mark=mark,
        ).scalar_one_or_none()
        return found

    def keep_mark(self, mark: int, serial: int, cursor: str) -> None:
        """Keep the cursor behind a new mark, and forget the oldest of too many."""
        self._run(
            "UPDATE watermelon_devices SET serial = :serial WHERE tenant_id = :tenant AND device_id = :device",
            serial=serial,
        )
        self._run(
            "INSERT INTO watermelon_marks (tenant_id, device_id, mark, cursor)"
            " VALUES (:tenant, :device, :mark, :cursor)",
            mark=mark,
            cursor=cursor,
        )
        self._run(
            "DELETE FROM watermelon_marks WHERE tenant_id = :tenant AND device_id = :device AND mark <= ("
            "SELECT mark FROM watermelon_marks WHERE tenant_id = :tenant AND device_id = :device"
            " ORDER BY mark DESC OFFSET :kept LIMIT 1)",
            kept=KEPT_MARKS,
        )

    def take_n(self, count: int, last: int) -> None:
        """Use up the next *count* numbers of mutations."""
        self._run(
            "UPDATE watermelon_devices SET n = :n WHERE tenant_id = :tenant AND device_id = :device",
            n=last + count,
        )

    def replace_since(self, now: datetime) -> None:
        """The device may hold rows of a life of the database that nobody knows of any more."""
        self._run(
            "UPDATE watermelon_devices SET replace_since = coalesce(replace_since, :now), replaced = NULL"
            " WHERE tenant_id = :tenant AND device_id = :device",
            now=now,
        )

    def replaced_with(self, mark: int) -> None:
        """It is told to drop what does not come with *mark*."""
        self._run(
            "UPDATE watermelon_devices SET replaced = :mark WHERE tenant_id = :tenant AND device_id = :device",
            mark=mark,
        )

    # -- the base

    def move_base(self, mark: int, epoch: UUID, *, answered_at: datetime | None = None) -> None:
        """What the device pushes from now on is based on what it held at *mark*, or on something newer."""
        self._run(
            "UPDATE watermelon_devices SET base_epoch = :epoch, answered_at = coalesce(:at, answered_at)"
            " WHERE tenant_id = :tenant AND device_id = :device",
            epoch=epoch,
            at=answered_at,
        )
        self._run(
            "UPDATE watermelon_rows w SET marks = w.marks[k.place:], versions = w.versions[k.place:]"
            " FROM (SELECT entity, record_id, (SELECT count(*)::int FROM unnest(marks) AS m WHERE m <= :mark) AS place"
            " FROM watermelon_rows WHERE tenant_id = :tenant AND device_id = :device AND cardinality(marks) > 1) AS k"
            " WHERE w.tenant_id = :tenant AND w.device_id = :device AND w.entity = k.entity"
            " AND w.record_id = k.record_id AND k.place > 1",
            mark=mark,
        )
        self._run(
            "DELETE FROM watermelon_marks WHERE tenant_id = :tenant AND device_id = :device AND mark < :mark",
            mark=mark,
        )

    def begin_anew(self, epoch: UUID | None = None) -> None:
        """The device says that it holds nothing."""
        for table in ("watermelon_rows", "watermelon_marks", "watermelon_keys"):
            self._run(f"DELETE FROM {table} WHERE tenant_id = :tenant AND device_id = :device")  # noqa: S608
        self._run(
            "UPDATE watermelon_devices SET base_epoch = :epoch, replace_since = NULL, replaced = NULL"
            " WHERE tenant_id = :tenant AND device_id = :device",
            epoch=epoch,
        )

    # -- rows

    def confirm(self, mark: int) -> None:
        """The device stands at *mark*: what was told up to it is done, and what was told later never arrived."""
        self._run(
            "DELETE FROM watermelon_rows WHERE tenant_id = :tenant AND device_id = :device"
            " AND leaving_since IS NOT NULL AND owed IS NULL AND sent <= :mark",
            mark=mark,
        )
        self._run(
            "UPDATE watermelon_rows SET owed = CASE WHEN sent > :mark THEN owed END, sent = NULL"
            " WHERE tenant_id = :tenant AND device_id = :device AND sent IS NOT NULL"
            " AND (stale OR leaving_since IS NOT NULL OR owed IS NOT NULL)",
            mark=mark,
        )
        self._run(
            "UPDATE watermelon_devices SET replace_since = NULL, replaced = NULL"
            " WHERE tenant_id = :tenant AND device_id = :device AND replaced <= :mark",
            mark=mark,
        )

    def rewind(self, mark: int) -> None:
        """Forget what was given after *mark*: those answers never arrived.

        The feed gives them once more; what it does not give by then has left meanwhile.
        """
        self._run(
            "UPDATE watermelon_rows w SET stale = true,"
            " marks = w.marks[1:k.place], versions = w.versions[1:k.place]"
            " FROM (SELECT entity, record_id, (SELECT count(*)::int FROM unnest(marks) AS m WHERE m <= :mark) AS place"
            " FROM watermelon_rows WHERE tenant_id = :tenant AND device_id = :device"
            " AND marks[cardinality(marks)] > :mark) AS k"
            " WHERE w.tenant_id = :tenant AND w.device_id = :device AND w.entity = k.entity"
            " AND w.record_id = k.record_id",
            mark=mark,
        )
        self._run(
            "DELETE FROM watermelon_rows WHERE tenant_id = :tenant AND device_id = :device AND marks = '{}'"
            " AND owed IS NULL AND leaving_since IS NULL"
        )

    def forget_all(self) -> None:
        """Rows are told anew, all of them: what the device holds besides is found out at the end."""
        self._run("UPDATE watermelon_rows SET stale = true WHERE tenant_id = :tenant AND device_id = :device")

    def give(
        self,
        mark: int,
        given: Sequence[tuple[str, UUID, int]],
        *,
        base_known: bool = True,
        by_feed: bool = True,
    ) -> None:
        """Note what versions the device is given with *mark*.

        Args:
            given: Entity, id, version.
            base_known: False where the device may hold the row, and edits of it, from a time that is not known.
            by_feed: False where it is told what was decided, though no feed may hold the record for it.
        """
        self._run(
            "INSERT INTO watermelon_rows AS w (tenant_id, device_id, entity, record_id, marks, versions)"
            " SELECT :tenant, :device, g.entity, g.id,"
            " CASE WHEN :known THEN '{}' ELSE ARRAY[CAST(0 AS bigint)] END || CAST(:mark AS bigint),"
            " CASE WHEN :known THEN '{}' ELSE ARRAY[0] END || g.version"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS int[]))"
            " AS g (entity, id, version)"
            " ON CONFLICT (tenant_id, device_id, entity, record_id) DO UPDATE SET"
            " marks = CASE WHEN NOT w.stale"
            " AND w.versions[cardinality(w.versions)] = excluded.versions[cardinality(excluded.versions)]"
            " THEN w.marks ELSE w.marks[1:50] || CAST(:mark AS bigint) END,"
            " versions = CASE WHEN NOT w.stale AND w.versions[cardinality(w.versions)] ="
            " excluded.versions[cardinality(excluded.versions)] THEN w.versions"
            " ELSE w.versions[1:50] || excluded.versions[cardinality(excluded.versions)] END,"
            " stale = w.stale AND NOT :by_feed, sent = CASE WHEN w.owed IS NULL THEN NULL ELSE w.sent END,"
            " leaving_since = CASE WHEN NOT :by_feed THEN w.leaving_since END",
            known=base_known,
            by_feed=by_feed,
            mark=mark,
            entities=[one[0] for one in given],
            ids=[one[1] for one in given],
            versions=[one[2] for one in given],
        )

    def leave(self, records: Sequence[Key], now: datetime) -> None:
        """Note that rows left the scope, or were deleted."""
        self._run(
            "UPDATE watermelon_rows w SET leaving_since = coalesce(leaving_since, :now)"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS g (entity, id)"
            " WHERE w.tenant_id = :tenant AND w.device_id = :device AND w.entity = g.entity AND w.record_id = g.id",
            now=now,
            **_columns(records),
        )

    def leave_stale(self, now: datetime) -> None:
        """All was told anew: what was not among it is gone."""
        self._run(
            "UPDATE watermelon_rows SET stale = false, leaving_since = coalesce(leaving_since, :now)"
            " WHERE tenant_id = :tenant AND device_id = :device AND stale",
            now=now,
        )

    def owe(self, records: Mapping[Key, str]) -> None:
        """Note rows of which the device shows something else than what was decided."""
        self._run(
            "INSERT INTO watermelon_rows AS w (tenant_id, device_id, entity, record_id, marks, versions, owed, stale)"
            " SELECT :tenant, :device, g.entity, g.id, '{}', '{}', g.owed, true"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]), CAST(:owed AS text[]))"
            " AS g (entity, id, owed)"
            " ON CONFLICT (tenant_id, device_id, entity, record_id) DO UPDATE SET owed = excluded.owed, sent = NULL",
            **_columns(records),
            owed=list(records.values()),
        )

    def owe_tables(self, tables: Iterable[str]) -> None:
        """Note all rows of some tables: the app was updated, and could not keep all of them before."""
        self._run(
            "UPDATE watermelon_rows SET owed = coalesce(owed, 'updated'), sent = NULL"
            " WHERE tenant_id = :tenant AND device_id = :device AND entity = ANY(:tables)",
            tables=sorted(tables),
        )

    def make(self, records: Sequence[tuple[str, UUID, int]], mark: int) -> None:
        """Note rows that the device made itself, at the version that they got; stale until the feed has them."""
        self._run(
            "INSERT INTO watermelon_rows (tenant_id, device_id, entity, record_id, marks, versions, stale)"
            " SELECT :tenant, :device, g.entity, g.id, ARRAY[CAST(:mark AS bigint)], ARRAY[g.version], true"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS int[]))"
            " AS g (entity, id, version) ON CONFLICT DO NOTHING",
            mark=mark,
            entities=[one[0] for one in records],
            ids=[one[1] for one in records],
            versions=[one[2] for one in records],
        )

    def drop(self, records: Sequence[Key]) -> None:
        """Forget rows that the device deleted itself."""
        self._run(
            "DELETE FROM watermelon_rows w USING unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]))"
            " AS g (entity, id) WHERE w.tenant_id = :tenant AND w.device_id = :device"
            " AND w.entity = g.entity AND w.record_id = g.id",
            **_columns(records),
        )

    def held(self, records: Sequence[Key]) -> dict[Key, Held]:
        """What the device holds of *records*."""
        rows = self._run(
            "SELECT w.entity, w.record_id, w.marks, w.versions FROM watermelon_rows w"
            " JOIN unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS g (entity, id)"
            " ON w.entity = g.entity AND w.record_id = g.id"
            " WHERE w.tenant_id = :tenant AND w.device_id = :device",
            **_columns(records),
        )
        return {(row[0], row[1]): Held(row[2], row[3]) for row in rows}

    def to_tell(self, now: datetime, limit: int, pending: int | None) -> list[Open]:
        """Rows that are owed, and those whose removal may be told: no edit can be lost by it any more.

        What is leaving waits for that, whatever else is owed of it.

        Args:
            now: Server time.
            limit: How many at most.
            pending: How many edits the app says to have that were not pushed, if it says.
        """
        rows = self._run(
            "SELECT w.entity, w.record_id, w.owed, w.leaving_since IS NOT NULL OR w.versions = '{}'"
            " FROM watermelon_rows w JOIN watermelon_devices d"
            " USING (tenant_id, device_id) WHERE w.tenant_id = :tenant AND w.device_id = :device"
            " AND (w.stale OR w.leaving_since IS NOT NULL OR w.owed IS NOT NULL) AND w.sent IS NULL"
            " AND CASE WHEN w.leaving_since IS NULL THEN w.owed IS NOT NULL ELSE CAST(:pending AS int) = 0"
            " OR CAST(:pending AS int) IS NULL AND w.leaving_since < d.answered_at OR w.leaving_since <= :since END"
            " ORDER BY w.entity, w.record_id LIMIT :limit",
            pending=pending,
            since=now - WITHHELD,
            limit=limit,
        )
        return [Open(*row) for row in rows]

    def tell(self, records: Sequence[Key], mark: int, gone: Sequence[Key], now: datetime) -> None:
        """Note that *records* are told of with *mark*; those in *gone* that they are to be dropped."""
        self.leave(gone, now)
        self._run(
            "UPDATE watermelon_rows w SET sent = :mark"
            " FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS g (entity, id)"
            " WHERE w.tenant_id = :tenant AND w.device_id = :device AND w.entity = g.entity AND w.record_id = g.id",
            mark=mark,
            **_columns(records),
        )

    # -- pushed edits

    def keys(self, records: Sequence[Key]) -> dict[tuple[str, UUID, bytes], Known]:
        """Edits of *records* that are not forgotten, by hash."""
        rows = self._run(
            "SELECT k.entity, k.record_id, k.hash, k.mutation_id, k.base_version, k.base_epoch, k.judged, k.version,"
            " k.owed FROM watermelon_keys k JOIN unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]))"
            " AS g (entity, id) ON k.entity = g.entity AND k.record_id = g.id"
            " WHERE k.tenant_id = :tenant AND k.user_id = :user",
            **_columns(records),
        )
        return {(row[0], row[1], row[2]): Known(*row[3:]) for row in rows}

    def keep_keys(self, keys: Mapping[tuple[str, UUID, bytes], Known]) -> None:
        """Write edits down, before they are judged and after."""
        values = list(keys.values())
        self._run(
            "INSERT INTO watermelon_keys (tenant_id, user_id, device_id, entity, record_id, hash, mutation_id,"
            " base_version, base_epoch, judged, version, owed)"
            " SELECT :tenant, :user, :device, g.* FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[]),"
            " CAST(:hashes AS bytea[]), CAST(:mutations AS uuid[]), CAST(:bases AS int[]), CAST(:epochs AS uuid[]),"
            " CAST(:judged AS bool[]), CAST(:versions AS int[]), CAST(:owed AS text[])) AS g"
            " ON CONFLICT (tenant_id, user_id, entity, record_id, hash) DO UPDATE SET device_id = :device, pulls = 0,"
            " mutation_id = excluded.mutation_id, base_version = excluded.base_version,"
            " base_epoch = excluded.base_epoch, judged = excluded.judged, version = excluded.version,"
            " owed = excluded.owed",
            entities=[one[0] for one in keys],
            ids=[one[1] for one in keys],
            hashes=[one[2] for one in keys],
            mutations=[one.mutation_id for one in values],
            bases=[one.base_version for one in values],
            epochs=[one.base_epoch for one in values],
            judged=[one.judged for one in values],
            versions=[one.version for one in values],
            owed=[one.owed for one in values],
        )

    def age_keys(self) -> None:
        """A pull: what was not pushed since the one before is forgotten."""
        self._run(
            "DELETE FROM watermelon_keys WHERE tenant_id = :tenant AND device_id = :device AND pulls >= :most",
            most=FORGOTTEN_AFTER - 1,
        )
        self._run(
            "UPDATE watermelon_keys SET pulls = pulls + 1 WHERE tenant_id = :tenant AND device_id = :device"
        )


def _columns(records: Iterable[Key]) -> dict[str, Any]:
    listed = list(records)
    return {"entities": [one[0] for one in listed], "ids": [one[1] for one in listed]}
