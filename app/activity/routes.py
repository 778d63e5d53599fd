"""Activities, tasks and the timeline of an account over REST."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import select

from app.accounts.sync import ENTITIES as MASTER_DATA
from app.activity import service
from app.activity.models import Activity, Task
from app.activity.schemas import (
    COMMAND_SCHEMAS,
    ActivityCreateSchema,
    ActivityQuery,
    ActivitySchema,
    TaskCreateSchema,
    TaskQuery,
    TaskSchema,
    TimelineEntrySchema,
    TimelineQuery,
)
from app.activity.sync import ACTIVITY, TASK
from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import Blueprint
from app.http.etag import require_version, set_version
from app.http.fields import Rendered
from app.http.paging import page, page_of
from app.http.shapes import rendered
from app.http.transaction import note_access, transaction

blp = Blueprint(
    "activity", __name__, url_prefix="/api/v1", description="What was said, and what is to be done"
)

STAFF = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
ACTIVITY_FILTERS = ("account_id", "author_id", "visit_id", "kind", "happened_from", "happened_to")
TASK_FILTERS = ("account_id", "assignee_id", "status", "due_to")


@blp.route("/activities")
class Activities(MethodView):
    """The activities of one's scope."""

    @blp.allow(*STAFF)
    @blp.arguments(ActivityQuery, location="query")
    @blp.response(200, page_of(ActivitySchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List the activities of your scope"""
        with transaction() as (session, actor):
            filters = {name: args[name] for name in ACTIVITY_FILTERS if name in args}
            found = page(
                session,
                service.list_activities(session, actor, **filters),
                model=Activity,
                sortable={"happened_at": Activity.happened_at},
                default_sort="-happened_at",
                args=args,
                render=rendered(ACTIVITY, ActivitySchema, actor.scope.shape),
            )
            note_access(session, actor, "activity", None, "list", count=len(found["items"]))
            return found

    @blp.allow(*STAFF)
    @blp.arguments(ActivityCreateSchema)
    @blp.response(201, ActivitySchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Write down a contact with an account"""
        with transaction() as (session, actor):
            activity = service.create_activity(session, actor, values, now=utc_now())
            set_version(activity.version)
            return rendered(ACTIVITY, ActivitySchema, actor.scope.shape)(activity)


@blp.route("/activities/<uuid:activity_id>")
class ActivityById(MethodView):
    """One activity. It has no PATCH and no DELETE: what was written down stays."""

    @blp.allow(*STAFF)
    @blp.etag
    @blp.response(200, ActivitySchema)
    def get(self, activity_id: UUID) -> Any:
        """Get an activity"""
        with transaction() as (session, actor):
            activity = service.get_activity(session, actor, activity_id)
            note_access(session, actor, "activity", activity_id, "read")
            set_version(activity.version)
            return rendered(ACTIVITY, ActivitySchema, actor.scope.shape)(activity)


@blp.route("/tasks")
class Tasks(MethodView):
    """The tasks of one's scope."""

    @blp.allow(*STAFF)
    @blp.arguments(TaskQuery, location="query")
    @blp.response(200, page_of(TaskSchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List the tasks of your scope"""
        with transaction() as (session, actor):
            filters = {name: args[name] for name in TASK_FILTERS if name in args}
            return page(
                session,
                service.list_tasks(session, actor, **filters),
                model=Task,
                sortable={"due_on": Task.due_on, "priority": Task.priority, "updated_at": Task.updated_at},
                default_sort="due_on",
                args=args,
                render=rendered(TASK, TaskSchema, actor.scope.shape),
            )

    @blp.allow(*STAFF)
    @blp.arguments(TaskCreateSchema)
    @blp.response(201, TaskSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Note something to do"""
        with transaction() as (session, actor):
            task = service.create_task(session, actor, values, now=utc_now())
            set_version(task.version)
            return rendered(TASK, TaskSchema, actor.scope.shape)(task)


@blp.route("/tasks/<uuid:task_id>")
class TaskById(MethodView):
    """One task."""

    @blp.allow(*STAFF)
    @blp.etag
    @blp.response(200, TaskSchema)
    def get(self, task_id: UUID) -> Any:
        """Get a task"""
        with transaction() as (session, actor):
            task = service.get_task(session, actor, task_id)
            set_version(task.version)
            return rendered(TASK, TaskSchema, actor.scope.shape)(task)

    @blp.allow(*STAFF)
    @blp.etag
    @blp.arguments(TaskSchema(partial=True))
    @blp.response(200, TaskSchema)
    def patch(self, changes: dict[str, Any], task_id: UUID) -> Any:
        """Change fields of a task"""
        with transaction() as (session, actor):
            require_version(service.get_task(session, actor, task_id, lock=True).version)
            task = service.update_task(session, actor, task_id, changes, now=utc_now())
            set_version(task.version)
            return rendered(TASK, TaskSchema, actor.scope.shape)(task)

    @blp.allow(*STAFF)
    @blp.etag
    @blp.response(204)
    def delete(self, task_id: UUID) -> None:
        """Delete a task"""
        with transaction() as (session, actor):
            require_version(service.get_task(session, actor, task_id, lock=True).version)
            service.delete_task(session, actor, task_id, now=utc_now())


def publish(command: str, summary: str) -> None:
    """Give a command of tasks its route: ``POST /tasks/{id}/complete``."""

    class Command(MethodView):
        @blp.allow(*STAFF)
        @blp.etag
        @blp.arguments(COMMAND_SCHEMAS[command])
        @blp.response(200, TaskSchema)
        def post(self, args: dict[str, Any], task_id: UUID) -> Any:
            now = utc_now()
            with transaction() as (session, actor):
                require_version(service.get_task(session, actor, task_id, lock=True).version)
                task = service.COMMANDS[command](session, actor, task_id, args, at=now, now=now)
                set_version(task.version)
                return rendered(TASK, TaskSchema, actor.scope.shape)(task)

        post.__doc__ = summary

    blp.route(f"/tasks/<uuid:task_id>/{command}", endpoint=f"task_{command}")(Command)


publish("complete", "Tick a task off")
publish("cancel", "Drop a task")
publish("reopen", "Take a task up again")


@blp.route("/accounts/<uuid:account_id>/timeline")
class Timeline(MethodView):
    """What happened at an account."""

    @blp.allow(*STAFF)
    @blp.arguments(TimelineQuery, location="query")
    @blp.response(200, page_of(TimelineEntrySchema))
    def get(self, args: dict[str, Any], account_id: UUID) -> Any:
        """Read an account's timeline, newest first"""
        with transaction() as (session, actor):
            events = service.list_timeline(session, actor, account_id, shown=_shown_to(actor.scope.shape)).c
            found = page(
                session,
                select(events.id),
                model=events,
                sortable={"at": events.at},
                default_sort="-at",
                args=args,
            )
            rows = {
                row.id: row for row in session.execute(select(*events).where(events.id.in_(found["items"])))
            }
            schema = TimelineEntrySchema()
            found["items"] = [Rendered(schema.dump(rows[event_id])) for event_id in found["items"]]
            note_access(session, actor, "account", account_id, "timeline", count=len(found["items"]))
            return found


def _shown_to(shape_class: str) -> dict[str, list[str]]:
    """By entity of the master data, the fields that the shape class may see."""
    shapes = ((entity, entity.shape_for(shape_class)) for entity in MASTER_DATA)
    return {entity.name: list(entity.fields_of(shape)) for entity, shape in shapes if shape is not None}
