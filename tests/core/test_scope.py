"""Who sees which account, and what hangs on it: the conditions asked of rows that stand nowhere else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ColumnElement, Connection, column, create_engine, select, table, text

from app.core.db import sqlalchemy_url
from app.core.scope import (
    SHAPE_OF_ROLE,
    Actor,
    Role,
    Scope,
    ShapeClass,
    sees_account,
    sees_assigned,
    sees_child_of_account,
)
from tests.servers import empty_database

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TENANT, OTHER_TENANT = uuid4(), uuid4()
ME, COLLEAGUE = uuid4(), uuid4()
MINE, FOREIGN = uuid4(), uuid4()
"""Territories."""
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)

ACCOUNTS = table(
    "accounts", *(column(c) for c in ("tenant_id", "id", "territory_id", "owner_id", "deleted_at"))
)
VISITS = table(
    "visits", *(column(c) for c in ("tenant_id", "account_id", "assignee_id", "planned_start", "deleted_at"))
)
TASKS = table("tasks", *(column(c) for c in ("tenant_id", "id", "account_id", "assignee_id")))
TABLES = """
CREATE TABLE accounts (tenant_id uuid, id uuid, territory_id uuid, owner_id uuid, deleted_at timestamptz);
CREATE TABLE visits (tenant_id uuid, account_id uuid, assignee_id uuid, planned_start timestamptz,
                     deleted_at timestamptz);
CREATE TABLE tasks (tenant_id uuid, id uuid, account_id uuid, assignee_id uuid);
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Connection]:
    """Three bare tables."""
    with empty_database() as config:
        engine = create_engine(sqlalchemy_url(config.database_owner_url))
        with engine.connect() as connection:
            connection.execute(text(TABLES))
            connection.commit()
            yield connection
        engine.dispose()


@pytest.fixture
def rows(database: Connection) -> Iterator[Connection]:
    """The same, empty again after each test."""
    yield database
    database.rollback()


def scope(role: Role, *territories: UUID) -> Scope:
    return Scope(ME, role, frozenset(territories), frozenset(), NOW)


def account(
    rows: Connection, territory: UUID | None = FOREIGN, owner: UUID | None = COLLEAGUE, **values: Any
) -> UUID:
    row = {"tenant_id": TENANT, "id": uuid4(), "territory_id": territory, "owner_id": owner} | values
    rows.execute(ACCOUNTS.insert().values(**row))
    found: UUID = row["id"]
    return found


def visit(rows: Connection, account_id: UUID, **values: Any) -> None:
    row = {"tenant_id": TENANT, "account_id": account_id, "assignee_id": ME, "planned_start": NOW} | values
    rows.execute(VISITS.insert().values(**row))


def task(rows: Connection, account_id: UUID | None, assignee: UUID = COLLEAGUE) -> UUID:
    row = {"tenant_id": TENANT, "id": uuid4(), "account_id": account_id, "assignee_id": assignee}
    rows.execute(TASKS.insert().values(**row))
    found: UUID = row["id"]
    return found


def seen(rows: Connection, condition: ColumnElement[bool], things: Any = ACCOUNTS) -> set[UUID]:
    return set(rows.scalars(select(things.c.id).where(condition)))


class TestAccounts:
    @pytest.mark.parametrize("role", [Role.ADMIN, Role.INTEGRATION])
    def test_are_all_seen_by_the_office(self, rows: Connection, role: Role) -> None:
        wanted = {account(rows), account(rows, None, None)}

        assert seen(rows, sees_account(scope(role), ACCOUNTS)) == wanted

    @pytest.mark.parametrize("role", [Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.PARTNER])
    def test_of_the_own_territories_are_seen_and_no_others(self, rows: Connection, role: Role) -> None:
        wanted = account(rows, MINE)
        account(rows)
        account(rows, None)

        assert seen(rows, sees_account(scope(role, MINE), ACCOUNTS)) == {wanted}

    @pytest.mark.parametrize(
        ("role", "sees"),
        [(Role.REP, True), (Role.MANAGER, True), (Role.TECHNICIAN, False), (Role.PARTNER, False)],
    )
    def test_that_one_owns_are_seen_by_reps_and_managers(
        self, rows: Connection, role: Role, sees: bool
    ) -> None:
        owned = account(rows, owner=ME)

        assert seen(rows, sees_account(scope(role), ACCOUNTS)) == ({owned} if sees else set())

    def test_are_none_for_whom_nothing_is_given(self, rows: Connection) -> None:
        account(rows)

        assert seen(rows, sees_account(scope(Role.PARTNER), ACCOUNTS)) == set()

    def test_may_be_asked_of_a_model_as_well(self, rows: Connection) -> None:
        wanted = account(rows, MINE)

        assert seen(rows, sees_account(scope(Role.REP, MINE), ACCOUNTS.c)) == {wanted}


