"""Reads of activities and tasks, scoped to who asks, and the timeline over them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.activity.models import Activity, Task
from app.core.scope import Actor, Role, sees_assigned, sees_child_of_account

# Light tables: of the identity room, and the ledger of the engine.
_users = table(
    "users",
    column("tenant_id", Uuid),
    column("id", Uuid),
    column("name", Text),
    column("status", Text),
    column("deleted_at", DateTime(timezone=True)),
)
_changes = table(
    "changes",
    column("tenant_id", Uuid),
    column("id"),
    column("entity", Text),
    column("record_id", Uuid),
    column("account_id", Uuid),
    column("op", Text),
    column("old", JSONB),
    column("new", JSONB),
    column("actor_kind", Text),
    column("actor_id", Uuid),
    column("actor_name", Text),
    column("recorded_at", DateTime(timezone=True)),
)


def was_assigned_to(session: Session, task: Task, user_id: UUID) -> bool:
    """Whether the ledger knows the user as an earlier assignee of the task."""
    before = _changes.c.old.op("->>")("assignee_id")
    of_the_task = and_(
        _changes.c.tenant_id == task.tenant_id,
        _changes.c.entity == "task",
        _changes.c.record_id == task.id,
        before == str(user_id),
    )
    return session.execute(select(exists().where(of_the_task))).scalar_one()


def activities_of(actor: Actor) -> Select[Activity]:
    """Activities in the actor's scope. Private ones are their author's alone; partners have none."""
    sees = (
        false()
        if actor.role is Role.PARTNER
        else and_(
            sees_child_of_account(actor.scope, Activity),
            or_(Activity.private.is_(False), Activity.author_id == actor.user_id),
        )
    )
    return select(Activity).where(Activity.tenant_id == actor.tenant_id, Activity.deleted_at.is_(None), sees)


def tasks_of(actor: Actor) -> Select[Task]:
    """Live tasks in the actor's scope. Partners have none."""
    sees = false() if actor.role is Role.PARTNER else sees_assigned(actor.scope, Task)
    return select(Task).where(Task.tenant_id == actor.tenant_id, Task.deleted_at.is_(None), sees)


def active_people(session: Session, user_ids: Collection[UUID]) -> Sequence[tuple[UUID, UUID]]:
    """The tenant and id of those of *user_ids* who work here, each once."""
    rows = session.execute(
        select(_users.c.tenant_id, _users.c.id)
        .where(_users.c.id.in_(set(user_ids)), _users.c.status == "active", _users.c.deleted_at.is_(None))
        .order_by(_users.c.id)
    )
    return [(row.tenant_id, row.id) for row in rows]


def timeline_of(
    actor: Actor,
    account_id: UUID,
    visits: Select[Any],
    shown: Mapping[str, Sequence[str]],
) -> CTE:
    """What happened at an account, one row for each thing.

    Args:
        actor: Who asks; the account is in their scope.
        account_id: Of the account.
        visits: Statement of the visits there that the actor may see.
        shown: By entity, the fields of the actor's shape whose changes are told.

    Returns:
        Rows of ``id, at, kind, entity, record_id, what, status, title, text, fields, by_id, by_name``.
    """
    events = union_all(
        _visit_events(visits),
        _activity_events(activities_of(actor).where(Activity.account_id == account_id)),
        _task_events(tasks_of(actor).where(Task.account_id == account_id)),
        _change_events(actor, account_id, shown),
    ).subquery()
    return (
        select(
            events,
            func.coalesce(events.c.actor_name, _users.c.name).label("by_name"),
        )
        .select_from(events)
        .outerjoin(_users, and_(_users.c.tenant_id == actor.tenant_id, _users.c.id == events.c.by_id))
        .cte("timeline")
    )


def _event(**columns: Any) -> Select[Any]:
    """One branch of the union: every branch has the same columns in the same order."""
    kinds: dict[str, Any] = {
        "id": Uuid(),
        "at": DateTime(timezone=True),
        "kind": Text(),
        "entity": Text(),
        "record_id": Uuid(),
        "what": Text(),
        "status": Text(),
        "title": Text(),
        "text": Text(),
        "fields": ARRAY(Text),
        "by_id": Uuid(),
        "actor_name": Text(),
    }
    return select(*(cast(columns.get(name, null()), kind).label(name) for name, kind in kinds.items()))


def _visit_events(visits: Select[Any]) -> Select[Any]:
    v = visits.subquery().c
    return _event(
        id=v.id,
        at=func.coalesce(v.checked_in_at, v.planned_start),
        kind=literal("visit"),
        entity=literal("visit"),
        record_id=v.id,
        what=v.purpose,
        status=v.status,
        title=v.outcome,
        text=v.report,
        by_id=v.assignee_id,
    )


def _activity_events(activities: Select[Activity]) -> Select[Any]:
    a = activities.subquery().c
    return _event(
        id=a.id,
        at=a.happened_at,
        kind=literal("activity"),
        entity=literal("activity"),
        record_id=a.id,
        what=a.kind,
        title=a.subject,
        text=a.body,
        by_id=a.author_id,
    )


def _task_events(tasks: Select[Task]) -> Select[Any]:
    t = tasks.subquery().c
    return _event(
        id=t.id,
        at=t.created_at,
        kind=literal("task"),
        entity=literal("task"),
        record_id=t.id,
        what=literal("task"),
        status=t.status,
        title=t.title,
        text=t.body,
        by_id=t.assignee_id,
    )


# Papers whose state the timeline names; that of an account's own fields stands among its changes.
MOVING = ("order", "shipment", "order_return", "invoice", "payment")


def _change_events(actor: Actor, account_id: UUID, shown: Mapping[str, Sequence[str]]) -> Select[Any]:
    """Changes of master data; a change of nothing but hidden fields is no event."""
    c = _changes.c
    fields = case(
        *((c.entity == entity, cast(list(names), ARRAY(Text))) for entity, names in shown.items()),
        else_=cast([], ARRAY(Text)),
    )
    key = func.jsonb_object_keys(func.coalesce(c.new, c.old)).table_valued("name").render_derived("keys")
    visible = select(func.array_agg(key.c.name)).where(key.c.name == any_(fields)).scalar_subquery()
    return _event(
        # A ledger row has a number and no id: the number in the form of a custom (v8) UUID.
        id=func.concat("00000000-0000-8000-8000-", func.lpad(func.to_hex(c.id), 12, "0")),
        at=c.recorded_at,
        kind=literal("change"),
        entity=c.entity,
        record_id=c.record_id,
        what=c.op,
        status=case((c.entity.in_(MOVING), c.new.op("->>")("status"))),
        fields=visible,
        by_id=c.actor_id,
        actor_name=case((c.actor_kind != "user", c.actor_name)),
    ).where(
        c.tenant_id == actor.tenant_id,
        c.account_id == account_id,
        c.entity.in_(list(shown)),
        c.op != "lost",
        _any_of(key, fields),
    )


def _any_of(key: Any, fields: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(key).where(key.c.name == any_(fields)))
