"""Moving many accounts with all that hangs on them."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts.service import Selection, move_accounts, move_in_batches
from app.cli.accounts import COMMANDS
from app.core.clock import utc_now
from app.core.ids import new_id
from app.identity.service import console_actor
from sync.stores.sequencer import FeedStore
from tests.scope.phones import differences, pull, settle
from tests.world import Person, World

MOVES = "/api/v1/accounts/moves"


def plant(world: World, accounts: int, children: int, territory: UUID | None = None) -> list[UUID]:
    """Accounts with *children* each: sites, contacts, activities and tasks alike."""
    ids = [new_id() for _ in range(accounts)]
    author = world.sql("SELECT id FROM users WHERE tenant_id = :tenant ORDER BY id LIMIT 1")[0][0]
    each = {"ids": ids, "territory": territory or world.north, "each": children // 4, "author": author}
    for statement in (
        "INSERT INTO accounts (tenant_id, id, name, territory_id)"
        " SELECT :tenant, id, '거래처 ' || n, :territory"
        " FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS i (id, n)",
        "INSERT INTO sites (tenant_id, id, account_id, name) SELECT :tenant, gen_random_uuid(), id, '지점'"
        " FROM unnest(CAST(:ids AS uuid[])) AS i (id), generate_series(1, :each)",
        "INSERT INTO contacts (tenant_id, id, account_id, name) SELECT :tenant, gen_random_uuid(), id, '김'"
        " FROM unnest(CAST(:ids AS uuid[])) AS i (id), generate_series(1, :each)",
        "INSERT INTO activities (tenant_id, id, account_id, author_id, kind, body, happened_at)"
        " SELECT :tenant, gen_random_uuid(), id, :author, 'note', '메모', now()"
        " FROM unnest(CAST(:ids AS uuid[])) AS i (id), generate_series(1, :each)",
        "INSERT INTO tasks (tenant_id, id, account_id, assignee_id, title)"
        " SELECT :tenant, gen_random_uuid(), id, :author, '전화'"
        " FROM unnest(CAST(:ids AS uuid[])) AS i (id), generate_series(1, :each)",
    ):
        needed = {name: value for name, value in each.items() if f":{name}" in statement}
        world.sql(statement, **needed)
    return ids


def lie(world: World, territory: UUID) -> int:
    found = world.sql(
        "SELECT count(*) FROM accounts WHERE tenant_id = :tenant AND territory_id = :t AND deleted_at IS NULL",
        t=territory,
    )
    return int(found[0][0])


def move(
    world: World, *, batch: int = 500, drain: Callable[[], object] | None = None
) -> list[tuple[int, int]]:
    """All of the north to the south as the command line does it; what was told on the way."""
    told: list[tuple[int, int]] = []
    move_in_batches(
        world.db,
        console_actor(world.id, utc_now()),
        Selection(territory_id=world.north),
        world.south,
        writer="cli:move",
        drain=drain or world.drain,
        on_progress=lambda done, total: told.append((done, total)),
        batch=batch,
    )
    return told


class TestOverRest:
    def test_moves_a_batch_and_says_what_remains(self, world: World) -> None:
        admin = world.person("admin")
        plant(world, 5, 0)
        body = {"from_territory_id": str(world.north), "to_territory_id": str(world.south), "limit": 2}

        answers = [admin.call("POST", MOVES, body).json for _ in range(4)]

        assert [(a["moved"], a["remaining"]) for a in answers] == [(2, 3), (2, 1), (1, 0), (0, 0)]
        assert lie(world, world.south) == 5

    def test_moves_what_a_manager_may(self, world: World) -> None:
        manager = world.person("manager", world.region)
        (account,) = plant(world, 1, 4)
        body = {"ids": [str(account)], "to_territory_id": str(world.south)}

        answer = manager.call("POST", MOVES, body)

        assert (answer.json["moved"], answer.json["refused_ids"]) == (1, [])

    def test_refuses_ids_outside_the_scope_as_unknown_ones(self, world: World) -> None:
        manager = world.person("manager", world.north)
        (foreign,), (own,) = plant(world, 1, 0, world.south), plant(world, 1, 0)
        unknown = uuid4()
        body = {"ids": [str(i) for i in (foreign, own, unknown)], "to_territory_id": str(world.north)}

        answer = manager.call("POST", MOVES, body).json

        assert (answer["moved"], answer["remaining"]) == (0, 0)
        assert answer["refused_ids"] == sorted([str(foreign), str(unknown)])
        assert lie(world, world.south) == 1

    def test_takes_no_account_of_ones_own_out_of_anothers_territory(self, world: World) -> None:
        manager = world.person("manager", world.north)
        account = world.account(world.south, owner_id=manager.id)
        body = {"ids": [str(account)], "to_territory_id": str(world.north)}

        assert manager.call("POST", MOVES, body).json["refused_ids"] == [str(account)]

    @pytest.mark.parametrize("end", ["from_territory_id", "to_territory_id"])
    def test_refuses_territories_outside_the_scope_as_unknown_ones(self, world: World, end: str) -> None:
        manager = world.person("manager", world.north)
        body = {"from_territory_id": str(world.north), "to_territory_id": str(world.north)}

        answers = [manager.call("POST", MOVES, body | {end: str(one)}) for one in (world.south, uuid4())]

        told = [(a.status_code, a.json["code"], a.json["details"]) for a in answers]
        assert told == [(422, "reference_not_found", {"field": end})] * 2

    @pytest.mark.parametrize("role", ["rep", "technician", "partner"])
    def test_is_not_for_everybody(self, world: World, role: str) -> None:
        body = {"from_territory_id": str(world.north), "to_territory_id": str(world.south)}

        assert world.person(role, world.north).call("POST", MOVES, body).status_code == 403

    def test_refuses_to_move_all_there_is(self, world: World) -> None:
        refused = world.person("admin").call("POST", MOVES, {"to_territory_id": str(world.south)})

        assert (refused.status_code, refused.json["code"]) == (422, "account.move_unbounded")

    def test_moves_by_owner_and_tier(self, world: World) -> None:
        admin, rep = world.person("admin"), world.person("rep", world.north)
        world.account(owner_id=rep.id, tier="A")
        world.account(owner_id=rep.id, tier="B")
        world.account(tier="A")
        body = {"owner_id": str(rep.id), "tier": "A", "to_territory_id": str(world.south)}

        assert admin.call("POST", MOVES, body).json["moved"] == 1

    def test_names_the_mover_in_the_history(self, world: World) -> None:
        admin = world.person("admin")
        (account,) = plant(world, 1, 0)
        admin.call("POST", MOVES, {"ids": [str(account)], "to_territory_id": str(world.south)})

        rows = world.sql(
            "SELECT actor_id, new FROM changes WHERE tenant_id = :tenant AND record_id = :id AND op = 'update'",
            id=account,
        )
        assert [tuple(row) for row in rows] == [(admin.id, {"territory_id": str(world.south)})]


class TestBatches:
    def test_never_take_more_than_five_hundred(self, world: World) -> None:
        world.person("rep", world.north)
        plant(world, 501, 0)
        with world.session() as session:
            actor = console_actor(world.id, utc_now())
            done = move_accounts(
                session, actor, Selection(territory_id=world.north), world.south, limit=9_999
            )

        assert (done.moved, done.remaining) == (500, 1)

    def test_are_drained_one_by_one_and_told(self, world: World) -> None:
        world.person("rep", world.north)
        plant(world, 5, 4)
        world.drain()
        marks: list[int] = []

        told = move(world, batch=2, drain=lambda: marks.append(getattr(world.drain(), "marks", 0)))

        assert told == [(2, 5), (4, 5), (5, 5)]
        assert marks == [2, 2, 1]

    def test_go_on_where_they_were_broken_off(self, world: World) -> None:
        north, south = world.person("rep", world.north), world.person("rep", world.south)
        plant(world, 6, 4)
        settle(north, south)

        def break_off() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            move(world, batch=2, drain=break_off)
        settle(north, south)
        halfway = lie(world, world.north), lie(world, world.south)
        told, again = move(world, batch=2), move(world, batch=2)

        settle(north, south)
        assert (halfway, told, again) == ((4, 2), [(2, 4), (4, 4)], [])


def test_two_hundred_accounts_with_ten_children_each_end_equal_to_a_new_phone(world: World) -> None:
    north, south, above = (
        world.person("rep", world.north),
        world.person("rep", world.south),
        world.person("manager", world.region),
    )
    plant(world, 200, 12)
    settle(north, south, above)

    move(world, batch=60)

    pulled = settle(north, south, above)
    assert pulled[above.login].removed == []
    lost = _counted(pulled[north.login].removed)
    assert lost == {"account": 200, "site": 600, "contact": 600, "activity": 600, "task": 600}


def _counted(keys: list[tuple[str, str]]) -> dict[str, int]:
    entities = [entity for entity, _ in keys]
    return {entity: entities.count(entity) for entity in set(entities)}


class TestTheRealSize:
    """2,000 accounts with 50 children each, while others go on syncing."""

    @pytest.fixture
    def staff(self, world: World) -> dict[str, Person]:
        people = {
            "north": world.person("rep", world.north),
            "south": world.person("rep", world.south),
            "above": world.person("manager", world.region),
            "other": world.person("rep", world.region),
        }
        plant(world, 2_000, 48)
        world.account(world.region)
        plant(world, 50, 4, world.region)
        while (drained := world.drain()) and drained.marks:
            pass
        for person in people.values():
            pull(person)
        return people

    @contextmanager
    def others_sync(self, person: Person) -> Iterator[list[float]]:
        """One person edits and syncs all the time; how long each sync took."""
        took: list[float] = []
        stop = threading.Event()
        account = next(record_id for entity, record_id in person.records if entity == "account")
        failed: list[BaseException] = []

        def go_on() -> None:
            try:
                while not stop.is_set():
                    edit = person.edit("account", account, {"phone": f"+8225550{len(took) % 10000:04}"})
                    started = time.perf_counter()
                    response = person.post_sync(mutations=[edit])
                    took.append(time.perf_counter() - started)
                    assert response.status_code == 200
                    person.take(response.json)
                    held = {"id": account, "version": response.json["verdicts"][0]["version"]}
                    person.records["account", account] |= held
                    time.sleep(0.05)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield took
        finally:
            stop.set()
            thread.join()
        assert failed == []

    def told(self, name: str, idle: list[float], busy: list[float], seconds: float) -> float:
        ratio = max(busy) / max(idle)
        print(
            f"\n{name}: {seconds:.1f} s; others' syncs: {len(busy)}, median {statistics.median(busy) * 1000:.0f} ms,"
            f" longest {max(busy) * 1000:.0f} ms = {ratio:.1f} x the longest idle one"
            f" ({max(idle) * 1000:.0f} ms, median {statistics.median(idle) * 1000:.0f} ms)"
        )
        return ratio

    def idle(self, person: Person) -> list[float]:
        with self.others_sync(person) as took:
            time.sleep(3)
        return took

    @pytest.mark.more
    @pytest.mark.alone
    def test_in_batches_stalls_nobody(self, world: World, staff: dict[str, Person]) -> None:
        idle = self.idle(staff["other"])
        started = time.perf_counter()
        with self.others_sync(staff["other"]) as busy:
            told = move(world)
            seconds = time.perf_counter() - started

        self.told("2,000 x 48 in batches of 500", idle, busy, seconds)
        assert told[-1] == (2_000, 2_000)
        # Batches that held others up would do so each time; a machine that stumbles does it once.
        held_up = [took for took in busy if took >= seconds / len(told) / 2]
        assert len(held_up) < len(told) / 2, "others waited as long as half a batch takes"
        for name in ("north", "south", "other"):
            pull(staff[name], limit=10_000)
        assert [differences(staff[name]) for name in ("north", "south", "other")] == [{}, {}, {}]

    @pytest.mark.more
    @pytest.mark.alone
    def test_as_one_sql_transaction_is_one_drain(self, world: World, staff: dict[str, Person]) -> None:
        idle = self.idle(staff["other"])
        started = time.perf_counter()
        with self.others_sync(staff["other"]) as busy:
            with world.psql() as connection:
                connection.execute(
                    "UPDATE accounts SET territory_id = %s WHERE tenant_id = %s AND territory_id = %s",
                    (world.south, world.id, world.north),
                )
            written = time.perf_counter() - started
            world.drain()
            seconds = time.perf_counter() - started

        self.told(f"2,000 x 48 in one transaction ({written:.1f} s of it)", idle, busy, seconds)
        torn = world.engine_sql(
            "SELECT count(*) FROM sync_drain d, (SELECT min(position) AS low, max(position) AS high FROM sync_feed"
            " WHERE tenant_id = :tenant AND gone = 'out_of_scope') AS f"
            " WHERE d.tenant_id = :tenant AND d.position >= f.low AND d.position < f.high"
        )
        assert torn[0][0] == 0
        for name in ("north", "south", "other"):
            pull(staff[name], limit=10_000)
        assert [differences(staff[name]) for name in ("north", "south", "other")] == [{}, {}, {}]


def test_the_command_line_moves_and_counts(served: Flask, world: World) -> None:
    world.person("rep", world.north)
    plant(world, 3, 4)
    runner = served.test_cli_runner()
    for group in COMMANDS:
        served.cli.add_command(group)
    command = ["accounts", "move", "--tenant", world.code, "--from", "n", "--to", "서울남부"]

    counted = runner.invoke(args=[*command, "--dry-run"])
    moved = runner.invoke(args=[*command, "--batch", "2"])
    again = runner.invoke(args=command)
    unbounded = runner.invoke(args=["accounts", "move", "--tenant", world.code, "--to", "n"])
    unknown = runner.invoke(
        args=["accounts", "move", "--tenant", world.code, "--from", "nowhere", "--to", "n"]
    )

    assert [result.exit_code for result in (counted, moved, again, unbounded, unknown)] == [0, 0, 0, 2, 1]
    assert "3 accounts would go" in counted.output
    assert "3 accounts went" in moved.output
    assert "0 accounts went" in again.output
    assert lie(world, world.south) == 3


def test_a_drain_of_a_batch_holds_the_lock_no_longer_than_it_works(world: World) -> None:
    """What the tenant's drain lock waits for is the work of one batch, not of the whole move."""
    world.person("rep", world.north)
    plant(world, 4, 4)
    world.drain()
    held: list[bool] = []

    def drain() -> None:
        world.drain()
        with FeedStore.locked(world.db.engine, world.id, 50, 0) as store:
            held.append(store.connection.scalar(text("SELECT true")) is True)

    move(world, batch=2, drain=drain)

    assert held == [True, True]
