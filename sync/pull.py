"""Pull: what a phone lacks, as pages of the feed, from one snapshot."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from sync.cursor import Cursor, Walk
from sync.registry import Registry

Channel = tuple[str, str]
"""(bucket, shape): the unit in which the feed is read."""

BUCKET_ORDER = ("tenant", "audience", "user", "territory", "unit")
"""Priority order of a first sync: reference data, my day, my accounts, the rest."""

FETCH = 1_000
"""Rows fetched at once; bounds the memory of a page."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest drain in the snapshot, and the floor below which tombstones were purged."""

    position: int
    nonce: UUID
    floor: int
    epoch: UUID


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row of the feed; ``body`` is None where the record is gone (then ``gone`` has the reason)."""

    position: int
    entered: int
    entity: str
    record_id: UUID
    version: int
    body: str | None
    gone: str | None


Record = tuple[str, UUID]


class Reader(Protocol):
    """What pull asks of a store; all answers come from one snapshot."""

    def head(self) -> Head:
        """The newest drain."""

    def buckets(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str]]:
        """Drained and live subscriptions of a user."""

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of a subscription set; None when it is no longer kept."""

    def is_drain(self, position: int, nonce: UUID) -> bool:
        """Whether that drain happened in this life of the database."""

    def delta(
        self,
        channels: Sequence[Channel],
        *,
        after: int,
        changes_after: int,
        gone_after: int | None,
        limit: int,
    ) -> list[FeedRow]:
        """Rows of all *channels* by position: live ones above ``changes_after``, gone ones above
        ``gone_after`` (None: none at all), all above ``after``."""

    def walk(self, channel: Channel, *, after: int, gone_after: int, limit: int) -> list[FeedRow]:
        """Rows of one channel by position; ``gone`` marks only above ``gone_after``."""

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        """Rows of a lost channel that the device may hold: entered at or before ``given``."""

    def held(self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]]) -> set[Record]:
        """Which records have a live row in one of *channels* at or before the position named with it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Who pulls, and how much.

    Attributes:
        limit: Records in the answer, changes and removals together.
        byte_limit: Bytes of bodies; one record is always given.
        pending: Mutations on the phone that are not in this request: nothing is removed then.
    """

    tenant_id: UUID
    device_id: UUID
    user_id: UUID
    shape_class: str
    schema_version: int
    limit: int = 2_000
    byte_limit: int = 1 << 20
    pending: int = 0
    highest_n: int = 0


@dataclass(slots=True)
class Page:
    """One answer.

    ``channels`` is the subscription set that the cursor names; the caller keeps it before the
    cursor leaves the server.
    """

    changes: list[FeedRow]
    removed: list[tuple[str, UUID, str]]
    cursor: Cursor
    channels: tuple[Channel, ...]
    has_more: bool
    rebase: bool
    new_set: bool = False


def pull(reader: Reader, registry: Registry, cursor: Cursor | None, ask: Ask, set_id_of: "SetId") -> Page:
    """Read the next page.

    Args:
        reader: One repeatable-read snapshot.
        registry: The synced entities.
        cursor: Where the device stands; None for a first sync.
        ask: Who asks for how much.
        set_id_of: Names a subscription set (a hash of its channels).

    Returns:
        The page; with ``has_more`` false the device equals the snapshot of its scope.
    """
    head = reader.head()
    drained, live = reader.buckets(ask.user_id)
    shapes = registry.shapes_of(ask.shape_class)
    channels = _ordered((bucket, shape) for bucket in drained for shape in shapes)
    withheld = {(bucket, shape) for bucket in drained - live for shape in shapes}
    old = None if cursor is None else _usable(reader, cursor, head, ask)
    state = _fresh(channels, head) if old is None or cursor is None else _resumed(cursor, old, channels, head)
    _hold_back(state, withheld)
    run = _Run(reader, state, head, ask, withheld)
    run.losses()
    run.delta()
    run.gains()
    page = run.page(channels, set_id_of(channels), rebase=old is None)
    # A gained bucket that no drain has seen yet is not served, so this is no checkpoint either.
    page.has_more = page.has_more or not live <= drained
    page.new_set = cursor is None or page.cursor.subscription_set != cursor.subscription_set
    return page


class SetId(Protocol):
    """Names a subscription set."""

    def __call__(self, channels: Sequence[Channel], /) -> str:
        """The same channels always give the same name."""


@dataclass(slots=True)
class _State:
    """Where the device stands while a page is made.

    ``position``/``removals`` are drains that it fully has; ``progress`` is how far the present
    delta was walked (above ``position`` in the middle of one), ``gone_progress`` the same for its
    removals, which a phone with unsent work holds back.
    """

    position: int
    nonce: UUID
    removals: int
    removals_nonce: UUID
    progress: int
    gone_progress: int
    finished: list[Channel]
    losses: list[Walk]
    gains: list[Walk]
    debts: list[Walk] = field(default_factory=list)
    waiting: list[Walk] = field(default_factory=list)

    def owe(self, channel: Channel) -> None:
        """Keep the removals of a finished channel that the delta held back and will no longer tell.

        In the cursor such a debt is a walk of kind ``delta`` that names its bucket: the ``gone``
        marks above ``at``, up to ``until``.
        """
        if self.gone_progress < self.progress:
            self.debts.append(Walk("delta", *channel, self.gone_progress, self.progress))


