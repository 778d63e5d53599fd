"""``/sync/watermelon`` over HTTP: for the published client of WatermelonDB."""

from typing import Any

from flask import Response
from flask.views import MethodView

from app.core.clock import utc_now
from app.http.api import Blueprint
from app.http.auth import current_actor_query, current_farewell
from app.http.errors import Refused
from app.http.example_values import id_of
from app.http.strict_json import load_body
from app.http.transaction import transaction
from app.sync_api.pushing import Identity
from app.sync_api.registry import REGISTRY
from app.sync_api.routes import PHONE_USERS, exchange
from app.sync_api.support_routes import this_device
from app.sync_api.watermelon.pulls import PullAsk, Pulls
from app.sync_api.watermelon.pushes import PushAsk, Pushes
from app.sync_api.watermelon.schemas import ChangesSchema, PullQuery, PushedSchema, PushQuery, TablesSchema
from app.sync_api.watermelon.wire import column_types, edits_of, mark_of, migration_of, moment_of
from sync.errors import RequestInvalid

watermelon_blp = Blueprint(
    "watermelon", __name__, url_prefix="/api/v1/sync/watermelon", description="Sync for WatermelonDB's client"
)

# Rows hold the columns of their table, and what the client keeps of its own in them.
ROW = {
    "title": "WatermelonRow",
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "format": "uuid"}},
    "propertyNames": {"pattern": "^[a-z_]{1,60}$"},
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "title": "WatermelonChanges",
                "type": "object",
                "propertyNames": {"pattern": "^[a-z_]{1,60}$"},
                "additionalProperties": {
                    "title": "WatermelonTableChanges",
                    "type": "object",
                    "properties": {
                        "created": {"type": "array", "items": ROW},
                        "updated": {"type": "array", "items": ROW},
                        "deleted": {"type": "array", "items": {"type": "string", "format": "uuid"}},
                    },
                },
            },
            "example": {
                "account": {
                    "created": [],
                    "updated": [{"id": id_of("account"), "notes": "오전 방문 선호", "_changed": "notes"}],
                    "deleted": [],
                }
            },
        }
    },
}


@watermelon_blp.route("")
class Watermelon(MethodView):
    """The two calls of ``synchronize()``."""

    @watermelon_blp.allow(*PHONE_USERS, farewell=True)
    @watermelon_blp.arguments(PullQuery, location="query")
    @watermelon_blp.response(200, ChangesSchema)
    def get(self, args: dict[str, Any]) -> Response:
        """Pull as WatermelonDB does

        A farewell token is given nothing, and told to wipe.
        """
        who, is_farewell = _who()
        try:
            asked = PullAsk(
                mark_of(args.get("last_pulled_at")),
                migration_of(args.get("migration")).tables,
                args.get("pending"),
                args["limit"],
            )
        except RequestInvalid as error:
            raise _refused(error) from error
        pulls = Pulls(exchange(), utc_now)
        if is_farewell:
            return _answer(pulls.farewell(who, asked))
        return _answer(pulls.pull(who, current_actor_query(), asked))

    @watermelon_blp.refuses(503, "outcome_unknown")
    @watermelon_blp.allow(*PHONE_USERS, farewell=True)
    @watermelon_blp.doc(requestBody=BODY)
    @watermelon_blp.arguments(PushQuery, location="query")
    @watermelon_blp.response(200, PushedSchema)
    @watermelon_blp.alt_response(
        503, description="`pull_first`: pull, then push again, as the client does by itself"
    )
    def post(self, args: dict[str, Any]) -> Response:
        """Push as WatermelonDB does

        With a farewell token the edits are set aside, unjudged.
        """
        who, is_farewell = _who()
        try:
            edits = edits_of(load_body(), REGISTRY)
            sent_at = args.get("sent_at", "")
            asked = PushAsk(
                mark_of(args.get("last_pulled_at")),
                edits,
                moment_of(int(sent_at)) if sent_at.isdecimal() else None,
            )
        except RequestInvalid as error:
            raise _refused(error) from error
        pushes = Pushes(exchange(), utc_now)
        if is_farewell:
            return _answer(pushes.farewell(who, asked))
        return _answer(pushes.push(who, current_actor_query(), asked))


@watermelon_blp.route("/schema")
class WatermelonTables(MethodView):
    """What an app's ``appSchema`` has to hold."""

    @watermelon_blp.allow(*PHONE_USERS)
    @watermelon_blp.response(200, TablesSchema)
    def get(self) -> Any:
        """Name the tables and columns of the caller's phone"""
        with transaction() as (_, actor):
            shape_class = actor.scope.shape
            return {
                "version": REGISTRY.schema_version,
                "tables": {
                    entity.name: column_types(entity, shape)
                    for entity in REGISTRY.entities
                    if (shape := entity.shape_for(shape_class))
                },
            }


def _who() -> tuple[Identity, bool]:
    """Who asks, and whether they may only hand in their work."""
    claims = current_farewell()
    if claims is None or claims.device_id is None:
        return this_device(), False
    return Identity(claims.tenant_id, claims.user_id, claims.device_id), True


def _answer(body: bytes) -> Response:
    return Response(body, mimetype="application/json")


def _refused(error: RequestInvalid) -> Refused:
    return Refused(error.request_code, 400, details={"pointer": error.pointer} if error.pointer else None)
