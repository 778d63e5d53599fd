"""The hot queries run along indexes, as the app role under row-level security, on a big company."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.core.at_once import Said
from app.core.db import Database, set_writer
from app.sync_api.registry import REGISTRY
from sync.pull import Ask, pull
from sync.stores.feed import PROOFS, SHEAF, FeedReader, set_id_of
from tests.world import Person, World

ACCOUNTS = 12_000
"""Of one territory; each gives two rows of the feed."""

BIG = ("sync_feed", "accounts", "changes", "sync_mutations", "sync_pending")
SETUP = re.compile(r"set_config|^\s*(SAVEPOINT|RELEASE|ROLLBACK|SET |BEGIN)", re.IGNORECASE)


@dataclass
class Company:
    """A company of 12,000 accounts in the north and a hundred in the south, drained and analysed.

    ``fresh`` are statements of a first page and their plans before anybody had analysed the tables.
    """

    world: World
    rep: Person
    southerner: Person
    fresh: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def company(served: Flask, pools: Database) -> Iterator[Company]:
    world = World(served, pools)
    with (
        world.psql() as owner
    ):  # or a queue that was just emptied is cut down to no page, and rightly read whole
        for table in BIG:
            owner.execute(
                sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(sql.Identifier(table))
            )
    rep = world.person("rep", world.north)
    found = Company(world, rep, world.person("rep", world.south))
    world.sql(
        "INSERT INTO accounts (tenant_id, id, name, code, territory_id, notes)"
        " SELECT :tenant, gen_random_uuid(), '거래처 ' || n, 'S' || n, CASE WHEN n > 100 THEN :north ELSE :south END,"
        " repeat('가나다 ', 20) FROM generate_series(1, :n) AS n",
        north=world.north,
        south=world.south,
        n=ACCOUNTS + 100,
    )
    world.engine_sql(
        "INSERT INTO sync_mutations (tenant_id, user_id, id, device_id, n, hash, entity, record_id, op, status)"
        " SELECT tenant_id, :user, gen_random_uuid(), :device, row_number() OVER (), 'x', 'account', id, 'update',"
        " 'applied' FROM accounts WHERE tenant_id = :tenant",
        user=rep.id,
        device=rep.device_id,
    )
    world.drain()
    with heard(world) as sent:
        rep.post_sync(limit=100)
    found.fresh = [(s, plan(found, s, values)) for s, values in sent.about("sync_feed")]
    with world.psql() as owner:
        owner.execute(f"ANALYZE {', '.join(BIG)}, sync_drain, sync_subscriptions, users, devices")
    rows = world.engine_sql("SELECT count(*) FROM sync_feed WHERE tenant_id = :tenant")
    assert rows[0][0] >= 20_000
    yield found
    with world.psql() as owner:
        for table in BIG:
            owner.execute(sql.SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(sql.Identifier(table)))


@dataclass
class Heard:
    """Statements that the application sent, with their parameters."""

    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def note(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not SETUP.search(statement) and not many:
            self.statements.append((statement, dict(parameters or {})))

    def about(self, *tables: str) -> list[tuple[str, dict[str, Any]]]:
        return [s for s in self.statements if any(re.search(rf"\b{table}\b", s[0]) for table in tables)]


@contextmanager
def heard(world: World) -> Iterator[Heard]:
    """What the application's pool sends meanwhile."""
    found, at_once = Heard(), world.db.at_once
    ask, go_on = at_once.ask, at_once.go_on

    def noted(send: Callable[..., Any]) -> Any:
        def sent(pooled: Any, said: Sequence[Said], **how: str) -> Any:
            for statement, values in said:
                found.note(None, None, at_once.sent(statement), dict(values), None, many=False)
            return send(pooled, said, **how)

        return sent

    event.listen(world.db.app, "before_cursor_execute", found.note)
    at_once.ask, at_once.go_on = noted(ask), noted(go_on)  # type: ignore[method-assign]
    try:
        yield found
    finally:
        event.remove(world.db.app, "before_cursor_execute", found.note)
        at_once.ask, at_once.go_on = ask, go_on  # type: ignore[method-assign]


