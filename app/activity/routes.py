"""Activities, tasks, notifications and the timeline of an account over REST."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import select

from app.accounts.sync import ENTITIES as MASTER_DATA
from app.activity import service
from app.activity.models import Activity, Notification, Task
from app.activity.schemas import (
    COMMAND_SCHEMAS,
    ActivityCreateSchema,
    ActivityQuery,
    ActivitySchema,
    NoArgsSchema,
    NotificationQuery,
    NotificationSchema,
    TaskCreateSchema,
    TaskQuery,
    TaskSchema,
    TimelineEntrySchema,
    TimelineQuery,
)
from app.activity.sync import ACTIVITY, TASK
from app.core.scope import Role, ShapeClass
from app.http.api import EVERYBODY, Blueprint
from app.http.fields import Rendered
from app.http.paging import page, page_of
from app.http.resources import Resource
from app.http.transaction import note_access, transaction

blp = Blueprint(
    "activity", __name__, url_prefix="/api/v1", description="What was said, and what is to be done"
)

STAFF = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)

# Papers of the rooms above, with the fields by which they move; technicians and partners are told of none.
PAPERS = {
    "order": ("number", "status", "lines", "total"),
    "shipment": ("status",),
    "order_return": ("status",),
    "invoice": ("number", "status", "open_amount"),
    "payment": ("status", "unapplied_amount"),
    "account_balance": ("on_hold",),
}
# What was done about the customer's things; told to all who see the account.
CARE = {"diagnosis_run": ("remedy", "outcome", "note")}


ACTIVITIES = Resource(
    blp=blp, model=Activity, schema=ActivitySchema, entity=ACTIVITY, get=service.get_activity
)


@blp.route("/activities")
class Activities(MethodView):
    """The activities of one's scope."""

    get = ACTIVITIES.lists(
        "List the activities of your scope",
        STAFF,
        service.list_activities,
        ActivityQuery,
        sorts=("happened_at",),
        default_sort="-happened_at",
    )
    post = ACTIVITIES.creates(
        "Write down a contact with an account", STAFF, service.create_activity, ActivityCreateSchema
    )


@blp.route("/activities/<uuid:activity_id>")
class ActivityById(MethodView):
    """One activity. It has no PATCH and no DELETE: what was written down stays."""

    get = ACTIVITIES.shows("Get an activity", STAFF)


TASKS = Resource(blp=blp, model=Task, schema=TaskSchema, entity=TASK, noted=False, get=service.get_task)


@blp.route("/tasks")
class Tasks(MethodView):
    """The tasks of one's scope."""

    get = TASKS.lists(
        "List the tasks of your scope",
        STAFF,
        service.list_tasks,
        TaskQuery,
        sorts=("due_on", "priority", "updated_at"),
        default_sort="due_on",
    )
    post = TASKS.creates("Note something to do", STAFF, service.create_task, TaskCreateSchema)


@blp.route("/tasks/<uuid:task_id>")
class TaskById(MethodView):
    """One task."""

    get = TASKS.shows("Get a task", STAFF)
    patch = TASKS.changes("Change fields of a task", STAFF, service.update_task)
    delete = TASKS.deletes("Delete a task", STAFF, service.delete_task)


publish = TASKS.commands("/tasks/<uuid:task_id>", service.COMMANDS, COMMAND_SCHEMAS)
publish("complete", "Tick a task off", STAFF)
publish("cancel", "Drop a task", STAFF)
publish("reopen", "Take a task up again", STAFF)


NOTIFICATIONS = Resource(blp=blp, model=Notification, schema=NotificationSchema, get=service.get_notification)


@blp.route("/notifications")
class Notifications(MethodView):
    """What one was told."""

    get = NOTIFICATIONS.lists(
        "List what you were told, newest first",
        EVERYBODY,
        service.list_notifications,
        NotificationQuery,
        sorts=("notified_at",),
        default_sort="-notified_at",
    )


@blp.route("/notifications/<uuid:notification_id>")
class NotificationById(MethodView):
    """One notification."""

    get = NOTIFICATIONS.shows("Get something that you were told", EVERYBODY)


@blp.route("/notifications/<uuid:notification_id>/mark-read")
class NotificationRead(MethodView):
    """That one was read."""

    post = NOTIFICATIONS.obeys("Note that you read it", EVERYBODY, service.mark_read, NoArgsSchema)


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


def _shown_to(shape_class: ShapeClass) -> dict[str, list[str]]:
    """By entity of the master data, the papers and the care, the fields whose changes the shape class may see."""
    shapes = ((entity, entity.shape_for(shape_class)) for entity in MASTER_DATA)
    shown = {entity.name: list(entity.fields_of(shape)) for entity, shape in shapes if shape is not None}
    papers = PAPERS if shape_class in (ShapeClass.SALES, ShapeClass.MANAGER) else {}
    return shown | {entity: list(fields) for entity, fields in (papers | CARE).items()}
