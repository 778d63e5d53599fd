"""What may be done with visits; the one way to write them."""

from app.visits.service.arrivals import on_arrival
from app.visits.service.assignment import OFFICE, check_assignee
from app.visits.service.errors import AssigneeOutOfScope
from app.visits.service.fieldwork import check_in, check_out, complete, start_travel
from app.visits.service.overdue import mark_missed
from app.visits.service.planning import (
    cancel,
    create_visit,
    delete_visit,
    reassign,
    reschedule,
    update_visit,
)
from app.visits.service.records import (
    allowed_steps,
    get_own_visit,
    get_visit,
    list_visits,
    masked_fields,
    refer_to_visit,
)
from app.visits.service.review import flag, verify

# By the names that phones send.
COMMANDS = {
    "start_travel": start_travel,
    "check_in": check_in,
    "check_out": check_out,
    "complete": complete,
    "verify": verify,
    "flag": flag,
    "cancel": cancel,
    "reschedule": reschedule,
    "reassign": reassign,
}

__all__ = [
    "COMMANDS",
    "OFFICE",
    "AssigneeOutOfScope",
    "allowed_steps",
    "cancel",
    "check_assignee",
    "check_in",
    "check_out",
    "complete",
    "create_visit",
    "delete_visit",
    "flag",
    "get_own_visit",
    "get_visit",
    "list_visits",
    "mark_missed",
    "masked_fields",
    "on_arrival",
    "reassign",
    "refer_to_visit",
    "reschedule",
    "start_travel",
    "update_visit",
    "verify",
]