@contextmanager
def as_app(company: Company) -> Iterator[psycopg.Connection[Any]]:
    """The driver's connection of the app role, with the tenant set; rolled back."""
    world = company.world
    with world.db.app.connect() as connection, Session(connection) as session:
        set_writer(session, world.id, user_id=company.rep.id, device_id=company.rep.device_id)
        driver: Any = connection.connection.driver_connection
        yield driver
        session.rollback()


def plan(company: Company, statement: str, values: dict[str, Any]) -> Any:
    """The plan for exactly these values."""
    with as_app(company) as driver:
        found = driver.execute(f"EXPLAIN (FORMAT JSON) {statement}", values).fetchone()
    assert found is not None
    return found[0][0]["Plan"]


def generic_plan(company: Company, statement: str, values: dict[str, Any]) -> Any:
    """The plan for any values, as the driver's prepared statements come to have after a while."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    for number, name in enumerate(names, 1):
        statement = statement.replace(f"%({name})s", f"${number}")
    with as_app(company) as driver:
        driver.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        driver.execute("PREPARE hot AS " + statement.replace("%%", "%"))
        literals = sql.SQL(", ").join(sql.Literal(as_text(values[name])) for name in names)
        try:
            found = driver.execute(
                sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE hot({})").format(literals)
            ).fetchone()
        finally:
            driver.execute("DEALLOCATE hot")
    assert found is not None
    return found[0][0]["Plan"]


def as_text(value: Any) -> Any:
    """A literal of unknown type, which takes the parameter's."""
    if isinstance(value, list):
        return "{" + ",".join(json.dumps(str(item)) for item in value) + "}"
    return value if value is None else str(value)


