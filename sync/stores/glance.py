"""One row that answers all that a pull asks when there is nothing new."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self, TypeVar
from uuid import UUID

from sync.budget import DEFAULTS, Settings
from sync.cursor import Cursor
from sync.pull import FETCH, NOWHERE, Channel, FeedRow, Head, Reader, Record, Sheaf

Found = TypeVar("Found")
KEPT_CHARS = 4_000

# In the words of the driver: it is sent in one pipeline with what comes before and after it. The first mark is asked
# for in the order of its index and not by EXISTS, which forgets orders: another company's backlog would be read.
GLANCE = """
SELECT h.position, d.nonce, h.floor,
       (SELECT e.id FROM sync_epochs e WHERE e.ended_at IS NULL ORDER BY e.generation DESC LIMIT 1) AS epoch,
       s.records_warn, s.records_cap, s.keep_days, s.resend_days,
       (SELECT p.id FROM sync_pending p WHERE p.tenant_id = %(tenant)s ORDER BY p.id LIMIT 1) IS NOT NULL AS marks,
       v.highest_n, v.schema_version, v.app_version, v.platform, v.pending, v.last_error, v.last_sync_at,
       c.channels::text AS channels,
       ARRAY(SELECT n.position::text || ' ' || n.nonce FROM sync_drain n
             WHERE n.tenant_id = %(tenant)s AND n.position = ANY(%(drains)s)) AS drains,
       (SELECT json_agg(json_build_array(u.bucket, o.bucket IS NOT NULL, z.shape, z.records))::text
        FROM sync_subscriptions u
        LEFT JOIN sync_left_out o ON o.tenant_id = %(tenant)s AND o.user_id = %(user)s AND o.bucket = u.bucket
        LEFT JOIN sync_channel_sizes z ON z.tenant_id = %(tenant)s AND z.bucket = u.bucket
        WHERE u.tenant_id = %(tenant)s AND u.user_id = %(user)s) AS subscribed,
       h.position > %(after)s AND EXISTS (
           SELECT 1 FROM jsonb_array_elements(c.channels) AS k
           CROSS JOIN LATERAL (
               SELECT 1 FROM sync_feed f WHERE f.tenant_id = %(tenant)s AND f.bucket = k ->> 0 AND f.shape = k ->> 1
               AND f.position > %(after)s ORDER BY f.position LIMIT 1) AS one) AS news
FROM sync_heads h
JOIN sync_drain d ON d.tenant_id = h.tenant_id AND d.position = h.position
LEFT JOIN sync_settings s ON s.tenant_id = h.tenant_id
LEFT JOIN sync_devices v ON v.tenant_id = h.tenant_id AND v.device_id = %(device)s
LEFT JOIN sync_subscription_sets c ON c.tenant_id = h.tenant_id AND c.id = %(set)s
WHERE h.tenant_id = %(tenant)s
"""


# What has to be known of the database's life before anything is judged, in one snapshot.
STANDING = """
SELECT h.position, d.nonce, h.floor, e.id AS epoch, e.generation, e.started_at,
       NULL::integer AS records_warn, coalesce(v.highest_n, 0) AS highest_n,
       coalesce(v.carried_from, '{}') AS carried,
       ARRAY(SELECT n.position::text || ' ' || n.nonce FROM sync_drain n
             WHERE n.tenant_id = %(tenant)s AND n.position = ANY(%(drains)s)) AS drains
FROM sync_heads h
JOIN sync_drain d ON d.tenant_id = h.tenant_id AND d.position = h.position
CROSS JOIN (SELECT id, generation, started_at FROM sync_epochs WHERE ended_at IS NULL
            ORDER BY generation DESC LIMIT 1) AS e
LEFT JOIN sync_devices v ON v.tenant_id = h.tenant_id AND v.device_id = %(device)s
WHERE h.tenant_id = %(tenant)s
"""

# The delta of a cursor that stands at a checkpoint, along the channels that the cursor names.
DELTA = """
SELECT f.position, f.entered, f.entity, f.record_id, f.version, f.body, f.gone, f.bucket, f.shape
FROM sync_subscription_sets c CROSS JOIN LATERAL jsonb_array_elements(c.channels) AS k
CROSS JOIN LATERAL (
    SELECT * FROM sync_feed f
    WHERE f.tenant_id = %(tenant)s AND f.bucket = k ->> 0 AND f.shape = k ->> 1 AND f.position > %(after)s
      AND ((f.gone IS NULL AND f.position > %(changes_after)s) OR (f.gone IS NOT NULL AND f.position > %(gone_after)s))
    ORDER BY f.position LIMIT %(limit)s) AS f
WHERE c.tenant_id = %(tenant)s AND c.id = %(set)s
ORDER BY f.position LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class _Subscribed:
    """What a user's drained subscriptions are, and how large."""

    drained: frozenset[str]
    left_out: frozenset[str]
    sizes: Mapping[Channel, int]


def _subscribed_of(told: str) -> _Subscribed:
    rows = json.loads(told)
    return _Subscribed(
        frozenset(row[0] for row in rows),
        frozenset(row[0] for row in rows if row[1]),
        {(row[0], row[2]): row[3] for row in rows if row[2] is not None},
    )


def _channels_of(told: str) -> tuple[Channel, ...]:
    return tuple((bucket, shape) for bucket, shape in json.loads(told))


# From one request of a phone to its next these are nearly always the same words.
_subscribed_kept = lru_cache(maxsize=1024)(_subscribed_of)
_channels_kept = lru_cache(maxsize=1024)(_channels_of)


def _read(read: Callable[[str], Found], kept: Callable[[str], Found], told: str) -> Found:
    """What is told, read once if it is short; what is long would fill the memory of the process."""
    return kept(told) if len(told) <= KEPT_CHARS else read(told)


