"""The tasks of a visit: rows of the aggregate, told apart by id."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import ReferenceNotFound
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.visits.models import Visit, VisitTask
from app.visits.service.errors import TaskListedTwice
from app.visits.service.records import FREE_TASK_TEXT

TASK_FIELDS: Final = ("kind", "title", "required", "position", "done", "done_at", "result")


def replace_tasks(
    session: Session, visit: Visit, rows: Sequence[Mapping[str, Any]], *, now: datetime
) -> None:
    """Make the visit's tasks be *rows*: change the known ones, add new ones, delete those left out.

    Args:
        session: Open session of the tenant; the caller flushes.
        visit: Locked.
        rows: Typed fields of each task; ``id`` of a known one, or as minted by a phone. A known
            task keeps the fields that are not given; a new one stands where it is listed.
        now: When a task was done that says only that it is.

    Raises:
        ReferenceNotFound: An id is another visit's task.
        TaskListedTwice: An id stands twice in *rows*.
    """
    ids = [row["id"] for row in rows if row.get("id")]
    if len(set(ids)) < len(ids):
        raise TaskListedTwice
    known = {task.id: task for task in visit.tasks}
    _refuse_foreign(session, visit, [task_id for task_id in ids if task_id not in known])
    for place, row in enumerate(rows):
        task = known.pop(row["id"], None) if row.get("id") else None
        if task is None:
            task = VisitTask(tenant_id=visit.tenant_id, id=row.get("id") or new_id(), position=place)
            visit.tasks.append(task)
        _assign(task, row, now)
    for task in known.values():
        visit.tasks.remove(task)


def _assign(task: VisitTask, row: Mapping[str, Any], now: datetime) -> None:
    clean, _ = mask_fields(row, FREE_TASK_TEXT)
    for field in TASK_FIELDS:
        if field in clean:
            setattr(task, field, clean[field])
    if not task.done:
        task.done_at = None
    elif task.done_at is None:
        task.done_at = now


def _refuse_foreign(session: Session, visit: Visit, task_ids: Sequence[UUID]) -> None:
    if not task_ids:
        return
    foreign = session.scalars(
        select(VisitTask.id).where(VisitTask.tenant_id == visit.tenant_id, VisitTask.id.in_(task_ids))
    ).first()
    if foreign is not None:
        raise ReferenceNotFound(field="tasks")
