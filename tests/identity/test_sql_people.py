"""People who write SQL by hand, and what the database itself refuses."""

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.pool import NullPool

from app.config import Config
from app.core.db import Database, sqlalchemy_url
from app.core.errors import NotFound
from app.identity import service
from app.identity.service.errors import RoleNameInvalid, RoleNameTaken
from tests.identity.conftest import Company

PASSWORD = "by hand, with care"
Connect = Callable[[Company], tuple[str, Engine]]


@pytest.fixture
def by_hand(owner: Engine, config: Config) -> Iterator[Connect]:
    """Makes a SQL user of a company and connects as them; gives their name and the connections."""
    made: list[tuple[str, Engine]] = []

    def connect(company: Company) -> tuple[str, Engine]:
        name = f"kim_{uuid4().hex[:12]}"
        with owner.begin() as connection:
            service.create_sql_user(connection, name, company.id, PASSWORD)
        url = make_url(sqlalchemy_url(config.database_owner_url)).set(username=name, password=PASSWORD)
        made.append((name, create_engine(url, poolclass=NullPool)))
        return made[-1]

    yield connect
    for name, _ in made:
        with owner.begin() as connection:
            service.drop_sql_user(connection, name)


class TestSqlUser:
    def test_is_named_in_the_ledger(self, company: Company, by_hand: Connect) -> None:
        territory = company.territory()
        name, engine = by_hand(company)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE territories SET name = 'By hand' WHERE id = :id"), {"id": territory.id}
            )
        with company.office() as (session, _):
            change = session.execute(
                text(
                    "SELECT actor_kind, actor_name, actor_id, version, new FROM changes"
                    " WHERE record_id = :id AND op = 'update'"
                ),
                {"id": territory.id},
            ).one()
        assert tuple(change) == ("sql", name, None, 2, {"name": "By hand"})

    def test_cannot_pretend_to_be_somebody_else(self, company: Company, by_hand: Connect) -> None:
        territory, victim = company.territory(), company.user()
        name, engine = by_hand(company)
        with engine.begin() as connection:
            connection.execute(text("SELECT set_config('app.user', :user, true)"), {"user": str(victim.id)})
            connection.execute(
                text("UPDATE territories SET name = 'Forged' WHERE id = :id"), {"id": territory.id}
            )
        with company.office() as (session, _):
            found = session.execute(
                text("SELECT actor_name, actor_id FROM changes WHERE record_id = :id AND op = 'update'"),
                {"id": territory.id},
            ).one()
        assert tuple(found) == (name, None)

    def test_marks_the_record_for_the_phones(self, company: Company, by_hand: Connect) -> None:
        territory = company.territory()
        marks = text("SELECT count(*) FROM sync_pending WHERE record_id = :id")
        with company.office() as (session, _):
            before = session.scalar(marks, {"id": territory.id})
        _, engine = by_hand(company)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE territories SET name = 'Seen' WHERE id = :id"), {"id": territory.id}
            )
        with company.office() as (session, _):
            assert session.scalar(marks, {"id": territory.id}) == before + 1

    def test_sees_and_changes_one_company_only(
        self, company: Company, other_company: Company, by_hand: Connect
    ) -> None:
        mine, theirs = company.territory(), other_company.territory()
        _, engine = by_hand(company)
        with engine.begin() as connection:
            connection.execute(
                text("SELECT set_config('app.tenant', :id, true)"), {"id": str(other_company.id)}
            )
            assert list(connection.execute(text("SELECT id FROM territories")).scalars()) == [mine.id]
            changed = connection.execute(
                text("UPDATE territories SET name = 'Theirs' WHERE id = :id"), {"id": theirs.id}
            )
            assert changed.rowcount == 0

    def test_cannot_move_a_row_to_another_company(
        self, company: Company, other_company: Company, by_hand: Connect
    ) -> None:
        company.territory()
        _, engine = by_hand(company)
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text("UPDATE territories SET tenant_id = :id"), {"id": other_company.id})

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT password_hash FROM users",
            "SELECT * FROM users",
            "SELECT * FROM refresh_families",
            "SELECT * FROM password_resets",
            "SELECT * FROM login_attempts",
            "SELECT * FROM access_log",
            "SELECT * FROM sql_users",
            "SELECT * FROM sync_feed",
            "UPDATE users SET role = 'admin'",
            "DELETE FROM changes",
            "TRUNCATE territories",
            "CREATE TABLE mine ()",
            "ALTER TABLE territories DISABLE TRIGGER ALL",
            "SET SESSION AUTHORIZATION fieldmerge_owner",
            "SET ROLE fieldmerge_engine",
            "SELECT find_tenant('demo')",
            "SELECT sync_open_tenant(gen_random_uuid())",
        ],
    )
    def test_is_refused_what_is_not_theirs(self, company: Company, by_hand: Connect, statement: str) -> None:
        _, engine = by_hand(company)
        with (
            engine.connect() as connection,
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        ):
            connection.execute(text(statement))

    def test_reads_colleagues_without_their_secrets(self, company: Company, by_hand: Connect) -> None:
        rep = company.person()
        _, engine = by_hand(company)
        with engine.connect() as connection:
            logins = connection.execute(text("SELECT login FROM users")).scalars()
            assert list(logins) == [rep.login]

    @pytest.mark.parametrize(
        "name", ["", "K", "Kim", "kim-min", 'kim"; DROP TABLE users', "pg_kim", "fieldmerge_app"]
    )
    def test_needs_a_plain_name(self, owner: Engine, company: Company, name: str) -> None:
        with owner.begin() as connection, pytest.raises(RoleNameInvalid):
            service.create_sql_user(connection, name, company.id, PASSWORD)

    def test_needs_a_free_name(self, owner: Engine, company: Company, by_hand: Connect) -> None:
        name, _ = by_hand(company)
        with owner.begin() as connection, pytest.raises(RoleNameTaken):
            service.create_sql_user(connection, name, company.id, PASSWORD)

    def test_is_not_dropped_when_it_is_another_kind_of_role(self, owner: Engine) -> None:
        with owner.begin() as connection, pytest.raises(NotFound):
            service.drop_sql_user(connection, "fieldmerge_app")


