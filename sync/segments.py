"""Stretches of a channel as they go over the wire: cut at the same places for everybody, kept while they are true."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from sync.packing import Piece

SEGMENT_ROWS = 250
SEGMENT_BYTES = 256 << 10
"""A segment ends with the row that reaches either; bytes are those of bodies."""

CACHE_BYTES = 32 << 20
PLAIN_PART = 4
"""What is not compressed may take one part in so many of these."""

OVERHEAD = 1_000
"""What a kept segment takes beside its bytes."""

Key = tuple[UUID, str, str, str]
"""Tenant, bucket, shape and content encoding."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The live rows of a channel above ``after``, up to and with ``until``.

    Attributes:
        ids: Of the records, 16 bytes each, in the order of the rows.
        size: Bytes of the bodies.
        last: Of these the last one's.
        entities: How many records of each entity.
        piece: What stands in ``changes``, without a comma before or after it; None for nothing.
        full: Whether it ended because it was large enough, and not because nothing followed.
    """

    after: int
    until: int
    ids: bytes
    size: int
    last: int
    entities: Mapping[str, int]
    piece: Piece | None
    full: bool

    @property
    def count(self) -> int:
        """How many records."""
        return len(self.ids) // 16

    def records(self) -> Iterator[bytes]:
        """The ids one by one."""
        return (self.ids[at : at + 16] for at in range(0, len(self.ids), 16))


Proof = tuple[int, UUID]
"""How many rows, live or gone, the channel has in the range of a segment, and the nonce of the first drain
that wrote a position at or above its end.

No drain writes a row into a range that lies behind it: a row that changes, leaves or comes back gets a
position above the head, and a ``gone`` mark that is purged is only missed. So the rows of a range become
fewer and never others: the same number is the same rows. The nonce differs in another life of the database,
and there is none in a snapshot from before the range was full.
"""


Stamp = tuple[int, UUID, int, UUID]
"""The newest position of a channel and the floor of the company, each with the nonce of the first drain at or above it.

Whatever changes the rows of a channel leaves one at a new position, above all others, until that is purged; the floor
rises to it before. So the same stamp is the same rows in all of the channel, and one look proves all of its segments.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A segment, and by what it is known to be true still: the stamp under which its proof was last found good."""

    segment: Segment
    proof: Proof
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """Kept segments one after the other; ``closed`` where the next one is more than the limits take."""

    kept: list[Kept]
    closed: bool


class Segments:
    """The kept segments of one process, the least recently used forgotten first."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        """Keep up to *most_bytes*."""
        self._most = most_bytes
        self._bytes = 0
        self._plain_bytes = 0
        self._kept: OrderedDict[tuple[Key, int], Kept] = OrderedDict()
        self._lock = Lock()

    @property
    def bytes(self) -> int:
        """What is kept."""
        return self._bytes

    def chain(self, key: Key, after: int, records: int, size: int, up_to: int) -> Chain:
        """Kept segments, the first above *after*, as many as go into the limits.

        Args:
            key: Of the channel.
            after: Where the first has to begin.
            records: Limit of records.
            size: Limit of bytes of bodies, which one body may pass.
            up_to: The last has to end at or below this position.
        """
        found: list[Kept] = []
        closed = False
        with self._lock:
            while not closed and (kept := self._kept.get((key, after))) is not None:
                segment = kept.segment
                if segment.until > up_to:
                    break
                closed = segment.count > records or size <= segment.size - segment.last
                if closed:
                    break
                records, size = records - segment.count, size - segment.size
                self._kept.move_to_end((key, after))
                found.append(kept)
                after = segment.until
        return Chain(found, closed)

    def keep(self, key: Key, segments: Sequence[Kept]) -> None:
        """Keep these in place of what began at the same positions."""
        with self._lock:
            for kept in segments:
                place = (key, kept.segment.after)
                self._forget(place)
                self._kept[place] = kept
                self._count(place, _weight(kept))
            # What is not compressed is ten times as large: one who takes nothing else would push out all phones'.
            while self._plain_bytes > self._most // PLAIN_PART:
                self._forget(next(place for place in self._kept if not place[0][3]))
            while self._bytes > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, place: tuple[Key, int]) -> None:
        old = self._kept.pop(place, None)
        if old is not None:
            self._count(place, -_weight(old))

    def _count(self, place: tuple[Key, int], weight: int) -> None:
        self._bytes += weight
        if not place[0][3]:
            self._plain_bytes += weight


def _weight(kept: Kept) -> int:
    piece = kept.segment.piece
    return OVERHEAD + len(kept.segment.ids) + (len(piece.data) if piece else 0)
