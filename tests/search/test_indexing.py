"""What changed gets into the index: nothing is missed, whoever writes at the same time."""

import random
import re
import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.ids import new_id
from app.search import queries, service
from app.textindex import service as textindex
from app.textindex import tokens as textindex_tokens
from tests.search.test_finding import documents, found, run_the_job, search
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


def indexed(world: World) -> set[UUID]:
    return {
        record_id
        for (record_id,) in world.engine_sql(
            "SELECT record_id FROM search_documents WHERE tenant_id = :tenant AND kind = 'account'"
        )
    }


class TestAChange:
    def test_that_commits_after_a_later_one_was_indexed_is_not_missed(self, world: World) -> None:
        run_the_job(world)
        slow, quick = new_id(), None
        with world.session() as session:
            session.execute(
                text(
                    "INSERT INTO accounts (tenant_id, id, name, territory_id) VALUES (:t, :id, '느린상사', :n)"
                ),
                {"t": world.id, "id": slow, "n": world.north},
            )
            # The slow one has drawn its place in the ledger; another overtakes it.
            quick = world.account(name="빠른상사")
            run_the_job(world)
            assert indexed(world) == {quick}
            run_the_job(world)

        run_the_job(world)

        assert indexed(world) == {slow, quick}

    def test_overtaken_many_times_over_is_still_not_missed(self, world: World) -> None:
        run_the_job(world)
        slow = new_id()
        with world.session() as session:
            session.execute(
                text(
                    "INSERT INTO accounts (tenant_id, id, name, territory_id) VALUES (:t, :id, '느린상사', :n)"
                ),
                {"t": world.id, "id": slow, "n": world.north},
            )
            others = set()
            for n in range(5):
                others.add(world.account(name=f"빠른상사 {n}"))
                run_the_job(world)

        run_the_job(world)

        assert indexed(world) == {slow, *others}

    def test_that_was_rolled_back_is_not_indexed(self, world: World) -> None:
        run_the_job(world)
        with pytest.raises(ZeroDivisionError), world.session() as session:
            session.execute(
                text("INSERT INTO accounts (tenant_id, id, name) VALUES (:t, :id, '없는상사')"),
                {"t": world.id, "id": new_id()},
            )
            raise ZeroDivisionError

        assert run_the_job(world) == 0
        assert documents(world) == 0

    def test_is_indexed_once(self, world: World) -> None:
        world.account()
        assert run_the_job(world) > 0

        assert [run_the_job(world) for _ in range(3)] == [0, 0, 0]

    def test_of_what_is_not_searched_marks_nothing(self, world: World, rep: Person) -> None:
        account = world.account()
        run_the_job(world)
        world.insert("tasks", id=new_id(), account_id=account, assignee_id=rep.id, title="전화")

        assert run_the_job(world) == 0


class TestWritersAtOnce:
    def test_lose_nothing_while_two_index(self, world: World) -> None:
        """Four write, rename and delete in transactions of different lengths; two index all the while."""
        run_the_job(world)
        rename = text("UPDATE accounts SET name = :name WHERE tenant_id = :t AND id = :id")
        delete = text("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :t AND id = :id")
        insert = text(
            "INSERT INTO accounts (tenant_id, id, name, territory_id) VALUES (:t, :id, :name, :territory)"
        )
        names: dict[UUID, str] = {}
        failures: list[BaseException] = []
        writing = threading.Event()

        def write(seed: int) -> None:
            chance = random.Random(seed)
            mine: list[UUID] = []
            for n in range(25):
                with world.session() as session:
                    for _ in range(chance.randint(1, 3)):
                        step = chance.random()
                        if step < 0.6 or not mine:
                            account, name = new_id(), f"상사{seed}가{n}"
                            values = {"t": world.id, "id": account, "name": name, "territory": world.north}
                            session.execute(insert, values)
                            mine.append(account)
                            names[account] = name
                        elif step < 0.9:
                            account = chance.choice(mine)
                            names[account] = f"개명{seed}나{n}"
                            session.execute(rename, {"t": world.id, "id": account, "name": names[account]})
                        else:
                            account = mine.pop(chance.randrange(len(mine)))
                            session.execute(delete, {"t": world.id, "id": account})
                            del names[account]
                        threading.Event().wait(chance.random() * 0.01)

        def index() -> None:
            while not writing.is_set():
                run_the_job(world)

        def guarded(work: Any, *args: Any) -> threading.Thread:
            def run() -> None:
                try:
                    work(*args)
                except BaseException as error:
                    failures.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            return thread

        writers = [guarded(write, seed) for seed in range(4)]
        indexers = [guarded(index) for _ in range(2)]
        for thread in writers:
            thread.join()
        writing.set()
        for thread in indexers:
            thread.join()
        run_the_job(world)

        assert failures == []
        assert indexed(world) == set(names)
        rep = world.person("rep", world.north)
        for account, name in names.items():
            answer = search(rep, name, kinds="account", limit="50")
            assert str(account) in {hit["id"] for hit in answer["items"]}, name


