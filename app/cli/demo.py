"""``flask demo``: two phones without a network, and one customer history."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from app import migrating
from app.accounts.importing import Summary
from app.cli.accounts import progress
from app.cli.installation import Installation, find_installation, is_named, start_local
from app.config import Config
from app.core.db import Database
from app.demo import checks, timeline
from app.demo.office import SqlPerson
from app.demo.story import NothingToTell, Story, played
from app.demo.world import World, seed
from app.doctor.examination import refuse_impossible_upgrade, refuse_unsafe_start
from app.serve import Supervisor
from examples.phone import NeedsLogin, NoAnswer, Refused
from examples.phone.conflicts import described
from localpg import state_root

LOG: Final = state_root() / "server.log"


@click.command("demo")
@click.option(
    "--once", is_flag=True, help="End after the story: status 0, or 1 if the history lacks anything."
)
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="Insist on this port; by default the first free from 8000."
)
def demo(once: bool, port: int | None) -> None:
    """Play a day of two offline phones on a real server, show the merged history, and keep serving.

    Uses the database that the environment names, else the managed local PostgreSQL.
    """
    try:
        with _installation() as (installation, psql):
            all_kept = _run(installation, psql, once=once, port=port)
    except NothingToTell as error:
        raise click.ClickException(str(error)) from error
    except (NoAnswer, NeedsLogin, Refused) as error:
        raise click.ClickException(f"The server did not do its part ({error}); see {LOG}.") from error
    sys.exit(0 if all_kept else 1)


COMMANDS = (demo,)


def _run(installation: Installation, psql: Path | None, *, once: bool, port: int | None) -> bool:
    out, config = timeline.console(), installation.config
    _say("Bringing the database up to date …")
    refuse_impossible_upgrade(config)
    migrating.upgrade(config)
    refuse_unsafe_start(config)
    db = Database(config)
    try:
        world = _seeded(config, db)
        _say("Starting the server …")
        events = bool(config.listen_url)
        with Supervisor(installation.variables, port=port, events=events, log=LOG, tell=_say) as server:
            server.wait_ready("/readyz")
            all_kept = _play(out, server.url, world, db, SqlPerson(world.sql_name, world.sql_url, psql))
            if once:
                return all_kept
            timeline.show_logins(out, world, server.url)
            out.print(f"  Log             {LOG}\n\nServing on {server.url}. Ctrl-C stops everything.")
            return server.wait() == 0 and all_kept
    finally:
        db.dispose()


@contextmanager
def _installation() -> Iterator[tuple[Installation, Path | None]]:
    """The settings to work with, and psql where there is one; what was started is stopped afterwards."""
    if is_named():
        found = shutil.which("psql")
        yield find_installation(), Path(found) if found else None
        return
    installation, server = start_local(_say)
    try:
        psql = server.binaries.program("psql")
        yield installation, psql if psql.exists() else None
    finally:
        server.release(progress=_say)


def _seeded(config: Config, db: Database) -> World:
    with progress("Customers") as report:

        def on_import(done: int, whole: int, summary: Summary) -> None:
            report(done, whole, f"{summary.rows:,} rows")

        return seed(config, db, say=_say, on_import=on_import)


def _play(out: Console, url: str, world: World, db: Database, sql: SqlPerson) -> bool:
    with played(url, world, db, sql, say=_say) as story:
        seen = checks.Evidence.of(story)
        timeline.show_history(out, seen.account["name"], seen.history)
        _show_inbox(out, story)
        return timeline.show_checks(out, checks.checked(story))


def _show_inbox(out: Console, story: Story) -> None:
    out.print("\n[bold]What waits for a person, as the rep's phone shows it[/bold]")
    for conflict in story.rep.phone.conflicts():
        if conflict["record_id"] == str(story.account_id):
            record = story.rep.phone.get(conflict["entity"], conflict["record_id"])
            out.print(described(conflict, record), markup=False)


def _say(sentence: str) -> None:
    click.echo(f"· {sentence}", err=True)
