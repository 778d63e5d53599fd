"""SQL of what stands beside sync: digests, repairs, where a record lies, and the trace of each device."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from sync.budget import Settings
from sync.digest import Digest
from sync.policy import SyncEntity
from sync.pull import Channel
from sync.stores.driver import statement

KEPT_TRACES = 50
_CODE = re.compile(r"[a-z][a-z0-9_.]{0,79}")
_LAST_ID = UUID(int=(1 << 128) - 1)
_NO_ID = UUID(int=0)

# The live rows of an entity that a device holds, each record once: where several of its buckets hold a
# record, the row with the highest position is the one that a pull gives.
_HELD = """
    SELECT DISTINCT ON (f.record_id) f.record_id, f.version, f.bucket, f.shape
    FROM unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[])) AS c (bucket, shape)
    JOIN sync_feed f ON f.tenant_id = :tenant AND f.bucket = c.bucket AND f.shape = c.shape
     AND f.entity = :entity AND f.record_id > :after AND f.record_id <= :until AND f.gone IS NULL
    ORDER BY f.record_id, f.position DESC
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A record in which a device and the feed differ; without a body the device has to drop it."""

    record_id: UUID
    version: int | None
    body: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the feed, without its body."""

    bucket: str
    shape: str
    position: int
    entered: int
    version: int
    gone: str | None


@dataclass(frozen=True, slots=True)
class LastKnown:
    """How far a device had come at the last sync that was noted."""

    at: datetime
    position: int | None
    has_more: bool


