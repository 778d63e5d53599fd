"""What may be done with inbox items. Takes a session, returns models, raises DomainError."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session, with_expression

from app.core.errors import Conflict as ConflictError
from app.core.errors import Forbidden, NotFound, RuleViolation, Stale
from app.core.ids import new_id
from app.core.masking import mask_json
from app.core.scope import Actor, Role, Scope, sees_account, sees_child_of_account
from app.inbox.models import Conflict, ConflictState
from sync.errors import Overtaken
from sync.inbox import TRIED_ANEW, InboxItem

# Light tables of other rooms: only the columns that decide who sees an item.
_accounts = table("accounts", *(column(c) for c in ("tenant_id", "id", "territory_id", "owner_id")))
_assigned = {
    name: table(name, *(column(c) for c in ("tenant_id", "id", "assignee_id")))
    for name in ("visits", "tasks")
}
_users = table(
    "users",
    *(column(c) for c in ("tenant_id", "id", "role", "status", "manager_id", "org_unit_id", "deleted_at")),
)

OFFICE = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
DECIDERS = (Role.MANAGER, Role.ADMIN)
REASSIGN = "reassign"
GIVES_WAY = ("theirs", "discard")
"""Choices that leave the record as it is."""
VALUES = ("field", "text", "row")
"""Kinds that are about one value."""


class ConflictChanged(Stale):
    """The record was changed since the item was shown; decide again on the new state."""

    code = "conflict_changed"


class ConflictClosed(ConflictError):
    """The item was decided already."""

    code = "conflict_closed"


class ChoiceNotPossible(RuleViolation):
    """The item's kind does not take this choice."""

    code = "choice_not_possible"


class ReassignNotPossible(RuleViolation):
    """There is no such active person, or their phones do not show such fields."""

    code = "reassign_not_possible"


class TooManyUndecided(RuleViolation):
    """So many values of the field wait already that nobody could choose: decide on them first."""

    code = "too_many_undecided"


MOST_LOSERS = 100
"""Later losers of one field; the item goes to every phone concerned whenever another one joins it."""


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

    def anew(
        self,
        entity: str,
        record_id: UUID,
        op: str,
        fields: Mapping[str, Any],
        base: Mapping[str, Any],
        *,
        at: datetime,
        status: str | None,
    ) -> None:
        """Do what a phone asked for and nobody judged; leaves nothing behind when it is refused."""

    def shows(self, entity: str, role: Role, names: Collection[str]) -> bool:
        """Whether fields of an entity are all of the shape of a role."""


def sees_conflict(scope: Scope) -> ColumnElement[bool]:
    """Items that one's own value waits in, or that were given to one.

    For managers also those of accounts in their scope, and what their team sent that nobody judged.
    """
    mine = or_(Conflict.author_id == scope.user_id, Conflict.assignee_id == scope.user_id, _joined(scope))
    return or_(mine, _sees_account(scope), _is_of_team(scope)) if scope.role in OFFICE else mine


def _is_of_team(scope: Scope) -> ColumnElement[bool]:
    """Whether nobody judged it, no customer is known for it, and its author is of the viewer's team."""
    team = (
        select(_users.c.tenant_id, _users.c.id)
        .where(_users.c.id == scope.user_id)
        .cte("inbox_team", recursive=True)
    )
    below = _users.alias("below")
    team = team.union(
        select(below.c.tenant_id, below.c.id).where(
            below.c.tenant_id == team.c.tenant_id, below.c.manager_id == team.c.id
        )
    )
    of_units = select(_users.c.id).where(
        _users.c.tenant_id == Conflict.tenant_id, _users.c.org_unit_id.in_(scope.unit_ids)
    )
    return and_(
        Conflict.account_id.is_(None),
        Conflict.kind.in_(TRIED_ANEW),
        or_(Conflict.author_id.in_(select(team.c.id)), Conflict.author_id.in_(of_units)),
    )


def holds_record(scope: Scope) -> ColumnElement[bool]:
    """Whether the scope still holds the record of an item, so that others' values may be shown."""
    own = and_(
        Conflict.account_id.is_(None),
        # What was not judged shows nothing of a record.
        or_(Conflict.author_id == scope.user_id, Conflict.kind.in_(TRIED_ANEW)),
    )
    if scope.role in OFFICE:
        return or_(_sees_account(scope), own)
    held = or_(
        own,
        sees_child_of_account(scope, Conflict),
    )
    if scope.role is not Role.TECHNICIAN:
        return held
    return and_(held, or_(Conflict.entity.not_in(("visit", "task")), _is_assigned(scope)))


