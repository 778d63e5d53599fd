"""SQL of pull: range scans over the feed, in one snapshot."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from sync.pull import Channel, FeedRow, Head, Record

ROW = "position, entered, entity, record_id, version, body, gone"


def set_id_of(channels: Sequence[Channel]) -> str:
    """The name of a subscription set: a hash of its channels."""
    return hashlib.sha256(json.dumps(sorted(channels)).encode()).hexdigest()[:32]


class FeedReader:
    """Reads one tenant's feed inside the caller's repeatable-read transaction."""

    def __init__(self, connection: Connection, tenant_id: UUID, live: frozenset[str]) -> None:
        """Wrap *connection*, whose transaction has the tenant set.

        Args:
            connection: In a repeatable-read, read-only transaction of the app role.
            tenant_id: Whose feed.
            live: Buckets that the scope function gives the user in this very snapshot.
        """
        self.connection = connection
        self.tenant_id = tenant_id
        self.live = live

    def _run(self, sql: str, **values: Any) -> Any:
        return self.connection.execute(text(sql), {"tenant": self.tenant_id, **values})

    def head(self) -> Head:
        """The newest drain, the floor and the present epoch."""
        row = self._run(
            "SELECT h.position, d.nonce, h.floor, (SELECT id FROM sync_epochs WHERE ended_at IS NULL"
            " ORDER BY generation DESC LIMIT 1) FROM sync_heads h"
            " JOIN sync_drain d ON d.tenant_id = h.tenant_id AND d.position = h.position WHERE h.tenant_id = :tenant"
        ).one()
        return Head(row[0], row[1], row[2], row[3])

    def waiting_marks(self, at_most: int) -> int:
        """How many marks wait, counted up to *at_most*."""
        return int(
            self._run(
                # In the order of its index, else another company's backlog would be read through.
                "SELECT count(*) FROM (SELECT 1 FROM sync_pending WHERE tenant_id = :tenant ORDER BY id LIMIT :n) AS m",
                n=at_most,
            ).scalar_one()
        )

    def buckets(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str]]:
        """Drained and live subscriptions of a user."""
        rows = self._run(
            "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :user",
            user=user_id,
        )
        return frozenset(row[0] for row in rows), self.live

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of a subscription set; None when it is no longer kept."""
        found = self._run(
            "SELECT channels FROM sync_subscription_sets WHERE tenant_id = :tenant AND id = :id", id=set_id
        ).scalar_one_or_none()
        return None if found is None else tuple((bucket, shape) for bucket, shape in found)

    def is_drain(self, position: int, nonce: UUID) -> bool:
        """Whether that drain happened in this life of the database."""
        return bool(
            self._run(
                "SELECT EXISTS (SELECT 1 FROM sync_drain WHERE tenant_id = :tenant AND position = :p AND nonce = :n)",
                p=position,
                n=nonce,
            ).scalar_one()
        )

    def delta(
        self,
        channels: Sequence[Channel],
        *,
        after: int,
        changes_after: int,
        gone_after: int | None,
        limit: int,
    ) -> list[FeedRow]:
        """Rows of all channels by position; one index range per channel, merged."""
        if not channels:
            return []
        rows = self._run(
            f"""
            SELECT {ROW} FROM unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[])) AS c (bucket, shape)
            CROSS JOIN LATERAL (
                SELECT {ROW} FROM sync_feed f
                WHERE f.tenant_id = :tenant AND f.bucket = c.bucket AND f.shape = c.shape AND f.position > :after
                  AND ((f.gone IS NULL AND f.position > :changes_after)
                       OR (f.gone IS NOT NULL AND f.position > :gone_after))
                ORDER BY f.position LIMIT :limit) AS f
            ORDER BY f.position LIMIT :limit
            """,  # noqa: S608  (ROW is a constant)
            buckets=[c[0] for c in channels],
            shapes=[c[1] for c in channels],
            after=after,
            changes_after=changes_after,
            gone_after=(1 << 62) if gone_after is None else gone_after,
            limit=limit,
        )
        return [FeedRow(*row) for row in rows]

    def walk(self, channel: Channel, *, after: int, gone_after: int, limit: int) -> list[FeedRow]:
        """Rows of one channel by position; ``gone`` marks only above ``gone_after``."""
        rows = self._run(
            f"SELECT {ROW} FROM sync_feed WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608
            " AND position > :after AND (gone IS NULL OR position > :gone_after) ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            gone_after=gone_after,
            limit=limit,
        )
        return [FeedRow(*row) for row in rows]

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        """Rows of a lost channel that the device may hold; bodies are not read."""
        rows = self._run(
            "SELECT position, entered, entity, record_id, version, NULL, gone FROM sync_feed"
            " WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape AND position > :after"
            " AND entered <= :given AND (gone IS NULL OR position > :given) ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            given=given,
            limit=limit,
        )
        return [FeedRow(*row) for row in rows]

    def held(self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]]) -> set[Record]:
        """Which records have a live row in one of the channels at or before its position."""
        if not records or not channels:
            return set()
        rows = self._run(
            """
            SELECT DISTINCT f.entity, f.record_id
            FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS r (entity, id)
            JOIN sync_feed f ON f.tenant_id = :tenant AND f.entity = r.entity AND f.record_id = r.id
                 AND f.gone IS NULL
            JOIN unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[]), CAST(:given AS bigint[]))
                 AS c (bucket, shape, given)
                 ON c.bucket = f.bucket AND c.shape = f.shape AND f.position <= c.given
            """,
            entities=[e for e, _ in records],
            ids=[r for _, r in records],
            buckets=[c[0] for c, _ in channels],
            shapes=[c[1] for c, _ in channels],
            given=[g for _, g in channels],
        )
        return {(row[0], row[1]) for row in rows}


def keep_set(connection: Connection, tenant_id: UUID, channels: Sequence[Channel]) -> None:
    """Store a subscription set, so that cursors can name it; the caller commits.

    When it was last named is kept to the day: a set that no cursor can name any more is forgotten.
    """
    connection.execute(
        text(
            "INSERT INTO sync_subscription_sets AS s (tenant_id, id, channels)"
            " VALUES (:tenant, :id, CAST(:channels AS jsonb))"
            " ON CONFLICT (tenant_id, id) DO UPDATE SET used_at = now() WHERE s.used_at < now() - interval '1 day'"
        ),
        {"tenant": tenant_id, "id": set_id_of(channels), "channels": json.dumps(list(channels))},
    )
