"""Rows of the feed, as they come from the database, cut into segments."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sync.packing import Packing
from sync.render import ID, VERSION
from sync.segments import SEGMENT_BYTES, SEGMENT_ROWS, Segment

FEWEST = 50
"""Rows that are asked for before it is known how large they are, and at least."""

GROWTH = 20
"""A portion has at most so many times the rows that came before it."""


class Cutting:
    """Cuts a stream of rows into segments; what it does not need any more it has already packed.

    Attributes:
        at: Where the last segment ended.
        place: Of the last row that came.
        rows: That came.
        stopped: Whether a ``gone`` mark was met; nothing is taken from there on.
        full: Whether the limit of bytes was reached, which one body may pass; nor from there on.
    """

    def __init__(self, packing: Packing, after: int, ends: Sequence[int], most_bytes: int) -> None:
        """Cut what comes behind the position *after*: at *ends*, or by the size of segments where there are none."""
        self.packing = packing
        self.at = self.place = after
        self.segments: list[Segment] = []
        self.stopped = self.full = False
        self.rows = 0
        self._left = most_bytes
        self._ends: Iterator[int] = iter(ends)
        self._end = next(self._ends, None)
        self._bound = bool(ends)
        self._heads: dict[str, bytes] = {}
        self._clear()

    def _clear(self) -> None:
        # Two lists and no pairs: objects by the thousand that hold others would wake the collector again and again.
        self._entities: list[str] = []
        self._bodies: list[bytes] = []
        self._size = 0

    @property
    def portion(self) -> int:
        """How many rows are probably missing up to the limit of bytes; none where nothing more is taken.

        A little more than would be exact: a row too many is thrown away, one too few needs a statement more.
        """
        if self.stopped or self.full:
            return 0
        if not self.rows:
            return FEWEST
        sent = sum(segment.size for segment in self.segments) + self._size
        probably = self._left * self.rows // max(1, sent)
        return min(max(FEWEST, probably + probably // 16), GROWTH * self.rows)

    def take(self, rows: Iterable[tuple[int, str, bytes | None]]) -> None:
        """All rows, also those that are not wanted any more: a stream that is left ends the transaction."""
        for position, entity, body in rows:
            self.rows += 1
            self.place = position
            if body is None:
                self.stopped = True
            if self.stopped or self.full or body is None:
                continue
            while self._end is not None and position > self._end:
                self._close(self._end)
                self._end = next(self._ends, None)
            self._entities.append(entity)
            self._bodies.append(body)
            self._size += len(body)
            self._left -= len(body)
            self._last = position
            self.full = self._left <= 0
            if not self._bound and (len(self._bodies) >= SEGMENT_ROWS or self._size >= SEGMENT_BYTES):
                self._close(position)

    def finish(self, *, at_end: bool) -> None:
        """Close what is open: the rest of a channel, what stands before a ``gone`` mark, or the given ends."""
        if self.stopped or at_end:
            if self._bodies:
                self._close(self._last, full=False)
            return
        while self._end is not None:
            self._close(self._end)
            self._end = next(self._ends, None)

    def _close(self, until: int, *, full: bool = True) -> None:
        bodies = self._bodies
        ids = bytes.fromhex(b"".join([body[ID] for body in bodies]).replace(b"-", b"").decode("ascii"))
        piece = self.packing.piece(self._wire()) if bodies else None
        count, last = Counter(self._entities), len(bodies[-1]) if bodies else 0
        self.segments.append(Segment(self.at, until, ids, self._size, last, count, piece, full))
        self.at = until
        self._clear()

    def _wire(self) -> bytes:
        """What is open as it stands in ``changes``; joined once, since most of the time goes into moving bytes."""
        parts: list[bytes] = []
        for entity, body in zip(self._entities, self._bodies, strict=True):
            head = self._heads.get(entity) or self._heads.setdefault(
                entity, b',{"entity":"%b",' % entity.encode()
            )
            cut = body.find(b",", VERSION)
            parts += (head, body[1 : cut if cut > 0 else -1], b',"record":', body, b"}")
        parts[0] = parts[0][1:]
        return b"".join(parts)
