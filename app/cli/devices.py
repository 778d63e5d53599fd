"""`flask devices`: where each phone stands, why it holds what it holds, and locking one out."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.cli.users import office, tenant_id_of, tenant_option, user_by_login
from app.core.clock import utc_now
from app.core.db import set_writer
from app.devices import service
from app.devices.routes import SORTS, shown
from app.devices.schemas import TraceSchema
from app.http.services import services
from app.identity import service as identity
from app.sync_api.explaining import Question, device_to_explain, explain
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.support_schemas import ExplanationSchema

WIDE = 200
DASH = "–"
COLUMNS = {
    "id": "device",
    "login": "user",
    "name": "name",
    "platform": "platform",
    "app_version": "app",
    "schema_version": "schema",
    "lag_s": "lag",
    "positions_behind": "behind",
    "pending": "unsent",
    "state": "state",
    "last_error": "last error",
}
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group("devices")
def devices() -> None:
    """Phones in use: where they stand, what they did, and locking one out."""


@devices.command("list")
@click.option("--user", "login", metavar="LOGIN", help="Of one person only.")
@click.option("--state", type=click.Choice([state.value for state in service.DeviceState]))
@click.option(
    "--stale", metavar="HOURS", type=click.FloatRange(min=0), help="Not synced for so long, or never."
)
@click.option("--pending", is_flag=True, help="With unsent work, as they last told.")
@click.option("--errors", is_flag=True, help="With an error, as they last told.")
@click.option("--schema-below", metavar="N", type=click.IntRange(min=1), help="Of an older app than this.")
@click.option("--sort", type=click.Choice(SORTS), default="last_sync_at", show_default=True)
@click.option("--reverse", is_flag=True, help="Turn the order.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@tenant_option
def list_devices(
    tenant_code: str | None,
    as_json: bool,
    limit: int,
    reverse: bool,
    sort: str,
    schema_below: int | None,
    errors: bool,
    pending: bool,
    stale: float | None,
    state: str | None,
    login: str | None,
) -> None:
    """Show phones with their lag, unsent work and errors; the longest unheard of first."""
    now = utc_now()
    with office(tenant_code) as (session, actor):
        wanted = service.DeviceFilter(
            user_id=user_by_login(session, actor, login).id if login else None,
            state=service.DeviceState(state) if state else None,
            stale_since=None if stale is None else now - timedelta(hours=stale),
            has_pending=True if pending else None,
            has_error=True if errors else None,
            schema_below=schema_below,
        )
        found = service.list_devices(session, actor, wanted, now=now)
        order = found.c[sort].desc() if reverse else found.c[sort].asc()
        rows = session.execute(select(*found.c).order_by(order.nulls_last(), found.c.id).limit(limit)).all()
    entries = [dict(shown(row, now)) for row in rows]
    print_rows(entries, as_json, "No device is like that.", COLUMNS)


@devices.command("show")
@click.argument("device_id", type=click.UUID)
@json_option
@tenant_option
def show_device(tenant_code: str | None, as_json: bool, device_id: UUID) -> None:
    """Show all that is known of one phone."""
    with office(tenant_code) as (session, actor):
        entry = dict(shown(service.get_device(session, actor, device_id), utc_now()))
    if as_json:
        _print_json(entry)
        return
    _print_pairs(entry)


@devices.command("trace")
@click.argument("device_id", type=click.UUID)
@json_option
@tenant_option
def trace_device(tenant_code: str | None, as_json: bool, device_id: UUID) -> None:
    """Show the last syncs of a phone, the newest first."""
    with office(tenant_code) as (session, actor):
        rows = TraceSchema().dump(service.list_traces(session, actor, device_id), many=True)
    print_rows(rows, as_json, "It never synced.")


@devices.command("revoke")
@click.argument("device_id", type=click.UUID)
@tenant_option
def revoke_device(tenant_code: str | None, device_id: UUID) -> None:
    """Lock a phone out: it may only hand in its work and wipe itself."""
    with office(tenant_code) as (session, actor):
        identity.revoke_device(session, actor, device_id, now=utc_now())
    click.echo(f"Device {device_id} is locked out.")


@devices.command("wipe")
@click.argument("device_id", type=click.UUID)
@tenant_option
def wipe_device(tenant_code: str | None, device_id: UUID) -> None:
    """Lock a phone out and order it to wipe itself; `flask devices show` tells when it did."""
    with office(tenant_code) as (session, actor):
        identity.wipe_device(session, actor, device_id, now=utc_now())
    click.echo(f"Device {device_id} is locked out and will wipe itself when it is next heard of.")


@devices.command("explain")
@click.argument("device_id", type=click.UUID)
@click.argument("entity", type=click.Choice(sorted(BY_NAME)))
@click.argument("record_id", type=click.UUID)
@json_option
@tenant_option
def explain_record(
    tenant_code: str | None, as_json: bool, device_id: UUID, entity: str, record_id: UUID
) -> None:
    """Say why a record is, or is not, on a phone."""
    tenant_id, now = tenant_id_of(tenant_code), utc_now()
    with _snapshot(tenant_id) as (connection, session):
        actor = identity.console_actor(tenant_id, now)
        device = device_to_explain(session, actor, device_id)
        question = Question(actor, device, entity, record_id, now)
        answer = explain(connection, session, REGISTRY, BY_NAME, question)
    told = ExplanationSchema().dump(answer)
    if as_json:
        _print_json(told)
        return
    because, internals = told.pop("because"), told.pop("internals")
    _print_pairs(told | {"row": internals["row"], "quarantine": internals["quarantine"]})
    for rows in (because, internals["feed"]):
        if rows:
            print_rows(rows, False, "")


@contextmanager
def _snapshot(tenant_id: UUID) -> Iterator[tuple[Connection, Session]]:
    with services().db.app.connect() as raw:
        connection = raw.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin(), Session(connection, expire_on_commit=False) as session:
            set_writer(session, tenant_id)
            yield connection, session


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    as_json: bool,
    nothing: str,
    columns: Mapping[str, str] | None = None,
) -> None:
    """Print a list: as JSON, as a table, or *nothing* in words.

    Args:
        rows: As REST shows them.
        as_json: For scripts.
        nothing: What to say when there are none.
        columns: Fields with their titles; all of them when not given.
    """
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(columns or {name: name.replace("_", " ") for name in rows[0]}, rows)
    else:
        click.echo(nothing)


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _print_table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in columns.values():
        table.add_column(title, overflow="fold", no_wrap=title == "device")
    for row in rows:
        table.add_row(*(escape(_cell(name, row[name])) for name in columns))
    _console().print(table)


def _print_pairs(entry: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in entry.items():
        table.add_row(name.replace("_", " "), escape(_cell(name, value)))
    _console().print(table)


def _console() -> Console:
    """Of the terminal's width, and wide enough for anything elsewhere."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _cell(name: str, value: Any) -> str:
    if value is None or value in ([], {}):
        return DASH
    if name == "lag_s":
        return _duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(key, inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(name, inner) for inner in value)
    return str(value)


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


COMMANDS = (devices,)