def scans(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind of scan and table, through the whole plan."""
    if "Relation Name" in node:
        yield node["Node Type"], node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from scans(child)


def sorts(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Sort" or any(sorts(child) for child in node.get("Plans", ()))


def assert_indexed(
    company: Company, statements: list[tuple[str, dict[str, Any]]], *, generic: bool = True
) -> None:
    assert statements, "nothing was heard"
    for statement, values in statements:
        for make in (plan, generic_plan) if generic else (plan,):
            read = [kind for kind, table in scans(make(company, statement, values)) if table in BIG]
            assert "Seq Scan" not in read, (make.__name__, statement)


class TestPull:
    @pytest.fixture
    def ask(self, company: Company) -> Ask:
        world, rep = company.world, company.rep
        return Ask(world.id, rep.device_id, rep.id, "sales", 1, limit=500)

    @contextmanager
    def reading(self, company: Company) -> Iterator[tuple[FeedReader, Heard]]:
        world, rep = company.world, company.rep
        buckets = world.engine_sql("SELECT bucket FROM sync_subscriptions WHERE user_id = :u", u=rep.id)
        with world.db.app.connect() as connection, Session(connection) as session, heard(world) as found:
            set_writer(session, world.id, user_id=rep.id, device_id=rep.device_id)
            yield FeedReader(connection, world.id, frozenset(row[0] for row in buckets)), found

    def test_walks_a_page_along_the_index_in_its_order(self, company: Company, ask: Ask) -> None:
        with self.reading(company) as (reader, found):
            assert len(pull(reader, REGISTRY, None, ask, set_id_of).changes) == 500

        assert_indexed(company, found.about("sync_feed"))
        for statement, values in found.about("sync_feed"):
            assert not sorts(plan(company, statement, values)), statement

    def test_walks_along_the_index_before_anybody_analysed_the_feed(self, company: Company) -> None:
        assert company.fresh
        for statement, found in company.fresh:
            whole = {table for kind, table in scans(found) if kind == "Seq Scan"}
            assert whole.isdisjoint(BIG), statement

    def test_goes_on_in_the_middle_of_a_walk(self, company: Company) -> None:
        with self.reading(company) as (reader, found):
            bucket = f"territory:{company.world.north}"
            rows = reader.walk(
                (bucket, "manager+partner+sales"), after=ACCOUNTS, gone_after=1 << 40, limit=2_000
            )
            assert len(rows) == 2_000

        assert_indexed(company, found.about("sync_feed"))
        assert not sorts(plan(company, *found.statements[-1]))

    @pytest.mark.parametrize("behind", [0, 100], ids=["empty", "of a hundred"])
    def test_reads_a_delta_of_all_channels_along_the_index(self, company: Company, behind: int) -> None:
        with self.reading(company) as (reader, found):
            head = reader.head().position
            shapes = REGISTRY.shapes_of("sales")
            channels = [(bucket, shape) for bucket in reader.live for shape in shapes]
            at = head - behind
            rows = reader.delta(channels, after=at, changes_after=at, gone_after=at, limit=1_000)
            assert len(rows) <= behind

        assert_indexed(company, found.about("sync_feed", "sync_heads"))

    def test_asks_what_is_held_by_the_records(self, company: Company) -> None:
        rows = company.world.engine_sql(
            "SELECT id FROM accounts WHERE tenant_id = :tenant AND territory_id = :north LIMIT 200",
            north=company.world.north,
        )
        with self.reading(company) as (reader, found):
            channel = (f"territory:{company.world.north}", "manager+partner+sales")
            assert len(reader.held([("account", row[0]) for row in rows], [(channel, 1 << 40)])) == 200

        assert_indexed(company, found.about("sync_feed"))

    def test_walks_a_loss_along_the_index(self, company: Company) -> None:
        with self.reading(company) as (reader, found):
            channel = (f"territory:{company.world.north}", "manager+partner+sales")
            assert len(reader.lost(channel, after=0, given=1 << 40, limit=1_000)) == 1_000

        assert_indexed(company, found.about("sync_feed"))

    def test_counts_marks_no_further_than_it_has_to(self, company: Company) -> None:
        world = company.world
        world.engine_sql(
            "INSERT INTO sync_pending (tenant_id, entity, record_id) SELECT :tenant, 'none', gen_random_uuid()"
            " FROM generate_series(1, 20000)"
        )
        with world.psql() as owner:
            owner.execute("ANALYZE sync_pending")
        with self.reading(company) as (reader, found):
            assert reader.waiting_marks(5_001) == 5_001

        assert_indexed(company, found.about("sync_pending"))
        world.drain()


class TestRequests:
    def test_of_an_empty_sync_scan_no_big_table(self, company: Company) -> None:
        rep = company.rep
        rep.sync(limit=10_000)
        with heard(company.world) as found:
            rep.sync()

        assert_indexed(company, found.about(*BIG), generic=False)

    def test_of_whole_segments_scan_no_big_table(self, company: Company) -> None:
        values = {
            "tenant": company.world.id,
            "bucket": f"territory:{company.world.north}",
            "shape": "manager+partner+sales",
            "after": 100,
            "until": 1 << 40,
            "gone_after": 1 << 40,
            "limit": 2_000,
            "bytes": 1 << 20,
            "afters": [100, 2_000],
            "untils": [2_000, 4_000],
        }
        assert_indexed(company, [(SHEAF, values), (PROOFS, values)], generic=False)

    def test_of_a_push_scan_no_big_table(self, company: Company) -> None:
        """Verdict keys, the record, its ledger after the base, earlier mutations on it."""
        rep = company.rep
        rep.sync(limit=10_000)
        account = next(UUID(i) for entity, i in rep.records if entity == "account")
        edit = rep.edit(
            "account",
            account,
            {"phone": "+8225550100", "tags": ["단골"]},
            n=ACCOUNTS + 1,
        )
        company.world.sql(
            "UPDATE accounts SET phone = '+8225550199', tags = '{x}' WHERE id = :id", id=account
        )
        with heard(company.world) as found:
            rep.sync(edit)
            rep.sync(edit)

        assert found.about("sync_mutations")
        assert found.about("changes")
        assert_indexed(company, found.about(*BIG), generic=False)

    @pytest.mark.parametrize(
        "query", ["sort=id", "sort=name", "sort=-name", "q=%EA%B1%B0%EB%9E%98%EC%B2%98 1"]
    )
    def test_of_a_list_of_a_territory_scan_no_big_table(self, company: Company, query: str) -> None:
        assert_indexed(company, self.two_pages(company, company.southerner, query), generic=False)

    @pytest.mark.parametrize(
        "query",
        [
            "sort=id",
            "q=%EA%B1%B0%EB%9E%98%EC%B2%98 11",
            "sort=name",
            "sort=-name",
        ],
    )
    def test_of_a_list_of_the_whole_company_scan_no_big_table(self, company: Company, query: str) -> None:
        assert_indexed(company, self.two_pages(company, company.rep, query), generic=False)

    def two_pages(self, company: Company, person: Person, query: str) -> list[tuple[str, dict[str, Any]]]:
        """Statements about accounts of the first page and of the one after it."""
        with heard(company.world) as found:
            first = person.call("GET", f"/api/v1/accounts?limit=5&{query}")
            assert first.status_code == 200, first.json
            following = first.json["next_cursor"]
            second = person.call("GET", f"/api/v1/accounts?limit=5&{query}&cursor={following}")
            assert second.status_code == 200, second.json
        return found.about("accounts")


def test_a_scan_of_the_whole_table_would_be_noticed(company: Company) -> None:
    with as_app(company) as driver:
        for kind in ("indexscan", "indexonlyscan", "bitmapscan"):
            driver.execute(f"SET LOCAL enable_{kind} = off")
        found = driver.execute(
            "EXPLAIN (FORMAT JSON) SELECT count(*) FROM accounts WHERE notes = 'x'"
        ).fetchone()

    assert found is not None
    assert ("Seq Scan", "accounts") in scans(found[0][0]["Plan"])


def test_a_bucket_can_be_read_along_its_positions_only(world: World) -> None:
    """Where a second index would do, a plan made before the feed was analysed may take it, and sort all of it."""
    with world.psql() as owner:
        rows = owner.execute(
            "SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
            " WHERE i.indrelid = 'sync_feed'::regclass AND (SELECT attname FROM pg_attribute"
            " WHERE attrelid = i.indrelid AND attnum = i.indkey[1]) IN ('bucket', 'shape', 'position')"
            " AND i.indpred IS NULL"
        ).fetchall()

    assert rows == [("ix_sync_feed_position",)]


class TestStatistics:
    """A drain of many looks whether the tables have grown; what it does not know, it takes for nothing."""

    @pytest.mark.parametrize(("growth", "is_renewed"), [(0.1, False), (0.4, True)])
    def test_are_renewed_when_a_table_has_grown_by_a_fifth(
        self, world: World, growth: float, is_renewed: bool
    ) -> None:
        with world.psql() as owner:
            owner.execute("ANALYZE sync_alarms")
        self.fill(world, 100)
        world.engine_sql("SELECT sync_analyze_grown(false)")
        known = self.pages(world)
        self.fill(world, int(known * growth) + (9 if is_renewed else 0))

        world.engine_sql("SELECT sync_analyze_grown(false)")

        assert (self.pages(world) > known) is is_renewed

    def test_know_a_new_company_however_large_the_others_are(
        self, world: World, served: Flask, pools: Database
    ) -> None:
        """Its rows would be taken for one, and compared each with each: 48 s for the first 5,000 accounts."""
        self.accounts(world, 3_000)
        world.drain()
        with world.psql() as owner:
            owner.execute("ANALYZE")
        newcomer = World(served, pools)
        self.accounts(newcomer, 250)

        newcomer.drain()

        with world.psql() as owner:
            plan = owner.execute(
                sql.SQL("EXPLAIN SELECT FROM accounts WHERE tenant_id = {}").format(str(newcomer.id))
            ).fetchall()
        expected = int(str(re.search(r"rows=(\d+)", plan[0][0])[1]))  # type: ignore[index]
        assert expected > 100

    def accounts(self, world: World, count: int) -> None:
        world.sql(
            "INSERT INTO accounts (tenant_id, id, name, territory_id)"
            " SELECT :tenant, gen_random_uuid(), '거래처', :north FROM generate_series(1, :count)",
            north=world.north,
            count=count,
        )

    def fill(self, world: World, pages: int) -> None:
        """Rows for as many pages, four on each."""
        world.engine_sql(
            "INSERT INTO sync_alarms (tenant_id, kind, entity, record_id, detail) SELECT :tenant, 'full', 'account',"
            " gen_random_uuid(), (SELECT string_agg(md5(random()::text || n || m), '') FROM generate_series(1, 50) m)"
            " FROM generate_series(1, :pages) n",
            pages=pages * 4,
        )

    def pages(self, world: World) -> int:
        """As many as the planner knows of."""
        rows = world.engine_sql("SELECT relpages FROM pg_class WHERE oid = 'sync_alarms'::regclass")
        return int(rows[0][0])
