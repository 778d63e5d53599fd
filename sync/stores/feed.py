"""SQL of pull: range scans over the feed, in one snapshot."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import takewhile
from typing import Any
from uuid import UUID

import psycopg
from psycopg import capabilities
from sqlalchemy import Connection

from sync.budget import DEFAULTS, Settings
from sync.cutting import Cutting
from sync.packing import Packing
from sync.pull import Channel, FeedRow, Head, Record, Sheaf
from sync.segments import SEGMENT_ROWS, Kept, Key, Proof, Segment, Segments, Stamp
from sync.stores.driver import driver_errors, statement

ROW = "f.position, f.entered, f.entity, f.record_id, f.version, f.body, f.gone, f.bucket, f.shape"

# In the words of the driver: rows come as they are found, while what came before them is being compressed. How many
# go into a limit of bytes is counted where they arrive: a running sum in SQL costs half as much again.
SHEAF = """
SELECT f.position, f.entity, convert_to(f.body, 'UTF8')
FROM sync_feed f
WHERE f.tenant_id = %(tenant)s AND f.bucket = %(bucket)s AND f.shape = %(shape)s
  AND f.position > %(after)s AND f.position <= %(until)s AND (f.gone IS NULL OR f.position > %(gone_after)s)
ORDER BY f.position LIMIT %(limit)s
"""
PROOFS = """
SELECT (SELECT count(*) FROM sync_feed f
        WHERE f.tenant_id = %(tenant)s AND f.bucket = %(bucket)s AND f.shape = %(shape)s
          AND f.position > r.after AND f.position <= r.until),
       (SELECT d.nonce FROM sync_drain d
        WHERE d.tenant_id = %(tenant)s AND d.position >= r.until ORDER BY d.position LIMIT 1)
FROM unnest(%(afters)s::bigint[], %(untils)s::bigint[]) WITH ORDINALITY AS r (after, until, place) ORDER BY r.place
"""
STAMPS = """
SELECT c.bucket, c.shape, r.position,
       (SELECT d.nonce FROM sync_drain d
        WHERE d.tenant_id = %(tenant)s AND d.position >= r.position ORDER BY d.position LIMIT 1),
       h.floor,
       (SELECT d.nonce FROM sync_drain d
        WHERE d.tenant_id = %(tenant)s AND d.position >= h.floor ORDER BY d.position LIMIT 1)
FROM sync_heads h
CROSS JOIN unnest(%(buckets)s::text[], %(shapes)s::text[]) AS c (bucket, shape)
CROSS JOIN LATERAL (
    SELECT f.position FROM sync_feed f
    WHERE f.tenant_id = %(tenant)s AND f.bucket = c.bucket AND f.shape = c.shape
    ORDER BY f.position DESC LIMIT 1) AS r