def _joined(scope: Scope) -> ColumnElement[bool]:
    losers = func.json_array_elements(Conflict.losers).table_valued("value")
    return exists(
        select(literal(1))
        .select_from(losers)
        .where(losers.c.value.op("->>")("author_id") == str(scope.user_id))
        .correlate(Conflict)
    )


def _sees_account(scope: Scope) -> ColumnElement[bool]:
    """Whether the item's account is in the scope, also once it is deleted: its items want a decision, too."""
    if scope.everything:
        return true()
    return exists(
        select(literal(1)).where(
            _accounts.c.tenant_id == Conflict.tenant_id,
            _accounts.c.id == Conflict.account_id,
            sees_account(scope, _accounts),
        )
    )


def _is_assigned(scope: Scope) -> ColumnElement[bool]:
    return or_(
        *(
            exists(
                select(literal(1)).where(
                    records.c.tenant_id == Conflict.tenant_id,
                    records.c.id == Conflict.record_id,
                    records.c.assignee_id == scope.user_id,
                )
            )
            for records in _assigned.values()
        )
    )


def list_conflicts(session: Session, actor: Actor, *, state: str | None = None) -> Select[Conflict]:
    """Items in the actor's scope, as a statement to page."""
    found = (
        select(Conflict)
        .where(
            Conflict.tenant_id == actor.tenant_id, Conflict.deleted_at.is_(None), sees_conflict(actor.scope)
        )
        .options(with_expression(Conflict.is_held, holds_record(actor.scope)))
    )
    return found.where(Conflict.state == ConflictState(state)) if state else found


def list_shown_conflicts(session: Session, actor: Actor) -> Select[Conflict]:
    """Items that a verdict may show as phones hold them: one's own only while one's scope holds the record.

    The bodies for field staff hide others' values by themselves; those for managers hide nothing.
    """
    found = list_conflicts(session, actor)
    return found.where(holds_record(actor.scope)) if actor.scope.role in OFFICE else found


