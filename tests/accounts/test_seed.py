"""The made-up company for load work."""

from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.cli.seed import Company, seed
from app.core.scope import Role
from tests.world import World

SIZE = {"users": 200, "accounts": 150, "visits": 100}
TABLES = ("org_units", "territories", "users", "territory_members", "accounts", "visits")


def run(served: Flask, world: World, **options: Any) -> Result:
    arguments = [f"--{name}={value}" for name, value in {"tenant": world.code, **SIZE, **options}.items()]
    return served.test_cli_runner().invoke(seed, arguments)


def sizes(world: World) -> dict[str, int]:
    return {
        table: world.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant")[0][0] for table in TABLES
    }


class TestSeed:
    def test_makes_what_was_asked_once(self, served: Flask, world: World) -> None:
        before = sizes(world)

        assert run(served, world).exit_code == 0
        made = sizes(world)
        assert run(served, world).exit_code == 0

        assert {t: made[t] - before[t] for t in ("users", "accounts", "visits")} == SIZE
        assert sizes(world) == made

    def test_goes_on_where_it_stopped(self, served: Flask, world: World) -> None:
        run(served, world, accounts=50)

        run(served, world, accounts=80)

        assert sizes(world)["accounts"] == 80

    def test_sends_people_only_where_they_work(self, served: Flask, world: World) -> None:
        run(served, world)

        [(strangers,)] = world.sql(
            """
            SELECT count(*) FROM visits v JOIN accounts a ON a.tenant_id = v.tenant_id AND a.id = v.account_id
            WHERE v.tenant_id = :tenant AND NOT EXISTS (
                SELECT 1 FROM territory_members m
                WHERE m.tenant_id = v.tenant_id AND m.user_id = v.assignee_id AND m.territory_id = a.territory_id)
            """
        )
        assert strangers == 0

    def test_lets_nobody_in_without_a_password(self, served: Flask, world: World) -> None:
        run(served, world)

        assert world.engine_sql(
            "SELECT count(password_hash) FROM users WHERE tenant_id = :tenant AND login LIKE 'load%'"
        ) == [(0,)]

    def test_lets_all_in_by_one_password(self, served: Flask, world: World) -> None:
        run(served, world, password="green tea at seven")

        answer = served.test_client().post(
            "/api/v1/auth/login",
            json={
                "tenant": world.code,
                "login": "load00150",
                "password": "green tea at seven",
                "device": {"name": "load", "platform": "android", "app_version": "1.0.0"},
            },
        )
        assert answer.status_code == 200


class TestCompany:
    @pytest.mark.parametrize("users", [2, 100, 7_000])
    def test_has_one_administrator_and_managers_before_all_others(self, world: World, users: int) -> None:
        roles = [person.role for person in Company(world.id, users).people()]

        assert (len(roles), roles[0], roles[1]) == (users, Role.ADMIN, Role.MANAGER)
        assert roles.count(Role.ADMIN) == 1

    def test_spreads_technicians_over_territories(self, world: World) -> None:
        company = Company(world.id, 7_000)

        technicians = {p.territory for p in company.people() if p.role is Role.TECHNICIAN}
        assert len(technicians) > 0.5 * company.territories_an_area * len(company.areas)
