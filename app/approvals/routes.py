"""Approvals over REST: requests and decisions, the policies behind them, and days off."""

from flask.views import MethodView

from app.approvals import service
from app.approvals.models import Absence, ApprovalPolicy, ApprovalRequest, CompanyHoliday
from app.approvals.schemas import (
    COMMAND_SCHEMAS,
    AbsenceCreateSchema,
    AbsenceQuery,
    AbsenceSchema,
    ApprovalQuery,
    ApprovalSchema,
    HolidayCreateSchema,
    HolidaySchema,
    PolicyCreateSchema,
    PolicyQuery,
    PolicySchema,
)
from app.approvals.sync import APPROVAL
from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.resources import Resource

blp = Blueprint(
    "approvals", __name__, url_prefix="/api/v1", description="Who has to agree to what, and whether they did"
)

PEOPLE = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN)
STAFF = (*PEOPLE, Role.INTEGRATION)
DECIDERS = (Role.REP, Role.MANAGER, Role.ADMIN)
ADMIN = (Role.ADMIN,)


REQUESTS = Resource(
    blp=blp,
    model=ApprovalRequest,
    schema=ApprovalSchema,
    entity=APPROVAL,
    get=service.get_request,
    get_locked=service.get_locked_request,
)


@blp.route("/approvals")
class Approvals(MethodView):
    """The requests of one's scope."""

    get = REQUESTS.lists(
        "List the requests that you made or were asked to decide",
        EVERYBODY,
        service.list_requests,
        ApprovalQuery,
        sorts=("requested_at",),
        default_sort="-requested_at",
    )


@blp.route("/approvals/<uuid:request_id>")
class ApprovalById(MethodView):
    """One request."""

    get = REQUESTS.shows("Get a request with its steps and the document as it was handed in", EVERYBODY)


publish = REQUESTS.commands("/approvals/<uuid:request_id>", service.COMMANDS, COMMAND_SCHEMAS)
publish("approve", "Agree to a document", DECIDERS)
publish("reject", "Refuse a document", DECIDERS)
publish("return", "Give a document back to be changed", DECIDERS)
publish("forward", "Let somebody else decide", DECIDERS)
publish("withdraw", "Take your own request back", EVERYBODY)


POLICIES = Resource(blp=blp, model=ApprovalPolicy, schema=PolicySchema, get=service.get_policy)


@blp.route("/approval-policies")
class Policies(MethodView):
    """The company's policies."""

    get = POLICIES.lists(
        "List the policies",
        ADMIN,
        service.list_policies,
        PolicyQuery,
        sorts=("name", "priority"),
        default_sort="name",
    )
    post = POLICIES.creates(
        "Ask for approval where a metric passes a threshold", ADMIN, service.create_policy, PolicyCreateSchema
    )


@blp.route("/approval-policies/<uuid:policy_id>")
class PolicyById(MethodView):
    """One policy."""

    get = POLICIES.shows("Get a policy", ADMIN)
    patch = POLICIES.changes("Change a policy; requests under way keep theirs", ADMIN, service.update_policy)
    delete = POLICIES.deletes("Delete a policy; requests under way go on", ADMIN, service.delete_policy)


ABSENCES = Resource(blp=blp, model=Absence, schema=AbsenceSchema, get=service.get_absence)


@blp.route("/absences")
class Absences(MethodView):
    """Days off."""

    get = ABSENCES.lists(
        "List your absences, and as a manager those of your team",
        PEOPLE,
        service.list_absences,
        AbsenceQuery,
        sorts=("first_day",),
        default_sort="-first_day",
    )
    post = ABSENCES.creates("Enter an absence", PEOPLE, service.create_absence, AbsenceCreateSchema)


@blp.route("/absences/<uuid:absence_id>")
class AbsenceById(MethodView):
    """One absence."""

    get = ABSENCES.shows("Get an absence", PEOPLE)
    patch = ABSENCES.changes("Change the days of an absence", PEOPLE, service.update_absence)
    delete = ABSENCES.deletes("Take an absence back", PEOPLE, service.delete_absence)


HOLIDAYS = Resource(blp=blp, model=CompanyHoliday, schema=HolidaySchema, get=service.get_holiday)


@blp.route("/company-holidays")
class Holidays(MethodView):
    """Days on which the company is closed."""

    get = HOLIDAYS.lists(
        "List the company's own holidays",
        STAFF,
        service.list_holidays,
        sorts=("day",),
        default_sort="-day",
    )
    post = HOLIDAYS.creates("Close the company for a day", ADMIN, service.create_holiday, HolidayCreateSchema)


@blp.route("/company-holidays/<uuid:holiday_id>")
class HolidayById(MethodView):
    """One of them."""

    get = HOLIDAYS.shows("Get a company holiday", ADMIN)
    delete = HOLIDAYS.deletes("Open the company again", ADMIN, service.delete_holiday)
