"""Who changed what of a customer, when, on which device; and which mutations were refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, true, union
from sqlalchemy.orm import Session

from app.approvals import service as approvals
from app.core.scope import Actor, Role
from app.history.queries import activities, changes, changes_with_names, mutations, people, tasks, visits
from sync.policy import SyncEntity
from sync.values import from_ledger


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a change: what it was, what it became, and whether the new value lost."""

    field: str
    old: Any
    new: Any
    outcome: str
    winner: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history.

    Attributes:
        occurred_at: When the phone says that it happened; None for a write without a phone.
        recorded_at: When the server took it.
    """

    id: int
    entity: str
    record_id: UUID
    version: int
    op: str
    part: str | None
    part_id: UUID | None
    occurred_at: datetime | None
    recorded_at: datetime
    actor: Mapping[str, Any]
    device: Mapping[str, Any] | None
    mutation_id: UUID | None
    fields: Sequence[FieldChange]


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first, and the id below which the next page begins; None at the end."""

    entries: Sequence[Entry]
    before: int | None


def account_history(
    session: Session,
    actor: Actor,
    account_id: UUID,
    entities: Mapping[str, SyncEntity],
    *,
    before: int | None = None,
    limit: int = 50,
) -> Page:
    """The history of an account and of what hangs on it, newest first; the caller has checked the scope.

    Args:
        session: Open session.
        actor: Whose shape decides which fields are shown.
        account_id: In the actor's scope.
        entities: Policies by name; changes of other tables are left out.
        before: Only entries with a lower id.
        limit: How many changes to look at.

    Returns:
        Entries without what the actor may not see: fields outside their shape, other people's private
        activities, approvals that others asked for (but for the office), and for technicians visits and tasks
        of others. A page may hold fewer than *limit*, even
        none, and not be the last: changes of nothing but hidden fields are left out.
    """
    shapes = {n: e.shape_for(actor.scope.shape) for n, e in entities.items() if n != "conflict"}
    shown = [n for n, shape in shapes.items() if shape is not None]
    statement = (
        changes_with_names()
        .where(
            changes.c.tenant_id == actor.tenant_id,
            changes.c.account_id == account_id,
            changes.c.entity.in_(shown),
            _may_see(actor),
            _may_see_approvals(session, actor),
        )
        .order_by(changes.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(changes.c.id < before)
    rows = session.execute(statement).all()
    found = [_entry(row, entities[row.entity], str(shapes[row.entity])) for row in rows]
    shown_entries = [entry for entry in found if entry.fields or entry.op in ("delete", "restore")]
    return Page(shown_entries, rows[-1].id if len(rows) == limit else None)


def _may_see(actor: Actor) -> ColumnElement[bool]:
    # By the record as it is, and where it is no more by what the change itself says.
    private = select(activities.c.id).where(
        activities.c.tenant_id == actor.tenant_id,
        activities.c.private.is_(True),
        activities.c.author_id != actor.user_id,
    )
    said_private = (
        func.coalesce(changes.c.new["private"].astext, changes.c.old["private"].astext, "false") == "true"
    )
    author = func.coalesce(changes.c.new["author_id"].astext, changes.c.old["author_id"].astext)
    others_private = and_(
        changes.c.entity == "activity",
        or_(
            changes.c.record_id.in_(private),
            and_(said_private, author.is_distinct_from(str(actor.user_id))),
        ),
    )
    if actor.role is not Role.TECHNICIAN:
        return not_(others_private)
    own = union(
        *(
            select(t.c.id).where(t.c.tenant_id == actor.tenant_id, t.c.assignee_id == actor.user_id)
            for t in (visits, tasks)
        )
    )
    return and_(
        not_(others_private),
        or_(changes.c.entity.not_in(("visit", "task")), changes.c.record_id.in_(select(own.subquery().c.id))),
    )


def _may_see_approvals(session: Session, actor: Actor) -> ColumnElement[bool]:
    """What was asked of an account's documents is the office's, and of who asked or was asked."""
    if actor.role in (Role.MANAGER, Role.ADMIN, Role.INTEGRATION):
        return true()
    return or_(
        changes.c.entity != "approval", changes.c.record_id.in_(approvals.list_request_ids(session, actor))
    )


def _entry(row: Any, entity: SyncEntity, shape: str) -> Entry:
    return Entry(
        id=row.id,
        entity=row.entity,
        record_id=row.record_id,
        version=row.version,
        op=row.op,
        part=row.part,
        part_id=row.part_id,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        actor={"kind": row.actor_kind, "id": row.actor_id, "name": row.person or row.actor_name},
        device={"id": row.device_id, "name": row.device_name} if row.device_id else None,
        mutation_id=row.mutation_id,
        fields=tuple(_fields(row, entity, shape)),
    )


def _fields(row: Any, entity: SyncEntity, shape: str) -> Iterable[FieldChange]:
    """Only fields of the viewer's shape, in wire form."""
    visible = entity.fields_of(shape)
    if row.part is not None:
        visible = dict(visible[row.part].rows) if row.part in visible else {}
    lost = row.op == "lost"
    for name, declared in visible.items():
        column = name if lost else declared.column or name
        old, new = (row.old or {}).get(column), (row.new or {}).get(column)
        if old is None and new is None:
            continue
        if not lost:
            old, new = from_ledger(declared, old), from_ledger(declared, new)
        winner = (row.winner or {}).get(name) if lost else None
        yield FieldChange(name, old, new, "superseded" if lost else "applied", winner)


def list_rejections(
    session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[Mapping[str, Any]]:
    """Rejected mutations, newest first: own ones; for managers those of their people; for admins all."""
    statement = (
        select(mutations, people.c.name.label("person"))
        .join(people, (people.c.tenant_id == mutations.c.tenant_id) & (people.c.id == mutations.c.user_id))
        .where(mutations.c.tenant_id == actor.tenant_id, mutations.c.status == "rejected")
        .order_by(mutations.c.judged_at.desc(), mutations.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        moment, last = after
        statement = statement.where(
            or_(mutations.c.judged_at < moment, (mutations.c.judged_at == moment) & (mutations.c.id < last))
        )
    if actor.role is Role.MANAGER:
        statement = statement.where(
            or_(
                mutations.c.user_id == actor.user_id,
                people.c.manager_id == actor.user_id,
                people.c.org_unit_id.in_(actor.scope.unit_ids),
            )
        )
    elif not actor.scope.everything:
        statement = statement.where(mutations.c.user_id == actor.user_id)
    return [row._asdict() for row in session.execute(statement)]
