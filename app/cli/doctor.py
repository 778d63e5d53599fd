"""`flask doctor`: what is wrong, in words."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

import click

from app.cli.installation import find_installation, is_named
from app.config import ConfigInvalid
from app.doctor import examination
from app.doctor.examination import examined
from app.doctor.finding import Finding
from localpg import LocalPostgresError
from localpg.binaries import find_binaries

ORIGINS = {"PG_BIN": "PG_BIN", "wheel": "the installed packages", "system": "the system"}


@click.command("doctor")
@click.option(
    "--accept-database",
    is_flag=True,
    help="The database was moved, upgraded or failed over, and nothing was lost: say no more that it is another.",
)
def doctor(accept_database: bool) -> None:
    """Say what is wrong with this installation.

    Looks at configuration, roles, PostgreSQL, schema and sync; exit status 1 if anything is wrong.
    """
    try:
        found = find_installation()
    except (ConfigInvalid, LocalPostgresError) as error:
        _show("Configuration", [Finding(False, str(error), _advice())])
        raise SystemExit(1) from error
    where = "the local PostgreSQL of `make demo` and `make serve`" if found.is_local else "the environment"
    _show("Configuration", [Finding(True, f"Complete, from {where}.")])
    if accept_database:
        examination.accept_database(found.config)
    wrong = 0
    for topic, findings in groupby(examined(found.config), itemgetter(0)):
        wrong += _show(topic, (finding for _, finding in findings))
    verdict = "Everything is in order." if not wrong else f"Wrong: {wrong} of the above, marked ✗."
    click.echo(f"\n{verdict}")
    raise SystemExit(1 if wrong else 0)


def _show(topic: str, findings: Iterable[Finding]) -> int:
    """Print the findings of a topic; gives how many are bad."""
    click.echo(click.style(topic, bold=True))
    wrong = 0
    for finding in findings:
        sign = click.style("✓", fg="green") if finding.ok else click.style("✗", fg="red")
        click.echo(f"  {sign} {finding.text}")
        if not finding.ok:
            wrong += 1
            click.echo(f"    → {finding.advice}")
    return wrong


def _advice() -> str:
    """What to do, and where nothing is named, what `make demo` and `make serve` would use."""
    if is_named():
        return "docs/operations.md lists the settings."
    try:
        binaries = find_binaries()
    except LocalPostgresError as error:
        return f"A local PostgreSQL cannot be used either: {error}"
    return (
        f"`make demo` and `make serve` would use a local PostgreSQL {binaries.version}"
        f" (from {ORIGINS[binaries.origin]}, {binaries.directory})."
    )


COMMANDS = (doctor,)
