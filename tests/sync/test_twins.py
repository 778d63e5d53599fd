"""Records that share an id: a company's copy has another's ids, and a phone may give two kinds of record one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.accounts.sync import ACCOUNT, CONTACT
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from sync.policy import SyncEntity
from sync.stores.sequencer import FeedStore
from tests.world import World


@contextmanager
def store_of(world: World) -> Iterator[FeedStore]:
    with FeedStore.locked(world.db.engine, world.id, 5_000, 5_000) as store:
        yield store


def gone_of(world: World, entity: str, record_id: UUID) -> dict[str, str | None]:
    """By territory; the shape of the others."""
    rows = world.engine_sql(
        "SELECT DISTINCT bucket, gone FROM sync_feed"
        " WHERE tenant_id = :tenant AND entity = :entity AND record_id = :id AND bucket LIKE 'territory:%'",
        entity=entity,
        id=record_id,
    )
    names = {f"territory:{world.north}": "north", f"territory:{world.south}": "south"}
    return {names[bucket]: gone for bucket, gone in rows}


def standing(world: World) -> dict[str, Any]:
    """All that the engine keeps about a company."""
    tables = ("sync_feed", "sync_heads", "sync_channel_sizes", "sync_quarantine", "sync_subscriptions")
    return {
        table: sorted(
            str(row[0]) for row in world.engine_sql(f"SELECT t FROM {table} t WHERE tenant_id = :tenant")
        )
        for table in tables
    }


def miscounted(world: World) -> list[Any]:
    """Channels whose count is not that of their live rows."""
    rows: list[Any] = world.engine_sql(
        "SELECT bucket, shape, s.records, f.records"
        " FROM (SELECT * FROM sync_channel_sizes WHERE tenant_id = :tenant) s FULL JOIN"
        " (SELECT bucket, shape, count(*) AS records FROM sync_feed WHERE tenant_id = :tenant AND gone IS NULL"
        "  GROUP BY 1, 2) f USING (bucket, shape)"
        " WHERE coalesce(s.records, 0) <> coalesce(f.records, 0)"
    )
    return rows


def mark(world: World, entity: str, record_id: UUID, *, weak: bool) -> None:
    world.engine_sql(
        "INSERT INTO sync_pending (tenant_id, entity, record_id, weak) VALUES (:tenant, :entity, :id, :weak)",
        entity=entity,
        id=record_id,
        weak=weak,
    )


def set_aside(world: World, entity: str, record_id: UUID) -> None:
    world.engine_sql(
        "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
        " VALUES (:tenant, :entity, :id, '22008', 'infinity')",
        entity=entity,
        id=record_id,
    )


def move(world: World, account: UUID) -> None:
    world.sql("UPDATE accounts SET territory_id = :s WHERE id = :id", s=world.south, id=account)


def poison(world: World, account: UUID) -> None:
    world.sql("UPDATE accounts SET last_visited_at = 'infinity' WHERE id = :id", id=account)


def heal(world: World, account: UUID) -> None:
    world.sql("UPDATE accounts SET last_visited_at = NULL WHERE id = :id", id=account)


def delete(world: World, account: UUID) -> None:
    world.sql("DELETE FROM contacts WHERE account_id = :id", id=account)
    world.sql("DELETE FROM accounts WHERE id = :id", id=account)


def vanish(world: World, account: UUID) -> None:
    """Past the triggers, as a botched restore would take it; then something marks it."""
    with world.psql() as owner, owner.transaction():
        owner.execute("ALTER TABLE accounts DISABLE TRIGGER sync_after")
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
        owner.execute("DELETE FROM accounts WHERE id = %s AND tenant_id = %s", [account, world.id])
        owner.execute("ALTER TABLE accounts ENABLE ALWAYS TRIGGER sync_after")
    mark(world, "account", account, weak=False)


def alarms(world: World) -> list[str]:
    return [
        row[0]
        for row in world.engine_sql("SELECT kind FROM sync_alarms WHERE tenant_id = :tenant ORDER BY id")
    ]


@dataclass(frozen=True)
class Twins:
    """Two companies with one account and its contact, of the same ids, in the north of each."""

    here: World
    there: World
    account: UUID
    contact: UUID

    def drain(self) -> None:
        for world in (self.here, self.there):
            world.drain()


@pytest.fixture
def twins(served: Flask, pools: Database) -> Twins:
    found = Twins(World(served, pools), World(served, pools), new_id(), new_id())
    for world in (found.here, found.there):
        world.insert("accounts", id=found.account, name="가람상사", territory_id=world.north)
        world.insert("contacts", id=found.contact, account_id=found.account, name="한지우")
    found.drain()
    return found


class TestOfAnotherCompany:
    @pytest.mark.parametrize("change", [move, poison, delete])
    def test_are_left_alone_by_a_change_here(self, twins: Twins, change: Any) -> None:
        before = standing(twins.there)

        change(twins.here, twins.account)
        twins.here.drain()

        assert standing(twins.there) == before

    @pytest.mark.parametrize("change", [move, poison, delete])
    def test_do_not_count_here(self, twins: Twins, change: Any) -> None:
        change(twins.here, twins.account)
        twins.here.drain()

        assert miscounted(twins.here) == []

    def test_in_a_territory_of_the_same_id_do_not_keep_a_new_one_from_being_counted(
        self, served: Flask, pools: Database
    ) -> None:
        here, there = World(served, pools), World(served, pools)
        there.insert("territories", id=here.north, code="twin", name="서울북부")
        account = there.account(here.north)
        there.drain()

        here.insert("accounts", id=account, name="가람상사", territory_id=here.north)
        here.drain()

        assert miscounted(here) == []

    def test_stay_when_a_record_moves_and_cannot_be_read(self, twins: Twins) -> None:
        before = standing(twins.there)

        move(twins.here, twins.account)
        poison(twins.here, twins.account)
        twins.here.drain()

        assert standing(twins.there) == before
        assert miscounted(twins.here) == []

    def test_stay_set_aside_when_a_record_heals_here(self, twins: Twins) -> None:
        for world in (twins.here, twins.there):
            poison(world, twins.account)
        twins.drain()
        before = standing(twins.there)

        heal(twins.here, twins.account)
        twins.here.drain()

        assert standing(twins.there) == before
        assert standing(twins.here)["sync_quarantine"] == []

    def test_that_are_set_aside_hold_up_nothing_here(self, twins: Twins) -> None:
        set_aside(twins.there, "contact", twins.contact)

        move(twins.here, twins.account)
        twins.here.drain()

        assert gone_of(twins.here, "contact", twins.contact) == {"north": "out_of_scope", "south": None}

    def test_that_live_on_do_not_hide_a_row_that_vanished_here(self, twins: Twins) -> None:
        twins.here.sql("DELETE FROM contacts WHERE id = :id", id=twins.contact)
        twins.here.account()
        vanish(twins.here, twins.account)

        twins.here.drain()

        assert alarms(twins.here) == ["mark_without_row"]

    def test_that_were_deleted_do_not_explain_a_row_that_vanished_here(self, twins: Twins) -> None:
        twins.here.sql("DELETE FROM contacts WHERE id = :id", id=twins.contact)
        delete(twins.there, twins.account)
        vanish(twins.here, twins.account)

        twins.here.drain()

        assert alarms(twins.here) == ["mark_without_row"]
        assert gone_of(twins.here, "account", twins.account) == {"north": None}

    def test_are_no_reason_to_write_a_record_again(self, twins: Twins) -> None:
        before = standing(twins.here)

        mark(twins.here, "contact", twins.contact, weak=True)
        twins.here.drain()

        assert standing(twins.here) == before

    def test_that_are_people_are_counted_in_both(self, twins: Twins) -> None:
        """Everybody's channels have the same names in all companies."""
        person = twins.here.person("rep", twins.here.north)
        _copy_person(person.id, twins.here, twins.there)

        twins.drain()

        assert (miscounted(twins.here), miscounted(twins.there)) == ([], [])

    def test_that_are_people_keep_what_they_subscribe_to(self, twins: Twins) -> None:
        person = twins.here.person("rep", twins.here.north)
        _copy_person(person.id, twins.here, twins.there)
        twins.drain()
        before = standing(twins.there)

        twins.here.sql("DELETE FROM territory_members WHERE user_id = :u", u=person.id)
        twins.here.drain()

        assert standing(twins.there) == before

    def test_stay_with_a_person_from_whom_an_unreadable_one_goes_here(self, twins: Twins) -> None:
        person = twins.here.person("rep", twins.here.north)
        _copy_person(person.id, twins.here, twins.there)
        for world in (twins.here, twins.there):
            world.sql("UPDATE accounts SET owner_id = :u WHERE id = :id", u=person.id, id=twins.account)
        twins.drain()
        before = standing(twins.there)
        assert (miscounted(twins.here), miscounted(twins.there)) == ([], [])

        twins.here.sql("UPDATE accounts SET owner_id = NULL WHERE id = :id", id=twins.account)
        poison(twins.here, twins.account)
        twins.here.drain()

        assert standing(twins.there) == before


