"""What changed is found in the ledger and put into the index; nothing is missed, whoever writes at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.db import savepoint
from app.search import queries
from app.search.models import SearchMark
from app.search.service.sources import SOURCES, Source
from app.textindex import service as textindex

BATCH: Final = 500
AT_ONCE: Final = 200
"""So many records a search indexes itself before it looks; more are left to the job."""
LEDGER_ROWS: Final = 2_000
"""So many rows of the ledger a search reads for it."""

HELD_ELSEWHERE: Final = ("55P03", "40P01")  # lock_not_available, deadlock_detected
PATIENCE: Final = text("SET LOCAL lock_timeout = '200ms'")
PATIENCE_AGAIN: Final = text("SET LOCAL lock_timeout TO DEFAULT")

_BY_ENTITY: Final[Mapping[str, Source]] = {source.entity: source for source in SOURCES}
_ENTITIES: Final = sorted(_BY_ENTITY.keys() | {entity for source in SOURCES for entity in source.hangs_on})


def open_progress(session: Session, tenant_id: UUID) -> None:
    """Make the row that indexers hold, to be committed before anything is held for long."""
    session.execute(queries.OPEN, {"tenant": tenant_id})


def index_changes(session: Session, tenant_id: UUID, *, now: datetime, most: int = BATCH) -> int:
    """Index what changed since the last time, at most *most* records; the caller commits.

    Waits while another indexes for the company.

    Returns:
        How many records were taken off the marks; less than *most* means that nothing waits.
    """
    state = queries.pending(session, tenant_id, _ENTITIES, 1)
    if state is not None and state.seen and not state.rows and not state.marked:
        return 0
    open_progress(session, tenant_id)
    progress = queries.hold_progress(session, tenant_id, wait=True)
    assert progress is not None
    _collect(session, tenant_id, progress)
    return _index_marked(session, tenant_id, now, most)


def catch_up(session: Session, tenant_id: UUID, *, now: datetime) -> bool:
    """Index in a search what changed just before, if it is little and nobody else is at it.

    Returns:
        Whether the index now holds all that was committed when this began.
    """
    state = queries.pending(session, tenant_id, _ENTITIES, LEDGER_ROWS + 1)
    if state is None:
        if not queries.is_young(session, tenant_id, LEDGER_ROWS):
            return False
    elif state.rows > LEDGER_ROWS:
        return False
    elif state.seen and not state.changed and not state.marked:
        return True
    try:
        with savepoint(session):
            # Words and documents may be held by who publishes; nobody's search waits for that.
            session.execute(PATIENCE)
            done = _index_little(session, tenant_id, now, is_first=state is None)
            session.execute(PATIENCE_AGAIN)
            return done
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in HELD_ELSEWHERE:
            raise
        return False


def _index_little(session: Session, tenant_id: UUID, now: datetime, *, is_first: bool) -> bool:
    if is_first:
        open_progress(session, tenant_id)
    progress = queries.hold_progress(session, tenant_id, wait=False)
    if progress is None:
        return False
    _collect(session, tenant_id, progress)
    return _index_marked(session, tenant_id, now, AT_ONCE) < AT_ONCE


def begin_again(session: Session, tenant_id: UUID) -> int:
    """Mark every record of the company, to be indexed anew; gives how many wait."""
    open_progress(session, tenant_id)
    queries.hold_progress(session, tenant_id, wait=True)
    _begin(session, tenant_id)
    return int(session.scalar(queries.WAITING, {"tenant": tenant_id}) or 0)


def _collect(session: Session, tenant_id: UUID, progress: Row[tuple[int, str, int, int]]) -> None:
    """Mark what changed, and move the progress on."""
    if not progress.seen:
        _begin(session, tenant_id)
        return
    found = session.execute(
        queries.COLLECT,
        {
            "tenant": tenant_id,
            "settled": progress.settled_id,
            "entities": _ENTITIES,
            "seen": progress.seen,
        },
    ).one()
    if found.next < int(progress.seen.split(":")[1]):
        # Transactions are counted anew: this is a copy of the database in another server, where what was
        # seen says nothing.
        _begin(session, tenant_id)
        return
    settled, ahead, xid = progress.settled_id, progress.ahead_id, progress.ahead_xid
    if found.running >= xid:
        settled, ahead, xid = ahead, found.newest, found.next
    _settle(session, tenant_id, settled, ahead, xid, found.seen)


def _begin(session: Session, tenant_id: UUID) -> None:
    """Mark everything. What is committed between the two statements is marked by both ways."""
    found = session.execute(queries.LOOK, {"tenant": tenant_id}).one()
    for source in SOURCES:
        _mark(session, tenant_id, source.entity, source.ids(tenant_id).subquery())
        # Also what the index holds of records that are no more.
        for kind in source.documents:
            _mark(session, tenant_id, source.entity, queries.indexed(tenant_id, kind).subquery())
    _settle(session, tenant_id, 0, found.newest, found.next, found.seen)


def _mark(session: Session, tenant_id: UUID, entity: str, ids: Any) -> None:
    """Mark the records of a subquery with one column."""
    (column,) = ids.c
    marks = select(literal(tenant_id), literal(entity), column)
    statement = insert(SearchMark).from_select(["tenant_id", "entity", "record_id"], marks)
    session.execute(statement.on_conflict_do_nothing())


def _settle(session: Session, tenant_id: UUID, settled: int, ahead: int, xid: int, seen: str) -> None:
    values = {"tenant": tenant_id, "settled": settled, "ahead": ahead, "xid": xid, "seen": seen}
    session.execute(queries.SETTLE, values)


def _index_marked(session: Session, tenant_id: UUID, now: datetime, most: int) -> int:
    """Index the next marks. The rows are read after the marks, so that what is read is no older than they."""
    taken: dict[str, list[UUID]] = defaultdict(list)
    for entity, record_id in session.execute(queries.TAKE, {"tenant": tenant_id, "most": most}):
        taken[entity].append(record_id)
    for entity, ids in _with_followers(session, tenant_id, taken).items():
        for kind, documents_of in _BY_ENTITY[entity].documents.items():
            documents = list(documents_of(session, tenant_id, ids))
            textindex.put_many(session, tenant_id, kind, documents, now=now)
            textindex.remove(session, tenant_id, kind, ids - {one.record_id for one in documents})
    return sum(map(len, taken.values()))


def _with_followers(
    session: Session, tenant_id: UUID, taken: Mapping[str, Collection[UUID]]
) -> dict[str, set[UUID]]:
    """By entity that has documents: what was taken, and what hangs on something that was."""
    found = {source.entity: set(taken.get(source.entity, ())) for source in SOURCES}
    for source in SOURCES:
        for entity, hanging_on in source.hangs_on.items():
            if taken.get(entity):
                found[source.entity].update(hanging_on(session, tenant_id, taken[entity]))
    return {entity: ids for entity, ids in found.items() if ids}
