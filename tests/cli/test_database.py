"""`flask db`."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app import migrating
from app.config import Config
from app.core.db import sqlalchemy_url
from app.doctor.finding import connect
from tests.cli.conftest import Run, flask_command, variables_of
from tests.servers import empty_database
from tests.world import World


@pytest.fixture(scope="module")
def empty() -> Iterator[Config]:
    with empty_database() as config:
        yield config


def of_a_stranger(url: str) -> str:
    """The address with a role that there is not."""
    return sqlalchemy_url(url).replace("fieldmerge_engine", "fieldmerge_nobody")


class TestUpgrade:
    def test_brings_an_empty_database_to_the_newest_revision(self, empty: Config) -> None:
        env = variables_of(empty)

        assert flask_command("db", "current", env=env).exit_code == 1
        done = flask_command("db", "upgrade", env=env)

        assert done.exit_code == 0, done.output
        assert "it was at no revision" in done.output
        assert "Running upgrade  -> 0001" in done.stderr
        assert flask_command("db", "current", env=env).exit_code == 0

    def test_does_nothing_the_second_time(self, flask: Run) -> None:
        done = flask("db", "upgrade")

        newest = ", ".join(migrating.newest())
        assert (done.exit_code, done.output) == (0, f"The database is at {newest} (already).\n")

    def test_says_which_role_cannot_connect(self, flask: Run, migrated: Config) -> None:
        done = flask("db", "upgrade", DATABASE_ENGINE_URL=of_a_stranger(migrated.database_engine_url))

        assert done.exit_code == 1
        assert "fieldmerge_nobody" in done.stderr

    def test_refuses_roles_that_cannot_do_it_before_the_first_migration(
        self, flask: Run, migrated: Config
    ) -> None:
        done = flask("db", "upgrade", DATABASE_OWNER_URL=migrated.database_url)

        assert done.exit_code == 1
        assert "may not make tables" in done.stderr
        assert "docs/operations.md" in done.stderr

    def test_refuses_a_revision_that_there_is_not(self, flask: Run) -> None:
        done = flask("db", "upgrade", "--revision", "9999")

        assert (done.exit_code, "Traceback" in done.output) == (1, False)
        assert "9999" in done.stderr

    def test_names_sql_people_whose_role_is_gone(self, flask: Run, world: World, migrated: Config) -> None:
        with connect(migrated, "owner") as owner:
            owner.execute(
                text("INSERT INTO sql_users (role_name, tenant_id) VALUES ('gone_kim', :tenant)"),
                {"tenant": world.id},
            )
            try:
                done = flask("db", "upgrade")
            finally:
                owner.execute(text("DELETE FROM sql_users WHERE role_name = 'gone_kim'"))

        assert "flask sql-user create gone_kim" in done.output

    def test_takes_sql_people_back_into_their_group(self, flask: Run, world: World, migrated: Config) -> None:
        name = f"kim_{uuid4().hex[:8]}"
        assert flask("sql-user", "create", name, "--tenant", world.code).exit_code == 0
        try:
            with connect(migrated, "owner") as owner:
                owner.execute(text(f"REVOKE fieldmerge_sql FROM {name}"))

            done = flask("db", "upgrade")
        finally:
            flask("sql-user", "drop", name)

        assert f"SQL user {name} is a member of fieldmerge_sql again." in done.output


class TestCheck:
    def test_finds_models_and_migrations_alike(self, flask: Run) -> None:
        done = flask("db", "check")

        assert done.exit_code == 0, done.output

    def test_refuses_a_database_that_is_behind(self, flask: Run, empty: Config) -> None:
        with connect(empty, "owner") as owner:
            owner.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32))"))
            owner.execute(text("DELETE FROM alembic_version"))

        done = flask_command("db", "check", env=variables_of(empty))

        assert done.exit_code == 1
        assert "not up to date" in done.stderr
