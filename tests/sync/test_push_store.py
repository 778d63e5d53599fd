"""What a push asks of the database, condition by condition: beside each row that counts stand those that do not."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, text

from app.accounts.sync import ACCOUNT, CONTACT
from app.core.db import Database
from app.http.services import services
from sync.states import HistoryAsked
from sync.stores.push import PushStore, parked_and_arrived, parked_on
from tests.world import World

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECORD, OTHER = uuid4(), uuid4()
USER, COLLEAGUE = uuid4(), uuid4()
PHONE, TABLET, STRANGER = uuid4(), uuid4(), uuid4()
GROUP = uuid4()


@pytest.fixture(scope="module")
def owner(served: Flask) -> Iterator[Engine]:
    """A role that sees every company: conditions have to hold without the security of rows too."""
    url = services(served).config.database_owner_url
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.fixture
def connection(owner: Engine, world: World) -> Iterator[Connection]:
    """Everything is undone; triggers of capture do not fire for what is put in by hand."""
    with owner.connect() as connection:
        connection.execute(
            text("SELECT set_config('app.tenant', :t, true), set_config('app.actor', 'cli:test', true)"),
            {"t": str(world.id)},
        )
        yield connection
        connection.rollback()


@pytest.fixture
def store(connection: Connection, world: World) -> PushStore:
    return PushStore(connection, world.id, USER, PHONE, nullcontext)


@pytest.fixture
def elsewhere(served: Flask, pools: Database) -> UUID:
    """Another company."""
    return World(served, pools).id


def put(connection: Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    marks = ", ".join(
        f"CAST(:{name} AS jsonb)" if name in ("payload", "old", "new") else f":{name}" for name in values
    )
    own_ids = "OVERRIDING SYSTEM VALUE" if table == "changes" else ""
    connection.execute(text(f"INSERT INTO {table} ({names}) {own_ids} VALUES ({marks})"), values)


def mutation(store: PushStore, **values: Any) -> UUID:
    """Judged on this phone, an update of the record, unless *values* say otherwise."""
    whole: dict[str, Any] = {
        "tenant_id": store.tenant_id,
        "user_id": USER,
        "id": uuid4(),
        "device_id": PHONE,
        "n": 1,
        "hash": b"h",
        "entity": "account",
        "record_id": RECORD,
        "op": "update",
        "status": "applied",
        "payload": "{}",
        "judged_at": NOON,
    }
    put(store.connection, "sync_mutations", **(whole | values))
    return UUID(str((whole | values)["id"]))


def changed(store: PushStore, number: int, **values: Any) -> None:
    """A line of the ledger, made by another, unless *values* say otherwise."""
    whole: dict[str, Any] = {
        "tenant_id": store.tenant_id,
        "id": 9_000_000 + number,
        "entity": "account",
        "record_id": RECORD,
        "version": number,
        "op": "update",
        "actor_kind": "user",
        "stamp_at": NOON + timedelta(minutes=number),
    }
    put(store.connection, "changes", **(whole | values))


CREATE = {"op": "create", "status": "rejected"}
FEED = {"bucket": "b", "shape": "s", "entity": "account", "record_id": RECORD, "entered": 5, "gone": None}
GIVEN = {"user_id": USER, "bucket": "b", "shape": "s", "position": 5}


class TestCreateThatDidNotPass:
    @pytest.mark.parametrize("status", ["rejected", "conflict"])
    def test_is_the_users_own_of_this_record(self, store: PushStore, status: str) -> None:
        mutation(store, op="create", status=status)

        assert store.create_did_not_pass("account", RECORD)

    @pytest.mark.parametrize(
        "other",
        [
            {"user_id": COLLEAGUE},
            {"record_id": OTHER},
            {"entity": "contact"},
            {"op": "update"},
            {"status": "applied"},
            {"tenant_id": None},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_is_no_other(self, store: PushStore, elsewhere: UUID, other: dict[str, Any]) -> None:
        mutation(store, **(CREATE | _at(elsewhere, other)))

        assert not store.create_did_not_pass("account", RECORD)


def _at(elsewhere: UUID, other: dict[str, Any]) -> dict[str, Any]:
    return {name: elsewhere if value is None else value for name, value in other.items()}


class TestGroup:
    def test_was_delivered_by_this_user(self, store: PushStore) -> None:
        mutation(store, group_id=GROUP)

        assert store.lock_group(GROUP)

    @pytest.mark.parametrize(
        "other",
        [{"user_id": COLLEAGUE}, {"group_id": OTHER}, {"tenant_id": None}],
        ids=lambda other: next(iter(other)),
    )
    def test_is_no_other(self, store: PushStore, elsewhere: UUID, other: dict[str, Any]) -> None:
        mutation(store, **({"group_id": GROUP} | _at(elsewhere, other)))

        assert not store.lock_group(GROUP)


class TestGiven:
    """A record lies in the feed at 5, and the user was given its channel up to there."""

    def put(self, store: PushStore, feed: dict[str, Any], given: dict[str, Any]) -> None:
        whole = {"tenant_id": store.tenant_id, "position": 5, "version": 1} | FEED | feed
        whole["body"] = None if whole["gone"] else "{}"
        put(store.connection, "sync_feed", **whole)
        put(store.connection, "sync_given", **({"tenant_id": store.tenant_id} | GIVEN | given))

    def test_is_what_came_into_a_channel_up_to_where_it_was_given(self, store: PushStore) -> None:
        self.put(store, {}, {})

        assert store.was_given("account", RECORD)
        assert not store.left_alive("account", RECORD)

    @pytest.mark.parametrize(
        ("feed", "given"),
        [
            ({"entity": "contact"}, {}),
            ({"record_id": OTHER}, {}),
            ({"entered": 6}, {}),
            ({"tenant_id": None}, {}),
            ({"tenant_id": None}, {"tenant_id": None}),
            ({}, {"user_id": COLLEAGUE}),
            ({}, {"bucket": "c"}),
            ({}, {"shape": "t"}),
            ({}, {"tenant_id": None}),
        ],
    )
    def test_is_nothing_else(
        self, store: PushStore, elsewhere: UUID, feed: dict[str, Any], given: dict[str, Any]
    ) -> None:
        self.put(store, _at(elsewhere, feed) if feed else {}, _at(elsewhere, given) if given else {})

        assert not store.was_given("account", RECORD)
        assert store.left_alive("account", RECORD)

    @pytest.mark.parametrize(
        ("gone", "alive"), [("deleted", False), ("out_of_scope", True), ("window", True)]
    )
    def test_was_left_alive_where_it_is_not_marked_deleted(
        self, store: PushStore, gone: str, alive: bool
    ) -> None:
        self.put(store, {"gone": gone}, {})

        assert store.left_alive("account", RECORD) is alive


class TestVerdicts:
    def test_are_those_of_the_user_that_were_given(self, store: PushStore, elsewhere: UUID) -> None:
        asked = mutation(store)
        open_one = mutation(store, status=None)
        colleagues = mutation(store, user_id=COLLEAGUE)
        far = mutation(store, tenant_id=elsewhere)
        mutation(store)

        assert set(store.verdicts([asked, open_one, colleagues, far])) == {asked}

    def test_are_kept_for_the_claimed_mutation_only(self, store: PushStore, elsewhere: UUID) -> None:
        shared = uuid4()
        mutation(store, id=shared, status=None)
        for whose in ({"user_id": COLLEAGUE}, {"tenant_id": elsewhere}):
            mutation(store, id=shared, status=None, **whose)
        mutation(store, status=None)

        store.answer(shared, {"status": "applied"})

        rows = store.connection.execute(
            text("SELECT tenant_id, user_id, id FROM sync_mutations WHERE status = 'applied'")
        ).all()
        assert [tuple(row) for row in rows if row[2] == shared] == [(store.tenant_id, USER, shared)]
        assert len(rows) == len({row[2] for row in rows})

    def test_of_many_go_to_each_its_own(self, store: PushStore) -> None:
        first, second, third = (mutation(store, status=None) for _ in range(3))

        store.answer_many([(first, {"status": "applied"}), (second, {"status": "rejected"})])

        rows = store.connection.execute(
            text("SELECT id, status FROM sync_mutations WHERE tenant_id = :t"), {"t": store.tenant_id}
        ).all()
        assert {row[0]: row[1] for row in rows} == {first: "applied", second: "rejected", third: None}


class TestDevice:
    def test_is_the_one_that_pushes(self, store: PushStore, elsewhere: UUID) -> None:
        for tenant, device, highest in (
            (store.tenant_id, TABLET, 3),
            (elsewhere, PHONE, 4),
            (store.tenant_id, PHONE, 5),
        ):
            put(
                store.connection,
                "sync_devices",
                tenant_id=tenant,
                device_id=device,
                user_id=USER,
                highest_n=highest,
            )

        assert store.lock_device().highest_n == 5
        store.note_device(9, [])

        rows = store.connection.execute(
            text("SELECT tenant_id, device_id, highest_n FROM sync_devices WHERE user_id = :u"), {"u": USER}
        ).all()
        assert {tuple(row) for row in rows} == {
            (store.tenant_id, TABLET, 3),
            (elsewhere, PHONE, 4),
            (store.tenant_id, PHONE, 9),
        }


class TestParked:
    """An edit of this user waits for its record."""

    def park(self, store: PushStore, mutation_id: UUID, **values: Any) -> None:
        whole = {
            "tenant_id": store.tenant_id,
            "record_id": RECORD,
            "user_id": USER,
            "mutation_id": mutation_id,
            "entity": "account",
            "device_id": PHONE,
            "n": 1,
            "conflict_id": uuid4(),
            "base_known": True,
            "until": NOON + timedelta(minutes=1),
        }
        put(store.connection, "sync_parked", **(whole | values))

    def test_is_taken_with_what_it_said(self, store: PushStore, elsewhere: UUID) -> None:
        asked, next_one = mutation(store, n=1), mutation(store, n=2)
        mutation(store, id=asked, n=3, user_id=COLLEAGUE)
        mutation(store, id=asked, n=4, tenant_id=elsewhere)
        self.park(store, asked)
        self.park(store, next_one, n=2)
        self.park(store, asked, user_id=COLLEAGUE, n=3)
        self.park(store, asked, tenant_id=elsewhere, n=4)

        taken = store.take_parked(asked)

        assert taken is not None
        assert taken[1] == 1

    @pytest.mark.parametrize("whose", [{"user_id": COLLEAGUE}, {"tenant_id": None}], ids=["user", "company"])
    def test_of_another_is_not_taken(self, store: PushStore, elsewhere: UUID, whose: dict[str, Any]) -> None:
        asked = mutation(store, **_at(elsewhere, whose))
        self.park(store, asked, **_at(elsewhere, whose))

        assert store.take_parked(asked) is None

    def test_whose_words_are_gone_is_not_taken(self, store: PushStore) -> None:
        self.park(store, asked := uuid4())

        assert store.take_parked(asked) is None

    def test_waits_no_more_by_itself_only(self, store: PushStore, elsewhere: UUID) -> None:
        asked, other = uuid4(), uuid4()
        self.park(store, asked)
        self.park(store, other)
        self.park(store, asked, user_id=COLLEAGUE)
        self.park(store, asked, tenant_id=elsewhere)

        store.unpark(asked)

        rows = store.connection.execute(
            text("SELECT tenant_id, user_id, mutation_id FROM sync_parked WHERE record_id = :r"),
            {"r": RECORD},
        ).all()
        assert {tuple(row) for row in rows} == {
            (store.tenant_id, USER, other),
            (store.tenant_id, COLLEAGUE, asked),
            (elsewhere, USER, asked),
        }

    def test_is_found_by_its_record_until_its_time_is_over(self, store: PushStore, elsewhere: UUID) -> None:
        asked = [uuid4() for _ in range(4)]
        self.park(store, asked[2], n=3)
        self.park(store, asked[1], n=2)
        self.park(store, asked[0], n=1, device_id=min(PHONE, TABLET), user_id=min(USER, COLLEAGUE))
        self.park(store, asked[3], until=NOON)
        self.park(store, uuid4(), record_id=OTHER)
        self.park(store, uuid4(), tenant_id=elsewhere)

        found = parked_on(store.connection, store.tenant_id, [RECORD], NOON)

        assert {one.mutation_id for one in found} == set(asked[:3])
        keys = [(one.user_id, one.device_id, asked.index(one.mutation_id)) for one in found]
        assert keys == sorted(keys)

    def test_has_arrived_when_its_record_is_there(
        self, store: PushStore, world: World, elsewhere: UUID
    ) -> None:
        account, there = world.account(), uuid4()
        put(store.connection, "accounts", tenant_id=elsewhere, id=there, name="가람")
        asked = uuid4()
        self.park(store, asked, record_id=account)
        self.park(store, uuid4(), record_id=account, entity="contact")
        self.park(store, uuid4(), record_id=there)
        self.park(store, uuid4(), record_id=OTHER)
        self.park(store, uuid4(), record_id=account, until=NOON)

        found = parked_and_arrived(store.connection, store.tenant_id, [ACCOUNT], NOON)

        assert [one.mutation_id for one in found] == [asked]


class TestHistory:
    def asked(self, store: PushStore, version: int = 3, n: int = 5) -> Any:
        return store.history(HistoryAsked("account", RECORD, version, n), [PHONE, TABLET])

    def test_is_the_ledger_behind_the_base_in_its_order(self, store: PushStore, elsewhere: UUID) -> None:
        for setting in (
            "enable_indexscan",
            "enable_indexonlyscan",
        ):  # an index would give them in their order
            store.connection.execute(text(f"SET LOCAL {setting} = off"))
        for number in (6, 4, 5, 3):
            changed(store, number)
        changed(store, 40, version=5)
        changed(store, 41, version=4, op="lost")
        changed(store, 42, version=4, record_id=OTHER)
        changed(store, 43, version=4, entity="contact")
        changed(store, 44, version=4, tenant_id=elsewhere)

        found = self.asked(store).ledger

        assert [(row.version, row.id % 100) for row in found] == [(4, 4), (5, 5), (5, 40), (6, 6)]

    def test_knows_the_newest_stamp_at_the_base(self, store: PushStore, elsewhere: UUID) -> None:
        changed(store, 2)
        changed(store, 3)
        changed(store, 4)
        changed(store, 50, version=2, op="lost")
        changed(store, 51, version=2, record_id=OTHER)
        changed(store, 52, version=2, entity="contact")
        changed(store, 53, version=2, tenant_id=elsewhere)

        assert self.asked(store).newest_stamp_at == NOON + timedelta(minutes=3)

    def test_knows_no_stamp_where_there_is_no_base(self, store: PushStore) -> None:
        changed(store, 0)

        assert self.asked(store, version=0).newest_stamp_at is None

    def test_marks_as_own_what_the_device_did_before(self, store: PushStore, elsewhere: UUID) -> None:
        early, same, late = mutation(store, n=4), mutation(store, n=5), mutation(store, n=6)
        tablets = mutation(store, n=7, device_id=TABLET)
        mutation(store, id=early, n=9, user_id=COLLEAGUE)
        mutation(store, id=early, n=9, tenant_id=elsewhere)
        for number, (device, by) in enumerate(
            [
                (PHONE, early),
                (PHONE, same),
                (PHONE, late),
                (TABLET, tablets),
                (STRANGER, early),
                (PHONE, None),
            ]
        ):
            changed(store, 10 + number, device_id=device, mutation_id=by)

        found = self.asked(store).ledger

        assert [row.own for row in found] == [True, False, False, True, False, False]

    def test_holds_the_devices_own_judged_mutations_of_the_record(
        self, store: PushStore, elsewhere: UUID
    ) -> None:
        mutation(store, n=4, version=44)
        mutation(store, n=2, version=42)
        mutation(store, n=8, version=30, device_id=TABLET, judged_at=NOON + timedelta(hours=2))
        mutation(store, n=9, version=29, device_id=TABLET, judged_at=NOON + timedelta(hours=1))
        for other in (
            {"n": 5},
            {"n": 6},
            {"record_id": OTHER},
            {"entity": "contact"},
            {"user_id": COLLEAGUE},
            {"device_id": STRANGER},
            {"status": None},
            {"tenant_id": elsewhere},
        ):
            mutation(store, **({"version": 1} | other))

        assert [one.version for one in self.asked(store).own] == [29, 30, 42, 44]


class TestRecords:
    """Two of this company, and one of another with the id of the first."""

    @pytest.fixture
    def twins(self, world: World, store: PushStore, elsewhere: UUID) -> tuple[UUID, UUID]:
        first, second = sorted((world.account(name="하나"), world.account(name="둘")))
        put(store.connection, "accounts", tenant_id=elsewhere, id=first, name="남")
        return first, second

    def names(self, store: PushStore, column: str) -> dict[tuple[UUID, UUID], Any]:
        rows = store.connection.execute(text(f"SELECT tenant_id, id, {column} FROM accounts"))
        return {(row[0], row[1]): row[2] for row in rows}

    def test_are_those_that_were_asked_for(self, store: PushStore, twins: tuple[UUID, UUID]) -> None:
        first, second = twins

        assert list(store.records(ACCOUNT, [second, first])) == [first, second]
        assert {name: state.version for name, state in store.records(ACCOUNT, [first]).items()} == {first: 1}
        assert store.version_of(ACCOUNT, first) == 1

    def test_of_one_id_are_each_companys_own(
        self, store: PushStore, twins: tuple[UUID, UUID], elsewhere: UUID
    ) -> None:
        other = PushStore(store.connection, elsewhere, USER, PHONE, nullcontext)

        found = [one.records(ACCOUNT, twins)[twins[0]] for one in (store, other)]

        assert ["남" in str(state) for state in found] == [False, True]

    def test_hang_on_their_own_account(
        self, store: PushStore, twins: tuple[UUID, UUID], elsewhere: UUID
    ) -> None:
        contact = uuid4()
        for tenant, record_id, account in (
            (elsewhere, contact, twins[0]),
            (store.tenant_id, uuid4(), twins[0]),
            (store.tenant_id, contact, twins[1]),
        ):
            put(
                store.connection,
                "contacts",
                tenant_id=tenant,
                id=record_id,
                account_id=account,
                name="한지우",
            )

        assert store.account_of(CONTACT, contact) == twins[1]

    def test_come_back_one_by_one(self, store: PushStore, twins: tuple[UUID, UUID]) -> None:
        first, _ = twins
        store.connection.execute(
            text("UPDATE accounts SET deleted_at = now() WHERE id = ANY(:ids)"), {"ids": list(twins)}
        )
        before = self.names(store, "deleted_at")

        store.restore(ACCOUNT, first)

        assert self.names(store, "deleted_at") == before | {(store.tenant_id, first): None}

    def test_that_live_are_not_written_to_bring_them_back(
        self, store: PushStore, twins: tuple[UUID, UUID]
    ) -> None:
        before = self.names(store, "ctid::text")

        store.restore(ACCOUNT, twins[0])

        assert self.names(store, "ctid::text") == before

    @pytest.mark.parametrize("is_part", [False, True])
    def test_are_stamped_one_by_one(self, store: PushStore, twins: tuple[UUID, UUID], is_part: bool) -> None:
        before = self.names(store, "ctid::text")

        if is_part:
            store.raise_row_stamps(ACCOUNT.table, [str(twins[0])])
        else:
            store.raise_stamps(ACCOUNT, twins[0])

        after = self.names(store, "ctid::text")
        assert {key for key in after if after[key] != before[key]} == {(store.tenant_id, twins[0])}


class TestLocks:
    """What another connection can lock meanwhile, of what is committed."""

    def free(self, owner: Engine, table: str, ids: list[UUID]) -> set[UUID]:
        column = "device_id" if table == "sync_devices" else "mutation_id" if table == "sync_parked" else "id"
        with owner.connect() as connection:
            rows = connection.execute(
                text(
                    f"SELECT {column} FROM {table} WHERE {column} = ANY(:ids) FOR NO KEY UPDATE SKIP LOCKED"
                ),
                {"ids": ids},
            ).all()
            connection.rollback()
        return {row[0] for row in rows}

    def test_hold_the_records_that_are_read(self, owner: Engine, store: PushStore, world: World) -> None:
        one, other = world.account(), world.account()

        store.records(ACCOUNT, [one])

        assert self.free(owner, "accounts", [one, other]) == {other}

    def test_hold_the_records_that_are_only_locked(
        self, owner: Engine, store: PushStore, world: World, elsewhere: UUID
    ) -> None:
        one, other = world.account(), world.account()

        store.lock(ACCOUNT, [one])

        assert self.free(owner, "accounts", [one, other]) == {other}

    def test_hold_the_device(self, owner: Engine, store: PushStore, world: World) -> None:
        device = uuid4()
        world.engine_sql(
            "INSERT INTO sync_devices (tenant_id, device_id, user_id) VALUES (:tenant, :d, :u)",
            d=device,
            u=uuid4(),
        )

        PushStore(store.connection, world.id, USER, device, nullcontext).lock_device()

        assert self.free(owner, "sync_devices", [device]) == set()

    def test_let_one_of_two_take_what_waits(self, owner: Engine, store: PushStore, world: World) -> None:
        asked = uuid4()
        world.engine_sql(
            "INSERT INTO sync_mutations (tenant_id, user_id, id, device_id, n, hash, entity, record_id, op)"
            " VALUES (:tenant, :u, :id, :d, 1, 'h', 'account', :id, 'update')",
            u=USER,
            id=asked,
            d=PHONE,
        )
        world.engine_sql(
            "INSERT INTO sync_parked VALUES (:tenant, :id, :u, :id, 'account', :d, 1, :id, true, now())",
            u=USER,
            id=asked,
            d=PHONE,
        )

        assert store.take_parked(asked) is not None

        with owner.connect() as connection:
            assert PushStore(connection, world.id, USER, PHONE, nullcontext).take_parked(asked) is None
            connection.rollback()

    def test_marks_are_counted_of_this_company_up_to_a_bound(self, store: PushStore, elsewhere: UUID) -> None:
        store.connection.execute(
            text("DELETE FROM sync_pending WHERE tenant_id = :t"), {"t": store.tenant_id}
        )
        for tenant in (store.tenant_id, store.tenant_id, store.tenant_id, elsewhere):
            put(store.connection, "sync_pending", tenant_id=tenant, entity="account", record_id=uuid4())

        counted = [store.connection.execute(*store.marks(most)).scalar_one() for most in (2, 100)]

        assert counted == [2, 3]
