"""`flask serve` and `flask scheduler run`: the processes of an installation."""

from contextlib import ExitStack

import click

from app import migrating
from app.cli.installation import Installation, find_installation, is_named, start_local
from app.core.clock import utc_now
from app.doctor.examination import refuse_unsafe_start
from app.http.logs import configure_logs
from app.http.services import services
from app.jobs.scheduler import run_scheduler
from app.serve import serve as run_until_signal
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain_all


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), help="By default the first free one from 8000 on.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Web processes.")
@click.option("--threads", type=click.IntRange(1, 512), default=32, show_default=True, help="Of each.")
@click.option("--scheduler/--no-scheduler", default=True, show_default=True, help="Run the scheduler, too.")
def serve(host: str, port: int | None, workers: int, threads: int, scheduler: bool) -> None:
    """Start the web server and the scheduler.

    Where no DATABASE_URL is set, on the local PostgreSQL, which is started and migrated.
    """
    with ExitStack() as stack:
        installation = find_installation() if is_named() else _local_installation(stack)
        refuse_unsafe_start(installation.config)
        status = run_until_signal(
            installation.variables,
            host=host,
            port=port,
            workers=workers,
            threads=threads,
            scheduler=scheduler,
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
    found = services()
    refuse_unsafe_start(found.config)
    configure_logs(found.config.log_level)
    run_scheduler(found.config, found.db, lambda: drain_all(found.db.engine, REGISTRY, now=utc_now()))


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


COMMANDS = (serve, scheduler)
