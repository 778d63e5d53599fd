"""Moving many accounts to a territory: bounded batches, which may be broken off and gone on with."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, or_, select, true, update
from sqlalchemy.orm import Session

from app.accounts.models import Account
from app.accounts.service.accounts import list_accounts
from app.accounts.service.errors import AccountReassignNotAllowed, MoveUnbounded
from app.accounts.service.records import OFFICE
from app.core.db import Database
from app.core.scope import Actor
from app.identity import service as identity

MOVED_AT_ONCE = 500
"""Accounts of one transaction: with all that hangs on them a drain takes a second or two."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which accounts: by their ids, or all that fit; at least one of these is named."""

    ids: frozenset[UUID] | None = None
    territory_id: UUID | None = None
    owner_id: UUID | None = None
    kind: str | None = None
    tier: str | None = None

    @property
    def names_anything(self) -> bool:
        """Whether it is less than all that the actor sees."""
        return any(
            part is not None for part in (self.ids, self.territory_id, self.owner_id, self.kind, self.tier)
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """One batch: how many went, how many are still to go, and which ids name nothing that may be moved."""

    moved: int
    remaining: int
    refused_ids: tuple[UUID, ...] = ()


def move_accounts(
    session: Session,
    actor: Actor,
    selection: Selection,
    territory_id: UUID,
    *,
    limit: int = MOVED_AT_ONCE,
) -> Moved:
    """Move the next accounts of a selection to a territory; their children go along.

    What lies there already is not touched, so that doing it again goes on where it was, and in the end
    does nothing.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A manager within their territories, an admin or an integration.
        selection: Which; of these only those of the actor's scope.
        territory_id: Where to.
        limit: At most this many in this transaction, and at most ``MOVED_AT_ONCE``.

    Raises:
        AccountReassignNotAllowed: The actor's role moves no accounts.
        ReferenceNotFound: One of the territories is unknown, or outside the actor's scope.
        MoveUnbounded: The selection names nothing.
    """
    if actor.role not in OFFICE:
        raise AccountReassignNotAllowed()
    if not selection.names_anything:
        raise MoveUnbounded()
    identity.reference_territory(session, actor, territory_id, "to_territory_id")
    if selection.territory_id is not None:
        identity.reference_territory(session, actor, selection.territory_id, "from_territory_id")
    movable = _movable(session, actor, selection)
    waiting = movable.where(Account.territory_id.is_distinct_from(territory_id))
    # In the order in which phones' requests lock, too: so that nobody waits for each other.
    batch = session.scalars(
        waiting.with_only_columns(Account.id)
        .order_by(Account.id)
        .limit(min(limit, MOVED_AT_ONCE))
        .with_for_update(of=Account, key_share=True)
    ).all()
    session.execute(
        update(Account)
        .where(Account.tenant_id == actor.tenant_id, Account.id.in_(batch))
        .values(territory_id=territory_id)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    return Moved(len(batch), _count(session, waiting), _refused(session, actor, selection))


def move_in_batches(
    database: Database,
    actor: Actor,
    selection: Selection,
    territory_id: UUID,
    *,
    writer: str,
    drain: Callable[[], object],
    on_progress: Callable[[int, int], None],
    batch: int = MOVED_AT_ONCE,
) -> int:
    """Move a whole selection, a transaction for each batch, drained in between.

    Args:
        database: Transactions are opened and committed here.
        actor: As for ``move_accounts``.
        selection: Which.
        territory_id: Where to.
        writer: ``kind:name`` for the ledger.
        drain: Sequences what a batch marked, so that no drain grows with the whole.
        on_progress: Told how many have gone, and of how many.
        batch: Accounts of a transaction.

    Returns:
        How many were moved.
    """
    total = 0
    while True:
        with database.session(actor.tenant_id, actor=writer) as session:
            done = move_accounts(session, actor, selection, territory_id, limit=batch)
        if not done.moved:
            return total
        drain()
        total += done.moved
        on_progress(total, total + done.remaining)


def count_movable(session: Session, actor: Actor, selection: Selection, territory_id: UUID) -> int:
    """How many accounts ``move_accounts`` would move, for a dry run."""
    return _count(
        session,
        _movable(session, actor, selection).where(Account.territory_id.is_distinct_from(territory_id)),
    )


def _movable(session: Session, actor: Actor, selection: Selection) -> Select[Account]:
    """A manager's own account that lies in another's territory is not theirs to move."""
    found = list_accounts(
        session,
        actor,
        territory_id=selection.territory_id,
        owner_id=selection.owner_id,
        kind=selection.kind,
        tier=selection.tier,
    )
    if selection.ids is not None:
        found = found.where(Account.id.in_(selection.ids))
    within = or_(Account.territory_id.is_(None), Account.territory_id.in_(actor.scope.territory_ids))
    return found.where(true() if actor.scope.everything else within)


def _count(session: Session, accounts: Select[Account]) -> int:
    found = session.scalar(
        select(func.count()).select_from(accounts.with_only_columns(Account.id).subquery())
    )
    return found or 0


def _refused(session: Session, actor: Actor, selection: Selection) -> tuple[UUID, ...]:
    """Asked by the ids alone: what has gone fits the other filters no more."""
    if selection.ids is None:
        return ()
    movable = _movable(session, actor, Selection(ids=selection.ids)).with_only_columns(Account.id)
    return tuple(sorted(selection.ids - set(session.scalars(movable))))
