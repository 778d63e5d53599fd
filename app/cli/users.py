"""People at the command line: companies, users, and database roles of people who write SQL."""

import csv
import functools
import getpass
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from flask.cli import with_appcontext
from sqlalchemy import Connection, create_engine, func, make_url, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.core.clock import utc_now
from app.core.db import sqlalchemy_url
from app.core.errors import DomainError
from app.core.scope import Actor, Role
from app.http.services import services
from app.identity import service
from app.identity.models import Tenant, User, UserStatus
from app.identity.service.logins import normal_login

BATCH_ROWS = 200
ENCODINGS = ("utf-8-sig", "cp949")


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Say what a room refused as one line and exit with status 1, not as a traceback."""

    @functools.wraps(command)
    def reporting(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except DomainError as error:
            notes = getattr(error, "__notes__", [])
            raise click.ClickException("\n".join((f"{error} [{error.code}]", *notes))) from error

    return reporting


tenant_option = click.option(
    "--tenant",
    "tenant_code",
    envvar="FIELDMERGE_TENANT",
    help="Code of the company; not needed if there is one.",
)


def tenant_id_of(code: str | None) -> UUID:
    """The id of the company named, or of the only one.

    Raises:
        ClickException: There is none, or several and none was named.
    """
    with Session(services().db.engine) as session:
        known = {tenant.code: tenant.id for tenant in session.scalars(select(Tenant))}
    if code is not None and code in known:
        return known[code]
    if code is None and len(known) == 1:
        return next(iter(known.values()))
    if not known:
        raise click.ClickException("There is no company yet; make one with: flask tenant create CODE NAME")
    raise click.ClickException(
        f"{'Name a company' if code is None else f'There is no company {code}; use one'}"
        f" with --tenant: {', '.join(sorted(known))}"
    )


@contextmanager
def office(tenant_code: str | None) -> Iterator[tuple[Session, Actor]]:
    """A transaction of the operator at the console, who is named in the ledger."""
    tenant_id = tenant_id_of(tenant_code)
    with services().db.session(tenant_id, actor=f"cli:{_operator()}") as session:
        yield session, service.console_actor(tenant_id, utc_now())


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "console"


def user_by_login(session: Session, actor: Actor, login: str) -> User:
    found = session.scalars(
        service.list_users(session, actor).where(User.login == normal_login(login))
    ).one_or_none()
    if found is None:
        raise click.ClickException(f"There is no user {login}.")
    return found


def _show_one_time(issued: service.OneTimePassword) -> None:
    click.echo(f"{issued.login}: one-time password {issued.password}")
    click.echo(
        f"It works once, until {issued.expires_at:%Y-%m-%d %H:%M} UTC; then a new one has to be chosen."
    )


@click.group("tenant")
def tenant() -> None:
    """Companies."""


@tenant.command("create")
@click.argument("code")
@click.argument("name")
@click.option("--admin", metavar="LOGIN", help="Also make a first administrator with this login.")
@click.option("--locale", type=click.Choice(["ko", "en"]), default="ko", show_default=True)
@click.option("--time-zone", default="Asia/Seoul", show_default=True, help="IANA name.")
@click.option("--currency", default="KRW", show_default=True, help="ISO 4217.")
@with_appcontext
@_reports_errors
def create_tenant(
    code: str, name: str, admin: str | None, locale: str, time_zone: str, currency: str
) -> None:
    """Open a company: CODE is what people type at login, NAME is for people."""
    now = utc_now()
    with services().db.session(None) as session:
        company = service.create_tenant(
            session, code=code, name=name, now=now, locale=locale, time_zone=time_zone, currency=currency
        )
        issued = None
        if admin:
            actor = service.console_actor(company.id, now)
            issued = service.ensure_first_admin(session, actor, login=admin, name=admin, now=now)
    click.echo(f"Company {code} is open ({company.id}).")
    if issued is not None:
        _show_one_time(issued)


@tenant.command("list")
@with_appcontext
def list_tenants() -> None:
    """Show all companies."""
    with Session(services().db.engine) as session:
        people = dict(session.execute(select(User.tenant_id, func.count()).group_by(User.tenant_id)).all())
        for company in session.scalars(select(Tenant).order_by(Tenant.code)):
            click.echo(f"{company.code}\t{company.name}\t{people.get(company.id, 0)} users\t{company.id}")


@click.group("user")
def user() -> None:
    """People who log in."""


@user.command("create")
@click.argument("login")
@click.option("--name", required=True, help="As colleagues write it.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--org-unit", default="", metavar="CODE", help="Where the person works.")
@click.option("--manager", default="", metavar="LOGIN", help="To whom the person reports.")
@click.option("--territory", "territories", metavar="CODE", multiple=True, help="To own; may be repeated.")
@click.option("--password-stdin", is_flag=True, help="Read a lasting password from standard input.")
@tenant_option
@with_appcontext
@_reports_errors
def create_user(
    tenant_code: str | None, password_stdin: bool, territories: tuple[str, ...], **cells: str
) -> None:
    """Take a person in. Without --password-stdin a one-time password is printed."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with office(tenant_code) as (session, actor):
        made, issued = service.take_in(
            session, actor, cells | {"territories": ";".join(territories)}, now=utc_now(), password=password
        )
    click.echo(f"User {made.login} ({made.role}) was made.")
    if issued is not None:
        _show_one_time(issued)


