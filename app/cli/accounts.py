"""Accounts at the command line: customer lists from other systems, and moves of many accounts."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.accounts.importing import (
    MOST_ROWS_A_BATCH,
    ImportUnreadable,
    Options,
    Summary,
    import_accounts,
)
from app.accounts.service import MOVED_AT_ONCE, Selection, count_movable, move_in_batches
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.http.services import services
from app.identity import service as identity
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain

NOTHING_READ = 2
PLAIN_EVERY_S = 5.0
DRAIN_WAIT_MS = 10_000
_SYSTEM = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

# Tells how much of how much is done, and what it amounts to in words.
Report = Callable[[int, int, str], None]


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A bar on a terminal, a line every few seconds elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, told="")
        yield lambda done, total, told: bar.update(task, completed=done, total=total, told=told)


def _plain_progress(title: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int, told: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY_S:
            last = time.monotonic()
            click.echo(f"{title}: {100 * done // max(total, 1)} %, {told}", err=True)

    return report


class TerritoryNames:
    """Finds territories by code or name, and makes those that are missing if it may.

    A name that two territories share finds neither.
    """

    def __init__(self, database: Database, tenant_id: UUID, *, create: bool, dry_run: bool) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._create = create
        self._dry_run = dry_run
        with database.session(tenant_id, actor="cli:import") as session:
            actor = identity.console_actor(tenant_id, utc_now())
            known = list(session.scalars(identity.list_territories(session, actor)))
        names = [territory.name for territory in known]
        self._ids = {t.name: t.id for t in known if names.count(t.name) == 1} | {t.code: t.id for t in known}
        self.created: list[str] = []

    def __call__(self, name: str) -> UUID | None:
        """The territory that a source calls *name*; None when there is none."""
        if name not in self._ids and self._create:
            self._ids[name] = new_id() if self._dry_run else self._made(name)
            self.created.append(name)
        return self._ids.get(name)

    def _made(self, name: str) -> UUID:
        now = utc_now()
        with self._database.session(self._tenant_id, actor="cli:import") as session:
            actor = identity.console_actor(self._tenant_id, now)
            return identity.create_territory(session, actor, {"code": name, "name": name}, now=now).id


def tenant_named(code: str) -> UUID:
    """The id of the company with this code."""
    with services().db.session(None) as session:
        found = identity.find_tenant_id(session, code)
    if found is None:
        raise click.ClickException(
            f"There is no company {code}; make one with: flask tenant create {code} NAME"
        )
    return found


@click.group("accounts")
def accounts() -> None:
    """Accounts."""


@accounts.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tenant", required=True, envvar="FIELDMERGE_TENANT", help="Code of the company.")
@click.option("--system", required=True, help="Name of the source, as erp; its keys are unique within it.")
@click.option("--encoding", default="auto", show_default=True, help="auto, cp949, utf-8 or another.")
@click.option("--currency", default="KRW", show_default=True, help="Of amounts without one.")
@click.option("--code-prefix", default="", help="Put before the source's keys, when sources share keys.")
@click.option("--create-territories", is_flag=True, help="Make territories that are not there yet.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Default: FILE with .rejects.csv.")
@click.option(
    "--batch",
    type=click.IntRange(1, MOST_ROWS_A_BATCH),
    default=2_000,
    show_default=True,
    help="Rows a commit.",
)
@click.option("--dry-run", is_flag=True, help="Check and count everything, keep nothing.")
@with_appcontext
def import_command(
    file: Path,
    tenant: str,
    system: str,
    encoding: str,
    currency: str,
    code_prefix: str,
    create_territories: bool,
    rejects: Path | None,
    batch: int,
    dry_run: bool,
) -> None:
    """Read a customer list (CSV) of another system; again whenever it changes.

    Only fields that the source itself changed since the last time are written.
    """
    system = system.lower()
    if not _SYSTEM.fullmatch(system):
        raise click.BadParameter("letters, digits, - and _ only", param_hint="--system")
    database, tenant_id = services().db, tenant_named(tenant)
    territories = TerritoryNames(database, tenant_id, create=create_territories, dry_run=dry_run)
    rejects = rejects or file.with_suffix(".rejects.csv")
    options = Options(system, encoding, currency, code_prefix, batch, dry_run)
    started = time.monotonic()
    try:
        with progress(file.name) as report:

            def on_progress(read: int, total: int, summary: Summary) -> None:
                report(read, total, f"{summary.rows:,} rows, {summary.rejected:,} rejected")

            summary = import_accounts(
                database, tenant_id, file, rejects, options, territories, on_progress=on_progress
            )
    except ImportUnreadable as error:
        click.echo(f"Nothing was read. {error}", err=True)
        sys.exit(NOTHING_READ)
    _tell(summary, time.monotonic() - started, rejects, territories.created, dry_run=dry_run)


@accounts.command("move")
@click.option("--tenant", required=True, envvar="FIELDMERGE_TENANT", help="Code of the company.")
@click.option("--from", "source", metavar="TERRITORY", help="Code or name of the territory they leave.")
@click.option("--to", "target", metavar="TERRITORY", required=True, help="Where they go.")
@click.option("--owner", metavar="LOGIN", help="Only accounts that this person owns.")
@click.option("--tier", help="Only accounts of this tier.")
@click.option(
    "--batch",
    type=click.IntRange(1, MOVED_AT_ONCE),
    default=MOVED_AT_ONCE,
    show_default=True,
    help="Accounts a commit.",
)
@click.option("--dry-run", is_flag=True, help="Count them, move nothing.")
@with_appcontext
def move_command(
    tenant: str,
    source: str | None,
    target: str,
    owner: str | None,
    tier: str | None,
    batch: int,
    dry_run: bool,
) -> None:
    """Move accounts, with all that hangs on them, to another territory.

    Each batch is committed and given to the phones before the next. Broken off, it goes on where it was
    when it is run again.
    """
    database, tenant_id = services().db, tenant_named(tenant)
    territories = TerritoryNames(database, tenant_id, create=False, dry_run=True)
    selection = Selection(
        territory_id=_territory(territories, source) if source else None,
        owner_id=_owner(tenant_id, owner) if owner else None,
        tier=tier,
    )
    if not selection.names_anything:
        raise click.UsageError("Say which accounts: --from, --owner or --tier.")
    goal, actor = _territory(territories, target), identity.console_actor(tenant_id, utc_now())
    if dry_run:
        with database.session(tenant_id, actor="cli:move") as session:
            count = count_movable(session, actor, selection, goal)
        click.echo(f"{count:,} accounts would go to {target}.")
        return
    with progress(f"to {target}") as report:
        moved = move_in_batches(
            database,
            actor,
            selection,
            goal,
            writer="cli:move",
            drain=lambda: drain(
                database.engine, REGISTRY, tenant_id, now=utc_now(), lock_timeout_ms=DRAIN_WAIT_MS
            ),
            on_progress=lambda done, total: report(done, total, f"{done:,} of {total:,} accounts"),
            batch=batch,
        )
    click.echo(f"{moved:,} accounts went to {target}.")


def _territory(territories: TerritoryNames, name: str) -> UUID:
    found = territories(name)
    if found is None:
        raise click.ClickException(f"There is no territory {name}, or more than one of this name.")
    return found


def _owner(tenant_id: UUID, login: str) -> UUID:
    with services().db.session(tenant_id, actor="cli:move") as session:
        people = identity.list_users(session, identity.console_actor(tenant_id, utc_now()))
        found = [person.id for person in session.scalars(people) if person.login == login]
    if not found:
        raise click.ClickException(f"There is no user {login}.")
    return found[0]


def _tell(summary: Summary, seconds: float, rejects: Path, territories: list[str], *, dry_run: bool) -> None:
    speed = f"{summary.rows / max(seconds, 0.001):,.0f} rows/s"
    click.echo(f"{summary.rows:,} rows in {seconds:.1f} s ({speed}), read as {summary.encoding}")
    if dry_run:
        click.echo("Nothing was kept: this was a dry run.")
    for name in ("created", "updated", "unchanged", "rejected"):
        click.echo(f"  {name:<10} {getattr(summary, name):>10,}")
    for code, count in summary.reasons.most_common():
        click.echo(f"    {code:<24} {count:>8,}")
    for code, count in summary.unplaced.most_common():
        click.echo(f"  taken in without parent: {code} {count:,}")
    if summary.masked:
        click.echo(f"  national id numbers masked in {summary.masked:,} rows")
    if territories:
        click.echo(f"  territories made: {', '.join(territories)}")
    if summary.ignored_columns:
        click.echo(f"  columns not read: {', '.join(summary.ignored_columns)}")
    if summary.rejected or summary.unplaced:
        click.echo(f"  rejected rows with reasons: {rejects}")


COMMANDS = (accounts,)
