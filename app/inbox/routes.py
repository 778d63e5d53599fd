"""The conflict inbox over REST: read it here; it is decided by app.sync_api, which knows every room's verbs."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core.scope import Role
from app.http.api import Blueprint
from app.http.etag import set_version
from app.http.fields import Rendered
from app.http.paging import page, page_of
from app.http.transaction import note_access, transaction
from app.inbox import service
from app.inbox.models import Conflict
from app.inbox.schemas import ConflictQuery, ConflictSchema

blp = Blueprint(
    "inbox", __name__, url_prefix="/api/v1", description="What the merge left for a person to decide"
)

READERS = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.PARTNER)


_schema = ConflictSchema()
# What others wrote, and how far their work has come.
OF_OTHERS: dict[str, Any] = {
    "base": None,
    "theirs": None,
    "losers": [],
    "resolution": None,
    "record_version": None,
}


def viewed(item: Conflict) -> Rendered:
    """An item for its viewer: what others wrote only while their scope holds the record."""
    body = _schema.dump(item)
    return Rendered(body if item.is_held else body | OF_OTHERS)


SORTABLE = {"happened_at": Conflict.happened_at, "updated_at": Conflict.updated_at}


@blp.route("/conflicts")
class Conflicts(MethodView):
    """The inbox of one's scope."""

    @blp.allow(*READERS)
    @blp.arguments(ConflictQuery, location="query")
    @blp.response(200, page_of(ConflictSchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List what waits for a decision"""
        with transaction() as (session, actor):
            found = page(
                session,
                service.list_conflicts(session, actor, state=args.get("state")),
                model=Conflict,
                sortable=SORTABLE,
                default_sort="-happened_at",
                args=args,
                render=viewed,
            )
            note_access(session, actor, "conflict", None, "list", count=len(found["items"]))
            return found


@blp.route("/conflicts/<uuid:conflict_id>")
class OneConflict(MethodView):
    """One item."""

    @blp.allow(*READERS)
    @blp.etag
    @blp.response(200, ConflictSchema)
    def get(self, conflict_id: UUID) -> Any:
        """Show an item of the inbox"""
        with transaction() as (session, actor):
            item = service.get_conflict(session, actor, conflict_id)
            note_access(session, actor, "conflict", conflict_id, "read")
            set_version(item.version)
            return viewed(item)
