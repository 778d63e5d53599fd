"""The sequencer: marks become feed rows, one consistent snapshot at a time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.accounts.sync import ACCOUNT
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync import sequencer
from sync.registry import Registry
from sync.sequencer import REQUEST_MARKS, Drained, Drainer, drain, drain_all
from sync.stores.sequencer import FeedStore, lock_table
from tests.world import World

SALES = "manager+partner+sales"


@dataclass(frozen=True)
class Row:
    """One row of the feed."""

    bucket: str
    shape: str
    position: int
    entered: int
    version: int
    body: str | None
    gone: str | None


def feed(world: World, record_id: UUID, shape: str | None = None) -> dict[str, Row]:
    """The record's rows by bucket, in one shape (its only one, or the sales shape)."""
    rows = world.engine_sql(
        "SELECT bucket, shape, position, entered, version, body, gone FROM sync_feed"
        " WHERE tenant_id = :tenant AND record_id = :id",
        id=record_id,
    )
    wanted = shape or (SALES if any(row[1] == SALES for row in rows) else None)
    return {row[0]: Row(*row) for row in rows if wanted in (None, row[1])}


def head(world: World) -> int:
    return int(world.engine_sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")[0][0])


def waiting(world: World) -> int:
    return int(world.engine_sql("SELECT count(*) FROM sync_pending WHERE tenant_id = :tenant")[0][0])


def alarms(world: World, record_id: UUID) -> list[str]:
    rows = world.engine_sql(
        "SELECT kind FROM sync_alarms WHERE tenant_id = :tenant AND record_id = :id ORDER BY id", id=record_id
    )
    return [row[0] for row in rows]


def quarantined(world: World) -> set[UUID]:
    return {
        row[0] for row in world.engine_sql("SELECT record_id FROM sync_quarantine WHERE tenant_id = :tenant")
    }


def rename(world: World, account: UUID, name: str) -> None:
    world.sql("UPDATE accounts SET name = :name WHERE id = :id", name=name, id=account)


def rename_elsewhere(world: World, account: UUID, name: str) -> None:
    """Commit on a connection of its own, in the middle of something else."""
    with world.psql() as connection:
        connection.execute("UPDATE accounts SET name = %s WHERE id = %s", [name, account])


def north(world: World) -> str:
    return f"territory:{world.north}"


def south(world: World) -> str:
    return f"territory:{world.south}"


def visit(world: World, account: UUID | None = None, **values: Any) -> UUID:
    visit_id = new_id()
    values = {"planned_start": utc_now(), **values}
    values.setdefault("assignee_id", None)
    if values["assignee_id"] is None:
        values["assignee_id"] = world.person("rep", world.north).id
    world.insert("visits", id=visit_id, account_id=account or world.account(), **values)
    return visit_id


def with_account_rule(condition: str) -> Registry:
    """The real registry, but for accounts' bucket rule, which evaluates *condition* on account p."""
    rule = f"""SELECT r.record_id, r.bucket, r.shape FROM ({ACCOUNT.buckets}) AS r
               JOIN accounts p ON p.tenant_id = :tenant AND p.id = r.record_id WHERE {condition}"""
    entities = tuple(replace(e, buckets=rule) if e.name == "account" else e for e in REGISTRY.entities)
    return Registry(entities, REGISTRY.subscriptions_sql)


class TestMarks:
    def test_of_one_record_become_one_change(self, world: World) -> None:
        account = world.account()
        world.drain()
        before = head(world)

        for name in ("하나", "둘", "셋"):
            rename(world, account, name)
        drained = world.drain()

        assert drained is not None
        assert (drained.marks, drained.rows) == (3, 2)  # one bucket, two shapes
        assert head(world) == before + 2

    def test_that_come_after_the_snapshot_stay(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        early, late = world.account(), world.account()
        world.drain()
        rename(world, early, "먼저")
        once = iter([True])

        def marks_then_a_write(store: FeedStore, original: Any = FeedStore.marks) -> Any:
            found = original(store)
            if next(once, False):
                rename_elsewhere(world, early, "다음")
                rename_elsewhere(world, late, "다음")
            return found

        monkeypatch.setattr(FeedStore, "marks", marks_then_a_write)
        first = world.drain()

        assert first is not None
        assert first.marks == 1
        assert waiting(world) == 2
        assert '"name":"먼저"' in (feed(world, early)[north(world)].body or "")
        world.drain()
        assert '"name":"다음"' in (feed(world, early)[north(world)].body or "")
        assert '"name":"다음"' in (feed(world, late)[north(world)].body or "")

    def test_of_an_open_transaction_wait_for_its_commit_and_come_whole(self, world: World) -> None:
        first, second, third = world.account(), world.account(), world.account()
        world.drain()
        with world.session() as session:
            session.execute(text("UPDATE accounts SET name = 'a' WHERE id = :id"), {"id": first})
            session.execute(text("UPDATE accounts SET name = 'b' WHERE id = :id"), {"id": second})
            session.flush()
            rename_elsewhere(world, third, "c")
            world.drain()
            assert feed(world, first)[north(world)].version == 1
            assert feed(world, third)[north(world)].version == 2
        before = head(world)

        world.drain()

        positions = [feed(world, account)[north(world)].position for account in (first, second)]
        assert all(position > before for position in positions)
        signed = world.engine_sql(
            "SELECT count(*) FROM sync_drain WHERE tenant_id = :tenant AND position > :p", p=before
        )
        assert signed[0][0] == 1

    def test_of_tables_that_phones_do_not_hold_are_taken_too(self, world: World) -> None:
        world.sql("UPDATE org_units SET name = '본부' WHERE tenant_id = :tenant")

        world.drain()

        assert waiting(world) == 0


class TestLock:
    def test_is_held_before_the_snapshot_is_taken(self, world: World) -> None:
        account = world.account()
        world.drain()
        results: list[Any] = []
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")
            thread = threading.Thread(target=lambda: results.append(world.drain()))
            thread.start()
            wait_until(
                world,
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                f"'{lock_table(world.id)}'::regclass",
            )
            rename_elsewhere(world, account, "기다리는 동안")
            holder.rollback()
        thread.join(10)

        assert results[0].marks == 1
        assert feed(world, account)[north(world)].version == 2

    def test_that_another_drain_keeps_is_not_waited_for_long(self, world: World) -> None:
        world.account()
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")
            started = time.monotonic()

            result = drain(world.db.engine, REGISTRY, world.id, now=utc_now(), lock_timeout_ms=50)

        assert result is None
        assert time.monotonic() - started < 1

    def test_ends_with_a_drain_that_failed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        account = world.account()
        with monkeypatch.context() as broken:
            broken.setattr(FeedStore, "finish", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                world.drain()

        drained = world.drain()

        assert drained is not None
        assert feed(world, account)[north(world)].gone is None

    def test_of_one_company_holds_up_no_other(self, world: World, served: Flask, pools: Database) -> None:
        other = World(served, pools)
        account = other.account()
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")

            other.drain()

        assert feed(other, account)


def wait_until(world: World, sql: str) -> None:
    """Until a count is no longer zero."""
    for _ in range(500):
        if world.engine_sql(sql)[0][0]:
            return
        time.sleep(0.01)
    raise AssertionError(f"nothing came: {sql}")


class TestPositions:
    def test_are_dense_and_each_is_given_once(self, world: World) -> None:
        for _ in range(5):
            world.account()
            world.drain()

        positions = [
            row[0]
            for row in world.engine_sql(
                "SELECT position FROM sync_feed WHERE tenant_id = :tenant ORDER BY position"
            )
        ]
        assert positions == list(range(1, head(world) + 1))

    def test_are_signed_by_each_drain_that_changed_the_feed(self, world: World) -> None:
        world.account()
        world.drain()
        signatures = world.engine_sql("SELECT position, nonce FROM sync_drain WHERE tenant_id = :tenant")

        world.drain()

        assert (
            world.engine_sql("SELECT position, nonce FROM sync_drain WHERE tenant_id = :tenant") == signatures
        )
        assert max(signatures)[0] == head(world)
        assert len({nonce for _, nonce in signatures}) == len(signatures)

    def test_are_announced_without_what_changed(self, world: World) -> None:
        world.account()
        with world.psql() as listener:
            listener.execute("LISTEN fieldmerge_sync")
            world.drain()
            told = next(listener.notifies(timeout=5))

        assert told.payload == f"{world.id}:{head(world)}"


class TestBuckets:
    def test_that_a_record_left_get_a_gone_mark_and_keep_when_it_first_came(self, world: World) -> None:
        account = world.account()
        world.drain()
        came = feed(world, account)[north(world)].entered

        world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=account)
        world.drain()

        rows = feed(world, account)
        assert (rows[north(world)].gone, rows[north(world)].body) == ("out_of_scope", None)
        assert rows[north(world)].entered == came
        assert rows[south(world)].gone is None
        world.sql("UPDATE accounts SET territory_id = :n WHERE id = :id", n=world.north, id=account)
        world.drain()
        assert feed(world, account)[north(world)].entered == came

    def test_are_all_rewritten_for_a_touched_record(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account(owner_id=rep.id)
        world.drain()
        before = head(world)

        rename(world, account, "새 이름")
        world.drain()

        rows = feed(world, account)
        assert set(rows) == {north(world), f"user:{rep.id}"}
        assert all(row.position > before and row.version == 2 for row in rows.values())

    def test_take_the_children_along_in_the_same_drain(self, world: World) -> None:
        account, contact = world.account(), new_id()
        world.insert("contacts", id=contact, account_id=account, name="김한빛")
        world.drain()
        before = head(world)

        world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=account)
        world.drain()

        rows = feed(world, contact)
        assert rows[north(world)].gone == "out_of_scope"
        assert rows[south(world)].gone is None
        signed = world.engine_sql(
            "SELECT count(*) FROM sync_drain WHERE tenant_id = :tenant AND position > :p", p=before
        )
        assert signed[0][0] == 1

    def test_that_come_out_the_same_leave_a_dependant_alone(self, world: World) -> None:
        account, contact = world.account(), new_id()
        world.insert("contacts", id=contact, account_id=account, name="김한빛")
        world.drain()
        before = feed(world, contact)

        rename(world, account, "새 이름")
        world.drain()

        assert feed(world, contact) == before

    def test_lose_a_deleted_record_and_its_children(self, world: World) -> None:
        account, contact = world.account(), new_id()
        world.insert("contacts", id=contact, account_id=account, name="김한빛")
        world.drain()

        world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)
        world.drain()

        assert feed(world, account)[north(world)].gone == "deleted"
        assert feed(world, contact)[north(world)].body is None

    def test_say_window_when_a_record_only_left_its_window(self, world: World) -> None:
        rep = world.person("rep", world.north)
        record = visit(world, assignee_id=rep.id)
        world.drain()

        world.sql(
            "UPDATE visits SET planned_start = planned_start + interval '30 days' WHERE id = :id", id=record
        )
        world.drain()

        assert feed(world, record)[f"user:{rep.id}"].gone == "window"


class TestManyRecords:
    """A plan that compares each with each is endless for an import's hundred thousand: they are taken by portions."""

    def contents(self, world: World) -> list[Any]:
        rows = world.engine_sql(
            "SELECT bucket, shape, entity, record_id, position, entered, version, body, gone FROM sync_feed"
            " WHERE tenant_id = :tenant ORDER BY position"
        )
        return [tuple(row) for row in rows]

    def test_come_out_the_same_in_portions(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        accounts = [world.account() for _ in range(7)]
        for account in accounts:
            world.insert("sites", id=new_id(), account_id=account, name="지점")
        world.drain()
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = ANY(:ids)",
            south=world.south,
            ids=accounts[1:],
        )
        found = []
        for at_once in (2_000, 3):
            monkeypatch.setattr("sync.stores.sequencer.AT_ONCE", at_once)
            with FeedStore.locked(world.db.engine, world.id, 200, 0) as store, store.undone():
                _, marks = store.marks()
                run = sequencer._Run(store, REGISTRY, utc_now(), head(world), set(), {})
                run.everything(sequencer._work_of(marks))
                found.append(
                    store.connection.execute(
                        text(
                            "SELECT bucket, shape, entity, record_id, position, entered, version, body, gone"
                            " FROM sync_feed WHERE tenant_id = :t ORDER BY position"
                        ),
                        {"t": world.id},
                    ).all()
                )

        assert found[0] == found[1]
        assert len([row for row in found[0] if row.gone == "out_of_scope"]) == 6 * 4

    def test_take_one_drain_and_dense_positions(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sync.stores.sequencer.AT_ONCE", 2)
        for _ in range(5):
            world.account()

        world.drain()

        positions = [row[4] for row in self.contents(world)]
        drains = world.engine_sql(
            "SELECT count(*) FROM sync_drain WHERE tenant_id = :tenant AND position > 0"
        )
        assert positions == list(range(1, len(positions) + 1))
        assert drains[0][0] == 1


class TestPlans:
    def test_are_kept_for_few_records_only(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sync.stores.sequencer.MANY", 3)

        with FeedStore.locked(world.db.engine, world.id, 200, 0) as store:

            def kept() -> int:
                sql = text("SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql")
                return int(store.connection.execute(sql).scalar_one())

            before = kept()
            store.rebucketed(ACCOUNT, [new_id() for _ in range(4)], utc_now())
            for_many = kept()
            # Named after the company: what earlier tests sent is kept with the connection.
            store.ids(f"SELECT unnest(CAST(:ids AS uuid[])) AS of_{world.id.hex}", "ids", [new_id()])

            assert (for_many - before, kept() - for_many > 0) == (0, True)

    def test_of_the_others_on_this_connection_are_not_kept(self, world: World) -> None:
        world.account()
        world.drain()

        with world.db.engine.connect() as connection:
            assert connection.connection.driver_connection.prepare_threshold is None  # type: ignore[union-attr]

    def test_are_made_anew_after_a_try_that_was_rolled_back(self, world: World) -> None:
        with FeedStore.locked(world.db.engine, world.id, 200, 0) as store:
            with store.undone():
                store.standing()
            store.standing()

            assert store.connection.execute(text("SHOW enable_seqscan")).scalar_one() == "off"

    def test_are_never_compiled(self, world: World) -> None:
        for pool in (world.db.app, world.db.engine):
            with pool.connect() as connection:
                assert connection.execute(text("SHOW jit")).scalar_one() == "off"


class TestSubscriptions:
    def test_follow_a_membership_at_the_next_drain(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.drain()

        with world.session() as session:
            world.join(session, rep.id, world.south)
        world.drain()

        rows = world.engine_sql("SELECT bucket FROM sync_subscriptions WHERE user_id = :u", u=rep.id)
        assert {north(world), south(world)} <= {row[0] for row in rows}

    def test_of_everybody_are_asked_again_when_a_territory_moves(self, world: World) -> None:
        manager = world.person("manager", world.region)
        world.drain()

        world.sql("UPDATE territories SET parent_id = NULL WHERE id = :s", s=world.south)
        world.drain()

        rows = world.engine_sql("SELECT bucket FROM sync_subscriptions WHERE user_id = :u", u=manager.id)
        assert south(world) not in {row[0] for row in rows}
        assert north(world) in {row[0] for row in rows}

    def test_that_change_re_bucket_what_is_the_users_own(self, world: World) -> None:
        """An own visit at an account that one no longer holds would dangle."""
        rep = world.person("rep", world.north)
        record = visit(world, assignee_id=rep.id)
        world.drain()
        assert feed(world, record)[f"user:{rep.id}"].gone is None

        world.sql("DELETE FROM territory_members WHERE user_id = :u", u=rep.id)
        world.drain()

        assert feed(world, record)[f"user:{rep.id}"].gone is not None


class TestMarkWithoutRow:
    @pytest.fixture
    def vanished(self, world: World) -> UUID:
        """An account whose row went past the triggers, as a botched restore would take it."""
        account = world.account()
        world.drain()
        with world.psql() as owner, owner.transaction():
            owner.execute("ALTER TABLE accounts DISABLE TRIGGER sync_after")
            owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
            owner.execute("DELETE FROM accounts WHERE id = %s", [account])
            owner.execute("ALTER TABLE accounts ENABLE ALWAYS TRIGGER sync_after")
        return account

    @pytest.mark.parametrize("weak", [False, True], ids=["strong", "weak"])
    def test_is_an_alarm_and_never_a_removal(self, world: World, vanished: UUID, weak: bool) -> None:
        world.engine_sql(
            "INSERT INTO sync_pending (tenant_id, entity, record_id, weak) VALUES (:tenant, 'account', :id, :weak)",
            id=vanished,
            weak=weak,
        )

        drained = world.drain()

        assert drained is not None
        assert drained.alarms == (("account", vanished),)
        assert alarms(world, vanished) == ["mark_without_row"]
        assert feed(world, vanished)[north(world)].gone is None
        assert waiting(world) == 0

    def test_is_a_removal_when_the_ledger_holds_the_delete(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()

        world.sql("DELETE FROM accounts WHERE id = :id", id=account)
        rep.sync()

        assert rep.held("account", account) is None
        assert feed(world, account)[north(world)].gone == "deleted"
        assert alarms(world, account) == []

    def test_is_a_removal_when_the_row_was_deleted_again_after_a_return(self, world: World) -> None:
        account = world.account()
        world.drain()
        world.sql("DELETE FROM accounts WHERE id = :id", id=account)
        world.insert("accounts", id=account, name="다시", territory_id=world.north)
        world.sql("DELETE FROM accounts WHERE id = :id", id=account)

        world.drain()

        assert feed(world, account)[north(world)].gone == "deleted"


class TestPoison:
    @pytest.fixture
    def bad(self, world: World) -> UUID:
        """A visit that was rendered once and then got a time that no phone can read."""
        record = visit(world)
        world.drain()
        world.sql("UPDATE visits SET planned_end = 'infinity', outcome = '견적' WHERE id = :id", id=record)
        return record

    def test_is_set_aside_with_an_alarm_and_its_last_body_stays(self, world: World, bad: UUID) -> None:
        before = feed(world, bad)

        drained = world.drain()

        assert drained is not None
        assert drained.quarantined == (("visit", bad),)
        assert quarantined(world) == {bad}
        assert alarms(world, bad) == ["quarantined"]
        assert feed(world, bad) == before
        assert all(row.body for row in before.values())

    def test_holds_up_nothing_else_of_its_transaction(self, world: World) -> None:
        """All the rest of a transaction comes in one drain: it is not torn for another's fault."""
        good = [world.account() for _ in range(20)]
        record = visit(world)
        world.drain()
        before = head(world)
        with world.session() as session:
            for account in good[:10]:
                session.execute(text("UPDATE accounts SET name = '함께' WHERE id = :id"), {"id": account})
            session.execute(text("UPDATE visits SET planned_end = 'infinity' WHERE id = :id"), {"id": record})
            for account in good[10:]:
                session.execute(text("UPDATE accounts SET name = '함께' WHERE id = :id"), {"id": account})

        world.drain()

        assert all(feed(world, account)[north(world)].position > before for account in good)
        signed = world.engine_sql(
            "SELECT count(*) FROM sync_drain WHERE tenant_id = :tenant AND position > :p", p=before
        )
        assert signed[0][0] == 1
        assert waiting(world) == 0

    def test_is_found_among_other_poison(self, world: World) -> None:
        records = [visit(world) for _ in range(7)]
        world.drain()
        bad = {records[1], records[2], records[6]}
        with world.session() as session:
            session.execute(text("UPDATE visits SET outcome = '견적' WHERE id = ANY(:ids)"), {"ids": records})
            session.execute(
                text("UPDATE visits SET planned_end = 'infinity' WHERE id = ANY(:ids)"), {"ids": list(bad)}
            )

        world.drain()

        assert quarantined(world) == bad
        assert {r for r in records if '"outcome":"견적"' in str(feed(world, r))} == set(records) - bad

    def test_is_tried_again_at_its_next_mark_and_heals(self, world: World, bad: UUID) -> None:
        world.drain()
        world.sql("UPDATE visits SET planned_end = NULL WHERE id = :id", id=bad)

        world.drain()

        assert quarantined(world) == set()
        assert all('"outcome":"견적"' in (row.body or "") for row in feed(world, bad).values())

    def test_that_stays_poison_is_set_aside_again(self, world: World, bad: UUID) -> None:
        world.drain()
        world.sql("UPDATE visits SET outcome = '주문' WHERE id = :id", id=bad)

        drained = world.drain()

        assert drained is not None
        assert drained.quarantined == (("visit", bad),)
        assert quarantined(world) == {bad}

    def test_that_never_had_a_body_is_in_no_bucket(self, world: World) -> None:
        record = visit(world, planned_end="infinity")

        world.drain()

        assert feed(world, record) == {}
        assert quarantined(world) == {record}

    def test_in_a_bucket_rule_makes_the_record_gone(self, world: World) -> None:
        rules = with_account_rule(
            "CASE WHEN p.id = ANY(:ids) THEN 1 / length(replace(p.name, '독', '')) >= 0 END"
        )
        good, bad = world.account(), world.account()
        world.drain()
        rename(world, good, "해독")
        rename(world, bad, "독")

        drained = drain(world.db.engine, rules, world.id, now=utc_now(), lock_timeout_ms=5_000)

        assert drained is not None
        assert drained.quarantined == (("account", bad),)
        assert feed(world, bad)[north(world)].gone == "out_of_scope"
        assert '"name":"해독"' in (feed(world, good)[north(world)].body or "")

    def test_keeps_no_body_where_the_record_is_no_more(self, world: World) -> None:
        """Else the old territory would go on to see what moved away."""
        account = world.account()
        world.drain()

        world.sql(
            "UPDATE accounts SET territory_id = :s, last_visited_at = 'infinity' WHERE id = :id",
            s=world.south,
            id=account,
        )
        world.drain()

        assert quarantined(world) == {account}
        assert feed(world, account)[north(world)].gone == "out_of_scope"

    def test_that_moves_lets_all_that_hangs_on_it_go_before(self, world: World) -> None:
        """Its children can be read, so that nobody waits for them; they dangle until it is mended."""
        account = world.account()
        contact = new_id()
        world.insert("contacts", id=contact, account_id=account, name="한지우")
        world.drain()

        world.sql(
            "UPDATE accounts SET territory_id = :s, last_visited_at = 'infinity' WHERE id = :id",
            s=world.south,
            id=account,
        )
        world.drain()

        assert feed(world, contact)[north(world)].gone == "out_of_scope"
        assert feed(world, contact)[south(world)].gone is None
        assert south(world) not in feed(world, account)
        assert alarms(world, account) == ["quarantined"]

    def test_leaves_with_its_account_which_moves_later(self, world: World) -> None:
        account = world.account()
        record = visit(world, account, status="completed")
        world.drain()
        world.sql("UPDATE visits SET planned_end = 'infinity' WHERE id = :id", id=record)
        world.drain()

        world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=account)
        world.drain()

        assert feed(world, record, "sales")[north(world)].gone == "out_of_scope"
        assert feed(world, account)[south(world)].gone is None

    def test_among_what_follows_a_record_does_not_stop_the_company(self, world: World) -> None:
        """An inbox item is rendered with its record, without a mark of its own."""
        rep, account, item = world.person("rep", world.north), world.account(), new_id()
        world.insert(
            "conflicts",
            id=item,
            kind="field",
            entity="account",
            record_id=account,
            account_id=account,
            record_version=1,
            author_id=rep.id,
            happened_at="infinity",
            mine='"x"',
        )
        world.drain()
        assert quarantined(world) == {item}

        rename(world, account, "그래도")
        world.drain()

        assert '"name":"그래도"' in (feed(world, account)[north(world)].body or "")
        assert waiting(world) == 0

    def test_without_a_mark_of_its_own_is_found_too(self, world: World) -> None:
        """A child's rule reads other tables; what changed there marks the parent only."""
        account, contact = world.account(), new_id()
        world.insert("contacts", id=contact, account_id=account, name="김한빛")
        world.drain()
        rule = f"""SELECT r.record_id, r.bucket, r.shape FROM ({REGISTRY.get("contact").buckets}) AS r
                   JOIN contacts c ON c.tenant_id = :tenant AND c.id = r.record_id
                   JOIN accounts p ON p.tenant_id = :tenant AND p.id = c.account_id
                   WHERE CASE WHEN c.id = ANY(:ids) THEN 1 / length(replace(p.name, '독', '')) >= 0 END"""
        entities = tuple(replace(e, buckets=rule) if e.name == "contact" else e for e in REGISTRY.entities)
        rules = Registry(entities, REGISTRY.subscriptions_sql)
        world.sql(
            "UPDATE accounts SET name = '독', territory_id = :s WHERE id = :id", s=world.south, id=account
        )

        drained = drain(world.db.engine, rules, world.id, now=utc_now(), lock_timeout_ms=5_000)

        assert drained is not None
        assert drained.quarantined == (("contact", contact),)
        assert feed(world, account)[south(world)].gone is None
        assert feed(world, contact)[north(world)].gone == "out_of_scope"

    def test_that_is_mended_while_it_is_looked_for_is_not_lost(
        self, world: World, bad: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        once = iter([True])

        def look_while_somebody_mends(
            store: FeedStore, attempt: Any, original: Any = FeedStore.failure
        ) -> Any:
            if next(once, False):
                with world.psql() as connection:
                    connection.execute("UPDATE visits SET planned_end = NULL WHERE id = %s", [bad])
            return original(store, attempt)

        monkeypatch.setattr(FeedStore, "failure", look_while_somebody_mends)
        world.drain()
        world.drain()

        assert quarantined(world) == set()
        assert all('"outcome":"견적"' in (row.body or "") for row in feed(world, bad).values())

    def test_met_by_two_drains_at_once_fails_neither(self, world: World, bad: UUID) -> None:
        results: list[Any] = []
        barrier = threading.Barrier(3)

        def go() -> None:
            barrier.wait()
            try:
                results.append(world.drain())
            except Exception as error:
                results.append(error)

        threads = [threading.Thread(target=go) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert [result for result in results if isinstance(result, Exception)] == []
        assert quarantined(world) == {bad}

    @pytest.mark.parametrize(
        ("table", "column", "value"),
        [
            ("tasks", "due_on", "infinity"),
            ("tasks", "due_on", "20000-01-01"),
            ("tasks", "closed_at", "20000-01-01"),
            ("tasks", "closed_at", "0044-03-15 BC"),
            ("accounts", "credit_limit", "NaN"),
            ("accounts", "tags", '{"a",NULL}'),
            ("accounts", "tags", '{{"a","b"},{"c","d"}}'),
        ],
    )
    def test_is_what_the_wire_cannot_say(self, world: World, table: str, column: str, value: str) -> None:
        record = world.account()
        if table == "tasks":
            rep, record = world.person("rep", world.north), new_id()
            world.insert("tasks", id=record, assignee_id=rep.id, title="전화")
        world.drain()
        before = feed(world, record)

        world.sql(f"UPDATE {table} SET {column} = '{value}' WHERE id = :id", id=record)
        world.drain()

        assert quarantined(world) == {record}
        assert feed(world, record) == before

    def test_is_a_record_larger_than_a_page(self, world: World) -> None:
        """Phones could not take it: a page of one record has to fit into what they ask for."""
        account, other = world.account(), world.account()
        world.drain()
        before = feed(world, account)

        with world.session() as session:
            session.execute(
                text("UPDATE accounts SET notes = repeat('가', 1700000) WHERE id = :id"), {"id": account}
            )
            session.execute(text("UPDATE accounts SET name = '그래도' WHERE id = :id"), {"id": other})
        world.drain()

        assert quarantined(world) == {account}
        assert alarms(world, account) == ["quarantined"]
        assert feed(world, account) == before
        assert '"name":"그래도"' in (feed(world, other)[north(world)].body or "")
        world.sql("UPDATE accounts SET notes = repeat('가', 300000) WHERE id = :id", id=account)
        world.drain()
        assert quarantined(world) == set()

    def test_is_not_what_a_timeout_did(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.account()
        slow = with_account_rule("pg_sleep(1) IS NOT NULL")

        with pytest.raises(Exception, match="statement timeout"):
            drain(world.db.engine, slow, world.id, now=utc_now(), statement_timeout_ms=50)

        assert quarantined(world) == set()
        assert waiting(world) > 0

    def test_is_not_what_a_timeout_did_to_the_search_for_it(self, world: World) -> None:
        sleeping = text("SELECT pg_sleep(1)")

        with FeedStore.locked(world.db.engine, world.id, 200, 50) as store:
            with pytest.raises(OperationalError, match="statement timeout"):
                store.failure(lambda: store.connection.execute(sleeping))

            assert store.standing()[1] == set(), "the transaction lives on"

    def test_in_the_search_for_poison_fails_the_drain_and_no_mark_is_lost(
        self, world: World, bad: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = waiting(world)
        monkeypatch.setattr(sequencer, "_find_poison", lambda *_: {})

        with pytest.raises(DBAPIError):
            world.drain()

        assert (waiting(world), quarantined(world)) == (before, set())


class TestRequest:
    def drainer(self, world: World) -> Drainer:
        return Drainer(world.db.engine, REGISTRY, utc_now)

    def test_drains_what_waits(self, world: World) -> None:
        account = world.account()

        assert self.drainer(world).drain_if_due(world.id, waiting(world)) is not None
        assert feed(world, account)

    def test_leaves_more_than_five_thousand_marks_to_the_scheduler(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        world.engine_sql(
            "INSERT INTO sync_pending (tenant_id, entity, record_id)"
            " SELECT :tenant, 'account', :id FROM generate_series(1, :n)",
            id=account,
            n=REQUEST_MARKS + 1,
        )
        rename(world, account, "나중에")

        rep.sync()

        assert waiting(world) == REQUEST_MARKS + 2, "it drains all or nothing"
        assert (rep.held("account", account) or {})["name"] != "나중에"
        drain_all(world.db.engine, REGISTRY, now=utc_now())
        rep.sync()
        assert (rep.held("account", account) or {})["name"] == "나중에"

    def test_waits_for_another_thread_two_hundred_milliseconds_at_most(self, world: World) -> None:
        world.account()
        drainer = self.drainer(world)
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")
            waiter = threading.Thread(target=lambda: drainer.drain_if_due(world.id, 1))
            waiter.start()
            time.sleep(0.05)
            started = time.monotonic()

            assert drainer.drain_if_due(world.id, 1) is None

            assert time.monotonic() - started < 0.7
            waiter.join(5)

    def test_holds_no_connection_of_requests_while_it_waits(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rep = world.person("rep", world.north)
        world.account()
        held: list[int] = []
        monkeypatch.setattr(Drainer, "drain_if_due", lambda *_: held.append(world.db.app.pool.checkedout()))  # type: ignore[attr-defined]

        rep.post_sync()

        assert held == [0]

    def test_drains_at_most_twenty_times_a_second(self, world: World) -> None:
        drainer = self.drainer(world)
        started = time.monotonic()

        for _ in range(5):
            drainer.drain_if_due(world.id, 1)

        assert time.monotonic() - started >= 4 * sequencer.MIN_INTERVAL_S

    def test_one_drain_serves_all_requests_that_came_before_it_began(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drains: list[float] = []
        drain_once = sequencer.drain

        def counted(*args: Any, **kwargs: Any) -> Drained | None:
            drains.append(time.monotonic())
            return drain_once(*args, **kwargs)

        monkeypatch.setattr(sequencer, "drain", counted)
        # So long that all have come before the next drain may begin, also where the machine is busy.
        monkeypatch.setattr(sequencer, "MIN_INTERVAL_S", 1.5)
        monkeypatch.setattr(sequencer, "WAIT_S", 20)
        drainer = self.drainer(world)
        world.account()
        drainer.drain_if_due(world.id, 1)
        accounts = [world.account() for _ in range(4)]
        found: list[Drained | None] = []
        threads = [
            threading.Thread(target=lambda: found.append(drainer.drain_if_due(world.id, 1))) for _ in accounts
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert (len(drains), len(found), None in found) == (2, 4, False)
        assert all(feed(world, account) for account in accounts)

    def test_a_request_that_came_after_a_drain_began_is_served_by_the_next(self, world: World) -> None:
        drainer = self.drainer(world)
        world.account()
        drainer.drain_if_due(world.id, 1)
        late = world.account()

        assert drainer.drain_if_due(world.id, 1) is not None
        assert feed(world, late)


class TestDrainAll:
    def test_serves_every_company_that_has_marks(self, world: World, served: Flask, pools: Database) -> None:
        other = World(served, pools)
        accounts = world.account(), other.account()

        drain_all(world.db.engine, REGISTRY, now=utc_now())

        assert feed(world, accounts[0])
        assert feed(other, accounts[1])

    def test_leaves_out_a_company_that_another_drain_serves(
        self, world: World, served: Flask, pools: Database
    ) -> None:
        other = World(served, pools)
        account = other.account()
        world.account()
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")

            done = drain_all(world.db.engine, REGISTRY, now=utc_now())

        assert other.id in done
        assert world.id not in done
        assert feed(other, account)

    def test_serves_the_others_though_one_fails(
        self, world: World, served: Flask, pools: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = World(served, pools)
        first, second = sorted((world, other), key=lambda w: w.id)
        first.account()
        account = second.account()
        monkeypatch.setattr(FeedStore, "marks", fails_for(first.id, FeedStore.marks))

        with pytest.raises(ExceptionGroup) as raised:
            drain_all(world.db.engine, REGISTRY, now=utc_now())

        assert str(first.id) in str(raised.value.exceptions[0].__notes__)
        assert feed(second, account)


def fails_for(tenant_id: UUID, original: Callable[[FeedStore], Any]) -> Callable[[FeedStore], Any]:
    def marks(store: FeedStore) -> Any:
        if store.tenant_id == tenant_id:
            raise RuntimeError("no such luck")
        return original(store)

    return marks