def get_conflict(session: Session, actor: Actor, conflict_id: UUID, *, lock: bool = False) -> Conflict:
    """One item; raises NotFound."""
    statement = list_conflicts(session, actor).where(Conflict.id == conflict_id)
    if lock:
        statement = statement.with_for_update(of=Conflict).execution_options(populate_existing=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def open_item(
    session: Session,
    actor: Actor,
    item: InboxItem,
    *,
    mutation_id: UUID,
    occurred_at: datetime | None,
    at: datetime,
) -> UUID:
    """Put an item into the inbox; a later loser joins the open item of the same field.

    Args:
        session: Of the push; the caller commits.
        actor: The author of the mutation.
        item: What is to be decided.
        mutation_id: Of the mutation.
        occurred_at: When it was made by the phone's clock.
        at: When it was made, corrected, aware UTC.

    Returns:
        The id of the item that holds the value.

    Raises:
        TooManyUndecided: ``MOST_LOSERS`` values have joined the item already.
    """
    open_one = _open_item_of(session, actor, item)
    if open_one is not None:
        if len(open_one.losers) >= MOST_LOSERS:
            raise TooManyUndecided("So many values of the field wait that nobody could choose.")
        losers = [*open_one.losers, _as_loser(actor, item, mutation_id, at)]
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
        mutation_id=mutation_id,
        occurred_at=occurred_at,
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


def _as_loser(actor: Actor, item: InboxItem, mutation_id: UUID, at: datetime) -> dict[str, Any]:
    return {
        "mine": item.mine,
        "base": item.base,
        "author_id": str(actor.user_id),
        "device_id": str(actor.device_id) if actor.device_id else None,
        "mutation_id": str(mutation_id),
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
        actor: A manager in whose scope the account or the author is, an admin, whom it was given to, or the
            author, who may only give way.
        conflict_id: An open item.
        args: ``choice`` (mine, theirs, base, value, apply, discard, reassign), ``value``, ``to_user_id``,
            ``reason``, and ``record_version``, the version that was shown when it was decided.
        at: When it was decided, aware UTC.
        now: Server time, aware UTC.
        verbs: The rooms' service functions.

    Returns:
        The item, resolved or discarded; still open where it was given to somebody.

    Raises:
        NotFound: No such item in the actor's scope.
        ConflictClosed: It was decided before.
        ConflictChanged: The field was changed after ``record_version``; see ``show_present``.
        ChoiceNotPossible: The kind of the item does not take the choice.
        ReassignNotPossible: The person cannot take it.
        Forbidden: An author who wants more than to give way.
    """
    item = get_conflict(session, actor, conflict_id, lock=True)
    if item.state is not ConflictState.OPEN:
        raise ConflictClosed(state=item.state.value)
    choice = args["choice"]
    _refuse_others(actor, item, choice)
    if choice == REASSIGN:
        _reassign(session, actor, item, args["to_user_id"], verbs)
        return item
    _refuse_stale(session, actor, item, choice, args.get("record_version"), verbs)
    if choice in GIVES_WAY:
        value: Any = None
    elif item.kind in VALUES:
        value = _apply_value(item, choice, args, verbs)
    else:
        value = _apply_whole(item, choice, verbs)
    item.state = ConflictState.DISCARDED if choice in GIVES_WAY else ConflictState.RESOLVED
    item.choice = choice
    item.resolution = mask_json(value)
    item.reason = mask_json(args.get("reason"))
    item.resolved_by = actor.user_id
    item.resolved_at = now
    session.flush()
    return item


def show_present(session: Session, actor: Actor, conflict_id: UUID, verbs: Verbs) -> None:
    """Let an open item show the record as it stands, after a decision on an older state was refused.

    Args:
        session: Open session; the caller commits.
        actor: Who decided; an item whose record they may not see stays as it is.
        conflict_id: Of the scope.
        verbs: The rooms' service functions.
    """
    item = get_conflict(session, actor, conflict_id, lock=True)
    present = verbs.present(item.entity, item.record_id)
    if present is None or item.state is not ConflictState.OPEN:
        return
    version, fields = present
    if item.kind == "row":
        rows = fields.get(item.field or "") or []
        item.theirs = next((r for r in rows if r["id"] == str(item.row_id)), None)
    elif item.field is not None:
        item.theirs = fields.get(item.field)
    elif isinstance(item.theirs, dict):
        item.theirs = {name: fields.get(name, was) for name, was in item.theirs.items()}
    item.record_version = version
    session.flush()


def _refuse_others(actor: Actor, item: Conflict, choice: str) -> None:
    """Managers decide, and whom they gave the item to.

    An author may only give way, and only while nobody else's value waits in the item.
    """
    if actor.role in DECIDERS or (item.assignee_id == actor.user_id and choice != REASSIGN):
        return
    values_of_others = any(loser["author_id"] != str(item.author_id) for loser in item.losers)
    if choice not in GIVES_WAY or item.author_id != actor.user_id or values_of_others:
        raise Forbidden


def _reassign(session: Session, actor: Actor, item: Conflict, to_user_id: UUID, verbs: Verbs) -> None:
    """Give an item to somebody, who then decides with their own rights; managers go on seeing it."""
    role = session.scalars(
        select(_users.c.role).where(
            _users.c.tenant_id == actor.tenant_id,
            _users.c.id == to_user_id,
            _users.c.status == "active",
            _users.c.deleted_at.is_(None),
            _users.c.role != Role.INTEGRATION.value,
        )
    ).one_or_none()
    if role is None or not all(verbs.shows(name, Role(role), fields) for name, fields in _told_by(item)):
        raise ReassignNotPossible
    item.assignee_id = to_user_id
    session.flush()


def _told_by(item: Conflict) -> Iterator[tuple[str, Collection[str]]]:
    """The fields that an item shows, by entity."""
    if item.field is not None:
        yield item.entity, (item.field,)
        return
    mine = item.mine if isinstance(item.mine, dict) else {}
    for member in mine.get("members", [mine]):
        fields = member.get("fields", {}) if {"op", "command"} & member.keys() else member
        base = member.get("base") or {}
        names = {*fields, *base} if isinstance(fields, dict) and isinstance(base, dict) else set()
        yield member.get("entity", item.entity), names


def _refuse_stale(
    session: Session, actor: Actor, item: Conflict, choice: str, shown: int | None, verbs: Verbs
) -> None:
    """Refuse a decision on a state that is no longer there, and show the new one."""
    if item.kind in TRIED_ANEW or (choice in GIVES_WAY and (shown is None or item.field is None)):
        return
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
            "version": item.record_version if shown is None else shown,
            "field": item.field,
        },
    ).first()
    if changed is None:
        return
    present = verbs.present(item.entity, item.record_id)
    state: dict[str, Any] = {"record_version": None, "theirs": None}
    if present is not None:
        theirs = present[1].get(item.field) if item.field else present[1]
        state = {"record_version": present[0], "theirs": theirs}
    raise ConflictChanged(conflict_id=str(item.id), **state)


def _apply_value(item: Conflict, choice: str, args: Mapping[str, Any], verbs: Verbs) -> Any:
    field = item.field or ""
    values = {"mine": item.mine, "base": item.base, "value": args.get("value"), "apply": item.mine}
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


def _apply_whole(item: Conflict, choice: str, verbs: Verbs) -> Any:
    if choice not in ("apply", "mine"):
        raise ChoiceNotPossible
    mine: dict[str, Any] = item.mine or {}
    if item.kind == "group":
        _apply_group(mine["members"], verbs)
    elif item.kind in TRIED_ANEW:
        _anew({"entity": item.entity, "record_id": str(item.record_id)} | mine, item.happened_at, verbs)
    elif item.kind == "command":
        _command(item, mine, verbs)
    elif item.kind == "delete" or (item.kind == "out_of_scope" and mine.get("delete") is True):
        verbs.delete(item.entity, item.record_id)
    elif item.kind in ("out_of_scope", "frozen"):
        verbs.update(item.entity, item.record_id, mine)
    elif item.kind == "deleted":
        verbs.restore(item.entity, item.record_id)
        if "command" in mine:
            _command(item, mine, verbs)
        else:
            verbs.update(item.entity, item.record_id, mine)
    else:
        raise ChoiceNotPossible
    return mine


def _command(item: Conflict, mine: Mapping[str, Any], verbs: Verbs) -> None:
    """Do what the phone's user did, at the time when they did it, from the state that they saw."""
    verbs.command(
        item.entity,
        item.record_id,
        mine["command"],
        mine["fields"],
        at=item.happened_at,
        status=mine.get("status"),
    )


def _apply_group(members: Sequence[Mapping[str, Any]], verbs: Verbs) -> None:
    """All members in their order; a delete waits for those that hang on its record and go in the same group."""
    waiting = list(members)
    while waiting:
        hung = []
        for member in waiting:
            try:
                _anew(member, datetime.fromisoformat(member["at"]), verbs)
            except Overtaken as refused:
                if refused.code != "has_dependants":
                    raise
                hung.append((member, refused))
        if len(hung) == len(waiting):
            raise hung[0][1]
        waiting = [member for member, _ in hung]


def _anew(mine: Mapping[str, Any], at: datetime, verbs: Verbs) -> None:
    """Do what was never judged, or fell with its group; what was deleted since comes back for it."""
    entity, record_id = mine["entity"], UUID(mine["record_id"])
    op = mine["op"]
    if mine.get("kind") == "deleted":
        verbs.restore(entity, record_id)
        op = "update" if op == "create" else op
    verbs.anew(
        entity,
        record_id,
        op,
        _object(mine.get("fields")),
        _object(mine.get("base")),
        at=at,
        status=mine.get("status"),
    )


def _object(value: Any) -> dict[str, Any]:
    """What a phone sent as an object, if it was one."""
    return value if isinstance(value, dict) else {}


def lock_parked(session: Session, tenant_id: UUID, conflict_id: UUID) -> Conflict | None:
    """An item whose mutation waits for its record, locked; None when a person has decided it."""
    return session.scalars(
        select(Conflict)
        .where(
            Conflict.tenant_id == tenant_id,
            Conflict.id == conflict_id,
            Conflict.state == ConflictState.OPEN,
            Conflict.deleted_at.is_(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def close_judged(
    session: Session,
    item: Conflict,
    *,
    status: str,
    code: str | None,
    conflict_id: UUID | None,
    now: datetime,
) -> None:
    """Tell in an item what became of its mutation once its record was there.

    A refused one stays open: somebody may still do what it wanted.
    """
    session.add(item)
    if status == "rejected":
        item.code = code
    else:
        item.state = ConflictState.RESOLVED
        item.choice = "judged"
        item.resolution = {
            "status": status,
            "code": code,
            "conflict_id": str(conflict_id) if conflict_id else None,
        }
        item.resolved_at = now
    session.flush()
