"""Visits over REST."""

from flask.views import MethodView

from app.core.scope import Role
from app.http.api import Blueprint
from app.http.resources import Resource
from app.visits import service
from app.visits.models import Visit
from app.visits.schemas import (
    COMMAND_SCHEMAS,
    VisitCreateSchema,
    VisitQuery,
    VisitSchema,
)
from app.visits.sync import VISIT

blp = Blueprint(
    "visits", __name__, url_prefix="/api/v1", description="Who goes where, when, and what came of it"
)

STAFF = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
REVIEWERS = (Role.MANAGER, Role.ADMIN)
VISITS = Resource(blp=blp, model=Visit, schema=VisitSchema, entity=VISIT, get=service.get_visit)


@blp.route("/visits")
class Visits(MethodView):
    """The visits of one's scope."""

    get = VISITS.lists(
        "List the visits of your scope",
        STAFF,
        service.list_visits,
        VisitQuery,
        sorts=("planned_start", "priority", "status", "updated_at"),
        default_sort="planned_start",
    )
    post = VISITS.creates(
        "Plan a visit, or begin an unplanned one", STAFF, service.create_visit, VisitCreateSchema
    )


@blp.route("/visits/<uuid:visit_id>")
class VisitById(MethodView):
    """One visit."""

    get = VISITS.shows("Get a visit with its tasks", STAFF)
    patch = VISITS.changes("Change fields of a visit; tasks as a whole list", STAFF, service.update_visit)
    delete = VISITS.deletes("Delete a visit that was never made", STAFF, service.delete_visit)


publish = VISITS.commands("/visits/<uuid:visit_id>", service.COMMANDS, COMMAND_SCHEMAS)
publish("start_travel", "Set out for a visit", STAFF)
publish("check_in", "Check in at a visit", STAFF)
publish("check_out", "Check out of a visit", STAFF)
publish("complete", "Hand in a visit's report", STAFF)
publish("verify", "Accept a completed visit", REVIEWERS)
publish("flag", "Call a completed visit doubtful", REVIEWERS)
publish("cancel", "Call a visit off", STAFF)
publish("reschedule", "Replace a visit by a new one at another time", STAFF)
publish("reassign", "Give a visit to another person", STAFF)
