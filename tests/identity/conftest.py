"""A fresh company in a real database for each test, with the people that the test asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.config import Config
from app.core.db import Database, sqlalchemy_url
from app.core.scope import Actor, Role
from app.identity import service
from app.identity.models import MemberKind, OrgUnit, Territory, TerritoryMember, UnitKind, User
from app.identity.service.passwords import PasswordHashes, in_use

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # noon in Seoul
TODAY = date(2026, 11, 21)
PASSWORD = "green tea at seven"
_numbers = count(1)


@pytest.fixture(scope="session")
def config(migrated: Config) -> Config:
    """Settings of a database with all migrations applied."""
    return migrated


@pytest.fixture(scope="session")
def database(config: Config) -> Iterator[Database]:
    found = Database(config)
    yield found
    found.dispose()


@pytest.fixture(scope="session")
def owner(config: Config) -> Iterator[Engine]:
    """Connections as the role that owns the tables."""
    engine = create_engine(sqlalchemy_url(config.database_owner_url), poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 at its least cost: these tests are about rules, not about hardness."""
    monkeypatch.setattr(in_use, "hashes", _CHEAP)


_CHEAP = PasswordHashes(time_cost=1, memory_kib=8)


@dataclass
class Company:
    """One tenant, written to by its office."""

    database: Database
    config: Config
    id: UUID
    code: str
    logins: Iterator[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def office(self, now: datetime = NOW) -> Iterator[tuple[Session, Actor]]:
        with self.database.session(self.id, actor="cli:test") as session:
            yield session, service.console_actor(self.id, now)

    @contextmanager
    def as_(
        self, user: User, now: datetime = NOW, device_id: UUID | None = None
    ) -> Iterator[tuple[Session, Actor]]:
        with self.database.session(self.id, user_id=user.id, device_id=device_id) as session:
            yield session, service.actor_of(session, self.id, user.id, device_id, now)

    def user(self, role: Role = Role.REP, **values: Any) -> User:
        number = next(self.logins)
        values = {"login": f"{role}{number}", "name": f"{role} {number}", "role": role} | values
        with self.office() as (session, actor):
            return service.create_user(session, actor, values, now=NOW)

    def person(self, role: Role = Role.REP, **values: Any) -> User:
        """A user who can log in with ``PASSWORD``."""
        return self.user(role, password=PASSWORD, **values)

    def unit(self, parent: OrgUnit | None = None, kind: UnitKind = UnitKind.BRANCH) -> OrgUnit:
        code = f"U{next(self.logins)}"
        values = {"code": code, "name": code, "kind": kind, "parent_id": parent.id if parent else None}
        with self.office() as (session, actor):
            return service.create_org_unit(session, actor, values, now=NOW)

    def territory(self, parent: Territory | None = None, **values: Any) -> Territory:
        code = f"T{next(self.logins)}"
        values = {"code": code, "name": code, "parent_id": parent.id if parent else None} | values
        with self.office() as (session, actor):
            return service.create_territory(session, actor, values, now=NOW)

    def member(
        self,
        territory: Territory,
        user: User,
        first: date = TODAY,
        last: date | None = None,
        kind: MemberKind = MemberKind.OWNER,
    ) -> TerritoryMember:
        values = {"user_id": user.id, "kind": kind, "valid_from": first, "valid_to": last}
        with self.office() as (session, actor):
            return service.add_member(session, actor, territory.id, values, now=NOW)

    def log_in(
        self, user: User, *, now: datetime = NOW, password: str = PASSWORD, **more: Any
    ) -> service.SignedIn:
        arguments: dict[str, Any] = {
            "tenant_code": self.code,
            "login": user.login,
            "password": password,
            "device": service.DeviceInfo("phone", "android", "1.0"),
            "ip": f"10.0.0.{next(self.logins) % 250}",
        }
        return service.log_in(self.database, self.config, now=now, **(arguments | more))

    def refresh(self, token: str, *, after: timedelta = timedelta(minutes=15)) -> service.SignedIn:
        return service.refresh(self.database, self.config, token, now=NOW + after)


def open_company(database: Database, config: Config, **values: Any) -> Company:
    code = f"c{next(_numbers)}-{uuid4().hex[:8]}"
    with database.session(None) as session:
        tenant = service.create_tenant(session, code=code, name=code, now=NOW, **values)
    return Company(database, config, tenant.id, code)


@pytest.fixture
def company(database: Database, config: Config) -> Company:
    return open_company(database, config)


@pytest.fixture
def other_company(database: Database, config: Config) -> Company:
    return open_company(database, config)
