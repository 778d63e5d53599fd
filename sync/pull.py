"""Pull: what a phone lacks, as pages of the feed, from one snapshot."""

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple, Protocol
from uuid import UUID

from sync.budget import DEFAULTS, Budget, Settings, left_out
from sync.cursor import Cursor, Walk
from sync.registry import Registry
from sync.segments import SEGMENT_BYTES, SEGMENT_ROWS, Segment

Channel = tuple[str, str]
"""(bucket, shape): the unit in which the feed is read."""

BUCKET_ORDER = ("tenant", "audience", "user", "territory", "unit")
"""Priority order of a first sync: reference data, my day, my accounts, the rest."""

FETCH = 1_000
"""Rows fetched at once; bounds the memory of a page."""

FEW = 100
"""So many ids are sought one by one."""

NOWHERE = 1 << 62
"""A position above all others."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest drain in the snapshot, the floor below which tombstones were purged, and the tenant's budget."""

    position: int
    nonce: UUID
    floor: int
    epoch: UUID
    settings: Settings = DEFAULTS


class FeedRow(NamedTuple):
    """One row of the feed; ``body`` is None where the record is gone (then ``gone`` has the reason)."""

    position: int
    entered: int
    entity: str
    record_id: UUID
    version: int
    body: str | None
    gone: str | None
    bucket: str = ""
    shape: str = ""


Record = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Sheaf:
    """Live rows of one channel that follow each other, as they go over the wire.

    Attributes:
        channel: Of the rows.
        segments: The rows, in order.
        at: Position up to which the channel was read.
        done: Nothing follows in the channel.
        closed: The next segment is more than the page can take.
    """

    channel: Channel
    segments: tuple[Segment, ...]
    at: int
    done: bool = False
    closed: bool = False


class Reader(Protocol):
    """What pull asks of a store; all answers come from one snapshot."""

    def head(self) -> Head:
        """The newest drain."""

    def buckets(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str]]:
        """Drained and live subscriptions of a user."""

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        """The channels of a subscription set; None when it is no longer kept."""

    def sizes(self, user_id: UUID) -> Mapping[Channel, int]:
        """How many live rows the channels of the user's drained buckets have."""

    def left_out(self, user_id: UUID) -> frozenset[str]:
        """Buckets that the user's phones were last not given, because of the cap."""

    def are_drains(self, drains: Sequence[tuple[int, UUID]]) -> bool:
        """Whether each of these drains happened in this life of the database."""

    def epoch_holds(self, epoch: UUID) -> int | None:
        """Up to which position an ended epoch holds (-1: nowhere); None when the database never knew it."""

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

    def sheaf(
        self, channel: Channel, *, after: int, gone_after: int, limit: int, byte_limit: int
    ) -> Sheaf | None:
        """The same rows in whole segments and as bytes, as many as the limits take, up to the next ``gone`` mark.

        None where the next row is such a mark, or where rows can only be had one by one.
        """

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        """Rows of a lost channel that the device may hold: entered at or before ``given``."""

    def again(
        self, channel: Channel, entities: Sequence[str], *, after: int, until: int, limit: int
    ) -> list[FeedRow]:
        """Live rows of some entities of one channel by position, up to ``until``."""

    def held(
        self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]], *, by_entry: bool = False
    ) -> set[Record]:
        """Which records have a live row in one of *channels* at or before the position named with it.

        With ``by_entry`` it counts where the record came into the channel, not where its row stands now.
        """


