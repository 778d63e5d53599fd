"""Things to do, for an account or for none."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.activity import queries
from app.activity.models import Task
from app.activity.service.errors import TaskAssigneeOutOfScope, TaskNotYours, TaskReassigned
from app.activity.service.records import FREE_TEXT, check_id_free, flush, refuse_partners
from app.activity.states import TASK_MACHINE, TaskStatus
from app.core.errors import NotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.visits import service as visits

FIELDS: Final = ("account_id", "assignee_id", "title", "body", "priority", "due_on")


def list_tasks(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    assignee_id: UUID | None = None,
    status: TaskStatus | None = None,
    due_to: date | None = None,
) -> Select[Task]:
    """The tasks of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: Of this account only.
        assignee_id: Of this person only.
        status: In this state only.
        due_to: Due on or before this day.
    """
    statement = queries.tasks_of(actor)
    if account_id is not None:
        statement = statement.where(Task.account_id == account_id)
    if assignee_id is not None:
        statement = statement.where(Task.assignee_id == assignee_id)
    if status is not None:
        statement = statement.where(Task.status == status)
    if due_to is not None:
        statement = statement.where(Task.due_on <= due_to)
    return statement


def get_task(session: Session, actor: Actor, task_id: UUID, *, lock: bool = False) -> Task:
    """One task of the scope.

    Raises:
        NotFound: No such task in the actor's scope.
    """
    statement = queries.tasks_of(actor).where(Task.id == task_id)
    if lock:
        statement = statement.with_for_update(of=Task, key_share=True).execution_options(
            populate_existing=True
        )
    task = session.scalars(statement).one_or_none()
    if task is None:
        raise NotFound
    return task


def create_task(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Task:
    """Note something to do, for oneself; managers and dispatchers also for their team.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone but partners.
        values: Typed fields, ``id`` when a phone minted it; the assignee is the actor when left out.
        now: Server time, aware UTC.

    Raises:
        Forbidden, AssignmentNotAllowed, TaskAssigneeOutOfScope: Not the actor's to plan.
        IdTaken: The id is in use.
        ReferenceNotFound: Account or assignee are unknown or out of scope.
    """
    refuse_partners(actor)
    check_id_free(session, actor, Task, values.get("id"))
    clean, _ = mask_fields(values, FREE_TEXT)
    task = Task(
        tenant_id=actor.tenant_id,
        **{
            "id": values.get("id") or new_id(),
            "assignee_id": actor.user_id,
            **{field: clean[field] for field in FIELDS if clean.get(field) is not None},
        },
    )
    _check_references(session, actor, task, now)
    session.add(task)
    flush(session)
    return task


def update_task(
    session: Session, actor: Actor, task_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Task:
    """Change fields of a task; only those that differ count.

    Raises:
        NotFound, TaskNotYours, TaskReassigned: Not the actor's to change.
        Others: As for a new task.
    """
    task = get_own_task(session, actor, task_id)
    clean, _ = mask_fields(changes, FREE_TEXT)
    differing = {
        field: clean[field] for field in FIELDS if field in clean and clean[field] != getattr(task, field)
    }
    for field, value in differing.items():
        setattr(task, field, value)
    if differing.keys() & {"account_id", "assignee_id"}:
        _check_references(session, actor, task, now)
    flush(session)
    return task


def delete_task(session: Session, actor: Actor, task_id: UUID, *, now: datetime) -> None:
    """Remove a task; raises NotFound, TaskNotYours and TaskReassigned."""
    get_own_task(session, actor, task_id).deleted_at = now
    flush(session)


def complete(
    session: Session,
    actor: Actor,
    task_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Task:
    """Tick a task off; raises TransitionNotAllowed unless it is open."""
    return _step(session, actor, task_id, "complete", at, status)


def cancel(
    session: Session,
    actor: Actor,
    task_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Task:
    """Drop a task; raises TransitionNotAllowed unless it is open."""
    return _step(session, actor, task_id, "cancel", at, status)


def reopen(
    session: Session,
    actor: Actor,
    task_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Task:
    """Take a done or dropped task up again; raises TransitionNotAllowed when it is open."""
    return _step(session, actor, task_id, "reopen", None, status)


def get_own_task(session: Session, actor: Actor, task_id: UUID) -> Task:
    """A task that the actor may act on, locked: their own, or any of the scope for the office.

    Raises:
        NotFound: No such task in the actor's scope.
        TaskReassigned: It was theirs until somebody else got it.
        TaskNotYours: It is another person's.
    """
    task = get_task(session, actor, task_id, lock=True)
    if task.assignee_id == actor.user_id or actor.role in visits.OFFICE:
        return task
    if queries.was_assigned_to(session, task, actor.user_id):
        raise TaskReassigned(assignee_id=str(task.assignee_id))
    raise TaskNotYours


def _step(
    session: Session,
    actor: Actor,
    task_id: UUID,
    command: str,
    closed_at: datetime | None,
    status: str | None,
) -> Task:
    task = get_own_task(session, actor, task_id)
    if not TASK_MACHINE.is_legal(command, status or task.status):
        raise TransitionNotAllowed(status=str(task.status), allowed=list(TASK_MACHINE.allowed(task.status)))
    task.status = TaskStatus(TASK_MACHINE.steps[command][1])
    task.closed_at = closed_at
    flush(session)
    return task


def _check_references(session: Session, actor: Actor, task: Task, now: datetime) -> None:
    with session.no_autoflush:
        if task.account_id is not None:
            accounts.refer_to_account(session, actor, task.account_id)
        try:
            visits.check_assignee(
                session, actor, task.account_id, task.assignee_id, now=now, brings_account=False
            )
        except visits.AssigneeOutOfScope:
            raise TaskAssigneeOutOfScope from None