class NotAtAGlance(Exception):
    """More has to be read than one look gives."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The delta that the pull of a phone is going to ask for first, unless its scope has changed."""

    after: int
    changes_after: int
    gone_after: int
    limit: int

    @classmethod
    def of(cls, cursor: Cursor, *, limit: int, pending: int) -> Self | None:
        """None where the phone is on its way through a walk."""
        if cursor.walks:
            return None
        after = cursor.position if pending else min(cursor.position, cursor.removals)
        return cls(after, cursor.position, NOWHERE if pending else cursor.removals, max(1, min(FETCH, limit)))

    def parameters(self, tenant_id: UUID, cursor: Cursor) -> dict[str, Any]:
        """What ``DELTA`` is asked with."""
        return {"tenant": tenant_id, "set": cursor.subscription_set, **asdict(self)}


def parameters(tenant_id: UUID, user_id: UUID, device_id: UUID, cursor: Cursor | None) -> dict[str, Any]:
    """What ``GLANCE`` is asked with."""
    return {
        "tenant": tenant_id,
        "user": user_id,
        "device": device_id,
        "set": cursor.subscription_set if cursor else "",
        "drains": sorted({position for position, _ in cursor.drains}) if cursor else [],
        "after": min(cursor.position, cursor.removals) if cursor else NOWHERE,
    }


class Glance:
    """A reader of one snapshot that was read before anybody asked: it knows no rows of the feed.

    What it cannot tell it asks of the reader of the same snapshot, if there is one; else it raises ``NotAtAGlance``.
    """

    def __init__(
        self,
        row: Any,
        live: frozenset[str],
        feed: Reader | None = None,
        *,
        awaited: Awaited | None = None,
        delta: Sequence[Any] = (),
    ) -> None:
        """Wrap what was read.

        Args:
            row: Of ``GLANCE``, or of ``STANDING`` where a cursor is only weighed.
            live: The buckets of the scope function, of the same snapshot.
            feed: The reader of that snapshot.
            awaited: The delta that was read along.
            delta: Its rows.
        """
        self._row = row
        self._awaited = awaited
        self._delta = delta
        self._live = live
        self._feed = feed

    @property
    def _subscribed(self) -> "_Subscribed":
        return _read(_subscribed_of, _subscribed_kept, self._row.subscribed or "[]")

    @property
    def marks(self) -> bool:
        """Whether anything waits to be sequenced."""
        return bool(self._row.marks)

    @property
    def news(self) -> bool:
        """Whether something in the channels of the cursor is newer than it."""
        return bool(self._row.news)

    def head(self) -> Head:
        """The newest drain, the floor, the present epoch and the budget."""
        row, settings = self._row, DEFAULTS
        if row.records_warn is not None:
            settings = Settings(row.records_warn, row.records_cap, row.keep_days, row.resend_days)
        return Head(row.position, row.nonce, row.floor, row.epoch, settings)

    def buckets(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str]]:
        """Drained and live subscriptions."""
        return self._subscribed.drained, self._live

    def sizes(self, user_id: UUID) -> Mapping[Channel, int]:
        """How many live rows the channels of the user's drained buckets have."""
        return self._subscribed.sizes

    def left_out(self, user_id: UUID) -> frozenset[str]:
        """Buckets that the user's phones were last not given."""
        return self._subscribed.left_out

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of the cursor's subscription set."""
        found = self._row.channels
        return None if found is None else _read(_channels_of, _channels_kept, found)

    def are_drains(self, drains: Sequence[tuple[int, UUID]]) -> bool:
        """Whether each of these drains happened in this life of the database."""
        return {f"{position} {nonce}" for position, nonce in drains} <= set(self._row.drains)

    def epoch_holds(self, epoch: UUID) -> int | None:
        """As the feed says."""
        return self._of_feed().epoch_holds(epoch)

    def delta(
        self,
        channels: Sequence[Channel],
        *,
        after: int,
        changes_after: int,
        gone_after: int | None,
        limit: int,
    ) -> list[FeedRow]:
        """None, where there are none; those that were read along, where they are what is asked for."""
        if not self._row.news:
            return []
        asked = Awaited(after, changes_after, NOWHERE if gone_after is None else gone_after, limit)
        if asked == self._awaited and set(channels) == set(self.channels("") or ()):
            return [FeedRow._make(row) for row in self._delta]
        return self._of_feed().delta(
            channels, after=after, changes_after=changes_after, gone_after=gone_after, limit=limit
        )

    def walk(self, channel: Channel, *, after: int, gone_after: int, limit: int) -> list[FeedRow]:
        """As the feed says."""
        return self._of_feed().walk(channel, after=after, gone_after=gone_after, limit=limit)

    def sheaf(
        self, channel: Channel, *, after: int, gone_after: int, limit: int, byte_limit: int
    ) -> Sheaf | None:
        """As the feed says."""
        return self._of_feed().sheaf(
            channel, after=after, gone_after=gone_after, limit=limit, byte_limit=byte_limit
        )

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        """As the feed says."""
        return self._of_feed().lost(channel, after=after, given=given, limit=limit)

    def again(
        self, channel: Channel, entities: Sequence[str], *, after: int, until: int, limit: int
    ) -> list[FeedRow]:
        """As the feed says."""
        return self._of_feed().again(channel, entities, after=after, until=until, limit=limit)

    def held(
        self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]], *, by_entry: bool = False
    ) -> set[Record]:
        """As the feed says."""
        return self._of_feed().held(records, channels, by_entry=by_entry)

    def _of_feed(self) -> Reader:
        if self._feed is None:
            raise NotAtAGlance
        return self._feed
