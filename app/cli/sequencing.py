"""`flask sync`: look at the sequencer, and run it by hand."""

import click
from sqlalchemy import text

from app.cli.devices import json_option, print_rows
from app.cli.users import office, tenant_option
from app.core.clock import utc_now
from app.devices import service as devices
from app.devices.schemas import AlarmSchema, EpochSchema, QuarantineSchema
from app.http.services import services
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain_all

STATUS = text(
    """
    SELECT t.code, h.position,
           count(p.id) AS waiting,
           coalesce(extract(epoch FROM clock_timestamp() - min(p.marked_at)), 0) AS age_s,
           (SELECT count(*) FROM sync_quarantine q WHERE q.tenant_id = t.id) AS quarantined,
           (SELECT count(*) FROM sync_devices d WHERE d.tenant_id = t.id) AS devices
    FROM tenants t JOIN sync_heads h ON h.tenant_id = t.id LEFT JOIN sync_pending p ON p.tenant_id = t.id
    GROUP BY t.id, t.code, h.position ORDER BY t.code
    """
)


@click.group("sync")
def sync() -> None:
    """See what waits for phones; sequence by hand."""


@sync.command("status")
def status() -> None:
    """Show each company's feed position and what waits."""
    with services().db.engine.connect() as connection:
        for row in connection.execute(STATUS):
            click.echo(
                f"{row.code}\tposition {row.position}\t{row.waiting} changes wait ({row.age_s:.0f} s)"
                f"\t{row.quarantined} in quarantine\t{row.devices} devices"
            )


@sync.command("drain")
def drain() -> None:
    """Sequence what waits, for every company.

    The scheduler does it each second, and a phone's request for its own company.
    """
    done = drain_all(services().db.engine, REGISTRY, now=utc_now())
    for tenant_id, drained in done.items():
        done_s = f"{drained.marks} changes\t{drained.rows} feed rows\tposition {drained.position}"
        click.echo(f"{tenant_id}\t{done_s}")
        for entity, record_id in drained.quarantined:
            click.echo(f"  set aside: {entity} {record_id} (flask doctor says why)", err=True)
    if not done:
        click.echo("Nothing waited.")


@sync.command("alarms")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@tenant_option
def alarms(tenant_code: str | None, as_json: bool, limit: int) -> None:
    """Show what the engine saw that should never happen, the newest first."""
    with office(tenant_code) as (session, actor):
        found = devices.list_alarms(session, actor, before=None, limit=limit)
        rows = AlarmSchema().dump(found, many=True)
    print_rows(rows, as_json, "The sync engine raised no alarm.")


@sync.command("quarantine")
@json_option
@tenant_option
def quarantine(tenant_code: str | None, as_json: bool) -> None:
    """Show records that cannot be rendered; phones keep their last state until they are mended."""
    with office(tenant_code) as (session, actor):
        found = session.execute(devices.list_quarantine(session, actor)).scalars()
        rows = QuarantineSchema().dump(sorted(found, key=lambda row: row.since), many=True)
    print_rows(rows, as_json, "No record is in quarantine.")


@sync.command("epochs")
@json_option
@tenant_option
def epochs(tenant_code: str | None, as_json: bool) -> None:
    """Show the lives of the database: each restore began another."""
    with office(tenant_code) as (session, actor):
        rows = EpochSchema().dump(devices.list_epochs(session, actor), many=True)
    print_rows(rows, as_json, "")


COMMANDS = (sync,)
