"""`flask tenant`, `flask user`, `flask sql-user`."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.cli.users import COMMANDS
from app.config import Config
from app.core.db import sqlalchemy_url
from app.core.scope import Role
from app.factory import create_app
from app.http.services import services
from app.identity import service
from tests.identity.conftest import Company

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def app(config: Config) -> Iterator[Flask]:
    app = create_app(config)
    for command in COMMANDS:
        app.cli.add_command(command)
    yield app
    services(app).db.dispose()


@pytest.fixture
def run(app: Flask) -> Run:
    def invoke(*words: str, stdin: str | None = None) -> Result:
        return app.test_cli_runner().invoke(args=words, input=stdin)

    return invoke


class TestTenant:
    def test_is_opened_with_its_first_administrator(self, run: Run) -> None:
        code = f"cli-{uuid4().hex[:8]}"
        done = run("tenant", "create", code, "한빛에너지", "--admin", "root")
        assert done.exit_code == 0
        assert re.search(r"root: one-time password (\w{4}-){3}\w{4}", done.output)
        assert f"{code}\t한빛에너지\t1 users" in run("tenant", "list").output

    def test_is_refused_in_one_line(self, run: Run, company: Company) -> None:
        done = run("tenant", "create", company.code, "Again")
        assert (done.exit_code, "Traceback" in done.output) == (1, False)
        assert "[identity.code_taken]" in done.output

    def test_must_be_named_when_there_are_several(
        self, run: Run, company: Company, other_company: Company
    ) -> None:
        done = run("user", "list")
        assert done.exit_code == 1
        assert "--tenant" in done.output
        assert company.code in done.output


class TestUser:
    def test_is_made_with_a_one_time_password(self, run: Run, company: Company) -> None:
        unit, territory = company.unit(), company.territory()
        done = run(
            *("user", "create", "Kim", "--name", "김민지", "--role", "rep", "--tenant", company.code),
            *("--org-unit", unit.code, "--territory", territory.code),
        )
        assert done.exit_code == 0, done.output
        assert "kim: one-time password" in done.output

    def test_is_named_by_the_operator_in_the_ledger(self, run: Run, company: Company) -> None:
        run("user", "create", "kim", "--name", "Kim", "--role", "rep", "--tenant", company.code)
        with company.office() as (session, _):
            kinds = session.execute(text("SELECT DISTINCT actor_kind FROM changes WHERE entity = 'user'"))
            assert list(kinds.scalars()) == ["cli"]

    def test_takes_a_lasting_password_from_standard_input(self, run: Run, company: Company) -> None:
        words = ("user", "create", "kim", "--name", "Kim", "--role", "rep", "--tenant", company.code)
        done = run(*words, "--password-stdin", stdin="green tea at seven\n")
        assert done.output == "User kim (rep) was made.\n"

    def test_gets_another_password(self, run: Run, company: Company) -> None:
        rep = company.person()
        done = run("user", "reset-password", rep.login, "--tenant", company.code)
        assert f"{rep.login}: one-time password" in done.output

    def test_is_imported_from_a_korean_spreadsheet(self, run: Run, company: Company, tmp_path: Path) -> None:
        staff, passwords = tmp_path / "staff.csv", tmp_path / "passwords.csv"
        staff.write_bytes("login,name,role\nkim,김민지,rep\nlee,이영희,pirate\n".encode("cp949"))
        words = ("user", "import", str(staff), "--passwords", str(passwords), "--tenant", company.code)
        done = run(*words)
        assert done.exit_code == 1
        assert "1 created, 0 updated, 0 unchanged." in done.output
        assert "line 3: There is no role pirate" in done.output
        assert passwords.read_text().startswith("kim,")
        assert passwords.stat().st_mode & 0o077 == 0
        assert "kim\trep\tactive\t김민지" in run("user", "list", "--tenant", company.code).output


class TestSqlUser:
    def test_can_connect_as_the_command_says(self, run: Run, company: Company) -> None:
        company.user(Role.REP, login="kim")
        name = f"lee_{uuid4().hex[:10]}"
        made = run("sql-user", "create", name, "--tenant", company.code)
        try:
            address = re.search(r"psql '([^']+)'", made.output)
            password = re.search(r"password: (\S+)", made.output)
            assert address
            assert password
            engine = create_engine(
                sqlalchemy_url(address[1]), connect_args={"password": password[1]}, poolclass=NullPool
            )
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT login FROM users")) == "kim"
            assert name in run("sql-user", "list").output
        finally:
            assert run("sql-user", "drop", name).exit_code == 0


def test_the_console_is_an_administrator_of_one_company(company: Company, other_company: Company) -> None:
    stranger = other_company.user()
    with company.office() as (session, actor):
        assert session.scalars(service.list_users(session, actor)).all() == []
        assert stranger.id not in service.user_names(session, company.id, [stranger.id])
