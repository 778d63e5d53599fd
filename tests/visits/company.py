"""A fresh company for each test: territories, people, accounts, and visits in any state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.config import Config
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.visits import service
from app.visits.models import Visit
from sync.policy import SyncEntity

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # Saturday noon in Seoul
SEOUL_HALL = (37.5663, 126.9779)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_numbers = count(1)


@dataclass
class Company:
    """One tenant with one unit and two territories; rows are written as the app role would."""

    database: Database
    config: Config
    id: UUID
    unit: UUID = field(default_factory=new_id)
    north: UUID = field(default_factory=new_id)
    south: UUID = field(default_factory=new_id)

    def insert(self, table: str, **values: Any) -> UUID:
        """A row of *table*; gives its id."""
        values = {"id": new_id(), **values}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self.database.session(self.id, actor="cli:test") as session:
            session.execute(
                text(f"INSERT INTO {table} (tenant_id, {names}) VALUES (:tenant, {marks})"),
                {"tenant": self.id, **values},
            )
        found: UUID = values["id"]
        return found

    def user(self, role: Role, *territories: UUID, unit: UUID | None = None, **values: Any) -> UUID:
        number = next(_numbers)
        user_id = self.insert(
            "users",
            **{
                "login": f"{role}{number}",
                "name": f"{role} {number}",
                "role": role.value,
                "org_unit_id": unit or self.unit,
                **values,
            },
        )
        for territory in territories:
            self.insert(
                "territory_members",
                territory_id=territory,
                user_id=user_id,
                kind="owner",
                valid_from=date(2026, 1, 1),
            )
        return user_id

    def account(self, territory: UUID | None = None, **values: Any) -> UUID:
        values = {"name": "한빛정밀", "territory_id": territory or self.north, **values}
        return self.insert("accounts", **values)

    def contact(self, account_id: UUID) -> UUID:
        return self.insert("contacts", account_id=account_id, name="이보람")

    def visit(
        self, account_id: UUID, assignee_id: UUID, planned_start: datetime = NOW, **values: Any
    ) -> UUID:
        return self.insert(
            "visits", account_id=account_id, assignee_id=assignee_id, planned_start=planned_start, **values
        )

    @contextmanager
    def as_(self, user_id: UUID, now: datetime = NOW) -> Iterator[tuple[Session, Actor]]:
        """A committed transaction of that person."""
        with self.database.session(self.id, user_id=user_id) as session:
            actor = identity.actor_of(session, self.id, user_id, None, now, password_may_be_due=True)
            yield session, actor

    def do(
        self,
        user_id: UUID,
        name: str,
        visit_id: UUID,
        at: datetime = NOW,
        status: str | None = None,
        **args: Any,
    ) -> Visit:
        """One command on a visit, as that person."""
        with self.as_(user_id, at) as (session, actor):
            return service.COMMANDS[name](session, actor, visit_id, args, at=at, now=at, status=status)

    def subscribe(self, user_id: UUID, *territories: UUID) -> None:
        """What the sequencer would note of the person's territories."""
        with self.database.engine.begin() as connection:
            for territory in territories:
                connection.execute(
                    text("INSERT INTO sync_subscriptions VALUES (:tenant, :user, :bucket)"),
                    {"tenant": self.id, "user": user_id, "bucket": f"territory:{territory}"},
                )

    def buckets(self, entity: SyncEntity, record_id: UUID, now: datetime = NOW) -> set[tuple[str, str]]:
        """The buckets of a record with their shapes, by the entity's own rule."""
        return self.rule(entity.buckets, record_id, now)

    def rule(self, sql: str, record_id: UUID, now: datetime = NOW) -> set[tuple[str, str]]:
        """What a bucket rule yields for one record."""
        with self.database.engine.connect() as connection:
            rows = connection.execute(text(sql), {"ids": [record_id], "tenant": self.id, "now": now}).all()
        assert {row.record_id for row in rows} <= {record_id}
        return {(row.bucket, row.shape) for row in rows}

    def marks(self, entity: str) -> list[UUID]:
        """The records that wait for the sequencer, oldest mark first."""
        with self.database.engine.connect() as connection:
            return list(
                connection.scalars(
                    text(
                        "SELECT record_id FROM sync_pending WHERE tenant_id = :t AND entity = :e ORDER BY id"
                    ),
                    {"t": self.id, "e": entity},
                )
            )

    def forget_marks(self) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(text("DELETE FROM sync_pending WHERE tenant_id = :t"), {"t": self.id})

    def value(self, table: str, record_id: UUID, column: str) -> Any:
        with self.database.session(self.id) as session:
            return session.scalar(text(f"SELECT {column} FROM {table} WHERE id = :id"), {"id": record_id})

    def ledger(self, entity: str, record_id: UUID) -> list[Any]:
        with self.database.session(self.id) as session:
            return list(
                session.execute(
                    text("SELECT * FROM changes WHERE entity = :e AND record_id = :id ORDER BY id"),
                    {"e": entity, "id": record_id},
                ).all()
            )


def open_company(database: Database, config: Config) -> Company:
    code = f"v{uuid4().hex[:10]}"
    with database.session(None) as session:
        tenant = identity.create_tenant(session, code=code, name=code, now=NOW)
    company = Company(database, config, tenant.id)
    company.insert("org_units", id=company.unit, kind="branch", code="U1", name="서울지점")
    company.insert("territories", id=company.north, code="N", name="북부")
    company.insert("territories", id=company.south, code="S", name="남부")
    return company


@pytest.fixture
def company(pools: Database, migrated: Config) -> Company:
    return open_company(pools, migrated)


@pytest.fixture
def other_company(pools: Database, migrated: Config) -> Company:
    return open_company(pools, migrated)
