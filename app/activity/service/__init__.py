"""What may be done with activities and tasks; the one way to write them."""

from app.activity.service.activities import (
    create_activity,
    delete_activity,
    get_activity,
    list_activities,
    update_activity,
)
from app.activity.service.notifications import (
    get_notification,
    list_notifications,
    mark_read,
    notify,
)
from app.activity.service.records import masked_fields
from app.activity.service.tasks import (
    cancel,
    complete,
    create_task,
    delete_task,
    get_task,
    list_tasks,
    reopen,
    update_task,
)
from app.activity.service.timeline import list_timeline

# Commands of tasks, by the names that phones send.
COMMANDS = {"complete": complete, "cancel": cancel, "reopen": reopen}

__all__ = [
    "COMMANDS",
    "cancel",
    "complete",
    "create_activity",
    "create_task",
    "delete_activity",
    "delete_task",
    "get_activity",
    "get_notification",
    "get_task",
    "list_activities",
    "list_notifications",
    "list_tasks",
    "list_timeline",
    "mark_read",
    "masked_fields",
    "notify",
    "reopen",
    "update_activity",
    "update_task",
]
