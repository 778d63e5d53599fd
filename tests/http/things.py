"""A made-up room, and a database that is only looked at."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import Flask
from flask.views import MethodView
from sqlalchemy import text

from app.core.errors import NotFound, TransitionNotAllowed
from app.core.scope import Actor, ActorQuery, Role, Scope
from app.http.api import EVERYBODY, Blueprint
from app.http.etag import require_version, set_version
from app.http.fields import Boolean, Id, Integer, Money, QuerySchema, Text, Texts, Time, WireSchema
from app.http.openapi import offline_config
from app.http.transaction import transaction

TENANT = UUID("01900000-0000-7000-8000-000000000001")
USER = UUID("01900000-0000-7000-8000-000000000002")
DEVICE = UUID("01900000-0000-7000-8000-000000000003")
THING = UUID("01900000-0000-7000-8000-000000000004")
CONFIG = offline_config()


@dataclass
class WatchedDatabase:
    """Stands in for Database: remembers the transactions and raises what a test asks for."""

    committed: int = 0
    rolled_back: int = 0
    fails_with: Exception | None = None
    writers: list[Mapping[str, Any]] = field(default_factory=list)

    def oldest_transaction_s(self) -> float:
        """It has none."""
        return 0.0

    @contextmanager
    def session(self, tenant_id: UUID | None, **writer: Any) -> Iterator[Any]:
        self.writers.append({"tenant_id": tenant_id} | writer)
        try:
            # What an actor is read by; the row is of no interest here.
            yield SimpleNamespace(execute=lambda *_: SimpleNamespace(one_or_none=lambda: None))
            if self.fails_with:
                raise self.fails_with
            self.committed += 1
        except Exception:
            self.rolled_back += 1
            raise


class ThingSchema(WireSchema):
    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    name = Text(max=200, required=True)
    count = Integer(min=0)
    price = Money()
    seen_at = Time()
    ready = Boolean()
    tags = Texts()


class ThingQuery(QuerySchema):
    limit = Integer(min=1, max=200, load_default=50)
    ready = Boolean()
    tag = Texts()


def make_blueprint() -> Blueprint:
    blp = Blueprint("things", __name__, url_prefix="/api/v1/things", description="Things of the tests")

    @blp.route("")
    class ThingsView(MethodView):
        @blp.allow(*EVERYBODY)
        @blp.arguments(ThingQuery, location="query")
        @blp.response(200, ThingSchema(many=True))
        def get(self, query: dict[str, Any]) -> list[dict[str, Any]]:
            """List things"""
            with transaction():
                return [{"name": f"{query}"}]

        @blp.allow(*EVERYBODY)
        @blp.arguments(ThingSchema)
        @blp.response(201, ThingSchema)
        def post(self, values: dict[str, Any]) -> dict[str, Any]:
            """Create a thing"""
            with transaction() as (_, actor):
                return {"id": actor.user_id, "version": 1} | values

    @blp.route("/<uuid:thing_id>")
    class ThingView(MethodView):
        @blp.allow(*EVERYBODY)
        @blp.etag
        @blp.response(200, ThingSchema)
        def get(self, thing_id: UUID) -> dict[str, Any]:
            """Read a thing"""
            with transaction():
                if thing_id != THING:
                    raise NotFound
                set_version(7)
                return {"id": thing_id, "version": 7, "name": "n" * 1000}

        @blp.allow(Role.MANAGER)
        @blp.etag
        @blp.arguments(ThingSchema(partial=True))
        @blp.response(200, ThingSchema)
        def patch(self, values: dict[str, Any], thing_id: UUID) -> dict[str, Any]:
            """Change a thing"""
            with transaction():
                require_version(7)
                set_version(8)
                return {"id": thing_id, "version": 8, "name": "new"} | values

    @blp.route("/<uuid:thing_id>/submission")
    class SubmissionView(MethodView):
        @blp.allow(Role.REP)
        @blp.response(200, ThingSchema)
        def post(self, thing_id: UUID) -> None:
            """Submit a thing"""
            with transaction():
                raise TransitionNotAllowed(status="sent", allowed=["recall"])

    @blp.route("/careless")
    class CarelessView(MethodView):
        @blp.allow(Role.REP)
        @blp.response(200, ThingSchema)
        def get(self) -> dict[str, Any]:
            """Forget to ask who calls"""
            return {"name": "secret"}

        @blp.allow(Role.REP)
        @blp.etag
        @blp.response(200, ThingSchema)
        def delete(self) -> dict[str, Any]:
            """Forget to compare the version"""
            with transaction():
                return {"name": "gone"}

    return blp


@dataclass
class Server:
    """The application under test, its database, and who the caller is."""

    app: Flask
    db: WatchedDatabase
    role: Role = Role.MANAGER
    loaded: list[UUID | None] = field(default_factory=list)

    def actor_query(
        self,
        tenant_id: UUID,
        user_id: UUID,
        device_id: UUID | None,
        now: datetime,
        *,
        password_may_be_due: bool = False,
    ) -> ActorQuery:
        def read(_: Any, __: Any = None, /) -> Actor:
            self.loaded.append(device_id)
            scope = Scope(user_id, self.role, frozenset(), frozenset(), now)
            return Actor(tenant_id, user_id, device_id, scope)

        return ActorQuery(text("SELECT 1"), {}, read)
