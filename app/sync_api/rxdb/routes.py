"""The RxDB door over HTTP."""

from typing import Any

from flask import Response, current_app
from flask.views import MethodView

from app.core.clock import utc_now
from app.http.api import Blueprint
from app.http.auth import current_actor_query, current_claims, current_farewell
from app.http.errors import Refused as HttpRefused
from app.http.openapi import example_of
from app.http.strict_json import load_list
from app.sync_api.pushing import Identity
from app.sync_api.routes import PHONE_USERS, exchange
from app.sync_api.rxdb.collections import Collections, PullAsked
from app.sync_api.rxdb.documents import gone
from app.sync_api.rxdb.schemas import EXAMPLE, PullAnswerSchema, PullQuery, PushQuery, PushRowSchema
from app.sync_api.rxdb.wire import checkpoint_of, rows_of
from sync.errors import RequestInvalid

blp = Blueprint(
    "rxdb", __name__, url_prefix="/api/v1/sync/rxdb", description="Replication with the published RxDB client"
)

EXTENSION = "fieldmerge-rxdb"

PUSHED = {
    "title": "RxdbDocument",
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "format": "uuid"}, "_deleted": {"type": "boolean"}},
    "propertyNames": {"pattern": "^[a-z_]{1,60}$"},
}
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "array",
                "items": {
                    "title": "RxdbPushRow",
                    "type": "object",
                    "description": "What the phone has, and what it believes that the server has: of one id",
                    "required": ["newDocumentState"],
                    "properties": {
                        "newDocumentState": PUSHED,
                        "assumedMasterState": {"anyOf": [PUSHED, {"type": "null"}]},
                    },
                    "additionalProperties": False,
                },
            },
            "example": [example_of(PushRowSchema, loading=True)],
        }
    },
}
ANSWER = {
    "description": "The documents of those that were not written as they were sent; none when all were",
    "content": {"application/json": {"schema": {"type": "array", "items": PUSHED}, "example": [EXAMPLE]}},
}


def collections() -> Collections:
    """The process's one door."""
    found: Collections | None = current_app.extensions.get(EXTENSION)
    if found is None:
        native = exchange()
        found = Collections(
            native.db,
            native.registry,
            native.synced,
            native.drainer,
            native.clock,
            native.key,
            trace=native.trace,
        )
        current_app.extensions[EXTENSION] = found
    return found


def _who() -> tuple[Identity, bool]:
    """Who asks, and whether they may only hand in their work."""
    farewell = current_farewell()
    claims = farewell or current_claims()
    if claims.device_id is None:
        raise HttpRefused("device_required", 403)
    return Identity(claims.tenant_id, claims.user_id, claims.device_id), farewell is not None


@blp.route("/<string:entity>/pull")
class Pull(MethodView):
    """One page of a collection."""

    @blp.allow(*PHONE_USERS, farewell=True)
    @blp.arguments(PullQuery, location="query")
    @blp.response(200, PullAnswerSchema)
    def get(self, args: dict[str, Any], entity: str) -> Response:
        """Give the documents of a collection that changed since a checkpoint

        A document that the phone is not to hold any more comes as `_deleted`. A farewell token is given none, and
        told to wipe.
        """
        who, is_farewell = _who()
        try:
            token, given_at = checkpoint_of(args.get("checkpoint"))
        except RequestInvalid as error:
            raise HttpRefused(error.request_code, 400, details={"pointer": error.pointer}) from error
        asked = PullAsked(token, args["limit"], args["schema_version"], given_at)
        if is_farewell:
            body = collections().farewell_page(who, entity, asked)
        else:
            body = collections().page(who, current_actor_query(), entity, asked)
        return Response(body, mimetype="application/json")


@blp.route("/<string:entity>/push")
class Push(MethodView):
    """Writes of a phone."""

    @blp.refuses(503, "outcome_unknown")
    @blp.allow(*PHONE_USERS, farewell=True)
    @blp.doc(requestBody=BODY, responses={"200": ANSWER})
    @blp.arguments(PushQuery, location="query")
    def post(self, args: dict[str, Any], entity: str) -> Response:
        """Take documents that were written on the phone

        They are merged with what others did since, field by field, on the base that the phone names. The answer
        holds the record as it is by now where it says something else than the phone; nothing where all was taken.
        With a farewell token they are set aside, unjudged.
        """
        arrived = utc_now()
        who, is_farewell = _who()
        try:
            rows, strange = rows_of(load_list())
        except RequestInvalid as error:
            details = {"pointer": error.pointer} if error.pointer else None
            raise HttpRefused(error.request_code, 400, details=details) from error
        if is_farewell:
            collections().take_farewell(who, entity, rows, arrived)
            return Response("[]", mimetype="application/json")
        found = collections().take(who, current_actor_query(), entity, rows, args["schema_version"], arrived)
        whole = ",".join((*found, *(gone(one) for one in strange)))
        return Response(f"[{whole}]", mimetype="application/json")
