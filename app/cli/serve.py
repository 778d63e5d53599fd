"""`flask serve`, `flask scheduler run` and `flask events run`: the processes of an installation."""

import socket
from contextlib import ExitStack

import click

from app import migrating
from app.cli.installation import Installation, find_installation, is_named, start_local
from app.core.clock import utc_now
from app.core.supervised import end_with_supervisor
from app.doctor.examination import refuse_unsafe_start
from app.events.server import serve_events
from app.http.logs import configure_logs
from app.http.services import services
from app.jobs.rerender import rerendering
from app.jobs.scheduler import run_scheduler
from app.serve import DEFAULT_EVENTS_PORT, listen
from app.serve import serve as run_until_signal
from app.sync_api.pushing import judge_parked_of_tenant
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.rxdb.pushing import RowPushing
from sync.sequencer import drain_all


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), help="By default the first free one from 8000 on.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Web processes.")
@click.option("--threads", type=click.IntRange(1, 512), default=32, show_default=True, help="Of each.")
@click.option("--scheduler/--no-scheduler", default=True, show_default=True, help="Run the scheduler, too.")
@click.option("--events/--no-events", default=True, show_default=True, help="Run the live pings, too.")
@click.option(
    "--events-port", type=click.IntRange(1, 65_535), help="By default the first free one from 8100 on."
)
def serve(
    host: str,
    port: int | None,
    workers: int,
    threads: int,
    scheduler: bool,
    events: bool,
    events_port: int | None,
) -> None:
    """Start the web server, the scheduler and the live pings.

    Where no DATABASE_URL is set, on the local PostgreSQL, which is started and migrated.
    """
    with ExitStack() as stack:
        installation = find_installation() if is_named() else _local_installation(stack)
        refuse_unsafe_start(installation.config)
        if events and not installation.config.listen_url:
            _tell("No live pings: set FIELDMERGE_EVENTS_DATABASE_URL, past the pooler (docs/operations.md).")
            events = False
        status = run_until_signal(
            installation.variables,
            host=host,
            port=port,
            workers=workers,
            threads=threads,
            scheduler=scheduler,
            events=events,
            events_port=events_port,
        )
    raise SystemExit(status)


def _local_installation(stack: ExitStack) -> Installation:
    """The managed server, running and migrated; released when we end."""
    installation, server = start_local(_tell)
    stack.callback(server.release, progress=_tell)
    migrating.upgrade(installation.config)
    return installation


@click.group("scheduler")
def scheduler() -> None:
    """Sequencing, missed visits, moving windows."""


@scheduler.command("run")
def run() -> None:
    """Be the scheduler until a signal.

    `flask serve` runs one for you. Of several, one works and the others stand by.
    """
    end_with_supervisor()
    found = services()
    refuse_unsafe_start(found.config)
    configure_logs(found.config.log_level)
    run_scheduler(
        found.config,
        found.db,
        lambda: drain_all(found.db.engine, REGISTRY, now=utc_now()),
        {
            "rerender": rerendering(REGISTRY),
            "rxdb_held": RowPushing(found.db, REGISTRY, BY_NAME, utc_now).pass_on_of,
            "parked": lambda db, tenant_id, now: judge_parked_of_tenant(
                db, REGISTRY, BY_NAME, tenant_id, now
            ),
        },
    )


@click.group("events")
def events() -> None:
    """Live pings: telling phones when a sync is worth while."""


@events.command("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), default=DEFAULT_EVENTS_PORT, show_default=True)
@click.option("--fd", type=click.IntRange(min=3), help="A listening socket that we were started with.")
def run_events(host: str, port: int, fd: int | None) -> None:
    """Be the process that pings until a signal.

    `flask serve` runs one for you.
    """
    end_with_supervisor()
    config = find_installation().config
    if not config.listen_url:
        raise click.ClickException(
            "LISTEN does not work through a pooler: set FIELDMERGE_EVENTS_DATABASE_URL to the address of"
            " PostgreSQL itself, as the role of DATABASE_URL."
        )
    serve_events(config, listen(host, port) if fd is None else socket.socket(fileno=fd))


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


COMMANDS = (serve, scheduler, events)
