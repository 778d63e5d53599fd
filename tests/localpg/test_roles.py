"""The roles of a managed server can do what they need, and no more."""

from collections.abc import Iterator

import psycopg
import pytest

import localpg

FUNCTION = "CREATE FUNCTION {schema}.answer() RETURNS int LANGUAGE sql AS 'SELECT 42'"


@pytest.fixture
def urls(server: localpg.Server) -> Iterator[localpg.Urls]:
    """A fresh database."""
    yield server.create_database("fresh")
    server.drop_database("fresh")


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


class TestRoles:
    def test_none_is_above_row_level_security(self, urls: localpg.Urls) -> None:
        with psycopg.connect(urls.admin) as connection:
            rows = connection.execute(
                "SELECT rolname, rolsuper OR rolbypassrls OR rolreplication, rolcreaterole FROM pg_roles "
                "WHERE rolname LIKE 'fieldmerge%' ORDER BY 1"
            ).fetchall()
        assert rows == [
            ("fieldmerge_app", False, False),
            ("fieldmerge_engine", False, False),
            ("fieldmerge_owner", False, True),
        ]

    def test_the_engine_makes_a_schema_of_its_own(self, urls: localpg.Urls) -> None:
        run(urls.engine, "CREATE SCHEMA locks", "CREATE TABLE locks.held (id int)")

    def test_the_owner_hands_a_function_to_the_engine(self, urls: localpg.Urls) -> None:
        run(
            urls.owner,
            "CREATE SCHEMA capture",
            "GRANT USAGE, CREATE ON SCHEMA capture TO fieldmerge_engine",
            FUNCTION.format(schema="capture"),
            "ALTER FUNCTION capture.answer() OWNER TO fieldmerge_engine",
        )

    def test_the_owner_makes_a_role_for_a_person(self, urls: localpg.Urls) -> None:
        run(urls.owner, "CREATE ROLE person LOGIN NOSUPERUSER")
        run(urls.owner, "DROP ROLE person")

    def test_the_owner_passes_membership_in_the_engine_on(self, urls: localpg.Urls) -> None:
        run(urls.owner, "CREATE ROLE job", "GRANT fieldmerge_engine TO job", "DROP ROLE job")

    @pytest.mark.parametrize("role", ["engine", "app"])
    def test_only_the_owner_creates_in_public(self, urls: localpg.Urls, role: str) -> None:
        run(urls.owner, "CREATE TABLE public.visits (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(getattr(urls, role), "CREATE TABLE public.other (id int)")

    def test_the_app_makes_no_schema(self, urls: localpg.Urls) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(urls.app, "CREATE SCHEMA other")

    def test_a_wrong_password_is_refused(self, urls: localpg.Urls) -> None:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(urls.app, password="wrong")


class TestDatabases:
    def test_a_copy_holds_what_its_template_holds(self, server: localpg.Server, urls: localpg.Urls) -> None:
        run(urls.owner, "CREATE TABLE visits AS SELECT 7 AS id")
        copy = server.create_database("copy", template="fresh")
        with psycopg.connect(copy.owner) as connection:
            assert connection.execute("SELECT id FROM visits").fetchall() == [(7,)]
        run(copy.engine, "CREATE SCHEMA locks")
        server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(copy.owner)

    def test_dropping_ends_the_connections_to_it(self, server: localpg.Server) -> None:
        urls = server.create_database("busy")
        with psycopg.connect(urls.app) as connection:
            server.drop_database("busy")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.drop_database("busy")