class SupportReader:
    """Reads one tenant's feed for those who ask why, inside the caller's snapshot."""

    def __init__(self, connection: Connection, tenant_id: UUID) -> None:
        """Wrap *connection*, whose transaction has the tenant set."""
        self.connection = connection
        self.tenant_id = tenant_id

    def _run(self, sql: str, **values: Any) -> Any:
        return self.connection.execute(text(sql), {"tenant": self.tenant_id, **values})

    def digests(self, channels: Sequence[Channel]) -> dict[str, Digest]:
        """For each entity of which *channels* hold a live record: how many, and their sum.

        The database hashes and sums; a bigint is the same number modulo 2^64, signed or not.
        """
        rows = self._run(
            """
            SELECT r.entity, count(*), sum(('x' || encode(substring(sha256(
                       convert_to(r.record_id || ':' || r.version, 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::bigint)
            FROM (
                SELECT f.entity, f.record_id, max(f.version) AS version
                FROM unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[])) AS c (bucket, shape)
                JOIN sync_feed f ON f.tenant_id = :tenant AND f.bucket = c.bucket AND f.shape = c.shape
                 AND f.gone IS NULL
                GROUP BY f.entity, f.record_id
            ) AS r GROUP BY r.entity
            """,
            buckets=[bucket for bucket, _ in channels],
            shapes=[shape for _, shape in channels],
        )
        return {entity: Digest.counted(count, int(total)) for entity, count, total in rows}

    def differences(
        self,
        channels: Sequence[Channel],
        entity: str,
        held: Mapping[UUID, int],
        *,
        after: UUID | None,
        until: UUID | None,
        limit: int,
        byte_limit: int,
    ) -> tuple[list[Difference], bool]:
        """Where a device that holds *held* of a stretch of ids differs from *channels*.

        Args:
            channels: What the device is given.
            entity: Whose records.
            held: Id and version of everything that the device has of the stretch.
            after: The stretch begins above this id; None: at the first.
            until: It ends with this id; None: with the last.
            limit: Most differences in the answer.
            byte_limit: Most bytes of bodies; one difference is always given.

        Returns:
            Differences in the order of ids, and whether there are more.
        """
        rows = self._run(
            f"""
            WITH told AS (
                SELECT t.id, t.version FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[])) AS t (id, version)
            ), held AS MATERIALIZED ({_HELD}), differing AS (
                SELECT coalesce(h.record_id, t.id) AS id, h.version, h.bucket, h.shape
                FROM held h FULL JOIN told t ON t.id = h.record_id
                WHERE h.version IS DISTINCT FROM t.version
                ORDER BY 1 LIMIT :most
            ), sized AS (
                SELECT d.id, d.version, f.body, count(*) OVER () AS all_of_them,
                       sum(coalesce(octet_length(f.body), 0)) OVER (ORDER BY d.id) AS bytes
                FROM differing d LEFT JOIN sync_feed f ON f.tenant_id = :tenant AND f.bucket = d.bucket
                 AND f.shape = d.shape AND f.entity = :entity AND f.record_id = d.id
            )
            SELECT id, version, body, all_of_them FROM sized
            WHERE bytes <= :bytes OR bytes = coalesce(octet_length(body), 0) ORDER BY id LIMIT :limit
            """,  # noqa: S608  (a constant)
            buckets=[bucket for bucket, _ in channels],
            shapes=[shape for _, shape in channels],
            entity=entity,
            ids=list(held),
            versions=list(held.values()),
            after=after or _NO_ID,
            until=until or _LAST_ID,
            limit=limit,
            most=limit + 1,
            bytes=byte_limit,
        ).all()
        more = bool(rows) and len(rows) < rows[0].all_of_them
        return [Difference(*row[:3]) for row in rows], more

    def places(self, entity: str, record_id: UUID) -> list[Place]:
        """Every row of the feed that a record has, whoever may see it."""
        rows = self._run(
            "SELECT bucket, shape, position, entered, version, gone FROM sync_feed"
            " WHERE tenant_id = :tenant AND entity = :entity AND record_id = :id ORDER BY bucket, shape",
            entity=entity,
            id=record_id,
        )
        return [Place(*row) for row in rows]

    def given_once(self, user_id: UUID, entity: str, record_id: UUID) -> str | None:
        """How a record left that a device of the user was given once: the reason of its newest row.

        None when no device of the user was ever given it.
        """
        found: str | None = self._run(
            "SELECT coalesce(f.gone, 'out_of_scope') FROM sync_given g"
            " JOIN sync_feed f ON f.tenant_id = g.tenant_id AND f.bucket = g.bucket AND f.shape = g.shape"
            " WHERE g.tenant_id = :tenant AND g.user_id = :user AND f.entity = :entity AND f.record_id = :id"
            " AND f.entered <= g.position ORDER BY f.position DESC LIMIT 1",
            user=user_id,
            entity=entity,
            id=record_id,
        ).scalar_one_or_none()
        return found

    def subscriptions(self, user_id: UUID) -> frozenset[str]:
        """Drained subscriptions of a user."""
        rows = self._run(
            "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :user",
            user=user_id,
        )
        return frozenset(row[0] for row in rows)

    def left_out(self, user_id: UUID) -> frozenset[str]:
        """Buckets that the user's phones are not given because of the cap."""
        rows = self._run(
            "SELECT bucket FROM sync_left_out WHERE tenant_id = :tenant AND user_id = :user", user=user_id
        )
        return frozenset(row[0] for row in rows)

    def highest_n(self, device_id: UUID) -> int:
        """The highest number of a mutation of the device that was judged."""
        found = self._run(
            "SELECT highest_n FROM sync_devices WHERE tenant_id = :tenant AND device_id = :device",
            device=device_id,
        ).scalar_one_or_none()
        return int(found or 0)

    def waits(self, entity: str, record_id: UUID) -> bool:
        """Whether a mark of the record waits to be sequenced."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_pending"
                " WHERE tenant_id = :tenant AND entity = :entity AND record_id = :id)",
                entity=entity,
                id=record_id,
            ).scalar_one()
        )

    def set_aside(self, entity: str, record_id: UUID) -> tuple[str, str, datetime] | None:
        """SQLSTATE, message and time if the record is in quarantine."""
        row = self._run(
            "SELECT sqlstate, message, since FROM sync_quarantine"
            " WHERE tenant_id = :tenant AND entity = :entity AND record_id = :id",
            entity=entity,
            id=record_id,
        ).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    def stored(self, entity: SyncEntity, record_id: UUID) -> tuple[int, bool] | None:
        """Version of the row itself, and whether it is deleted; None where there is no row."""
        row = self._run(
            f"SELECT version, deleted_at IS NOT NULL FROM {entity.table}"  # noqa: S608  (declared)
            " WHERE tenant_id = :tenant AND id = :id",
            id=record_id,
        ).one_or_none()
        return None if row is None else (row[0], row[1])

    def naming(self, entity: SyncEntity, record_id: UUID, user_id: UUID) -> list[str]:
        """Fields of the record that name the user: ``owner_id``, ``assignee_id`` …"""
        rows = self._run(
            f"SELECT e.key FROM {entity.table} t, jsonb_each_text(to_jsonb(t)) e"  # noqa: S608  (declared)
            " WHERE t.tenant_id = :tenant AND t.id = :id AND e.value = CAST(:user AS text)"
            " AND e.key NOT IN ('id', 'created_by', 'updated_by') ORDER BY e.key",
            id=record_id,
            user=str(user_id),
        )
        return [row[0] for row in rows]

    def account_of(self, entity: SyncEntity, record_id: UUID) -> UUID | None:
        """The account that the record hangs on."""
        if entity.account_field is None:
            return None
        field = entity.fields.get(entity.account_field)
        column = field.column if field and field.column else entity.account_field
        found: UUID | None = self._run(
            f"SELECT {column} FROM {entity.table} WHERE tenant_id = :tenant AND id = :id",  # noqa: S608  (declared)
            id=record_id,
        ).scalar_one_or_none()
        return found

    def head(self) -> int:
        """The tenant's last position."""
        return int(self._run("SELECT position FROM sync_heads WHERE tenant_id = :tenant").scalar_one())

    def last_known(self, device_id: UUID) -> LastKnown | None:
        """The newest trace of a device that tells how far it came."""
        row = self._run(
            "SELECT at, position, has_more FROM sync_traces WHERE tenant_id = :tenant AND device_id = :device"
            " AND position IS NOT NULL ORDER BY id DESC LIMIT 1",
            device=device_id,
        ).one_or_none()
        return None if row is None else LastKnown(*row)