class TestRowSecurity:
    def test_shows_nothing_without_a_company(self, database: Database, company: Company) -> None:
        company.user()
        tables = (
            "tenants users org_units territories territory_members devices refresh_families login_attempts"
        )
        with database.session(None) as session:
            for table in f"{tables} access_log permission_sets changes sync_pending".split():
                assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table

    def test_shows_nothing_of_another_company(
        self, database: Database, company: Company, other_company: Company
    ) -> None:
        company.user()
        with database.session(other_company.id) as session:
            assert session.scalar(text("SELECT count(*) FROM users")) == 0

    def test_lets_nothing_be_written_for_another_company(
        self, database: Database, company: Company, other_company: Company
    ) -> None:
        insert = text(
            "INSERT INTO permission_sets (tenant_id, id, code, name) VALUES (:tenant, :id, 'x', 'X')"
        )
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            database.session(other_company.id) as session,
        ):
            session.execute(insert, {"tenant": company.id, "id": uuid4()})

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM changes",
            "UPDATE changes SET new = '{}'",
            "DELETE FROM access_log",
            "UPDATE access_log SET count = 0",
            "DELETE FROM tenants",
            "TRUNCATE users",
            "SELECT * FROM sql_users",
        ],
    )
    def test_keeps_the_records_of_what_happened(self, company: Company, statement: str) -> None:
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            company.database.session(company.id) as session,
        ):
            session.execute(text(statement))

    def test_is_forced_on_every_table_of_the_room(self, owner: Engine) -> None:
        unforced = text(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND NOT (relrowsecurity AND relforcerowsecurity)"
            " AND relname NOT IN ('alembic_version', 'sql_users')"
        )
        with owner.connect() as connection:
            assert list(connection.execute(unforced).scalars()) == []

    def test_leaves_nothing_behind_in_the_pool(self, company: Company) -> None:
        seen: list[UUID | None] = []
        for tenant_id in (company.id, None):
            with company.database.session(tenant_id) as session:
                seen.append(session.scalar(text("SELECT id FROM tenants")))
        assert seen == [company.id, None]


class TestFindTenant:
    def test_finds_a_company_before_one_is_set(self, database: Database, company: Company) -> None:
        with database.session(None) as session:
            assert service.find_tenant_id(session, company.code.upper()) == company.id

    def test_knows_no_other(self, database: Database) -> None:
        with database.session(None) as session:
            assert service.find_tenant_id(session, "%") is None
