"""The sweep sees every statement, and its faults are those that a program meets."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.db import Database
from tests.sweep.faults import NOTHING, Mode, Plan
from tests.sweep.sweeping import Service


@pytest.fixture
def db(service: Service) -> Iterator[Database]:
    """Pools whose statements are counted from here on."""
    service.faults.arm(None, NOTHING)
    yield service.db
    service.faults.disarm()


def fail(service: Service, mode: Mode, number: int) -> None:
    """Let that statement fail; connections are there already."""
    service.faults.disarm()
    for pool in (service.db.app, service.db.engine):
        pool.connect().close()
    service.faults.arm(mode, Plan(number, number))


class TestWhatIsSeen:
    def test_is_the_begin_and_the_commit_of_a_session(self, service: Service, db: Database) -> None:
        with db.session(None) as session:
            session.execute(text("SELECT 1"))

        assert service.faults.seen[0] == "BEGIN"
        assert service.faults.seen[-2:] == ["SELECT 1", "COMMIT"]

    def test_is_a_savepoint_and_the_way_back_to_it(self, service: Service, db: Database) -> None:
        with db.engine.connect() as connection:
            connection.begin_nested().rollback()

        seen = [statement.split()[0] for statement in service.faults.seen]
        assert seen == ["BEGIN", "SAVEPOINT", "ROLLBACK", "ROLLBACK"]

    def test_is_each_statement_of_a_pipeline(self, service: Service, db: Database) -> None:
        pooled = db.app.raw_connection()
        connection: psycopg.Connection[object] = pooled.driver_connection  # type: ignore[assignment]
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.cursor().execute("SELECT 2")
            connection.commit()
        pooled.close()

        assert service.faults.seen == ["BEGIN", "SELECT 1", "SELECT 2", "COMMIT"]

    def test_is_each_row_that_goes_out_at_once(self, service: Service, db: Database) -> None:
        with db.engine.begin() as connection:
            connection.execute(text("SELECT pg_notify('sweep', :x)"), [{"x": "1"}, {"x": "2"}])

        assert len([one for one in service.faults.seen if "pg_notify" in one]) == 2

    def test_is_each_statement_of_one_message(self, service: Service, db: Database) -> None:
        pooled = db.app.raw_connection()
        with psycopg.ClientCursor(pooled.driver_connection) as cursor:
            cursor.execute("SELECT %s; SELECT 'it''s; one'; SELECT E'\\';'", ["a;b"])
        pooled.close()

        assert service.faults.seen[1:] == [
            "SELECT 'a;b'",
            "SELECT 'it''s; one'",
            "SELECT E'\\';'",
            "ROLLBACK",
        ]

    def test_is_a_copy(self, service: Service, db: Database) -> None:
        pooled = db.app.raw_connection()
        cursor = pooled.cursor()
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:  # type: ignore[attr-defined]
            assert copy.read_row() == ("1",)
            assert copy.read_row() is None
        pooled.close()

        assert service.faults.seen[1] == "COPY (SELECT 1) TO STDOUT"


class TestAFault:
    @pytest.mark.parametrize("mode", [Mode.CANCELLED, Mode.SERIALIZATION, Mode.DISK_FULL])
    def test_is_the_databases_own_error(self, service: Service, db: Database, mode: Mode) -> None:
        fail(service, mode, 2)

        with pytest.raises(DBAPIError) as caught, db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

        assert getattr(caught.value.orig, "sqlstate", None) == mode
        assert not caught.value.connection_invalidated

    @pytest.mark.parametrize("mode", [Mode.LOST_BEFORE, Mode.LOST_AFTER])
    def test_of_the_connection_is_noticed_as_such(self, service: Service, db: Database, mode: Mode) -> None:
        fail(service, mode, 2)

        with pytest.raises(DBAPIError) as caught, db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

        assert caught.value.connection_invalidated

    @pytest.mark.parametrize(
        ("mode", "kept"), [(Mode.LOST_BEFORE, False), (Mode.DISK_FULL, False), (Mode.LOST_AFTER, True)]
    )
    def test_in_commit_tells_nothing_of_its_effect(
        self, service: Service, db: Database, mode: Mode, kept: bool
    ) -> None:
        world = service.world()
        service.faults.arm(None, NOTHING)
        world.account()
        fail(service, mode, len(service.faults.seen))

        with pytest.raises(DBAPIError):
            world.account(name="처음 보는 이름")

        service.faults.disarm()
        assert (
            len(world.sql("SELECT 1 FROM accounts WHERE tenant_id = :tenant AND name <> '가람상사'")) == kept
        )

    @pytest.mark.parametrize("mode", list(Mode))
    def test_in_a_pipeline_is_raised_there(self, service: Service, db: Database, mode: Mode) -> None:
        fail(service, mode, 2)
        pooled = db.app.raw_connection()
        connection: psycopg.Connection[object] = pooled.driver_connection  # type: ignore[assignment]

        with pytest.raises(psycopg.Error), connection.pipeline():
            connection.execute("SELECT 1")
            connection.commit()

        pooled.invalidate()
        pooled.close()
        assert service.faults.met == ["SELECT 1"]

    @pytest.mark.parametrize(
        ("mode", "number", "kept"),
        [
            (Mode.LOST_BEFORE, 3, 0),
            (Mode.LOST_AFTER, 2, 0),
            (Mode.LOST_AFTER, 3, 1),
            (Mode.DISK_FULL, 2, 0),
            (Mode.DISK_FULL, 3, 0),
        ],
    )
    def test_in_a_message_leaves_what_came_before_it(
        self, service: Service, db: Database, mode: Mode, number: int, kept: int
    ) -> None:
        world = service.world()
        insert = f"INSERT INTO sync_alarms (tenant_id, kind) VALUES ('{world.id}', 'sweep')"
        fail(service, mode, number)
        pooled = db.engine.raw_connection()
        driver: psycopg.Connection[object] = pooled.driver_connection  # type: ignore[assignment]
        driver.autocommit = True

        with pytest.raises(psycopg.OperationalError):
            psycopg.ClientCursor(driver).execute(f"BEGIN; {insert}; COMMIT".encode())

        pooled.invalidate()
        pooled.close()
        service.faults.disarm()
        rows = world.engine_sql("SELECT 1 FROM sync_alarms WHERE tenant_id = :tenant AND kind = 'sweep'")
        assert len(rows) == kept
