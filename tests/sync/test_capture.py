"""Every committed SQL write to a synced table reaches the ledger and the marks, whoever made it."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

import localpg
from app.config import Config
from app.core.clock import utc_now
from app.core.db import sqlalchemy_url
from app.core.ids import new_id
from app.identity import service as identity
from tests.world import World, wire

PASSWORD = "by-hand-with-care"


@dataclass(frozen=True)
class Change:
    """One row of the ledger, as far as these tests ask."""

    version: int
    op: str
    part: str | None
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    actor_kind: str
    actor_name: str | None


def ledger(world: World, record_id: UUID) -> list[Change]:
    """The record's changes, oldest first."""
    rows = world.engine_sql(
        "SELECT version, op, part, old, new, actor_kind, actor_name FROM changes"
        " WHERE tenant_id = :tenant AND record_id = :id ORDER BY id",
        id=record_id,
    )
    return [Change(*row) for row in rows]


def marks(world: World, record_id: UUID) -> int:
    """How many marks of the record wait."""
    rows = world.engine_sql(
        "SELECT count(*) FROM sync_pending WHERE tenant_id = :tenant AND record_id = :id AND NOT weak",
        id=record_id,
    )
    return int(rows[0][0])


def version(world: World, table: str, record_id: UUID) -> int:
    rows = world.sql(f"SELECT version FROM {table} WHERE tenant_id = :tenant AND id = :id", id=record_id)
    return int(rows[0][0])


def rename(world: World, account: UUID, name: str) -> None:
    world.sql(
        "UPDATE accounts SET name = :name WHERE tenant_id = :tenant AND id = :id", name=name, id=account
    )


@pytest.fixture
def visit(world: World) -> UUID:
    """A visit of a rep."""
    return make_visit(world)


def make_visit(world: World) -> UUID:
    rep, visit_id = world.person("rep", world.north), new_id()
    world.insert(
        "visits", id=visit_id, account_id=world.account(), assignee_id=rep.id, planned_start=utc_now()
    )
    return visit_id


def add_task(world: World, visit_id: UUID, title: str = "진열 촬영") -> UUID:
    task_id = new_id()
    world.insert("visit_tasks", id=task_id, visit_id=visit_id, title=title)
    return task_id


@pytest.fixture
def by_hand(world: World, migrated: Config) -> Iterator[psycopg.Connection[Any]]:
    """A person's own connection to the database (autocommit); their role is the connection's user."""
    name = f"kim_{uuid4().hex[:12]}"
    owner = create_engine(sqlalchemy_url(migrated.database_owner_url))
    with owner.begin() as connection:
        identity.create_sql_user(connection, name, world.id, PASSWORD)
    url = make_url(migrated.database_owner_url).set(username=name, password=PASSWORD)
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        yield connection
    with owner.begin() as connection:
        identity.drop_sql_user(connection, name)
    owner.dispose()


def superuser(config: Config) -> psycopg.Connection[Any]:
    """Past everything, row-level security included; for what only an administrator can do."""
    database = make_url(config.database_owner_url).database
    given = os.environ.get("FIELDMERGE_TEST_SERVER")
    if given:
        return psycopg.connect(make_conninfo(given, dbname=database), autocommit=True)
    urls = localpg.running_urls("test")
    assert urls is not None
    admin = make_url(urls.admin).set(database=database)
    return psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True)


class TestMark:
    def test_is_written_by_each_transaction_though_another_mark_waits(self, world: World) -> None:
        account = world.account()

        rename(world, account, "한빛")
        rename(world, account, "달빛")

        assert marks(world, account) == 3

    def test_has_no_unique_key_but_its_own_number(self, world: World) -> None:
        rows = world.engine_sql(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'sync_pending'::regclass AND indisunique"
        )

        assert [row[0].partition(" USING ")[2] for row in rows] == ["btree (tenant_id, id)"]

    def test_is_gone_with_the_transaction_that_rolled_back(self, world: World) -> None:
        account = world.account()

        with pytest.raises(RuntimeError), world.session() as session:
            session.execute(text("UPDATE accounts SET name = 'x' WHERE id = :id"), {"id": account})
            raise RuntimeError

        assert marks(world, account) == 1
        assert [change.op for change in ledger(world, account)] == ["insert"]


