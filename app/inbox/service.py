"""What may be done with inbox items. Takes a session, returns models, raises DomainError."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, text
from sqlalchemy.orm import Session

from app.core.errors import Conflict as ConflictError
from app.core.errors import Forbidden, NotFound, RuleViolation
from app.core.ids import new_id
from app.core.scope import Actor, Role, Scope, sees_child_of_account
from app.inbox.models import Conflict, ConflictState
from sync.inbox import InboxItem
from sync.wire import Intent


class ConflictChanged(ConflictError):
    """The record was changed since the item was shown; decide again on the new state."""

    code = "conflict_changed"


class ConflictClosed(ConflictError):
    """The item was decided already."""

    code = "conflict_closed"


class ChoiceNotPossible(RuleViolation):
    """The item's kind does not take this choice."""

    code = "choice_not_possible"


class Verbs(Protocol):
    """What a resolution does to records: the service functions of the rooms, by entity name."""

    def update(self, entity: str, record_id: UUID, changes: Mapping[str, Any]) -> int:
        """Write fields in wire form; gives the new version."""

    def command(
        self,
        entity: str,
        record_id: UUID,
        name: str,
        fields: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> int:
        """Do a command as if its record stood in *status*; gives the new version."""

    def delete(self, entity: str, record_id: UUID) -> None:
        """Delete a record."""

    def restore(self, entity: str, record_id: UUID) -> None:
        """Take back a delete."""

    def present(self, entity: str, record_id: UUID) -> tuple[int, dict[str, Any]] | None:
        """Version and fields of a record as the actor may see it; None when they may not."""


def sees_conflict(scope: Scope) -> ColumnElement[bool]:
    """Own items; managers also those of accounts in their scope."""
    own = Conflict.author_id == scope.user_id
    if scope.role in (Role.MANAGER, Role.ADMIN, Role.INTEGRATION):
        return or_(own, sees_child_of_account(scope, Conflict))
    return own


def list_conflicts(session: Session, actor: Actor, *, state: str | None = None) -> Select[tuple[Conflict]]:
    """Items in the actor's scope, as a statement to page."""
    found = select(Conflict).where(
        Conflict.tenant_id == actor.tenant_id, Conflict.deleted_at.is_(None), sees_conflict(actor.scope)
    )
    return found.where(Conflict.state == ConflictState(state)) if state else found


def get_conflict(session: Session, actor: Actor, conflict_id: UUID, *, lock: bool = False) -> Conflict:
    """One item; raises NotFound."""
    statement = list_conflicts(session, actor).where(Conflict.id == conflict_id)
    found = session.scalars(statement.with_for_update(of=Conflict) if lock else statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def holds_record(session: Session, actor: Actor, item: Conflict) -> bool:
    """Whether the actor's scope still holds the account of the item's record (items without one are their author's)."""
    if item.account_id is None:
        return item.author_id == actor.user_id
    seen = sees_child_of_account(actor.scope, Conflict)
    return bool(
        session.scalar(select(seen).where(Conflict.tenant_id == actor.tenant_id, Conflict.id == item.id))
    )


def open_item(session: Session, actor: Actor, item: InboxItem, intent: Intent, at: datetime) -> UUID:
    """Put an item into the inbox; a later loser joins the open item of the same field.

    Args:
        session: Of the push; the caller commits.
        actor: The author of the mutation.
        item: What is to be decided.
        intent: The mutation.
        at: When it was made, corrected, aware UTC.

    Returns:
        The id of the item that holds the value.
    """
    open_one = _open_item_of(session, actor, item)
    if open_one is not None:
        losers = [*open_one.losers, _as_loser(actor, item, intent, at)]
        open_one.losers = losers
        open_one.theirs = item.theirs
        open_one.record_version = item.record_version
        session.flush()
        return open_one.id
    found = Conflict(
        tenant_id=actor.tenant_id,
        id=new_id(),
        kind=item.kind,
        entity=item.entity,
        record_id=item.record_id,
        field=item.field,
        row_id=item.row_id,
        account_id=item.account_id,
        record_version=item.record_version,
        code=item.code,
        base=item.base,
        mine=item.mine,
        theirs=item.theirs,
        author_id=actor.user_id,
        device_id=actor.device_id,
        mutation_id=intent.mutation.id,
        occurred_at=intent.occurred_at,
        happened_at=at,
        losers=[],
        resolution=None,
    )
    session.add(found)
    session.flush()
    return found.id


def _open_item_of(session: Session, actor: Actor, item: InboxItem) -> Conflict | None:
    if item.field is None:
        return None
    return session.scalars(
        select(Conflict)
        .where(
            Conflict.tenant_id == actor.tenant_id,
            Conflict.entity == item.entity,
            Conflict.record_id == item.record_id,
            Conflict.field == item.field,
            Conflict.row_id.is_not_distinct_from(item.row_id),
            Conflict.state == ConflictState.OPEN,
            Conflict.deleted_at.is_(None),
        )
        .with_for_update()
    ).one_or_none()


def _as_loser(actor: Actor, item: InboxItem, intent: Intent, at: datetime) -> dict[str, Any]:
    return {
        "mine": item.mine,
        "base": item.base,
        "author_id": str(actor.user_id),
        "device_id": str(actor.device_id) if actor.device_id else None,
        "mutation_id": str(intent.mutation.id),
        "happened_at": at.isoformat().replace("+00:00", "Z"),
    }


def resolve_conflict(
    session: Session,
    actor: Actor,
    conflict_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    verbs: Verbs,
) -> Conflict:
    """Decide an item: the decision is itself a change of the record.

    Args:
        session: Open session; the caller commits.
        actor: A manager in whose scope the account is, an admin, or the author, who may only give way.
        conflict_id: An open item.
        args: ``choice`` (mine, theirs, base, value, apply, discard), ``value``, ``reason``, and
            ``record_version``, the version that was shown when it was decided.
        at: When it was decided, aware UTC.
        now: Server time, aware UTC.
        verbs: The rooms' service functions.

    Returns:
        The item, resolved or discarded.

    Raises:
        NotFound: No such item in the actor's scope.
        ConflictClosed: It was decided before.
        ConflictChanged: The field was changed after ``record_version``.
        ChoiceNotPossible: The kind of the item does not take the choice.
        Forbidden: An author who wants more than to give way.
    """
    item = get_conflict(session, actor, conflict_id, lock=True)
    if item.state is not ConflictState.OPEN:
        raise ConflictClosed(state=item.state.value)
    choice = args["choice"]
    if choice not in GIVES_WAY and actor.role not in (Role.MANAGER, Role.ADMIN):
        raise Forbidden
    _refuse_stale(session, actor, item, args.get("record_version"), verbs)
    if choice in GIVES_WAY:
        value: Any = None
    elif item.kind in ("field", "text", "row"):
        value = _apply_value(item, choice, args, verbs)
    else:
        value = _apply_whole(item, choice, verbs, at)
    item.state = ConflictState.DISCARDED if choice in GIVES_WAY else ConflictState.RESOLVED
    item.choice = choice
    item.resolution = value
    item.reason = args.get("reason")
    item.resolved_by = actor.user_id
    item.resolved_at = now
    session.flush()
    return item


GIVES_WAY = ("theirs", "discard")
"""Choices that leave the record as it is."""


def _refuse_stale(session: Session, actor: Actor, item: Conflict, shown: int | None, verbs: Verbs) -> None:
    """Refuse a decision on a state that is no longer there, and show the new one in the item."""
    version = item.record_version if shown is None else shown
    field = item.field
    changed = session.execute(
        text(
            "SELECT 1 FROM changes WHERE tenant_id = :tenant AND entity = :entity AND record_id = :record"
            " AND version > :version AND op <> 'lost' AND (CAST(:field AS text) IS NULL OR new ? :field"
            " OR part = :field) LIMIT 1"
        ),
        {
            "tenant": actor.tenant_id,
            "entity": item.entity,
            "record": item.record_id,
            "version": version,
            "field": field,
        },
    ).first()
    if changed is None:
        return
    present = verbs.present(item.entity, item.record_id)
    state: dict[str, Any] = {"record_version": None, "theirs": None}
    if present is not None:
        state = {"record_version": present[0], "theirs": present[1].get(field) if field else present[1]}
    raise ConflictChanged(conflict_id=str(item.id), **state)


def _apply_value(item: Conflict, choice: str, args: Mapping[str, Any], verbs: Verbs) -> Any:
    field = item.field or ""
    values = {"mine": item.mine, "base": item.base, "value": args.get("value"), "apply": item.mine}
    if choice not in values:
        raise ChoiceNotPossible
    value = values[choice]
    if item.kind == "row":
        present = verbs.present(item.entity, item.record_id)
        if present is None:
            raise NotFound
        value = _with_row(present[1].get(field) or [], str(item.row_id), value)
    verbs.update(item.entity, item.record_id, {field: value})
    return values[choice]


def _with_row(rows: Sequence[Mapping[str, Any]], row_id: str, row: Any) -> list[Any]:
    """*rows* with one row put in place of its namesake, added, or (None) taken out."""
    kept = [r for r in rows if r["id"] != row_id]
    return kept if row is None else [*kept, row]


def _apply_whole(item: Conflict, choice: str, verbs: Verbs, at: datetime) -> Any:
    if choice not in ("apply", "mine"):
        raise ChoiceNotPossible
    mine: dict[str, Any] = item.mine or {}
    if item.kind == "command":
        verbs.command(
            item.entity,
            item.record_id,
            mine["command"],
            mine["fields"],
            at=item.happened_at,
            status=mine["status"],
        )
    elif item.kind == "delete":
        verbs.delete(item.entity, item.record_id)
    elif item.kind == "deleted":
        verbs.restore(item.entity, item.record_id)
        if "command" in mine:
            verbs.command(
                item.entity, item.record_id, mine["command"], mine["fields"], at=item.happened_at, status=None
            )
        else:
            verbs.update(item.entity, item.record_id, mine)
    else:
        raise ChoiceNotPossible
    return mine