@dataclass(frozen=True, slots=True)
class Ask:
    """Who pulls, and how much.

    Attributes:
        limit: Records in the answer, changes and removals together.
        byte_limit: Bytes of bodies; one record is always given.
        pending: Mutations on the phone that are not in this request: nothing is removed then.
        highest_n: What the server has judged for the device.
        changes_held: The app is too old for what the records hold now: it is given removals only.
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
    changes_held: bool = False


@dataclass(slots=True)
class Page:
    """One answer.

    ``channels`` is the subscription set that the cursor names; the caller keeps it before the
    cursor leaves the server, and with it what the page gave of which channel, ``left_out`` where it
    is another than before, and the epoch from which the cursor was ``carried``.
    """

    changes: list[FeedRow]
    sheaves: list[Sheaf]
    removed: list[tuple[str, UUID, str]]
    cursor: Cursor
    channels: tuple[Channel, ...]
    has_more: bool
    rebase: bool
    budget: Budget
    new_set: bool = False
    left_out_anew: bool = False
    carried: UUID | None = None
    repeated: dict[Channel, int] = field(default_factory=dict)

    @property
    def given(self) -> dict[Channel, int]:
        """For each channel of which a row is in the page, the highest of their positions."""
        highest = dict(self.repeated)
        for row in self.changes:
            channel = (row.bucket, row.shape)
            highest[channel] = max(highest.get(channel, 0), row.position)
        for sheaf in self.sheaves:
            highest[sheaf.channel] = max(highest.get(sheaf.channel, 0), sheaf.at)
        return highest

    @property
    def entities(self) -> Counter[str]:
        """How many records of each entity are in the page."""
        count = Counter(row.entity for row in self.changes)
        for sheaf in self.sheaves:
            for segment in sheaf.segments:
                count.update(segment.entities)
        return count


class Restored(Exception):
    """The cursor proves that the database is not what it was: its epoch is over."""

    def __init__(self, epoch: UUID) -> None:
        """Name the epoch of the cursor."""
        super().__init__(f"the database was taken back; epoch {epoch} is over")
        self.epoch = epoch


class Worth(enum.Enum):
    """What a cursor is worth to this database."""

    GOOD = enum.auto()
    CARRIED = enum.auto()
    """Of an ended epoch, from before the place where the lives part."""
    BELOW_FLOOR = enum.auto()
    OF_ENDED_EPOCH = enum.auto()
    EVIDENCE = enum.auto()
    """That the database was restored."""


def worth_of(reader: Reader, cursor: Cursor, head: Head, highest_n: int) -> Worth:
    """Weigh a cursor. Nothing else that a phone says counts: its contents are under our MAC.

    A cursor of an epoch that the database never knew is evidence as well: the database was taken back to
    before that epoch began. Were it merely told to start over, work based on the lost life would pass for
    work based on this one.

    Args:
        reader: One snapshot.
        cursor: As the phone sent it.
        head: Of that snapshot.
        highest_n: Highest ``n`` that the server knows to have been judged for the device.
    """
    present = cursor.epoch == head.epoch
    holds = head.position if present else reader.epoch_holds(cursor.epoch)
    if holds is None:
        return Worth.EVIDENCE
    if cursor.lowest < head.floor:
        return Worth.BELOW_FLOOR if present else Worth.OF_ENDED_EPOCH
    if cursor.highest > holds or cursor.highest_n > highest_n or not reader.are_drains(cursor.drains):
        return Worth.EVIDENCE if present else Worth.OF_ENDED_EPOCH
    return Worth.GOOD if present else Worth.CARRIED


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

    Raises:
        Restored: The cursor is evidence of it. The caller begins an epoch and pulls without a cursor.
    """
    head = reader.head()
    worth = None if cursor is None else worth_of(reader, cursor, head, ask.highest_n)
    if cursor is not None and worth is Worth.EVIDENCE:
        raise Restored(cursor.epoch)
    drained, live = reader.buckets(ask.user_id)
    shapes = registry.shapes_of(ask.shape_class)
    budget = _budget(reader, head, ask, drained, shapes)
    channels = in_order(
        (bucket, shape) for bucket in drained - frozenset(budget.left_out) for shape in shapes
    )
    withheld = {(bucket, shape) for bucket in drained - live for shape in shapes}
    old = _usable(reader, cursor, worth, ask)
    if old is None or cursor is None:
        state = _fresh(channels, head)
    else:
        state = _resumed(cursor, old, channels, head)
        if ask.schema_version > cursor.schema_version:
            _give_again(state, registry, cursor)
    _hold_back(state, withheld)
    run = _Run(reader, registry, state, head, ask, budget)
    run.losses()
    run.delta()
    run.agains()
    run.gains()
    page = run.page(channels, set_id_of(channels), rebase=old is None)
    # A gained bucket that no drain has seen yet is not served, so this is no checkpoint either.
    page.has_more = page.has_more or not live <= drained
    page.new_set = cursor is None or page.cursor.subscription_set != cursor.subscription_set
    page.left_out_anew = frozenset(budget.left_out) != reader.left_out(ask.user_id)
    page.carried = cursor.epoch if cursor is not None and worth is Worth.CARRIED else None
    return page


