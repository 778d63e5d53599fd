"""A company of its own for each test: territories, people, their phones; everything is committed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.http.services import services
from app.identity import service as identity
from app.identity.models import MemberKind, OrgUnit, Territory, TerritoryMember, UnitKind, User
from app.identity.service.passwords import PasswordHashes, in_use
from app.sync_api.registry import REGISTRY
from sync.sequencer import Drained, drain

CHEAP = PasswordHashes(time_cost=1, memory_kib=8)
PASSWORD = "green tea at seven"
_serial = count(1)


@dataclass(slots=True)
class Person:
    """A user with one logged-in phone."""

    world: "World"
    id: UUID
    login: str
    role: Role
    device_id: UUID = field(default_factory=uuid4)
    token: str = ""
    cursor: str | None = None
    records: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    n: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def headers(self) -> dict[str, str]:
        """For the test client."""
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request of this person; the response."""
        client = self.world.app.test_client()
        return client.open(path, method=method, json=body, headers=self.headers | headers)

    def post_sync(self, **body: Any) -> Any:
        """One raw sync request; the response."""
        whole = {"schema_version": 1, "cursor": self.cursor, "sent_at": wire(utc_now())} | body
        return self.call("POST", "/api/v1/sync", whole)

    def sync(self, *mutations: Mapping[str, Any], **body: Any) -> list[dict[str, Any]]:
        """Sync until the checkpoint, keeping ``records`` as a phone would; gives the verdicts."""
        if self.cursor is None and mutations:
            self.sync()
        verdicts: list[dict[str, Any]] = []
        pending = list(mutations)
        for _ in range(200):
            response = self.post_sync(mutations=pending, **body)
            assert response.status_code == 200, response.get_data(as_text=True)
            answer = response.json
            verdicts += answer["verdicts"]
            self.take(answer)
            pending = []
            if not answer["has_more"]:
                return verdicts
        raise AssertionError("no checkpoint within 200 pages")

    def take(self, answer: Mapping[str, Any]) -> None:
        """Apply one answer to ``records``."""
        if "rebase" in answer["directives"]:
            self.records.clear()
        for removed in answer["removed"]:
            self.records.pop((removed["entity"], removed["id"]), None)
        for change in answer["changes"]:
            key = change["entity"], change["id"]
            if change["version"] >= self.records.get(key, {}).get("version", 0):
                self.records[key] = change["record"]
        self.cursor = answer["cursor"]

    def mutation(self, op: str, entity: str, record_id: UUID | str, **parts: Any) -> dict[str, Any]:
        """A mutation with the next ``n``, made just now unless *parts* say otherwise."""
        return {
            "id": str(new_id()),
            "n": next(self.n),
            "entity": entity,
            "record_id": str(record_id),
            "op": op,
            "occurred_at": wire(utc_now()),
        } | parts

    def edit(
        self, entity: str, record_id: UUID | str, fields: Mapping[str, Any], **parts: Any
    ) -> dict[str, Any]:
        """An update based on what the phone holds."""
        held = self.records[entity, str(record_id)]
        base = {name: held.get(name) for name in fields}
        return self.mutation(
            "update", entity, record_id, base_version=held["version"], fields=dict(fields), base=base, **parts
        )

    def held(self, entity: str, record_id: UUID | str) -> dict[str, Any] | None:
        """The phone's copy of a record."""
        return self.records.get((entity, str(record_id)))


