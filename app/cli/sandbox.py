"""Sandboxes at the command line: companies for app developers that go back to a kept state."""

import re
from datetime import timedelta

import click
from flask.cli import with_appcontext
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.cli.users import _reports_errors as reports_errors
from app.cli.users import tenant_id_of
from app.core.clock import utc_now
from app.demo import sandbox as filling
from app.factory import create_app
from app.http.logs import configure_logs
from app.http.services import services
from app.identity import service as identity
from app.sandbox import service

RHYTHM = re.compile(r"(\d{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Rhythm(click.ParamType[timedelta | None]):
    """A span such as ``24h``, or ``never``."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | None:
        """Read it.

        Raises:
            BadParameter: It has another form.
        """
        if value is None or value == "never" or isinstance(value, timedelta):
            return value if isinstance(value, timedelta) else None
        found = RHYTHM.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no span: write 90m, 24h, 7d or never", param, ctx)
        return timedelta(seconds=int(found[1]) * SECONDS[found[2]])


@click.group("sandbox")
def sandbox() -> None:
    """Companies for app developers, which go back to a kept state."""


@sandbox.command("create")
@click.argument("code", default="sandbox")
@click.option("--name", default="샌드박스", show_default=True, help="For people.")
@click.option("--reset-every", type=Rhythm(), default="24h", show_default=True, help="90m, 24h, 7d or never.")
@click.option("--password", help="One for all; without it each person gets a random one.")
@with_appcontext
@reports_errors
def create(code: str, name: str, reset_every: timedelta | None, password: str | None) -> None:
    """Open a sandbox with people of each role, customers, goods, articles, an order and visits.

    The passwords are shown once and stored nowhere but as hashes.
    """
    service.check_rhythm(reset_every)
    held, now = services(), utc_now()
    app = create_app(held.config)
    # What the office does over REST is no news at a terminal; the new application had turned it on.
    configure_logs("WARNING")
    try:
        made = filling.fill(app, held.db, code=code, name=name, password=password, now=now)
        with held.db.session(made.tenant_id, actor="cli:sandbox") as session:
            kept = service.keep(session, made.tenant_id)
            service.set_rhythm(session, made.tenant_id, reset_every, now=now)
    finally:
        services(app).db.dispose()
    click.echo(f"Sandbox {code}: {made.customers} customers, {kept} rows to go back to ({made.tenant_id}).")
    for person in made.people.values():
        click.echo(f"  {person.login:<12}{person.password}  {person.name}, {person.role.value}")


@sandbox.command("list")
@with_appcontext
def show() -> None:
    """Show all sandboxes, and when each goes back."""
    statement = text(
        "SELECT t.code, t.name, s.resets, s.last_reset_at, s.next_reset_at FROM tenants t"
        " LEFT JOIN sandboxes s ON s.tenant_id = t.id WHERE t.sandbox ORDER BY t.code"
    )
    with Session(services().db.engine) as session:
        for code, name, resets, last, following in session.execute(statement):
            at = [f"{one:%Y-%m-%d %H:%M} UTC" if one else "never" for one in (last, following)]
            click.echo(f"{code}\t{name}\t{resets or 0} resets\tlast {at[0]}\tnext {at[1]}")


@sandbox.command("reset")
@click.argument("code")
@with_appcontext
@reports_errors
def reset(code: str) -> None:
    """Take a sandbox back to its kept state now."""
    done = service.reset(services().db, tenant_id_of(code), actor="cli:sandbox")
    click.echo(f"Sandbox {code} was reset: {done} rows put right.")


@sandbox.command("keep")
@click.argument("code")
@click.option("--reset-every", type=Rhythm(), help="Also set the rhythm: 90m, 24h, 7d or never.")
@with_appcontext
@reports_errors
def keep(code: str, reset_every: timedelta | None) -> None:
    """Take the present state of a sandbox as the one to go back to."""
    tenant_id, context = tenant_id_of(code), click.get_current_context()
    with services().db.session(tenant_id, actor="cli:sandbox") as session:
        kept = service.keep(session, tenant_id)
        if context.get_parameter_source("reset_every") is not click.core.ParameterSource.DEFAULT:
            service.set_rhythm(session, tenant_id, reset_every, now=utc_now())
    click.echo(f"Sandbox {code} goes back to {kept} rows.")


@sandbox.command("drop")
@click.argument("code")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
@reports_errors
def drop(code: str, yes: bool) -> None:
    """Take a sandbox away, with its people and its history."""
    tenant_id = tenant_id_of(code)
    with services().db.session(tenant_id) as session:
        if not identity.get_tenant(session, tenant_id).sandbox:
            raise service.NoSandbox("This company is no sandbox.")
    if not yes:
        click.confirm(f"Delete all of sandbox {code}?", abort=True)
    service.drop(services().db, tenant_id)
    click.echo(f"Sandbox {code} is gone.")


COMMANDS = (sandbox,)