class TestAccountsOfATechnician:
    @pytest.mark.parametrize(
        ("start", "sees"),
        [
            (-3 * DAY - SECOND, False),
            (-3 * DAY, True),
            (timedelta(), True),
            (14 * DAY - SECOND, True),
            (14 * DAY, False),
        ],
    )
    def test_come_three_days_back_and_fourteen_ahead(
        self, rows: Connection, start: timedelta, sees: bool
    ) -> None:
        visited = account(rows)
        visit(rows, visited, planned_start=NOW + start)

        assert seen(rows, sees_account(scope(Role.TECHNICIAN), ACCOUNTS)) == ({visited} if sees else set())

    @pytest.mark.parametrize(
        "values", [{"assignee_id": COLLEAGUE}, {"deleted_at": NOW}, {"tenant_id": OTHER_TENANT}]
    )
    def test_come_by_own_live_visits_only(self, rows: Connection, values: Any) -> None:
        visit(rows, account(rows), **values)

        assert seen(rows, sees_account(scope(Role.TECHNICIAN), ACCOUNTS)) == set()

    def test_come_by_a_visit_of_theirs_and_of_no_other_account(self, rows: Connection) -> None:
        visited = account(rows)
        account(rows)
        visit(rows, visited)

        assert seen(rows, sees_account(scope(Role.TECHNICIAN), ACCOUNTS)) == {visited}

    @pytest.mark.parametrize("role", [Role.REP, Role.MANAGER, Role.PARTNER])
    def test_come_so_to_nobody_else(self, rows: Connection, role: Role) -> None:
        visit(rows, account(rows))

        assert seen(rows, sees_account(scope(role), ACCOUNTS)) == set()


class TestChildren:
    def test_are_all_seen_by_the_office(self, rows: Connection) -> None:
        wanted = task(rows, uuid4())

        assert seen(rows, sees_child_of_account(scope(Role.ADMIN), TASKS.c), TASKS) == {wanted}

    def test_are_seen_where_their_account_is(self, rows: Connection) -> None:
        wanted = task(rows, account(rows, MINE))
        task(rows, account(rows))

        assert seen(rows, sees_child_of_account(scope(Role.REP, MINE), TASKS.c), TASKS) == {wanted}

    @pytest.mark.parametrize("values", [{"deleted_at": NOW}, {"tenant_id": OTHER_TENANT}])
    def test_of_a_deleted_account_or_of_another_company_are_not(self, rows: Connection, values: Any) -> None:
        task(rows, account(rows, MINE, **values))

        assert seen(rows, sees_child_of_account(scope(Role.REP, MINE), TASKS.c), TASKS) == set()


class TestWhatIsAssigned:
    def test_is_all_seen_by_the_office(self, rows: Connection) -> None:
        wanted = task(rows, uuid4())

        assert seen(rows, sees_assigned(scope(Role.ADMIN), TASKS.c), TASKS) == {wanted}

    @pytest.mark.parametrize("role", [Role.REP, Role.MANAGER])
    def test_is_seen_with_the_account_whoever_has_it_to_do(self, rows: Connection, role: Role) -> None:
        wanted = {task(rows, account(rows, MINE)), task(rows, account(rows, MINE), ME)}
        task(rows, account(rows))
        task(rows, account(rows), ME)  # the account has left

        assert seen(rows, sees_assigned(scope(role, MINE), TASKS.c), TASKS) == wanted

    def test_is_seen_by_technicians_where_it_is_their_own(self, rows: Connection) -> None:
        wanted = task(rows, account(rows, MINE), ME)
        task(rows, account(rows, MINE))
        task(rows, account(rows), ME)

        assert seen(rows, sees_assigned(scope(Role.TECHNICIAN, MINE), TASKS.c), TASKS) == {wanted}

    @pytest.mark.parametrize("role", [Role.REP, Role.MANAGER, Role.TECHNICIAN])
    def test_without_a_customer_is_its_assignees(self, rows: Connection, role: Role) -> None:
        wanted = task(rows, None, ME)
        task(rows, None)

        assert seen(rows, sees_assigned(scope(role), TASKS.c), TASKS) == {wanted}


class TestAScope:
    @pytest.mark.parametrize("role", list(Role))
    def test_is_everything_for_the_office_only(self, role: Role) -> None:
        assert scope(role).everything is (role in (Role.ADMIN, Role.INTEGRATION))

    @pytest.mark.parametrize("role", list(Role))
    def test_has_the_shape_of_its_role(self, role: Role) -> None:
        assert scope(role).shape is SHAPE_OF_ROLE[role]

    def test_lets_service_people_see_the_shape_of_service(self) -> None:
        assert [role for role, shape in SHAPE_OF_ROLE.items() if shape is ShapeClass.SERVICE] == [
            Role.TECHNICIAN
        ]

    def test_tells_the_role_of_its_actor(self) -> None:
        assert Actor(TENANT, ME, None, scope(Role.REP)).role is Role.REP