class World:
    """One tenant."""

    def __init__(self, app: Flask, db: Database) -> None:
        """Make the company with a tree of territories: region > (north, south)."""
        self.app = app
        self.db = db
        self.code = f"w{next(_serial)}-{uuid4().hex[:8]}"
        in_use.hashes = CHEAP
        with db.session(None) as session:
            self.id = identity.create_tenant(session, code=self.code, name="시험회사", now=utc_now()).id
        with self.session() as session:
            unit = OrgUnit(tenant_id=self.id, id=new_id(), kind=UnitKind.HQ, code="hq", name="본사")
            region = Territory(tenant_id=self.id, id=new_id(), code="r", name="수도권")
            session.add_all([unit, region])
            session.flush()
            north, south = (
                Territory(tenant_id=self.id, id=new_id(), code=c, name=n, parent_id=region.id)
                for c, n in (("n", "서울북부"), ("s", "서울남부"))
            )
            session.add_all([north, south])
            self.unit_id, self.region, self.north, self.south = unit.id, region.id, north.id, south.id

    @contextmanager
    def session(self, actor: str = "cli:test") -> Iterator[Session]:
        """A committed transaction of the office."""
        with self.db.session(self.id, actor=actor) as session:
            yield session

    @contextmanager
    def acting(self, person: Person) -> Iterator[tuple[Session, Actor]]:
        """A committed transaction of a person."""
        with self.db.session(self.id, user_id=person.id, device_id=person.device_id) as session:
            yield session, identity.actor_of(session, self.id, person.id, person.device_id, utc_now())

    def person(
        self,
        role: Role | str,
        *territories: UUID,
        kind: MemberKind = MemberKind.OWNER,
        manager: Person | None = None,
        name: str | None = None,
    ) -> Person:
        """Hire somebody, give them territories, and log their phone in."""
        login = f"p{next(_serial)}"
        user_id = new_id()
        with self.session() as session:
            session.add(
                User(
                    tenant_id=self.id,
                    id=user_id,
                    login=login,
                    name=name or f"{role} {login}",
                    role=Role(role),
                    org_unit_id=self.unit_id,
                    manager_id=manager.id if manager else None,
                    password_hash=CHEAP.hash(PASSWORD),
                )
            )
            session.flush()
            self.join(session, user_id, *territories, kind=kind)
        person = Person(self, user_id, login, Role(role))
        self.log_in(person)
        return person

    def join(
        self, session: Session, user_id: UUID, *territories: UUID, kind: MemberKind = MemberKind.OWNER
    ) -> None:
        """Make a user a member of territories from long ago."""
        for territory in territories:
            session.add(
                TerritoryMember(
                    tenant_id=self.id,
                    id=new_id(),
                    territory_id=territory,
                    user_id=user_id,
                    kind=kind,
                    valid_from=date(2020, 1, 1),
                )
            )

    def log_in(self, person: Person, name: str = "Galaxy S26") -> Person:
        """Log a phone in (another one each time) and forget what the last one held."""
        response = self.app.test_client().post(
            "/api/v1/auth/login",
            json={
                "tenant": self.code,
                "login": person.login,
                "password": PASSWORD,
                "device": {"name": name, "platform": "android", "app_version": "1.0.0"},
            },
        )
        assert response.status_code == 200, response.get_data(as_text=True)
        person.token = response.json["access_token"]
        person.device_id = UUID(response.json["device_id"])
        person.cursor = None
        person.records = {}
        person.n = count(1)
        return person

    def second_phone(self, person: Person) -> Person:
        """Another phone of the same person."""
        return self.log_in(Person(self, person.id, person.login, person.role), "iPad")

    def account(self, territory: UUID | None = None, **values: Any) -> UUID:
        """An account by plain SQL, as an ERP job would write it."""
        account_id = new_id()
        values = {"name": "가람상사", "territory_id": territory or self.north} | values
        self.insert("accounts", id=account_id, **values)
        return account_id

    def insert(self, table: str, **values: Any) -> None:
        """Insert a row as the app role."""
        columns = ", ".join(["tenant_id", *values])
        marks = ", ".join([":tenant_id", *(f":{n}" for n in values)])
        with self.session() as session:
            session.execute(
                text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), {"tenant_id": self.id} | values
            )

    def sql(self, statement: str, **values: Any) -> Any:
        """One committed statement of the app role, with ``:tenant``."""
        with self.session() as session:
            result = session.execute(text(statement), {"tenant": self.id} | values)
            return result.all() if result.returns_rows else result.rowcount

    def engine_sql(self, statement: str, **values: Any) -> Any:
        """One committed statement of the engine role, with ``:tenant``."""
        with self.db.engine.begin() as connection:
            result = connection.execute(text(statement), {"tenant": self.id} | values)
            return result.all() if result.returns_rows else result.rowcount

    def psql(self) -> psycopg.Connection[Any]:
        """A connection as the owner of the tables, past the application (autocommit)."""
        return psycopg.connect(services(self.app).config.database_owner_url, autocommit=True)

    def drain(self, now: datetime | None = None) -> Drained | None:
        """Sequence what waits."""
        return drain(self.db.engine, REGISTRY, self.id, now=now or utc_now(), lock_timeout_ms=5_000)


def wire(moment: datetime) -> str:
    """A time as phones write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