class TestASearch:
    def test_indexes_the_little_that_changed_just_before(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀")

        assert found(rep, "한빛정밀") == ["한빛정밀"]

    def test_leaves_much_to_the_job(self, world: World, rep: Person) -> None:
        many_accounts(world, 300)

        assert search(rep, "대량상사 299")["total"] < 300
        run_the_job(world)
        assert found(rep, "대량상사 299", limit="1") == ["대량상사 299호"]

    def test_does_not_wait_for_who_is_indexing(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀")
        run_the_job(world)
        world.account(name="한빛기공")
        with world.session() as session:
            service.index_changes(session, world.id, now=utc_now())

            assert found(rep, "한빛") == ["한빛정밀"]

        assert sorted(found(rep, "한빛")) == ["한빛기공", "한빛정밀"]

    def test_does_not_wait_for_who_publishes(self, world: World, rep: Person) -> None:
        """Words are shared among documents: who is putting the same new word into the index holds it."""
        run_the_job(world)
        world.account(name="세일즈포스")
        with world.session() as session:
            facts = textindex.Facts()
            words = [textindex_tokens.Text("title", "세일즈포스")]
            textindex.put(session, world.id, "article_version", new_id(), words, facts=facts, now=utc_now())

            assert search(rep, "세일즈포스")["total"] == 0

        assert found(rep, "세일즈포스") == ["세일즈포스"]

    def test_writes_nothing_where_nothing_changed(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀")
        for _ in range(2):
            run_the_job(world)
        before = world.engine_sql("SELECT xmin::text FROM search_progress WHERE tenant_id = :tenant")

        assert found(rep, "한빛정밀") == ["한빛정밀"]

        assert world.engine_sql("SELECT xmin::text FROM search_progress WHERE tenant_id = :tenant") == before

    def test_reads_the_ledger_by_its_index(self, world: World) -> None:
        """As the app role, under row-level security."""
        values = {"tenant": world.id, "entities": ["account"], "most": 2_001}
        with world.session() as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = session.execute(text(f"EXPLAIN {queries.PENDING.text}"), values).scalars().all()

        shown = "\n".join(plan)
        assert re.search(r"Index Cond: \(\(tenant_id = .*\(id > p.settled_id\)\)", shown), shown


class TestTheFirstRun:
    def test_takes_what_was_there_before(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀")
        # As a company that is older than the search.
        assert world.engine_sql("SELECT 1 FROM search_progress WHERE tenant_id = :tenant") == []

        run_the_job(world)

        assert len(indexed(world)) == 1

    def test_of_two_at_once_is_one(self, world: World) -> None:
        for n in range(20):
            world.account(name=f"한빛 {n}")
        threads = [threading.Thread(target=run_the_job, args=(world,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(indexed(world)) == 20


class TestACopyOfTheDatabase:
    def test_in_another_server_is_indexed_anew(self, world: World) -> None:
        world.account()
        run_the_job(world)
        # What was seen elsewhere, where many more transactions had been.
        world.engine_sql(
            "UPDATE search_progress SET seen = '999999999999:999999999999:' WHERE tenant_id = :tenant"
        )
        world.account()

        run_the_job(world)

        assert len(indexed(world)) == 2


class TestAnImport:
    @pytest.mark.more
    @pytest.mark.alone
    def test_of_10_000_accounts_is_indexed_in_seconds(self, world: World, rep: Person) -> None:
        run_the_job(world)
        many_accounts(world, 10_000)
        begun = utc_now()

        assert run_the_job(world) == 10_000

        took = (utc_now() - begun).total_seconds()
        assert took < 60, took
        print(f"10,000 accounts indexed in {took:.1f} s")
        assert found(rep, "대량상사 9999", limit="1", kinds="account") == ["대량상사 9999호"]


def many_accounts(world: World, count: int) -> None:
    world.sql(
        "INSERT INTO accounts (tenant_id, id, name, territory_id)"
        " SELECT :tenant, gen_random_uuid(), '대량상사 ' || n || '호', :territory FROM generate_series(0, :last) AS n",
        territory=world.north,
        last=count - 1,
    )
