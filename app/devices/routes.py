"""The registry of devices over REST, and what administrators see and set of the engine."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core.clock import utc_now
from app.core.scope import Role
from app.devices import service
from app.devices.queries import quarantine, rows_of
from app.devices.schemas import (
    AlarmPageSchema,
    DevicePageSchema,
    DeviceQuery,
    DeviceSchema,
    EngineQuery,
    EpochsSchema,
    QuarantinePageSchema,
    QuarantineQuery,
    SettingsSchema,
    TracesSchema,
)
from app.http.api import EVERYBODY, Blueprint
from app.http.etag import require_version, set_version
from app.http.fields import Rendered
from app.http.paging import cursor_at, page, place_of
from app.http.transaction import transaction
from sync.budget import Settings

PREFIX = "/api/v1"
registry_blp = Blueprint(
    "device registry", __name__, url_prefix=f"{PREFIX}/devices", description="Where each phone stands"
)
engine_blp = Blueprint(
    "sync engine", __name__, url_prefix=f"{PREFIX}/sync", description="What administrators see and set"
)

SORTS = (
    "last_seen_at",
    "last_sync_at",
    "login",
    "name",
    "pending",
    "position",
    "registered_at",
    "schema_version",
    "state",
    "user_name",
)


@registry_blp.route("")
class DevicesView(MethodView):
    @registry_blp.allow(*EVERYBODY)
    @registry_blp.arguments(DeviceQuery, location="query")
    @registry_blp.response(200, DevicePageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List own devices, for managers also the team's, for administrators all"""
        filters = {name: args[name] for name in service.DeviceFilter.__slots__ if name in args}
        with transaction() as (session, actor):
            now = utc_now()
            found = service.list_devices(session, actor, service.DeviceFilter(**filters), now=now)
            return page(
                session,
                rows_of(found),
                model=found.c,
                sortable={name: found.c[name] for name in SORTS},
                args=args,
                render=lambda row: shown(row, now),
            )


@registry_blp.route("/<uuid:device_id>")
class DeviceView(MethodView):
    @registry_blp.allow(*EVERYBODY)
    @registry_blp.response(200, DeviceSchema)
    def get(self, device_id: UUID) -> Rendered:
        """Show where a device stands"""
        with transaction() as (session, actor):
            return shown(service.get_device(session, actor, device_id), utc_now())


@registry_blp.route("/<uuid:device_id>/trace")
class TraceView(MethodView):
    @registry_blp.allow(*EVERYBODY)
    @registry_blp.response(200, TracesSchema)
    def get(self, device_id: UUID) -> dict[str, Any]:
        """Show the last syncs of a device"""
        with transaction() as (session, actor):
            return {"items": service.list_traces(session, actor, device_id)}


@engine_blp.route("/settings")
class SettingsView(MethodView):
    @engine_blp.allow(Role.ADMIN)
    @engine_blp.etag
    @engine_blp.response(200, SettingsSchema)
    def get(self) -> Settings:
        """Show how sync is set in the company"""
        with transaction() as (session, actor):
            settings = service.read_settings(session, actor)
            set_version(settings.version)
            return settings

    @engine_blp.allow(Role.ADMIN)
    @engine_blp.etag
    @engine_blp.arguments(SettingsSchema(partial=True))
    @engine_blp.response(200, SettingsSchema)
    @engine_blp.alt_response(422, description="`sync.settings_contradict`, `validation_failed`")
    def patch(self, changes: dict[str, Any]) -> Settings:
        """Set how many records phones are given, and how long things are kept"""
        with transaction() as (session, actor):
            require_version(service.read_settings(session, actor, lock=True).version)
            settings = service.change_settings(session, actor, changes)
            set_version(settings.version)
            return settings


@engine_blp.route("/alarms")
class AlarmsView(MethodView):
    @engine_blp.allow(Role.ADMIN)
    @engine_blp.arguments(EngineQuery, location="query")
    @engine_blp.response(200, AlarmPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List what the engine saw that should never happen"""
        limit = args["limit"]
        with transaction() as (session, actor):
            place = place_of(args)
            found = service.list_alarms(
                session,
                actor,
                before=place[0] if place else None,
                limit=limit + 1,
                kind=args.get("kind"),
            )
            shown = found[:limit]
            more = len(found) > limit
            return {"items": shown, "next_cursor": cursor_at(args, shown[-1].id) if more else None}


@engine_blp.route("/quarantine")
class QuarantineView(MethodView):
    @engine_blp.allow(Role.ADMIN)
    @engine_blp.arguments(QuarantineQuery, location="query")
    @engine_blp.response(200, QuarantinePageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List the records that cannot be rendered"""
        with transaction() as (session, actor):
            return page(
                session,
                service.list_quarantine(session, actor),
                model=SimpleNamespace(id=quarantine.c.record_id),
                sortable={"since": quarantine.c.since},
                args=args,
            )


@engine_blp.route("/epochs")
class EpochsView(MethodView):
    @engine_blp.allow(Role.ADMIN)
    @engine_blp.response(200, EpochsSchema)
    def get(self) -> dict[str, Any]:
        """List the lives of the database: each restore began another"""
        with transaction() as (session, actor):
            return {"items": service.list_epochs(session, actor)}


def shown(row: Any, now: datetime) -> Rendered:
    """A device as it goes over the wire."""
    values = dict(row._mapping)
    last = values["last_sync_at"]
    values["lag_s"] = None if last is None else max(0, round((now - last).total_seconds()))
    return Rendered(_DEVICE.dump(values))


_DEVICE = DeviceSchema()
