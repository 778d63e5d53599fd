"""The wire of the sync engine over HTTP, and what needs every room's verbs: decisions, history, rejections."""

from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from flask import Response, current_app, request
from flask.views import MethodView
from sqlalchemy.orm import Session
from werkzeug.http import parse_accept_header

from app.accounts import service as accounts
from app.core.clock import utc_now
from app.core.db import savepoint
from app.core.scope import Actor, Role
from app.history import service as history
from app.history.schemas import HistoryPageSchema, HistoryQuery, RejectionPageSchema
from app.http.api import Blueprint
from app.http.auth import current_actor_query, current_claims, current_farewell
from app.http.errors import Refused as HttpRefused
from app.http.etag import require_version, set_version
from app.http.fields import Rendered
from app.http.openapi import example_of
from app.http.paging import cursor_at, place_of
from app.http.services import derive_key, services
from app.http.strict_json import load_body
from app.http.transaction import note_access, transaction
from app.inbox import service as inbox
from app.inbox.routes import viewed
from app.inbox.schemas import ConflictSchema, ResolutionSchema
from app.sync_api.exchange import Exchange
from app.sync_api.pushing import Identity
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.rooms import RoomVerbs
from app.sync_api.schema import SchemaDocumentSchema, schema_document
from app.sync_api.schemas import SyncAnswerSchema, SyncBodySchema
from app.sync_api.wire import sync_request
from sync.errors import Refused, RequestInvalid, SchemaTooOld
from sync.packing import PACKINGS, PLAIN, Packing
from sync.sequencer import Drainer
from sync.stores.feed import settings_of
from sync.stores.push import PushStore
from sync.stores.support import note_sync_trace

blp = Blueprint(
    "sync", __name__, url_prefix="/api/v1", description="Delta sync: one round trip pushes and pulls"
)

EXTENSION = "fieldmerge-sync"
PHONE_USERS = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.PARTNER)
CUSTOMER_READERS = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN)


# Documented here and checked by app.sync_api.wire: one bad mutation must not refuse the others.
BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": SyncBodySchema, "example": example_of(SyncBodySchema, loading=True)}
    },
}


def exchange() -> Exchange:
    """The process's one exchange."""
    found: Exchange | None = current_app.extensions.get(EXTENSION)
    if found is None:
        shared = services()
        drainer = Drainer(shared.db.engine, REGISTRY, utc_now)
        key = derive_key(shared.config.secret_key, "sync-cursor")
        found = Exchange(
            shared.db,
            REGISTRY,
            BY_NAME,
            drainer,
            utc_now,
            key,
            events_path=shared.config.events_url or None,
            trace=note_sync_trace,
        )
        current_app.extensions[EXTENSION] = found
    return found


@blp.route("/sync")
class Sync(MethodView):
    """The one round trip."""

    @blp.refuses(400, "timestamp_invalid")
    @blp.refuses(503, "outcome_unknown")
    @blp.allow(*PHONE_USERS, farewell=True)
    @blp.doc(requestBody=BODY)
    @blp.response(200, SyncAnswerSchema)
    def post(self) -> Response:
        """Push mutations and pull what the device lacks

        A farewell token hands in work that is set aside unjudged, and is told to wipe.
        """
        farewell = current_farewell()
        claims = farewell or current_claims()
        if claims.device_id is None:
            raise HttpRefused("device_required", 403)
        who = Identity(claims.tenant_id, claims.user_id, claims.device_id)
        try:
            registry = exchange().registry
            asked = sync_request(load_body(), registry.schema_version, registry.oldest_wire)
            if farewell is None:
                answer = exchange().answer(
                    who, asked, current_actor_query(), _packing_of(request.headers.get("Accept-Encoding", ""))
                )
            else:
                answer = exchange().farewell(who, asked)
        except RequestInvalid as error:
            details = {"pointer": error.pointer} if error.pointer else None
            status = 426 if isinstance(error, SchemaTooOld) else 400
            raise HttpRefused(error.request_code, status, details=details) from error
        response = Response(answer.body, mimetype="application/json")
        if answer.encoding:
            response.content_encoding = answer.encoding
            response.vary.add("Accept-Encoding")
        return response