class TestTriggers:
    def test_fire_always_on_every_synced_table(self, world: World) -> None:
        rows = world.engine_sql(
            "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger"
            " WHERE tgname IN ('sync_before', 'sync_after', 'sync_truncate')"
        )

        by_table = {
            table: {r[1] for r in rows if r[0] == table and r[2] == "A"} for table in {r[0] for r in rows}
        }
        assert all(len(names) == 3 for names in by_table.values()), by_table
        assert {"accounts", "visits", "visit_tasks", "contacts", "tasks", "conflicts", "users"} <= set(
            by_table
        )

    def test_capture_what_a_replica_role_writes(self, world: World, migrated: Config) -> None:
        account = world.account()

        with superuser(migrated) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE accounts SET phone = '+8225550100' WHERE id = %s", [account])

        assert ledger(world, account)[-1].new == {"phone": "+8225550100"}
        assert marks(world, account) == 2

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE accounts SET id = gen_random_uuid() WHERE id = %(id)s",
            "UPDATE accounts SET tenant_id = gen_random_uuid() WHERE id = %(id)s",
            "TRUNCATE accounts CASCADE",
            "INSERT INTO accounts (tenant_id, id, name) SELECT tenant_id, id, name FROM accounts WHERE id = %(id)s"
            " ON CONFLICT (tenant_id, id) DO UPDATE SET id = gen_random_uuid()",
        ],
    )
    @pytest.mark.parametrize("role", ["origin", "replica"])
    def test_refuse_what_phones_could_not_be_told_in_any_replication_role(
        self, world: World, migrated: Config, role: str, statement: str
    ) -> None:
        account = world.account()

        with superuser(migrated) as connection:
            connection.execute(f"SET session_replication_role = {role}")
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
                connection.execute(statement, {"id": account})

    def test_capture_what_is_copied_in(self, world: World, migrated: Config) -> None:
        account = new_id()

        with (
            superuser(migrated) as connection,
            connection.cursor() as cursor,
            cursor.copy("COPY accounts (tenant_id, id, name) FROM STDIN") as copy,
        ):
            copy.write_row([str(world.id), str(account), "복사"])

        assert [change.op for change in ledger(world, account)] == ["insert"]
        assert marks(world, account) == 1

    def test_capture_both_ways_of_an_upsert(self, world: World, migrated: Config) -> None:
        account = new_id()
        upsert = (
            "INSERT INTO accounts (tenant_id, id, name) VALUES (%s, %s, %s)"
            " ON CONFLICT (tenant_id, id) DO UPDATE SET name = EXCLUDED.name"
        )

        with superuser(migrated) as connection:
            for name in ("처음", "다음"):
                connection.execute(upsert, [world.id, account, name])

        assert [change.op for change in ledger(world, account)] == ["insert", "update"]
        assert version(world, "accounts", account) == 2

    def test_run_as_the_engine_which_passes_forced_row_security(self, world: World, migrated: Config) -> None:
        engine_role = make_url(migrated.database_engine_url).username
        rows = world.engine_sql(
            "SELECT p.proname, p.prosecdef, pg_get_userbyid(p.proowner), p.proconfig FROM pg_proc p"
            " WHERE p.proname IN ('sync_before_write', 'sync_after_write', 'sync_record_change', 'sync_record_part')"
        )

        assert len(rows) == 4
        for name, definer, owner, settings in rows:
            assert definer, name
            assert owner == engine_role, name
            assert "search_path=public, pg_temp" in settings, name

    def test_compute_in_utc_whatever_the_session_says(self, world: World) -> None:
        visit_id = make_visit(world)
        with world.session() as session:
            session.execute(text("SET LOCAL timezone = 'Asia/Seoul'"))
            session.execute(
                text("UPDATE visits SET planned_end = '2026-11-21T18:00:00+09:00' WHERE id = :id"),
                {"id": visit_id},
            )

        assert ledger(world, visit_id)[-1].new == {"planned_end": "2026-11-21T09:00:00+00:00"}

    @pytest.mark.parametrize("function", ["sync_before_write", "sync_after_write", "sync_open_new_tenant"])
    def test_cannot_be_put_on_a_table_of_ones_own(
        self, world: World, by_hand: psycopg.Connection[Any], function: str
    ) -> None:
        """They run as the engine: on a table of one's own they would write into any company's ledger."""
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            by_hand.transaction(),  # the table must be gone before the role can be dropped
        ):
            by_hand.execute("CREATE TEMP TABLE mine (tenant_id uuid, id uuid, version integer, stamps jsonb)")
            by_hand.execute(
                f"CREATE TRIGGER forge AFTER INSERT ON mine FOR EACH ROW"
                f" EXECUTE FUNCTION {function}('account', '', '', '', '', '', '')"
            )