def note_sync_trace(
    connection: Connection,
    tenant_id: UUID,
    device_id: UUID,
    *,
    at: datetime,
    kind: str,
    duration_ms: int,
    mutations: int = 0,
    verdicts: Mapping[str, int] | None = None,
    changes: int = 0,
    removed: int = 0,
    position: int | None = None,
    has_more: bool = False,
    directives: Sequence[str] = (),
    error: str | None = None,
) -> None:
    """Write down that a device synced, and forget all but its last 50 syncs; the caller commits.

    Syncs in which nothing happened are told by one row, however many follow each other.

    Args:
        connection: Of the app role, with the tenant set.
        tenant_id: Whose.
        device_id: Which device.
        at: When it was answered.
        kind: ``first``, ``delta``, ``push``, ``farewell``.
        duration_ms: How long it took the server.
        mutations: How many came in.
        verdicts: How many of each status.
        changes: Records in the answer.
        removed: Removals in the answer.
        position: Where the cursor of the answer stands.
        has_more: Whether the device was no checkpoint yet.
        directives: What it was told to do.
        error: Stable code, if it was refused. Texts are not kept: they may tell of people.
    """
    connection.execute(
        statement(
            f"""
            WITH last AS (
                SELECT id, mutations + changes + removed + cardinality(directives) = 0
                           AND NOT has_more AND error IS NULL AS empty
                FROM sync_traces WHERE tenant_id = :tenant AND device_id = :device ORDER BY id DESC LIMIT 1
            ), again AS (
                UPDATE sync_traces t SET at = :at, duration_ms = :duration, position = :position, times = t.times + 1
                FROM last WHERE t.tenant_id = :tenant AND t.device_id = :device AND t.id = last.id
                 AND last.empty AND :empty RETURNING t.id
            ), added AS (
                INSERT INTO sync_traces (tenant_id, device_id, at, since, kind, duration_ms, mutations, verdicts,
                                         changes, removed, position, has_more, directives, error)
                SELECT :tenant, :device, :at, :at, :kind, :duration, :mutations, CAST(:verdicts AS jsonb),
                       :changes, :removed, :position, :more, CAST(:directives AS text[]), :error
                WHERE NOT EXISTS (SELECT 1 FROM again)
            )
            DELETE FROM sync_traces t WHERE t.tenant_id = :tenant AND t.device_id = :device AND t.id <= (
                SELECT o.id FROM sync_traces o WHERE o.tenant_id = :tenant AND o.device_id = :device
                ORDER BY o.id DESC OFFSET {KEPT_TRACES - 1} LIMIT 1)
             AND NOT EXISTS (SELECT 1 FROM again)
            """  # noqa: S608  (a number)
        ),
        {
            "tenant": tenant_id,
            "device": device_id,
            "at": at,
            "kind": kind,
            "duration": duration_ms,
            "mutations": mutations,
            "verdicts": json.dumps(dict(verdicts or {})),
            "changes": changes,
            "removed": removed,
            "position": position,
            "more": has_more,
            "directives": list(directives),
            "error": error if error is None or _CODE.fullmatch(error) else "unknown",
            "empty": not (mutations or changes or removed or directives or has_more or error),
        },
    )