@lru_cache(maxsize=256)
def _packing_of(header: str) -> Packing:
    """What the phone likes best, and of equals the first of ours."""
    taken = parse_accept_header(header)
    best = max(PACKINGS, key=lambda packing: taken.quality(packing.encoding))
    return best if taken.quality(best.encoding) > 0 else PLAIN


@blp.route("/sync/schema")
class SyncSchema(MethodView):
    """What the caller's phone holds."""

    @blp.allow(*PHONE_USERS)
    @blp.response(200, SchemaDocumentSchema)
    def get(self) -> Any:
        """Describe entities, fields, merge policies and limits for code generation"""
        with transaction() as (session, actor):
            settings = settings_of(session.connection(), actor.tenant_id)
            own = exchange()
            return schema_document(own.registry, BY_NAME, actor.scope.shape, settings, own.events_path)


@blp.route("/conflicts/<uuid:conflict_id>/resolution")
class Resolution(MethodView):
    """The decision on an item."""

    @blp.allow(*PHONE_USERS)
    @blp.refuses(422, "*")
    @blp.etag
    @blp.arguments(ResolutionSchema)
    @blp.response(200, ConflictSchema)
    def post(self, args: dict[str, Any], conflict_id: UUID) -> Any:
        """Decide an item of the inbox"""
        now = utc_now()
        try:
            return _decided(conflict_id, args, now)
        except inbox.ConflictChanged:
            with transaction() as (session, actor):
                inbox.show_present(session, actor, conflict_id, _verbs(session, actor, now))
            raise


def _decided(conflict_id: UUID, args: dict[str, Any], now: datetime) -> Rendered:
    with transaction() as (session, actor):
        require_version(inbox.get_conflict(session, actor, conflict_id, lock=True).version)
        try:
            inbox.resolve_conflict(
                session, actor, conflict_id, args, at=now, now=now, verbs=_verbs(session, actor, now)
            )
        except Refused as refused:
            raise HttpRefused(refused.code, 422, details=refused.detail) from refused
        item = inbox.get_conflict(session, actor, conflict_id, lock=True)
        set_version(item.version)
        return viewed(item)


def _verbs(session: Session, actor: Actor, now: datetime) -> RoomVerbs:
    store = PushStore(
        session.connection(),
        actor.tenant_id,
        actor.user_id,
        actor.device_id or actor.user_id,
        partial(savepoint, session),
    )
    return RoomVerbs(BY_NAME, session, actor, store, now)


@blp.route("/accounts/<uuid:account_id>/history")
class AccountHistory(MethodView):
    """The central customer history."""

    @blp.allow(*CUSTOMER_READERS)
    @blp.arguments(HistoryQuery, location="query")
    @blp.response(200, HistoryPageSchema)
    def get(self, args: dict[str, Any], account_id: UUID) -> Any:
        """Show who changed what of a customer, when, and on which device"""
        with transaction() as (session, actor):
            accounts.get_account(session, actor, account_id)
            place = place_of(args)
            page = history.account_history(
                session,
                actor,
                account_id,
                {n: one.policy for n, one in BY_NAME.items()},
                before=place[0] if place else None,
                limit=args["limit"],
            )
            note_access(session, actor, "account", account_id, "history")
            return {
                "items": page.entries,
                "next_cursor": cursor_at(args, page.before) if page.before else None,
            }


@blp.route("/rejections")
class Rejections(MethodView):
    """Refused mutations."""

    @blp.allow(*PHONE_USERS)
    @blp.arguments(HistoryQuery, location="query")
    @blp.response(200, RejectionPageSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """List refused mutations of oneself, or of one's people"""
        with transaction() as (session, actor):
            place = place_of(args)
            after = (place[0], place[1]) if place else None
            rows = history.list_rejections(session, actor, after=after, limit=args["limit"])
            last = rows[-1] if len(rows) == args["limit"] else None
            return {
                "items": rows,
                "next_cursor": cursor_at(args, last["judged_at"], last["id"]) if last else None,
            }