def _copy_person(user: UUID, here: World, there: World) -> None:
    (row,) = here.sql(
        "SELECT CAST(to_jsonb(u) AS text) FROM users u WHERE tenant_id = :tenant AND id = :id", id=user
    )
    there.sql(
        "INSERT INTO users SELECT (jsonb_populate_record(NULL::users, CAST(:row AS jsonb)"
        " || jsonb_build_object('tenant_id', CAST(:tenant AS uuid), 'org_unit_id', CAST(:unit AS uuid)))).*",
        row=row[0],
        unit=there.unit_id,
    )
    with there.session() as session:
        there.join(session, user, there.north)


@dataclass(frozen=True)
class Namesakes:
    """An account in the north and a contact of another account, in the south, of one id."""

    world: World
    id: UUID


@pytest.fixture
def namesakes(world: World) -> Namesakes:
    one = world.account()
    world.insert("contacts", id=one, account_id=world.account(world.south), name="한지우")
    world.drain()
    return Namesakes(world, one)


class TestOfAnotherKind:
    @pytest.mark.parametrize("change", [move, poison, delete])
    def test_are_left_alone_by_a_change(self, namesakes: Namesakes, change: Any) -> None:
        change(namesakes.world, namesakes.id)
        namesakes.world.drain()

        assert gone_of(namesakes.world, "contact", namesakes.id) == {"south": None}
        assert miscounted(namesakes.world) == []

    def test_stay_when_a_record_moves_and_cannot_be_read(self, world: World) -> None:
        account = world.account()
        world.insert("contacts", id=account, account_id=world.account(), name="한지우")
        world.drain()

        move(world, account)
        poison(world, account)
        world.drain()

        assert gone_of(world, "account", account) == {"north": "out_of_scope"}
        assert gone_of(world, "contact", account) == {"north": None}

    def test_do_not_count_when_a_record_moves_and_cannot_be_read(self, namesakes: Namesakes) -> None:
        move(namesakes.world, namesakes.id)
        poison(namesakes.world, namesakes.id)
        namesakes.world.drain()

        assert miscounted(namesakes.world) == []

    @pytest.mark.parametrize("entity", [ACCOUNT, CONTACT])
    def test_are_no_reason_to_write_a_record_again(self, namesakes: Namesakes, entity: SyncEntity) -> None:
        before = standing(namesakes.world)

        mark(namesakes.world, entity.name, namesakes.id, weak=True)
        namesakes.world.drain()

        assert standing(namesakes.world) == before

    def test_that_were_deleted_do_not_explain_a_row_that_vanished(self, namesakes: Namesakes) -> None:
        world = namesakes.world
        world.sql("DELETE FROM contacts WHERE id = :id", id=namesakes.id)
        vanish(world, namesakes.id)

        world.drain()

        assert alarms(world) == ["mark_without_row"]

    def test_stay_set_aside_when_a_record_heals(self, namesakes: Namesakes) -> None:
        world = namesakes.world
        poison(world, namesakes.id)
        world.drain()
        set_aside(world, "contact", namesakes.id)

        heal(world, namesakes.id)
        world.drain()

        rows = world.engine_sql("SELECT entity FROM sync_quarantine WHERE tenant_id = :tenant")
        assert [row[0] for row in rows] == ["contact"]