def _usable(reader: Reader, cursor: Cursor, head: Head, ask: Ask) -> tuple[Channel, ...] | None:
    """The cursor's channels, or None when the device has to start over."""
    if (
        cursor.epoch != head.epoch
        or cursor.schema_version != ask.schema_version
        or min(cursor.position, cursor.removals) < head.floor
        or cursor.position > head.position
        or not reader.is_drain(cursor.position, cursor.nonce)
    ):
        return None
    return reader.channels(cursor.subscription_set)


def _fresh(channels: Sequence[Channel], head: Head) -> _State:
    gains = [Walk("gain", bucket, shape, 0, head.position) for bucket, shape in channels]
    at = head.position
    return _State(at, head.nonce, at, head.nonce, at, at, [], [], gains)


def _resumed(cursor: Cursor, old: Sequence[Channel], channels: Sequence[Channel], head: Head) -> _State:
    walking = {(w.bucket, w.shape): w for w in cursor.walks if w.kind == "gain"}
    losses = [w for w in cursor.walks if w.kind == "loss"]
    deltas = [w for w in cursor.walks if w.kind == "delta"]
    progress, gone_progress = next(
        ((w.at, w.until) for w in deltas if not w.bucket), (cursor.position, cursor.removals)
    )
    before, now = set(old), set(channels)
    finished, gains = [], []
    for channel in channels:
        if channel in before and channel not in walking:
            finished.append(channel)
        else:
            gains.append(walking.get(channel) or Walk("gain", *channel, 0, head.position))
    state = _State(
        cursor.position,
        cursor.nonce,
        cursor.removals,
        cursor.removals_nonce,
        progress,
        gone_progress,
        finished,
        losses,
        gains,
        debts=[w for w in deltas if w.bucket],
    )
    for channel in old:
        if channel not in now:
            walk = walking.get(channel)
            if walk is None:
                state.owe(channel)
            given = progress if walk is None else max(walk.at, walk.until)
            losses.append(Walk("loss", *channel, 0, given))
    return state


def _hold_back(state: _State, withheld: set[Channel]) -> None:
    """A bucket that is drained but no longer live is not served: it waits as a walk.

    Meanwhile it spares no removal. So, should it become live again before a drain has seen its
    loss, it has to be walked from the start: what was removed since lies behind any later place.
    """
    for channel in [c for c in state.finished if c in withheld]:
        state.finished.remove(channel)
        state.owe(channel)
        state.waiting.append(Walk("gain", *channel, 0, state.progress))
    for walk in [w for w in state.gains if (w.bucket, w.shape) in withheld]:
        state.gains.remove(walk)
        state.waiting.append(replace(walk, at=0, until=max(walk.at, walk.until)))


