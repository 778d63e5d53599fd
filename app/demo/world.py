"""The demo company: its units, territories, people and customers. Made once, found again afterwards."""

import hashlib
import hmac
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.accounts.importing import Options, Summary, import_accounts
from app.config import Config
from app.core.clock import utc_now
from app.core.db import Database, sqlalchemy_url
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.identity.models import MemberKind, UnitKind
from app.sample.customers import SHIPPED_CSV
from app.sample.regions import TERRITORIES
from app.sample.regions import Territory as Region

ACTOR: Final = "cli:demo"
SINCE: Final = date(2020, 1, 1)
STORY_TERRITORY: Final = "SEOUL-GANGNAM"

Say = Callable[[str], None]
OnImport = Callable[[int, int, Summary], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in."""

    login: str
    name: str
    role: Role
    unit: str
    territories: tuple[tuple[str, MemberKind], ...] = ()
    manager: str | None = None
    password: str = field(default="", repr=False)


CAST: Final = (
    Person("admin", "최은비", Role.ADMIN, "HQ"),
    Person("manager", "박도윤", Role.MANAGER, "SEOUL", (("CAPITAL", MemberKind.OWNER),)),
    Person("rep", "김하늘", Role.REP, "SEOUL", ((STORY_TERRITORY, MemberKind.OWNER),), "manager"),
    Person(
        "technician", "이준서", Role.TECHNICIAN, "SEOUL", (("SEOUL-GANGSEO", MemberKind.OVERLAY),), "manager"
    ),
)
UNITS: Final = (
    ("HQ", None, UnitKind.HQ, "본사"),
    ("CAPITAL", "HQ", UnitKind.REGION, "수도권본부"),
    ("SEOUL", "CAPITAL", UnitKind.BRANCH, "서울지점"),
)


@dataclass(frozen=True, slots=True)
class World:
    """What a story needs to know of the company.

    Attributes:
        code: What people type at login.
        people: By login, with passwords.
        user_ids: By login.
        territory_id: Where the story takes place.
        sql_url: Address of the database for a person who writes SQL by hand; with password.
        sql_name: Their name in the ledger.
    """

    code: str
    tenant_id: UUID
    people: Mapping[str, Person]
    user_ids: Mapping[str, UUID]
    territory_id: UUID
    sql_url: str = field(repr=False)
    sql_name: str


def seed(
    config: Config,
    db: Database,
    *,
    code: str = "demo",
    customers: Path = SHIPPED_CSV,
    say: Say = lambda _: None,
    on_import: OnImport = lambda _done, _whole, _summary: None,
) -> World:
    """Make what is missing of the company.

    Passwords follow from the installation's secret key: they are the same on every run, known to nobody
    else, and stored nowhere but as hashes.

    Args:
        config: Of this installation.
        db: Its pools.
        code: Of the company.
        customers: A customer list.
        say: Told, in a sentence, before anything that may take longer than a second.
        on_import: Told after each batch of the import: bytes read, bytes in all, what came of them.
    """
    tenant_id = _company(db, code)
    people = {p.login: _with_password(p, config, code) for p in CAST}
    user_ids, territories = furnish(db, tenant_id, people)
    _import(db, tenant_id, customers, territories, say, on_import)
    sql_name, sql_url = admit_sql_person(config, tenant_id)
    return World(code, tenant_id, people, user_ids, territories[STORY_TERRITORY], sql_url, sql_name)


def furnish(
    db: Database, tenant_id: UUID, people: Mapping[str, Person]
) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """Make what is missing of territories, units, people and memberships.

    Returns:
        The ids of the people by login, and of the territories by code.
    """
    with _office(db, tenant_id) as (session, actor, now):
        territories = _territories(session, actor, now)
        units = _units(session, actor, now)
        user_ids = _people(session, actor, now, people, units)
        _members(session, actor, now, people, user_ids, territories)
    return user_ids, territories


def named_territories(ids: Mapping[str, UUID]) -> dict[str, UUID]:
    """Ids by the names that customer lists use."""
    return {region.name: ids[region.code] for top in TERRITORIES for region in (top, *top.children)}


def _company(db: Database, code: str) -> UUID:
    with db.session(None) as session:
        found = identity.find_tenant_id(session, code)
        if found is None:
            found = identity.create_tenant(session, code=code, name="한빛에너지", now=utc_now()).id
    return found


@contextmanager
def _office(db: Database, tenant_id: UUID) -> Iterator[tuple[Session, Actor, datetime]]:
    now = utc_now()
    with db.session(tenant_id, actor=ACTOR) as session:
        yield session, identity.console_actor(tenant_id, now), now


def _with_password(person: Person, config: Config, code: str) -> Person:
    secret = password_for(config, f"{code}:{person.login}")
    return Person(
        person.login, person.name, person.role, person.unit, person.territories, person.manager, secret
    )


def password_for(config: Config, purpose: str) -> str:
    """Fifteen letters in groups, from the secret key."""
    digest = hmac.new(
        config.secret_key.encode(), f"demo password {purpose}".encode(), hashlib.sha256
    ).digest()
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    drawn = "".join(alphabet[byte % len(alphabet)] for byte in digest[:15])
    return f"{drawn[:5]}-{drawn[5:10]}-{drawn[10:]}"


def _territories(session: Session, actor: Actor, now: datetime) -> dict[str, UUID]:
    known = {t.code: t.id for t in session.scalars(identity.list_territories(session, actor))}

    def ensure(regions: tuple[Region, ...], parent_id: UUID | None) -> None:
        for region in regions:
            if region.code not in known:
                values = {"code": region.code, "name": region.name, "parent_id": parent_id}
                known[region.code] = identity.create_territory(session, actor, values, now=now).id
            ensure(region.children, known[region.code])

    ensure(TERRITORIES, None)
    return known


def _units(session: Session, actor: Actor, now: datetime) -> dict[str, UUID]:
    known = {u.code: u.id for u in session.scalars(identity.list_org_units(session, actor))}
    for code, parent, kind, name in UNITS:
        if code not in known:
            values = {"code": code, "kind": kind, "name": name, "parent_id": known.get(parent or "")}
            known[code] = identity.create_org_unit(session, actor, values, now=now).id
    return known


def _people(
    session: Session, actor: Actor, now: datetime, people: Mapping[str, Person], units: Mapping[str, UUID]
) -> dict[str, UUID]:
    known = {u.login: u.id for u in session.scalars(identity.list_users(session, actor))}
    for person in people.values():
        if person.login not in known:
            values = {
                "login": person.login,
                "name": person.name,
                "role": person.role,
                "org_unit_id": units[person.unit],
                "manager_id": known.get(person.manager or ""),
                "password": person.password,
            }
            known[person.login] = identity.create_user(session, actor, values, now=now).id
    return known


def _members(
    session: Session,
    actor: Actor,
    now: datetime,
    people: Mapping[str, Person],
    user_ids: Mapping[str, UUID],
    territories: Mapping[str, UUID],
) -> None:
    for person in people.values():
        user_id = user_ids[person.login]
        for code, kind in person.territories:
            members = identity.list_members(session, actor, territories[code])
            known = {(m.user_id, m.kind) for m in session.scalars(members)}
            if (user_id, kind) not in known:
                values = {"user_id": user_id, "kind": kind, "valid_from": SINCE}
                identity.add_member(session, actor, territories[code], values, now=now)


def _import(
    db: Database,
    tenant_id: UUID,
    customers: Path,
    territories: Mapping[str, UUID],
    say: Say,
    on_import: OnImport,
) -> None:
    """Read the customers in; a file that was read before changes nothing."""
    named = named_territories(territories)
    say("Importing the sample customers …")
    with tempfile.TemporaryDirectory() as scratch:
        rejects = Path(scratch) / "rejected.csv"
        summary = import_accounts(
            db, tenant_id, customers, rejects, Options(system="erp"), lambda name: named.get(name), on_import
        )
    say(
        f"{summary.rows} customers read: {summary.created} new, {summary.updated} changed,"
        f" {summary.rejected} refused, each with its reason."
    )


def admit_sql_person(config: Config, tenant_id: UUID) -> tuple[str, str]:
    """A database role for somebody of the office, with a password set anew each time; its name and address."""
    # Roles belong to the whole cluster, in which there may be other demo databases.
    name = f"office_jung_{tenant_id.hex[-6:]}"
    password = password_for(config, f"{tenant_id}:{name}")
    with _as_owner(config) as connection:
        if name in {person.name for person in identity.list_sql_users(connection)}:
            identity.drop_sql_user(connection, name)
        identity.create_sql_user(connection, name, tenant_id, password)
    url = make_url(config.database_owner_url).set(username=name, password=password)
    return name, url.render_as_string(hide_password=False)


def dismiss_sql_person(config: Config, name: str) -> None:
    """Take the role away."""
    with _as_owner(config) as connection:
        identity.drop_sql_user(connection, name)


@contextmanager
def _as_owner(config: Config) -> Iterator[Connection]:
    engine = create_engine(sqlalchemy_url(config.database_owner_url), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def find_untouched_account(db: Database, world: World) -> UUID | None:
    """A customer of the story's territory that nobody has worked on yet, with a place on the map."""
    with db.session(world.tenant_id) as session:
        row: Any = session.execute(
            text(
                "SELECT a.id FROM accounts a WHERE a.tenant_id = :tenant AND a.territory_id = :territory"
                " AND a.deleted_at IS NULL AND a.location IS NOT NULL AND a.phone IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.tenant_id = a.tenant_id"
                " AND c.account_id = a.id AND c.actor_kind IN ('user', 'sql'))"
                " ORDER BY a.notes IS NOT NULL, a.code LIMIT 1"
            ),
            {"tenant": world.tenant_id, "territory": world.territory_id},
        ).one_or_none()
    return None if row is None else UUID(str(row[0]))