class TestRefusal:
    @pytest.mark.parametrize("table", ["accounts", "visits", "visit_tasks", "users"])
    def test_meets_a_truncate_of_a_synced_table(self, world: World, table: str) -> None:
        with (
            world.psql() as owner,
            pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="truncated"),
        ):
            owner.execute(f"TRUNCATE {table} CASCADE")

    @pytest.mark.parametrize("column", ["id", "tenant_id"])
    def test_meets_a_change_of_the_key(self, world: World, column: str) -> None:
        account = world.account()

        with world.psql() as owner, pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="key"):
            owner.execute(f"UPDATE accounts SET {column} = gen_random_uuid() WHERE id = %s", [account])

    def test_meets_a_change_of_the_key_of_a_part(self, world: World, visit: UUID) -> None:
        task = add_task(world, visit)

        with world.psql() as owner, pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="key"):
            owner.execute("UPDATE visit_tasks SET id = gen_random_uuid() WHERE id = %s", [task])


class TestUpdateOfNothing:
    def test_is_no_change(self, world: World) -> None:
        account = world.account(tags=["단골"])
        before = world.sql("SELECT version, updated_at, stamps FROM accounts WHERE id = :id", id=account)

        world.sql("UPDATE accounts SET name = name, tags = tags, phone = NULL WHERE id = :id", id=account)

        assert (
            world.sql("SELECT version, updated_at, stamps FROM accounts WHERE id = :id", id=account) == before
        )
        assert len(ledger(world, account)) == 1
        assert marks(world, account) == 1

    def test_in_a_part_is_none_either(self, world: World, visit: UUID) -> None:
        task = add_task(world, visit)
        before = len(ledger(world, visit))

        world.sql("UPDATE visit_tasks SET title = title WHERE id = :id", id=task)

        assert len(ledger(world, visit)) == before
        assert version(world, "visits", visit) == 2

    def test_cannot_raise_the_version_or_turn_the_clock(self, world: World) -> None:
        account = world.account()

        world.sql(
            "UPDATE accounts SET version = 99, updated_at = '2001-01-01', created_at = '2001-01-01',"
            " created_by = gen_random_uuid() WHERE id = :id",
            id=account,
        )

        row = world.sql(
            "SELECT version, updated_at > now() - interval '1 minute', created_by FROM accounts"
            " WHERE id = :id",
            id=account,
        )
        assert tuple(row[0]) == (1, True, None)

    def test_in_derived_columns_alone_is_none(self, world: World) -> None:
        person = world.person("rep", world.north)

        world.sql(
            "UPDATE users SET password_hash = 'x', must_change_password = true WHERE id = :id", id=person.id
        )

        assert version(world, "users", person.id) == 1