def note_clone(connection: Connection, tenant_id: UUID, device_id: UUID, at: datetime) -> None:
    """Write down that two phones speak as one device, until ``forget_clones``; the first time counts.

    The caller commits.
    """
    connection.execute(
        text(
            "UPDATE sync_devices SET cloned_at = :at"
            " WHERE tenant_id = :tenant AND device_id = :device AND cloned_at IS NULL"
        ),
        {"tenant": tenant_id, "device": device_id, "at": at},
    )


def is_cloned(connection: Connection, tenant_id: UUID, device_id: UUID) -> bool:
    """Whether two phones speak as the device: then neither a login nor a guess tells whose it is."""
    found = connection.scalar(
        text(
            "SELECT cloned_at IS NOT NULL FROM sync_devices WHERE tenant_id = :tenant AND device_id = :device"
        ),
        {"tenant": tenant_id, "device": device_id},
    )
    return bool(found)


def forget_clones(connection: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """The user goes on as another device, as ``reauth`` asked; who still clashes is noted anew.

    The caller commits.
    """
    connection.execute(
        text(
            "UPDATE sync_devices SET cloned_at = NULL"
            " WHERE tenant_id = :tenant AND user_id = :user AND cloned_at IS NOT NULL"
        ),
        {"tenant": tenant_id, "user": user_id},
    )


def lock_settings(connection: Connection, tenant_id: UUID) -> None:
    """Let nobody else change the settings until the caller commits; who has none gets the defaults."""
    connection.execute(
        text("INSERT INTO sync_settings (tenant_id) VALUES (:tenant) ON CONFLICT DO NOTHING"),
        {"tenant": tenant_id},
    )
    connection.execute(
        text("SELECT FROM sync_settings WHERE tenant_id = :tenant FOR UPDATE"), {"tenant": tenant_id}
    )


def keep_settings(connection: Connection, tenant_id: UUID, settings: Settings) -> None:
    """Keep what an administrator set; the caller has locked it and commits."""
    connection.execute(
        text(
            "UPDATE sync_settings SET records_warn = :records_warn, records_cap = :records_cap,"
            " keep_days = :keep_days, resend_days = :resend_days, version = :version WHERE tenant_id = :tenant"
        ),
        {"tenant": tenant_id, **asdict(settings)},
    )
