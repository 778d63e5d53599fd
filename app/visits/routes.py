"""Visits over REST."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import Blueprint
from app.http.etag import require_version, set_version
from app.http.paging import page, page_of
from app.http.shapes import rendered
from app.http.transaction import note_access, transaction
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
SORTABLE = {
    "planned_start": Visit.planned_start,
    "priority": Visit.priority,
    "status": Visit.status,
    "updated_at": Visit.updated_at,
}
FILTERS = ("account_id", "assignee_id", "status", "planned_from", "planned_to", "wants_reason")


@blp.route("/visits")
class Visits(MethodView):
    """The visits of one's scope."""

    @blp.allow(*STAFF)
    @blp.arguments(VisitQuery, location="query")
    @blp.response(200, page_of(VisitSchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List the visits of your scope"""
        with transaction() as (session, actor):
            filters = {name: args[name] for name in FILTERS if name in args}
            found = page(
                session,
                service.list_visits(session, actor, **filters),
                model=Visit,
                sortable=SORTABLE,
                default_sort="planned_start",
                args=args,
                render=rendered(VISIT, VisitSchema, actor.scope.shape),
            )
            note_access(session, actor, "visit", None, "list", count=len(found["items"]))
            return found

    @blp.allow(*STAFF)
    @blp.arguments(VisitCreateSchema)
    @blp.response(201, VisitSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Plan a visit, or begin an unplanned one"""
        with transaction() as (session, actor):
            visit = service.create_visit(session, actor, values, now=utc_now())
            set_version(visit.version)
            return rendered(VISIT, VisitSchema, actor.scope.shape)(visit)


@blp.route("/visits/<uuid:visit_id>")
class VisitById(MethodView):
    """One visit."""

    @blp.allow(*STAFF)
    @blp.etag
    @blp.response(200, VisitSchema)
    def get(self, visit_id: UUID) -> Any:
        """Get a visit with its tasks"""
        with transaction() as (session, actor):
            visit = service.get_visit(session, actor, visit_id)
            note_access(session, actor, "visit", visit_id, "read")
            set_version(visit.version)
            return rendered(VISIT, VisitSchema, actor.scope.shape)(visit)

    @blp.allow(*STAFF)
    @blp.etag
    @blp.arguments(VisitSchema(partial=True))
    @blp.response(200, VisitSchema)
    def patch(self, changes: dict[str, Any], visit_id: UUID) -> Any:
        """Change fields of a visit; tasks as a whole list"""
        with transaction() as (session, actor):
            require_version(service.get_visit(session, actor, visit_id, lock=True).version)
            visit = service.update_visit(session, actor, visit_id, changes, now=utc_now())
            set_version(visit.version)
            return rendered(VISIT, VisitSchema, actor.scope.shape)(visit)

    @blp.allow(*STAFF)
    @blp.etag
    @blp.response(204)
    def delete(self, visit_id: UUID) -> None:
        """Delete a visit that was never made"""
        with transaction() as (session, actor):
            require_version(service.get_visit(session, actor, visit_id, lock=True).version)
            service.delete_visit(session, actor, visit_id, now=utc_now())


def publish(command: str, summary: str, roles: tuple[Role, ...]) -> None:
    """Give a command its route: ``POST /visits/{id}/check-in`` for ``check_in``."""

    class Command(MethodView):
        @blp.allow(*roles)
        @blp.etag
        @blp.arguments(COMMAND_SCHEMAS[command])
        @blp.response(200, VisitSchema)
        def post(self, args: dict[str, Any], visit_id: UUID) -> Any:
            now = utc_now()
            with transaction() as (session, actor):
                require_version(service.get_visit(session, actor, visit_id, lock=True).version)
                visit = service.COMMANDS[command](session, actor, visit_id, args, at=now, now=now)
                set_version(visit.version)
                return rendered(VISIT, VisitSchema, actor.scope.shape)(visit)

        post.__doc__ = summary

    path = command.replace("_", "-")
    blp.route(f"/visits/<uuid:visit_id>/{path}", endpoint=f"visit_{command}")(Command)


publish("start_travel", "Set out for a visit", STAFF)
publish("check_in", "Check in at a visit", STAFF)
publish("check_out", "Check out of a visit", STAFF)
publish("complete", "Hand in a visit's report", STAFF)
publish("verify", "Accept a completed visit", REVIEWERS)
publish("flag", "Call a completed visit doubtful", REVIEWERS)
publish("cancel", "Call a visit off", STAFF)
publish("reschedule", "Replace a visit by a new one at another time", STAFF)
publish("reassign", "Give a visit to another person", STAFF)