class TestVersion:
    def test_rises_once_in_a_transaction_that_writes_often(self, world: World) -> None:
        account = world.account()

        with world.session() as session:
            for name in ("하나", "둘", "셋"):
                session.execute(
                    text("UPDATE accounts SET name = :n WHERE id = :id"), {"n": name, "id": account}
                )

        assert [change.version for change in ledger(world, account)] == [1, 2, 2, 2]
        assert version(world, "accounts", account) == 2

    def test_rises_with_each_transaction(self, world: World) -> None:
        account = world.account()

        rename(world, account, "하나")
        rename(world, account, "둘")

        assert version(world, "accounts", account) == 3

    def test_stays_when_the_transaction_inserted_the_record_itself(self, world: World) -> None:
        account = new_id()

        with world.session() as session:
            session.execute(
                text("INSERT INTO accounts (tenant_id, id, name) VALUES (:t, :id, 'a')"),
                {"t": world.id, "id": account},
            )
            session.execute(text("UPDATE accounts SET name = 'b' WHERE id = :id"), {"id": account})

        assert version(world, "accounts", account) == 1

    def test_is_taken_back_with_a_savepoint(self, world: World) -> None:
        account = world.account()

        with world.session() as session:
            savepoint = session.begin_nested()
            session.execute(text("UPDATE accounts SET name = 'undone' WHERE id = :id"), {"id": account})
            savepoint.rollback()
            session.execute(text("UPDATE accounts SET name = 'done' WHERE id = :id"), {"id": account})

        assert [(c.version, c.op) for c in ledger(world, account)] == [(1, "insert"), (2, "update")]
        assert version(world, "accounts", account) == 2

    def test_is_kept_when_a_later_savepoint_is_rolled_back(self, world: World) -> None:
        account = world.account()

        with world.session() as session:
            session.execute(text("UPDATE accounts SET name = 'one' WHERE id = :id"), {"id": account})
            savepoint = session.begin_nested()
            session.execute(text("UPDATE accounts SET name = 'undone' WHERE id = :id"), {"id": account})
            savepoint.rollback()
            session.execute(text("UPDATE accounts SET name = 'two' WHERE id = :id"), {"id": account})

        assert [c.version for c in ledger(world, account)] == [1, 2, 2]

    def test_rises_once_for_a_record_and_its_parts_together(self, world: World, visit: UUID) -> None:
        with world.session() as session:
            for title in ("하나", "둘"):
                session.execute(
                    text(
                        "INSERT INTO visit_tasks (tenant_id, id, visit_id, title) VALUES (:t, :id, :v, :title)"
                    ),
                    {"t": world.id, "id": new_id(), "v": visit, "title": title},
                )
            session.execute(text("UPDATE visits SET outcome = '견적' WHERE id = :id"), {"id": visit})

        assert [(c.version, c.part) for c in ledger(world, visit)[1:]] == [
            (2, "tasks"),
            (2, "tasks"),
            (2, None),
        ]
        assert version(world, "visits", visit) == 2

    def test_rises_once_when_parts_go_with_their_record(self, world: World, visit: UUID) -> None:
        add_task(world, visit)

        with world.session() as session:
            session.execute(text("DELETE FROM visit_tasks WHERE visit_id = :id"), {"id": visit})
            session.execute(text("DELETE FROM visits WHERE id = :id"), {"id": visit})

        assert [(c.version, c.op, c.part) for c in ledger(world, visit)[-2:]] == [
            (3, "delete", "tasks"),
            (3, "delete", None),
        ]

    def test_of_an_insert_comes_after_the_last_in_the_ledger(self, world: World) -> None:
        account = world.account()
        rename(world, account, "둘")
        world.sql("DELETE FROM accounts WHERE id = :id", id=account)

        world.insert("accounts", id=account, name="다시")

        assert [(c.version, c.op) for c in ledger(world, account)] == [
            (1, "insert"),
            (2, "update"),
            (3, "delete"),
            (4, "insert"),
        ]
        assert version(world, "accounts", account) == 4


class TestPart:
    def test_is_a_change_of_its_root(self, world: World, visit: UUID) -> None:
        task = add_task(world, visit, "재고 확인")

        change = ledger(world, visit)[-1]
        assert (change.part, change.op, change.version) == ("tasks", "insert", 2)
        assert change.new is not None
        assert change.new["id"] == str(task)
        assert marks(world, visit) == 2

    def test_that_moves_marks_the_old_root_and_the_new(self, world: World, visit: UUID) -> None:
        task, other = add_task(world, visit), make_visit(world)

        world.sql("UPDATE visit_tasks SET visit_id = :other WHERE id = :id", other=other, id=task)

        for root in (visit, other):
            change = ledger(world, root)[-1]
            assert (change.part, change.op) == ("tasks", "update")
        assert (version(world, "visits", visit), version(world, "visits", other)) == (3, 2)
        assert (marks(world, visit), marks(world, other)) == (3, 2)

    def test_that_was_inserted_before_its_root_is_kept_with_it(self, world: World, visit: UUID) -> None:
        """Foreign keys are checked at commit, so a batch may bring the child first."""
        late = new_id()
        with world.session() as session:
            session.execute(
                text("INSERT INTO visit_tasks (tenant_id, id, visit_id, title) VALUES (:t, :id, :v, 'x')"),
                {"t": world.id, "id": new_id(), "v": late},
            )
            session.execute(
                text(
                    "INSERT INTO visits (tenant_id, id, account_id, assignee_id, planned_start)"
                    " SELECT tenant_id, :late, account_id, assignee_id, planned_start FROM visits WHERE id = :id"
                ),
                {"late": late, "id": visit},
            )

        assert version(world, "visits", late) == ledger(world, late)[-1].version

    def test_written_by_two_at_once_gives_each_a_version_of_its_own(self, world: World, visit: UUID) -> None:
        insert = "INSERT INTO visit_tasks (tenant_id, id, visit_id, title) VALUES (%s, %s, %s, 'x')"
        with world.psql() as first, world.psql() as second:
            with first.transaction():
                first.execute(insert, [world.id, new_id(), visit])
                other = threading.Thread(target=lambda: second.execute(insert, [world.id, new_id(), visit]))
                other.start()
                other.join(0.2)
                assert other.is_alive(), "it waits for the visit"
            other.join(5)

        assert [change.version for change in ledger(world, visit)] == [1, 2, 3]
        assert version(world, "visits", visit) == 3