def _budget(reader: Reader, head: Head, ask: Ask, drained: Iterable[str], shapes: Sequence[str]) -> Budget:
    """What the user's buckets come to, and which of them go over the cap."""
    sizes = dict.fromkeys(drained, 0)
    for (bucket, shape), records in reader.sizes(ask.user_id).items():
        if shape in shapes:
            sizes[bucket] += records
    in_order = sorted(sizes, key=_rank)
    out = left_out(in_order, sizes, head.settings.records_cap, reader.left_out(ask.user_id))
    records = sum(size for bucket, size in sizes.items() if bucket not in out)
    return Budget(records, head.settings.records_warn, head.settings.records_cap, tuple(sorted(out)))


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
    agains: list[Walk] = field(default_factory=list)
    again_since: int | None = None

    def owe(self, channel: Channel) -> None:
        """Keep the removals of a finished channel that the delta held back and will no longer tell.

        In the cursor such a debt is a walk of kind ``delta`` that names its bucket: the ``gone``
        marks above ``at``, up to ``until``.
        """
        if self.gone_progress < self.progress:
            self.debts.append(Walk("delta", *channel, self.gone_progress, self.progress))


def _usable(
    reader: Reader, cursor: Cursor | None, worth: Worth | None, ask: Ask
) -> tuple[Channel, ...] | None:
    """The cursor's channels, or None when the device has to start over."""
    if cursor is None or worth not in (Worth.GOOD, Worth.CARRIED):
        return None
    if cursor.schema_version > ask.schema_version:  # an older app was put in place of a newer one
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
        agains=[w for w in cursor.walks if w.kind == "again" and (w.bucket, w.shape) in finished],
        again_since=cursor.again_since,
    )
    for channel in old:
        if channel not in now:
            walk = walking.get(channel)
            if walk is None:
                state.owe(channel)
            given = progress if walk is None else max(walk.at, walk.until)
            losses.append(Walk("loss", *channel, 0, given))
    return state


def _give_again(state: _State, registry: Registry, cursor: Cursor) -> None:
    """A newer app can keep more than the older one did: stream again what has changed in between.

    Unfinished walks begin anew, for what they gave before was given to the older app.
    """
    since = cursor.schema_version if cursor.again_since is None else cursor.again_since
    if not registry.changed_since(since):
        return
    state.again_since = since
    state.agains = [Walk("again", *channel, 0, state.progress) for channel in state.finished]
    state.gains = [replace(walk, at=0, until=max(walk.at, walk.until)) for walk in state.gains]


def _hold_back(state: _State, withheld: set[Channel]) -> None:
    """A bucket that is drained but no longer live is not served: it waits as a walk.

    Meanwhile it spares no removal. So, should it become live again before a drain has seen its
    loss, it has to be walked from the start: what was removed since lies behind any later place.
    """
    for channel in [c for c in state.finished if c in withheld]:
        state.finished.remove(channel)
        state.agains = [w for w in state.agains if (w.bucket, w.shape) != channel]
        state.owe(channel)
        state.waiting.append(Walk("gain", *channel, 0, state.progress))
    for walk in [w for w in state.gains if (w.bucket, w.shape) in withheld]:
        state.gains.remove(walk)
        state.waiting.append(replace(walk, at=0, until=max(walk.at, walk.until)))


