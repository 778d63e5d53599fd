"""What must hold for every table, whichever room made it: asked of PostgreSQL's own catalogue."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from app.config import Config
from app.doctor.finding import connect
from app.doctor.schema import TRIGGERS, captured_tables

# Why each of these is no table of a tenant.
NOT_OF_A_TENANT = {
    "alembic_version": "the migrations' own",
    "sql_users": "database roles belong to the whole server; nobody but owner and engine has rights on it",
    "sync_epochs": "lives of the whole database; everybody may read it",
    "tenants": "the tenants themselves; its policy compares the id",
}


@pytest.fixture
def owner(migrated: Config) -> Iterator[Connection]:
    with connect(migrated, "owner") as connection:
        yield connection


@pytest.fixture
def app_role(migrated: Config) -> Iterator[Connection]:
    """A connection as requests have it before they say whose rows they touch."""
    with connect(migrated, "app") as connection:
        yield connection


def rows(connection: Connection, statement: str, **values: Any) -> list[Any]:
    return list(connection.execute(text(statement), values))


def tables(connection: Connection) -> list[str]:
    return [
        name
        for (name,) in rows(
            connection,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') ORDER BY relname",
        )
        if name not in NOT_OF_A_TENANT
    ]


class TestKeys:
    def test_every_index_of_a_tenants_table_begins_with_the_tenant(self, owner: Connection) -> None:
        found = rows(
            owner,
            """SELECT c.relname, i.relname FROM pg_index x
               JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
               LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
               WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (:tables)
                 AND a.attname IS DISTINCT FROM 'tenant_id'""",
            tables=tables(owner),
        )
        assert found == []

    def test_every_foreign_key_stays_inside_the_tenant(self, owner: Connection) -> None:
        found = rows(
            owner,
            """SELECT f.conrelid::regclass::text, f.conname FROM pg_constraint f
               JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
               WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND a.attname <> 'tenant_id'""",
        )
        assert found == []

    def test_every_tenants_table_has_a_primary_key(self, owner: Connection) -> None:
        with_key = {
            name
            for (name,) in rows(
                owner,
                "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'p'"
                " AND connamespace = 'public'::regnamespace",
            )
        }
        assert set(tables(owner)) - with_key == set()

    def test_the_exceptions_are_still_there(self, owner: Connection) -> None:
        present = {
            name for (name,) in rows(owner, "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")
        }

        assert set(NOT_OF_A_TENANT) - present == set()


class TestRowLevelSecurity:
    def test_is_forced_on_every_table(self, owner: Connection) -> None:
        found = rows(
            owner,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relname = ANY (:tables) AND NOT (relrowsecurity AND relforcerowsecurity)",
            tables=[*tables(owner), "tenants", "sync_epochs"],
        )
        assert found == []

    def test_shows_nothing_to_a_request_that_names_no_tenant(
        self, app_role: Connection, owner: Connection, world: Any
    ) -> None:
        world.account()
        readable = [
            name
            for name in [*tables(owner), "tenants"]
            if app_role.scalar(text("SELECT has_table_privilege(:name, 'SELECT')"), {"name": name})
        ]

        seen = [name for name in readable if app_role.scalar(text(f"SELECT count(*) FROM {name}"))]

        assert "accounts" in readable
        assert seen == []


class TestAppRole:
    @pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE"])
    def test_cannot_rewrite_the_ledger(self, app_role: Connection, right: str) -> None:
        assert not app_role.scalar(text("SELECT has_table_privilege('changes', :right)"), {"right": right})

    def test_may_tell_the_ledger_losses_only(self, app_role: Connection, world: Any) -> None:
        app_role.execute(text("SELECT set_config('app.tenant', :tenant, false)"), {"tenant": str(world.id)})

        with pytest.raises(ProgrammingError, match="row-level security"):
            app_role.execute(
                text(
                    "INSERT INTO changes (tenant_id, entity, record_id, version, op, actor_kind, stamp_at)"
                    " VALUES (:tenant, 'account', :tenant, 1, 'update', 'user', now())"
                ),
                {"tenant": world.id},
            )

    @pytest.mark.parametrize(
        "table", ["sync_feed", "sync_pending", "sync_heads", "sync_drain", "sync_subscriptions"]
    )
    def test_cannot_write_what_the_sequencer_writes(self, app_role: Connection, table: str) -> None:
        rights = [
            right
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if app_role.scalar(text("SELECT has_table_privilege(:t, :r)"), {"t": table, "r": right})
        ]
        assert rights == []

    def test_can_truncate_nothing(self, app_role: Connection, owner: Connection) -> None:
        found = [
            name
            for name in tables(owner)
            if app_role.scalar(text("SELECT has_table_privilege(:name, 'TRUNCATE')"), {"name": name})
        ]
        assert found == []

    def test_can_make_no_table(self, app_role: Connection) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"):
            app_role.execute(text("CREATE TABLE mine (id integer)"))

    @pytest.mark.parametrize("role", ["fieldmerge_owner", "fieldmerge_engine"])
    def test_cannot_become_another_role(self, app_role: Connection, role: str) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"):
            app_role.execute(text(f"SET ROLE {role}"))


class TestCapture:
    @pytest.mark.parametrize("table", captured_tables())
    def test_cannot_be_skipped_by_replication(self, owner: Connection, table: str) -> None:
        found = dict(
            rows(
                owner,
                "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = CAST(:t AS regclass)"
                " AND NOT tgisinternal",
                t=table,
            )
        )
        assert {name: found.get(name) for name in TRIGGERS} == dict.fromkeys(TRIGGERS, "A")

    def test_runs_as_the_engine(self, owner: Connection) -> None:
        found = {
            name
            for (name,) in rows(
                owner,
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
                " AND pg_get_userbyid(proowner) <> 'fieldmerge_engine'",
            )
        }
        # Only who owns a table may gather its statistics.
        assert found <= {"sync_analyze_grown"}

    def test_cannot_be_led_astray_by_a_search_path(self, owner: Connection) -> None:
        found = rows(
            owner,
            """SELECT p.proname FROM pg_proc p
               WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
                 AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')""",
        )
        assert found == []