class TestRebucketed:
    """Which records would be elsewhere than they are."""

    def test_is_about_the_records_that_were_asked_for(self, world: World) -> None:
        asked, _ = world.account(), world.account(world.south)
        world.drain()

        with store_of(world) as store:
            assert store.rebucketed(ACCOUNT, [asked], utc_now()) == set()

    def test_does_not_look_at_what_a_record_has_left(self, world: World) -> None:
        account = world.account()
        world.drain()
        move(world, account)
        world.drain()

        with store_of(world) as store:
            assert store.rebucketed(ACCOUNT, [account], utc_now()) == set()


class TestRowThatVanished:
    """Only the record's own last line in the ledger says that it was deleted."""

    def test_is_not_explained_by_the_delete_of_another(self, world: World) -> None:
        vanished, deleted = world.account(), world.account()
        world.sql("UPDATE accounts SET name = '다시' WHERE id = :id", id=deleted)
        delete(world, deleted)
        world.drain()
        vanish(world, vanished)

        world.drain()

        assert alarms(world) == ["mark_without_row"]

    @pytest.mark.parametrize(("op", "part"), [("lost", None), ("update", "lines")])
    def test_was_deleted_though_something_else_was_noted_later(
        self, world: World, op: str, part: str | None
    ) -> None:
        account = world.account()
        world.drain()
        delete(world, account)
        world.engine_sql(
            "INSERT INTO changes (tenant_id, entity, record_id, version, op, part, actor_kind, stamp_at)"
            " VALUES (:tenant, 'account', :id, 99, :op, :part, 'user', now())",
            id=account,
            op=op,
            part=part,
        )

        world.drain()

        assert alarms(world) == []
        assert gone_of(world, "account", account) == {"north": "deleted"}