class _Run:
    """Fills one page within its budget."""

    def __init__(self, reader: Reader, state: _State, head: Head, ask: Ask, withheld: set[Channel]) -> None:
        self.reader = reader
        self.state = state
        self.head = head
        self.ask = ask
        self.withheld = withheld
        self.changes: dict[Record, FeedRow] = {}
        self.leaving: dict[Record, str] = {}
        self.bytes = 0
        self.delta_done = False

    @property
    def full(self) -> bool:
        """Whether the budget of records or bytes is spent."""
        return len(self.changes) + len(self.leaving) >= self.ask.limit or self.bytes >= self.ask.byte_limit

    def _fetch(self) -> int:
        return max(1, min(FETCH, self.ask.limit - len(self.changes) - len(self.leaving)))

    def _take(self, row: FeedRow) -> None:
        """Put a live row into the page; a newer row of the same record replaces the older."""
        present = self.changes.get((row.entity, row.record_id))
        if present is None or present.position < row.position:
            self.bytes += _size(row) - (_size(present) if present else 0)
            self.changes[row.entity, row.record_id] = row

    def losses(self) -> None:
        """Walk what was lost; nothing is removed from a phone that has unsent work."""
        if self.ask.pending:
            return
        unfinished = []
        for walk in self.state.losses:
            at, done = walk.at, False
            while not self.full and not done:
                wanted = self._fetch()
                rows = self.reader.lost((walk.bucket, walk.shape), after=at, given=walk.until, limit=wanted)
                for row in rows:
                    self.leaving.setdefault((row.entity, row.record_id), "out_of_scope")
                    at = row.position
                done = len(rows) < wanted
            if not done:
                unfinished.append(replace(walk, at=at))
        self.state.losses = unfinished
        self.state.debts = [left for debt in self.state.debts if (left := self._pay(debt)) is not None]

    def _pay(self, debt: Walk) -> Walk | None:
        """Tell removals that were held back when their channel left the delta; what is left of them."""
        at = debt.at
        while not self.full:
            wanted = self._fetch()
            rows = self.reader.walk((debt.bucket, debt.shape), after=at, gone_after=at, limit=wanted)
            for row in rows:
                at = row.position
                if at <= debt.until and row.gone is not None:
                    self.leaving.setdefault((row.entity, row.record_id), row.gone)
            if len(rows) < wanted or at >= debt.until:
                return None
        return replace(debt, at=at)

    def delta(self) -> None:
        """Changes and removals of the buckets that the device has wholly."""
        state, removing = self.state, not self.ask.pending
        at = min(state.progress, state.gone_progress) if removing else state.progress
        while not self.full:
            wanted = self._fetch()
            rows = self.reader.delta(
                state.finished,
                after=at,
                changes_after=state.progress,
                gone_after=state.gone_progress if removing else None,
                limit=wanted,
            )
            for row in rows:
                at = row.position
                if row.gone is None:
                    self._take(row)
                elif row.entered <= state.progress:
                    self.leaving[row.entity, row.record_id] = row.gone
                if self.bytes >= self.ask.byte_limit:
                    break
            else:
                if len(rows) < wanted:
                    self.delta_done = True
                    break
        self._settle_delta(at, removing)

    def _settle_delta(self, at: int, removing: bool) -> None:
        state = self.state
        if self.delta_done:
            state.progress = state.position = self.head.position
            state.nonce = self.head.nonce
            if removing:
                state.removals, state.removals_nonce = state.position, state.nonce
            return
        state.progress = max(state.progress, at)
        if removing:
            state.gone_progress = max(state.gone_progress, at)

    def gains(self) -> None:
        """Stream buckets that the device does not have wholly, in priority order."""
        unfinished = []
        for walk in self.state.gains:
            at, done = walk.at, False
            while not self.full and not done:
                wanted = self._fetch()
                rows = self.reader.walk(
                    (walk.bucket, walk.shape), after=at, gone_after=walk.until, limit=wanted
                )
                done = len(rows) < wanted
                for row in rows:
                    if row.gone is not None:
                        if self.ask.pending:  # its removal may not be told yet, so it may not be passed
                            done = False
                            break
                        # What came in after the page began was not given by this walk.
                        if row.entered <= max(walk.at, walk.until):
                            self.leaving[row.entity, row.record_id] = row.gone
                    else:
                        self._take(row)
                    at = row.position
                    if self.bytes >= self.ask.byte_limit:
                        done = False
                        break
                if self.ask.pending and not done:
                    break
            joins = done and self.delta_done and self.state.removals == self.state.position
            if joins:
                self.state.finished.append((walk.bucket, walk.shape))
            else:
                unfinished.append(replace(walk, at=at))
        self.state.gains = unfinished

    def page(self, channels: tuple[Channel, ...], set_id: str, *, rebase: bool) -> Page:
        """Settle what leaves against what the device has, and write the cursor."""
        state = self.state
        removed = list(self._removed())
        walks = [*state.losses, *state.debts, *state.gains, *state.waiting]
        if not self.delta_done:
            walks.append(Walk("delta", "", "", state.progress, state.gone_progress))
        cursor = Cursor(
            tenant_id=self.ask.tenant_id,
            device_id=self.ask.device_id,
            schema_version=self.ask.schema_version,
            epoch=self.head.epoch,
            position=state.position,
            nonce=state.nonce,
            removals=state.removals,
            removals_nonce=state.removals_nonce,
            highest_n=self.ask.highest_n,
            subscription_set=set_id,
            walks=tuple(walks),
        )
        has_more = bool(walks) or state.removals < state.position or self.ask.pending > 0
        return Page(list(self.changes.values()), removed, cursor, channels, has_more, rebase)

    def _removed(self) -> Iterator[tuple[str, UUID, str]]:
        if not self.leaving:
            return
        given = [(c, self.state.progress) for c in self.state.finished]
        given += [((w.bucket, w.shape), w.at) for w in self.state.gains]
        held = self.reader.held(list(self.leaving), given)
        for (entity, record_id), reason in self.leaving.items():
            if (entity, record_id) not in held and (entity, record_id) not in self.changes:
                yield entity, record_id, reason


def _size(row: FeedRow) -> int:
    """Bytes on the wire: Hangul takes three for each character."""
    return len((row.body or "").encode())


def _ordered(channels: Iterable[Channel]) -> tuple[Channel, ...]:
    def key(channel: Channel) -> tuple[int, str, str]:
        kind = channel[0].partition(":")[0]
        return (BUCKET_ORDER.index(kind) if kind in BUCKET_ORDER else len(BUCKET_ORDER), *channel)

    return tuple(sorted(channels, key=key))
