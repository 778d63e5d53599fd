"""SQL of pull: range scans over the feed, in one snapshot."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from sync.budget import DEFAULTS, Settings
from sync.pull import Channel, FeedRow, Head, Record

ROW = "f.position, f.entered, f.entity, f.record_id, f.version, f.body, f.gone, f.bucket, f.shape"


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
        self._subscribed: dict[UUID, tuple[frozenset[str], frozenset[str], dict[Channel, int]]] = {}

    def _run(self, sql: str, **values: Any) -> Any:
        return self.connection.execute(text(sql), {"tenant": self.tenant_id, **values})

    def head(self) -> Head:
        """The newest drain, the floor, the present epoch and the budget."""
        row = self._run(
            "SELECT h.position, d.nonce, h.floor, (SELECT id FROM sync_epochs WHERE ended_at IS NULL"
            " ORDER BY generation DESC LIMIT 1), s.records_warn, s.records_cap, s.keep_days, s.resend_days"
            " FROM sync_heads h JOIN sync_drain d ON d.tenant_id = h.tenant_id AND d.position = h.position"
            " LEFT JOIN sync_settings s ON s.tenant_id = h.tenant_id WHERE h.tenant_id = :tenant"
        ).one()
        return Head(row[0], row[1], row[2], row[3], DEFAULTS if row[4] is None else Settings(*row[4:]))

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
        return self._subscriptions(user_id)[0], self.live

    def sizes(self, user_id: UUID) -> Mapping[Channel, int]:
        """How many live rows the channels of the user's drained buckets have."""
        return self._subscriptions(user_id)[2]

    def left_out(self, user_id: UUID) -> frozenset[str]:
        """Buckets that the user's phones were last not given, because of the cap."""
        return self._subscriptions(user_id)[1]

    def _subscriptions(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str], dict[Channel, int]]:
        """Drained buckets, those left out, and sizes: read once, for the snapshot does not change."""
        known = self._subscribed.get(user_id)
        if known is None:
            rows = self._run(
                "SELECT s.bucket, o.bucket IS NOT NULL, z.shape, z.records FROM sync_subscriptions s"
                " LEFT JOIN sync_left_out o ON o.tenant_id = :tenant AND o.user_id = :user AND o.bucket = s.bucket"
                " LEFT JOIN sync_channel_sizes z ON z.tenant_id = :tenant AND z.bucket = s.bucket"
                " WHERE s.tenant_id = :tenant AND s.user_id = :user",
                user=user_id,
            ).all()
            known = self._subscribed[user_id] = (
                frozenset(row[0] for row in rows),
                frozenset(row[0] for row in rows if row[1]),
                {(row[0], row[2]): row[3] for row in rows if row[2] is not None},
            )
        return known

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of a subscription set; None when it is no longer kept."""
        found = self._run(
            "SELECT channels FROM sync_subscription_sets WHERE tenant_id = :tenant AND id = :id", id=set_id
        ).scalar_one_or_none()
        return None if found is None else tuple((bucket, shape) for bucket, shape in found)

    def are_drains(self, drains: Sequence[tuple[int, UUID]]) -> bool:
        """Whether each of these drains happened in this life of the database."""
        named = dict(drains)
        found = self._run(
            "SELECT position, nonce FROM sync_drain WHERE tenant_id = :tenant AND position = ANY(:positions)",
            positions=sorted(named),
        )
        signed = {row[0]: row[1] for row in found}
        return all(signed.get(position) == nonce for position, nonce in drains)

    def epoch_holds(self, epoch: UUID) -> int | None:
        """Up to which position an ended epoch holds (-1: nowhere); None when the database never knew it."""
        found = self._run(
            "SELECT coalesce(h.position, -1) FROM sync_epochs e LEFT JOIN sync_epoch_holds h"
            " ON h.tenant_id = :tenant AND h.epoch_id = e.id WHERE e.id = :epoch AND e.ended_at IS NOT NULL",
            epoch=epoch,
        ).scalar_one_or_none()
        return None if found is None else int(found)

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
                SELECT * FROM sync_feed f
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
            f"SELECT {ROW} FROM sync_feed f WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608
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

    def again(
        self, channel: Channel, entities: Sequence[str], *, after: int, until: int, limit: int
    ) -> list[FeedRow]:
        """Live rows of some entities of one channel by position, up to ``until``."""
        rows = self._run(
            f"SELECT {ROW} FROM sync_feed f WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608
            " AND position > :after AND position <= :until AND gone IS NULL AND entity = ANY(:entities)"
            " ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            until=until,
            entities=list(entities),
            limit=limit,
        )
        return [FeedRow(*row) for row in rows]

    def held(
        self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]], *, by_entry: bool = False
    ) -> set[Record]:
        """Which records have a live row in one of the channels that stands, or came in, at or before its position."""
        if not records or not channels:
            return set()
        place = "entered" if by_entry else "position"
        rows = self._run(
            f"""
            SELECT DISTINCT f.entity, f.record_id
            FROM unnest(CAST(:entities AS text[]), CAST(:ids AS uuid[])) AS r (entity, id)
            JOIN sync_feed f ON f.tenant_id = :tenant AND f.entity = r.entity AND f.record_id = r.id
                 AND f.gone IS NULL
            JOIN unnest(CAST(:buckets AS text[]), CAST(:shapes AS text[]), CAST(:given AS bigint[]))
                 AS c (bucket, shape, given)
                 ON c.bucket = f.bucket AND c.shape = f.shape AND f.{place} <= c.given
            """,  # noqa: S608  (one of two columns)
            entities=[e for e, _ in records],
            ids=[r for _, r in records],
            buckets=[c[0] for c, _ in channels],
            shapes=[c[1] for c, _ in channels],
            given=[g for _, g in channels],
        )
        return {(row[0], row[1]) for row in rows}


def settings_of(connection: Connection, tenant_id: UUID) -> Settings:
    """What the tenant's administrators have set."""
    row = connection.execute(
        text(
            "SELECT records_warn, records_cap, keep_days, resend_days, version FROM sync_settings"
            " WHERE tenant_id = :tenant"
        ),
        {"tenant": tenant_id},
    ).one_or_none()
    return DEFAULTS if row is None else Settings(*row)


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