class TestSqlPerson:
    def test_is_named_as_the_actor(self, world: World, by_hand: psycopg.Connection[Any]) -> None:
        account = world.account()

        by_hand.execute("UPDATE accounts SET opening_hours = '평일' WHERE id = %s", [account])

        change = ledger(world, account)[-1]
        assert (change.actor_kind, change.actor_name) == ("sql", by_hand.info.user)
        assert marks(world, account) == 2

    def test_cannot_forge_who_when_and_why(self, world: World, by_hand: psycopg.Connection[Any]) -> None:
        account, victim = world.account(), world.person("rep", world.north)
        forged = {
            "app.user": str(victim.id),
            "app.device": str(victim.device_id),
            "app.mutation": str(uuid4()),
            "app.actor": "job:erp",
            "app.occurred_at": "2001-01-01T00:00:00Z",
            "app.stamp": '["2099-01-01T00:00:00.000000Z", "ff"]',
            "app.stamps": f'{{"{account}": {{"name": ["2099-01-01T00:00:00.000000Z", "ff"]}}}}',
        }
        with by_hand.transaction():
            for name, value in forged.items():
                by_hand.execute("SELECT set_config(%s, %s, true)", [name, value])
            by_hand.execute("UPDATE accounts SET name = '위조' WHERE id = %s", [account])

        rows = world.engine_sql(
            "SELECT actor_kind, actor_id, actor_name, device_id, mutation_id, occurred_at,"
            " stamp_at < now() + interval '1 minute', (SELECT updated_by FROM accounts a WHERE a.id = record_id)"
            " FROM changes WHERE record_id = :id ORDER BY id DESC LIMIT 1",
            id=account,
        )
        assert tuple(rows[0]) == ("sql", None, by_hand.info.user, None, None, None, True, None)
        stamps = world.engine_sql("SELECT stamps ->> 'name' FROM accounts WHERE id = :id", id=account)
        assert "2099" not in stamps[0][0]

    def test_reaches_no_other_company_by_a_setting(
        self, world: World, by_hand: psycopg.Connection[Any], served: Any, pools: Any
    ) -> None:
        other = World(served, pools)
        foreign = other.account()

        by_hand.execute("SELECT set_config('app.tenant', %s, false)", [str(other.id)])

        assert by_hand.execute("UPDATE accounts SET name = 'x' WHERE id = %s", [foreign]).rowcount == 0
        assert len(ledger(other, foreign)) == 1


class TestWriterOfTheApplication:
    def test_is_told_by_settings_of_the_transaction(self, world: World) -> None:
        rep, account = world.person("rep", world.north), world.account()
        mutation, occurred = uuid4(), utc_now()

        with world.acting(rep) as (session, _):
            session.execute(
                text("SELECT set_config('app.mutation', :m, true), set_config('app.occurred_at', :at, true)"),
                {"m": str(mutation), "at": wire(occurred)},
            )
            session.execute(text("UPDATE accounts SET name = 'x' WHERE id = :id"), {"id": account})

        rows = world.engine_sql(
            "SELECT actor_kind, actor_id, device_id, mutation_id, occurred_at FROM changes"
            " WHERE record_id = :id ORDER BY id DESC LIMIT 1",
            id=account,
        )
        assert tuple(rows[0]) == ("user", rep.id, rep.device_id, mutation, occurred)

    def test_leaves_no_settings_to_the_next_transaction(self, world: World) -> None:
        rep, account = world.person("rep", world.north), world.account()
        with world.acting(rep) as (session, _):
            session.execute(text("UPDATE accounts SET name = 'x' WHERE id = :id"), {"id": account})

        rename(world, account, "y")

        change = ledger(world, account)[-1]
        assert (change.actor_kind, change.actor_name) == ("cli", "test")

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (:tenant, 'account', :tenant)",
            "DELETE FROM sync_pending",
            "DELETE FROM changes",
            "UPDATE changes SET new = NULL",
            "UPDATE sync_feed SET body = ''",
            "UPDATE sync_heads SET position = 0",
        ],
    )
    def test_cannot_write_the_books_of_the_engine(self, world: World, statement: str) -> None:
        with pytest.raises(DBAPIError, match="permission denied"):
            world.sql(statement)

    def test_cannot_invent_a_change(self, world: World) -> None:
        with pytest.raises(DBAPIError, match="row-level security"):
            world.sql(
                "INSERT INTO changes (tenant_id, entity, record_id, version, op, actor_kind, stamp_at)"
                " VALUES (:tenant, 'account', gen_random_uuid(), 1, 'update', 'user', now())"
            )