WHERE h.tenant_id = %(tenant)s
"""
STAMPED = 64
"""So many channels are looked at together."""

AT_ONCE = SEGMENT_ROWS if capabilities.has_stream_chunked() else 1
"""Rows that the driver hands over together; older libraries of PostgreSQL know only one by one."""

END = (1 << 63) - 1


def set_id_of(channels: Sequence[Channel]) -> str:
    """The name of a subscription set: a hash of its channels."""
    return _set_id_of(tuple(channels))


@lru_cache(maxsize=1024)
def _set_id_of(channels: tuple[Channel, ...]) -> str:
    return hashlib.sha256(json.dumps(sorted(channels)).encode()).hexdigest()[:32]


class FeedReader:
    """Reads one tenant's feed inside the caller's repeatable-read transaction."""

    def __init__(
        self,
        connection: Connection,
        tenant_id: UUID,
        live: frozenset[str],
        *,
        packing: Packing | None = None,
        segments: Segments | None = None,
        expected: Sequence[Channel] = (),
        entity: str | None = None,
    ) -> None:
        """Wrap *connection*, whose transaction has the tenant set.

        Args:
            connection: In a repeatable-read, read-only transaction of the app role.
            tenant_id: Whose feed.
            live: Buckets that the scope function gives the user in this very snapshot.
            packing: How the answer is compressed; without it rows are given one by one.
            segments: Those that are kept; without it every segment is read.
            expected: Channels that may be walked, in that order.
            entity: The only one whose rows are read, where a phone keeps a place for each of them.
        """
        self.connection = connection
        self.tenant_id = tenant_id
        self.live = live
        self.packing = packing
        self.segments = segments
        self._expected = expected
        self._only = "" if entity is None else " AND entity = :entity"
        self._entity: dict[str, Any] = {} if entity is None else {"entity": entity}
        self._stamps: dict[Channel, Stamp | None] = {}
        self._subscribed: dict[UUID, tuple[frozenset[str], frozenset[str], dict[Channel, int]]] = {}

    def _run(self, sql: str, **values: Any) -> Any:
        return self.connection.execute(statement(sql), {"tenant": self.tenant_id, **values})

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
                       OR (f.gone IS NOT NULL AND f.position > :gone_after)){self._only}
                ORDER BY f.position LIMIT :limit) AS f
            ORDER BY f.position LIMIT :limit
            """,  # noqa: S608  (ROW is a constant)
            buckets=[c[0] for c in channels],
            shapes=[c[1] for c in channels],
            after=after,
            changes_after=changes_after,
            gone_after=(1 << 62) if gone_after is None else gone_after,
            limit=limit,
            **self._entity,
        )
        return [FeedRow(*row) for row in rows]

    def walk(self, channel: Channel, *, after: int, gone_after: int, limit: int) -> list[FeedRow]:
        """Rows of one channel by position; ``gone`` marks only above ``gone_after``."""
        rows = self._run(
            f"SELECT {ROW} FROM sync_feed f WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608
            f" AND position > :after AND (gone IS NULL OR position > :gone_after){self._only}"
            " ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            gone_after=gone_after,
            limit=limit,
            **self._entity,
        )
        return [FeedRow(*row) for row in rows]

    def sheaf(
        self, channel: Channel, *, after: int, gone_after: int, limit: int, byte_limit: int
    ) -> Sheaf | None:
        """The same rows in whole segments; from the kept ones where they are still true."""
        if self.packing is None or self._entity:
            return None
        key: Key = (self.tenant_id, *channel, self.packing.encoding)
        ends: list[int] = []
        stamp = self._stamp(channel)
        if stamp is None or stamp[0] <= after:
            return Sheaf(channel, (), after, done=True)
        if self.segments is not None:
            chain = self.segments.chain(key, after, limit, byte_limit, gone_after)
            true, ends = self._true(self.segments, key, channel, chain.kept)
            if true or (chain.closed and not chain.kept):
                closed = chain.closed and len(true) == len(chain.kept)
                return Sheaf(channel, tuple(true), true[-1].until if true else after, closed=closed)
        return self._read(key, channel, after, gone_after, limit, byte_limit, ends)

    def _true(
        self, segments: Segments, key: Key, channel: Channel, chain: Sequence[Kept]
    ) -> tuple[list[Segment], list[int]]:
        """Those of a chain before the first that is true no more; if that is the first, where to cut anew."""
        if not chain:
            return [], []
        stamp = self._stamp(channel)
        if all(kept.stamp == stamp for kept in chain):
            return [kept.segment for kept in chain], []
        proofs = self._proofs(channel, [(kept.segment.after, kept.segment.until) for kept in chain])
        true = [kept for kept, _ in _while_true(chain, proofs)]
        segments.keep(key, [replace(kept, stamp=stamp) for kept in true])
        return [kept.segment for kept in true], _ends_of_stale(chain, proofs)

    def _stamp(self, channel: Channel) -> Stamp | None:
        """Of the channel in this snapshot; None where it has nothing. Those that come next are looked at too."""
        if channel not in self._stamps:
            place = self._expected.index(channel) + 1 if channel in self._expected else 0
            asked = [channel, *self._expected[place : place + STAMPED - 1]]
            values = {
                "tenant": self.tenant_id,
                "buckets": [bucket for bucket, _ in asked],
                "shapes": [shape for _, shape in asked],
            }
            self._stamps |= dict.fromkeys(asked)
            with driver_errors(), self._driver().cursor(binary=True) as cursor:
                for bucket, shape, *stamp in cursor.execute(STAMPS, values):
                    self._stamps[bucket, shape] = tuple(stamp)
        return self._stamps[channel]

    def _driver(self) -> psycopg.Connection[Any]:
        driver: psycopg.Connection[Any] = self.connection.connection.driver_connection  # type: ignore[assignment]
        return driver

    def _proofs(self, channel: Channel, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, UUID | None]]:
        """For each range how many rows it has, and the nonce of the first drain that wrote so far."""
        with driver_errors(), self._driver().cursor(binary=True) as cursor:
            cursor.execute(
                PROOFS,
                {
                    "tenant": self.tenant_id,
                    "bucket": channel[0],
                    "shape": channel[1],
                    "afters": [after for after, _ in ranges],
                    "untils": [until for _, until in ranges],
                },
            )
            return cursor.fetchall()

    def _read(
        self,
        key: Key,
        channel: Channel,
        after: int,
        gone_after: int,
        limit: int,
        byte_limit: int,
        ends: Sequence[int],
    ) -> Sheaf | None:
        """Read rows and cut them into segments, at *ends* where these are given.

        What stands before the last end went into the limits when it was cut, and can since only have become less.
        """
        assert self.packing is not None
        cutting = Cutting(self.packing, after, ends, byte_limit)
        was_all = False
        while not was_all and (wanted := min(cutting.portion, limit - cutting.rows)):
            before = cutting.rows
            self._take(cutting, channel, ends[-1] if ends else END, gone_after, wanted)
            was_all = cutting.rows - before < wanted
        at_end = was_all and not ends and not cutting.full
        cutting.finish(at_end=at_end)
        if cutting.stopped and not cutting.segments:
            return None
        self._keep(key, channel, [s for s in cutting.segments if s.full and s.until <= gone_after])
        done = at_end and not cutting.stopped
        closed = not (ends or at_end or cutting.stopped)
        return Sheaf(channel, tuple(cutting.segments), cutting.at, done=done, closed=closed)

    def _take(self, cutting: Cutting, channel: Channel, until: int, gone_after: int, limit: int) -> None:
        """Read a portion of rows, behind those that were taken before."""
        with driver_errors(), self._driver().cursor() as cursor:
            cutting.take(
                cursor.stream(
                    SHEAF,
                    {
                        "tenant": self.tenant_id,
                        "bucket": channel[0],
                        "shape": channel[1],
                        "after": cutting.place,
                        "until": until,
                        "gone_after": gone_after,
                        "limit": limit,
                    },
                    binary=True,
                    size=AT_ONCE,
                )
            )

    def _keep(self, key: Key, channel: Channel, segments: Sequence[Segment]) -> None:
        if self.segments is None or not segments:
            return
        kept = []
        proofs = self._proofs(channel, [(segment.after, segment.until) for segment in segments])
        for segment, (rows, nonce) in zip(segments, proofs, strict=True):
            if nonce is not None:
                proof: Proof = (rows, nonce)
                kept.append(Kept(segment, proof, self._stamp(channel)))
        self.segments.keep(key, kept)

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        """Rows of a lost channel that the device may hold; bodies are not read."""
        rows = self._run(
            "SELECT position, entered, entity, record_id, version, NULL, gone FROM sync_feed"  # noqa: S608
            " WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape AND position > :after"
            f" AND entered <= :given AND (gone IS NULL OR position > :given){self._only}"
            " ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            given=given,
            limit=limit,
            **self._entity,
        )
        return [FeedRow(*row) for row in rows]

    def again(
        self, channel: Channel, entities: Sequence[str], *, after: int, until: int, limit: int
    ) -> list[FeedRow]:
        """Live rows of some entities of one channel by position, up to ``until``."""
        rows = self._run(
            f"SELECT {ROW} FROM sync_feed f WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608
            f" AND position > :after AND position <= :until AND gone IS NULL AND entity = ANY(:entities){self._only}"
            " ORDER BY position LIMIT :limit",
            bucket=channel[0],
            shape=channel[1],
            after=after,
            until=until,
            entities=list(entities),
            limit=limit,
            **self._entity,
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


def _while_true(
    chain: Sequence[Kept], proofs: Sequence[tuple[int, UUID | None]]
) -> Iterator[tuple[Kept, tuple[int, UUID | None]]]:
    """The kept segments before the first that is no longer true."""
    return takewhile(lambda pair: pair[0].proof == pair[1], zip(chain, proofs, strict=True))


def _ends_of_stale(chain: Sequence[Kept], proofs: Sequence[tuple[int, UUID | None]]) -> list[int]:
    """Where the segments ended that lost rows, up to the first that is true.

    Read anew they end there again, so that those behind them keep their place; what has become small is joined
    with the next. In another life of the database old ends mean nothing.
    """
    ends: list[int] = []
    small = False
    for kept, (rows, nonce) in zip(chain, proofs, strict=True):
        if (rows, nonce) == kept.proof or nonce != kept.proof[1]:
            break
        if ends and small:
            ends.pop()
        ends.append(kept.segment.until)
        small = rows < SEGMENT_ROWS // 4
    return ends


def settings_of(connection: Connection, tenant_id: UUID) -> Settings:
    """What the tenant's administrators have set."""
    row = connection.execute(
        statement(
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
        statement(
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
        statement(
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
        statement(
            "DELETE FROM sync_left_out WHERE tenant_id = :tenant AND user_id = :user AND bucket <> ALL(:buckets)"
        ),
        values,
    )
    connection.execute(
        statement(
            "INSERT INTO sync_left_out (tenant_id, user_id, bucket)"
            " SELECT :tenant, :user, unnest(CAST(:buckets AS text[])) ON CONFLICT DO NOTHING"
        ),
        values,
    )