def keep_given(connection: Connection, tenant_id: UUID, user_id: UUID, given: Mapping[Channel, int]) -> None:
    """Note what a user's device was given of which channel, and up to which position; the caller commits."""
    if not given:
        return
    channels = sorted(given)  # in one order, so that two devices of the user do not wait for each other
    connection.execute(
        text(
            "INSERT INTO sync_given (tenant_id, user_id, bucket, shape, position)"
            " SELECT :tenant, :user, g.bucket, g.shape, g.position FROM unnest(CAST(:buckets AS text[]),"
            " CAST(:shapes AS text[]), CAST(:positions AS bigint[])) AS g (bucket, shape, position)"
            " ON CONFLICT (tenant_id, user_id, bucket, shape) DO UPDATE"
            " SET position = greatest(sync_given.position, EXCLUDED.position), given_at = clock_timestamp()"
        ),
        {
            "tenant": tenant_id,
            "user": user_id,
            "buckets": [bucket for bucket, _ in channels],
            "shapes": [shape for _, shape in channels],
            "positions": [given[channel] for channel in channels],
        },
    )


def keep_left_out(connection: Connection, tenant_id: UUID, user_id: UUID, buckets: Collection[str]) -> None:
    """Note which buckets the cap leaves out for a user, on all of their devices; the caller commits."""
    values = {"tenant": tenant_id, "user": user_id, "buckets": sorted(buckets)}
    connection.execute(
        text(
            "DELETE FROM sync_left_out WHERE tenant_id = :tenant AND user_id = :user AND bucket <> ALL(:buckets)"
        ),
        values,
    )
    connection.execute(
        text(
            "INSERT INTO sync_left_out (tenant_id, user_id, bucket)"
            " SELECT :tenant, :user, unnest(CAST(:buckets AS text[])) ON CONFLICT DO NOTHING"
        ),
        values,
    )