@user.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--passwords",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Give each new person a one-time password and write them to this file, readable by you only.",
)
@tenant_option
@with_appcontext
@_reports_errors
def import_users(file: Path, passwords: Path | None, tenant_code: str | None) -> None:
    """Create or update people from a CSV in UTF-8 or CP949.

    Columns: login, name, role; optional: org_unit (code), manager (login), territories (codes, with ;
    between them), locale, time_zone. Reading the same file again changes nothing. Rows that are refused are
    listed with their reasons, and the exit status is 1.
    """
    rows = list(service.read_staff_list(_decoded(file).splitlines()))
    total = service.StaffImport()
    with click.progressbar(length=len(rows), label="People", file=sys.stderr) as bar:
        for start in range(0, len(rows), BATCH_ROWS):
            batch = rows[start : start + BATCH_ROWS]
            with office(tenant_code) as (session, actor):
                done = service.import_users(
                    session, actor, batch, now=utc_now(), with_passwords=passwords is not None
                )
            total.add(done)
            if passwords is not None:
                _append_passwords(passwords, done.passwords)
            bar.update(len(batch))
    click.echo(f"{total.created} created, {total.updated} updated, {total.unchanged} unchanged.")
    for line, code, reason in total.rejected:
        click.echo(f"line {line}: {reason} [{code}]", err=True)
    if total.rejected:
        raise click.ClickException(f"{len(total.rejected)} rows were refused; mend them and import again.")


@user.command("reset-password")
@click.argument("login")
@tenant_option
@with_appcontext
@_reports_errors
def reset_password(login: str, tenant_code: str | None) -> None:
    """Replace a person's password by a one-time password; all their sessions end."""
    with office(tenant_code) as (session, actor):
        person = user_by_login(session, actor, login)
        issued = service.issue_one_time_password(session, actor, person.id, now=utc_now())
    _show_one_time(issued)


@user.command("disable")
@click.argument("login")
@tenant_option
@with_appcontext
@_reports_errors
def disable_user(login: str, tenant_code: str | None) -> None:
    """Close a person's account: sessions end, phones hand in their work and wipe themselves."""
    with office(tenant_code) as (session, actor):
        person = user_by_login(session, actor, login)
        service.disable_user(session, actor, person.id, now=utc_now())
    click.echo(f"{person.login} is closed.")


@user.command("enable")
@click.argument("login")
@tenant_option
@with_appcontext
@_reports_errors
def enable_user(login: str, tenant_code: str | None) -> None:
    """Open a closed account again; the person logs in anew."""
    with office(tenant_code) as (session, actor):
        person = user_by_login(session, actor, login)
        service.update_user(session, actor, person.id, {"status": UserStatus.ACTIVE}, now=utc_now())
    click.echo(f"{person.login} is open.")


@user.command("list")
@click.option("--role", type=click.Choice([role.value for role in Role]))
@tenant_option
@with_appcontext
@_reports_errors
def list_users(role: str | None, tenant_code: str | None) -> None:
    """Show who works here."""
    with office(tenant_code) as (session, actor):
        found = service.list_users(session, actor, role=Role(role) if role else None)
        for person in session.scalars(found.order_by(User.login)):
            click.echo(f"{person.login}\t{person.role}\t{person.status}\t{person.name}\t{person.id}")


@click.group("sql-user")
def sql_user() -> None:
    """Database roles of people who write SQL by hand; what they change is captured under their name."""


@sql_user.command("create")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@tenant_option
@with_appcontext
@_reports_errors
def create_sql_user(name: str, password_stdin: bool, tenant_code: str | None) -> None:
    """Make a database role that sees one company only, and say how to connect with it."""
    tenant_id = tenant_id_of(tenant_code)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(18)
    if not password:
        raise click.ClickException("The password is empty.")
    with _as_owner() as connection:
        service.create_sql_user(connection, name, tenant_id, password)
    address = make_url(services().config.database_owner_url).set(username=name, password=None)
    click.echo(f"Database role {name} was made. Connect with:")
    click.echo(f"  psql '{address.render_as_string(hide_password=False)}'")
    if not password_stdin:
        click.echo(f"  password: {password}  (shown only here)")


@sql_user.command("drop")
@click.argument("name")
@with_appcontext
@_reports_errors
def drop_sql_user(name: str) -> None:
    """Take a person's database role away; histories keep the name."""
    with _as_owner() as connection:
        service.drop_sql_user(connection, name)
    click.echo(f"Database role {name} is gone.")


@sql_user.command("list")
@with_appcontext
@_reports_errors
def list_sql_users() -> None:
    """Show the database roles of people."""
    with _as_owner() as connection:
        for person in service.list_sql_users(connection):
            click.echo(f"{person.name}\t{person.tenant_id}")


COMMANDS = (tenant, user, sql_user)


@contextmanager
def _as_owner() -> Iterator[Connection]:
    engine = create_engine(sqlalchemy_url(services().config.database_owner_url), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _decoded(file: Path) -> str:
    raw = file.read_bytes()
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise click.ClickException(f"{file} is neither UTF-8 nor CP949.")


def _append_passwords(file: Path, issued: list[service.OneTimePassword]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows((one.login, one.password, one.expires_at.isoformat()) for one in issued)