class _Run:
    """Fills one page within its budget."""

    def __init__(
        self, reader: Reader, registry: Registry, state: _State, head: Head, ask: Ask, budget: Budget
    ) -> None:
        self.reader = reader
        self.registry = registry
        self.state = state
        self.head = head
        self.ask = ask
        self.budget = budget
        self.unknown = registry.unknown_to(ask.schema_version)
        self.changes: dict[Record, FeedRow] = {}
        self.sheaves: list[Sheaf] = []
        self.leaving: dict[Record, str] = {}
        self.repeated: dict[Channel, int] = {}
        self.bound = 0
        self.bytes = 0
        self.closed = False
        self.delta_done = False
        self._ids: set[bytes] = set()
        self._unlisted: list[Segment] = []

    @property
    def full(self) -> bool:
        """Whether the budget of records or bytes is spent."""
        return self.closed or self.room <= 0 or self.bytes >= self.ask.byte_limit

    @property
    def room(self) -> int:
        """How many more records go into the page."""
        return self.ask.limit - len(self.changes) - self.bound - len(self.leaving)

    @property
    def bound_ids(self) -> set[bytes]:
        """Ids of the records in the sheaves; listed only where somebody asks."""
        for segment in self._unlisted:
            self._ids.update(segment.records())
        self._unlisted.clear()
        return self._ids

    def _fetch(self) -> int:
        return max(1, min(FETCH, self.room))

    def _take(self, row: FeedRow) -> None:
        """Put a live row into the page; a newer row of the same record replaces the older."""
        if row.entity in self.unknown:
            return
        if self.sheaves and row.record_id.bytes in self.bound_ids:
            # The same bytes: a drain writes a record into all of its buckets, and a user has one shape of it.
            channel = (row.bucket, row.shape)
            self.repeated[channel] = max(self.repeated.get(channel, 0), row.position)
            return
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
            reason = "window" if walk.bucket in self.budget.left_out else "out_of_scope"
            while not self.full and not done:
                wanted = self._fetch()
                rows = self.reader.lost((walk.bucket, walk.shape), after=at, given=walk.until, limit=wanted)
                for row in rows:
                    self.leaving.setdefault((row.entity, row.record_id), reason)
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
        if self.ask.changes_held:
            self._removals_of_delta()
            return
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

    def _removals_of_delta(self) -> None:
        """Removals alone go on, ahead of the changes that are held."""
        state = self.state
        at, done = state.gone_progress, bool(self.ask.pending)
        while not self.full and not done:
            wanted = self._fetch()
            rows = self.reader.delta(
                state.finished, after=at, changes_after=NOWHERE, gone_after=at, limit=wanted
            )
            for row in rows:
                at = row.position
                if row.gone is not None and row.entered <= state.progress:
                    self.leaving[row.entity, row.record_id] = row.gone
            done = len(rows) < wanted
            if done:
                at, state.removals, state.removals_nonce = self.head.position, *self.head_drain
        state.gone_progress = at

    @property
    def head_drain(self) -> tuple[int, UUID]:
        """The newest drain of the snapshot."""
        return self.head.position, self.head.nonce

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

    def agains(self) -> None:
        """Stream once more the entities of which an older app could not keep all."""
        if self.ask.changes_held or not self.state.agains:
            return
        entities = sorted(self.registry.changed_since(self.state.again_since or 0))
        unfinished = []
        for walk in self.state.agains:
            at, done = walk.at, False
            while not self.full and not done:
                wanted = self._fetch()
                rows = self.reader.again(
                    (walk.bucket, walk.shape), entities, after=at, until=walk.until, limit=wanted
                )
                done = len(rows) < wanted
                for row in rows:
                    self._take(row)
                    at = row.position
                    if self.bytes >= self.ask.byte_limit:
                        done = False
                        break
            if not done:
                unfinished.append(replace(walk, at=at))
        self.state.agains = unfinished

    def gains(self) -> None:
        """Stream buckets that the device does not have wholly, in priority order."""
        if self.ask.changes_held:
            return
        unfinished = []
        for walk in self.state.gains:
            at, done = walk.at, False
            while not self.full and not done:
                sheaf = self._sheaf(walk, at)
                if sheaf is not None:
                    at, done = sheaf.at, sheaf.done
                    continue
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

    def _sheaf(self, walk: Walk, at: int) -> Sheaf | None:
        """Take what follows in a walk as bytes, where that can be; an app that knows not all gets rows.

        A page that cannot take the next segment is closed, though there is room: all walks keep to the same
        segments, so that these can be kept.
        """
        if self.unknown or self.ask.limit < SEGMENT_ROWS or self.ask.byte_limit < SEGMENT_BYTES:
            return None
        channel = (walk.bucket, walk.shape)
        found = self.reader.sheaf(
            channel,
            after=at,
            gone_after=walk.until,
            limit=self.room,
            byte_limit=self.ask.byte_limit - self.bytes,
        )
        if found is None:
            return None
        fresh = tuple(segment for segment in found.segments if not self._untied(walk, segment))
        if fresh:
            self.sheaves.append(replace(found, segments=fresh))
        self.closed = found.closed
        return found

    def _untied(self, walk: Walk, segment: Segment) -> bool:
        """Take a segment row by row if the page has some of its records already; whether it did."""
        channel = (walk.bucket, walk.shape)
        if self._has_any_of(channel, segment):
            for row in self.reader.walk(
                channel, after=segment.after, gone_after=walk.until, limit=segment.count
            ):
                self._take(row)
            return True
        self.bound += segment.count
        self.bytes += segment.size
        self._unlisted.append(segment)
        return False

    def _has_any_of(self, channel: Channel, segment: Segment) -> bool:
        """Whether one of its records is in the page already; no channel has one twice."""
        others = [s for sheaf in self.sheaves if sheaf.channel != channel for s in sheaf.segments]
        if len(self.changes) + sum(s.count for s in others) <= FEW:
            given = [record_id.bytes for _, record_id in self.changes]
            given += [record_id for s in others for record_id in s.records()]
            # Found across two ids it would be read row by row for nothing, and be right all the same.
            return any(record_id in segment.ids for record_id in given)
        ids = set(segment.records())
        return not (ids.isdisjoint(self.bound_ids) and ids.isdisjoint(r.bytes for _, r in self.changes))

    def page(self, channels: tuple[Channel, ...], set_id: str, *, rebase: bool) -> Page:
        """Settle what leaves against what the device has, and write the cursor."""
        state = self.state
        removed = list(self._removed())
        walks = [*state.losses, *state.debts, *state.agains, *state.gains, *state.waiting]
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
            newest=None if state.position == self.head.position else self.head_drain,
            again_since=state.again_since if state.agains else None,
        )
        has_more = bool(walks) or state.removals < state.position or self.ask.pending > 0
        return Page(
            list(self.changes.values()),
            self.sheaves,
            removed,
            cursor,
            channels,
            has_more,
            rebase,
            self.budget,
            repeated=self.repeated,
        )

    def _removed(self) -> Iterator[tuple[str, UUID, str]]:
        if not self.leaving:
            return
        given = [(c, self.state.progress) for c in self.state.finished]
        given += [((w.bucket, w.shape), w.at) for w in self.state.gains]
        held = self.reader.held(list(self.leaving), given, by_entry=self.ask.changes_held)
        for (entity, record_id), reason in self.leaving.items():
            if (
                (entity, record_id) not in held
                and (entity, record_id) not in self.changes
                and record_id.bytes not in self.bound_ids
                and entity not in self.unknown
            ):
                yield entity, record_id, reason


def _size(row: FeedRow) -> int:
    """Bytes on the wire: Hangul takes three for each character."""
    return len((row.body or "").encode())


@lru_cache(maxsize=4096)
def _rank(bucket: str) -> tuple[int, str]:
    """Place of a bucket in the order of a first sync."""
    kind = bucket.partition(":")[0]
    return BUCKET_ORDER.index(kind) if kind in BUCKET_ORDER else len(BUCKET_ORDER), bucket


def in_order(channels: Iterable[Channel]) -> tuple[Channel, ...]:
    """The channels as a first sync walks them."""
    return tuple(sorted(channels, key=lambda channel: (*_rank(channel[0]), channel[1])))
