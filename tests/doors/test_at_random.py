"""Four devices of each door that edit, sync and fail as it comes: no edit is lost, and all come to hold the same."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, cast

import pytest

from app.core.scope import Role
from tests.doors.conftest import begin
from tests.doors.door import Door, Lost
from tests.doors.native import NativeDevice
from tests.doors.rxdb import RxdbDevice, collections_of
from tests.doors.watermelon import WatermelonDevice
from tests.world import Person, World

AppDevice = NativeDevice | WatermelonDevice | RxdbDevice
Hand = Callable[[Person], AppDevice]

GAMES = {
    "together": ("phone", "watermelon", "rxdb"),
    "watermelon": ("watermelon",),
    "rxdb": ("rxdb",),
}
"""Four devices of each of these doors, in one company."""

CHOSEN = os.environ.get("FIELDMERGE_DOOR_GAMES", "together").split()

WANTED = os.environ.get("FIELDMERGE_DOOR_SEEDS", "8")
"""How many seeds, or the first and the last of them: ``100``, ``57-57``."""

FIRST, _, LAST = WANTED.rpartition("-")
SEEDS = range(int(FIRST), int(LAST) + 1) if FIRST else range(int(WANTED))
STEPS = 200
FIELDS = {
    "account": ("name", "legal_name", "address", "notes", "tags"),
    "contact": ("name", "job_title"),
}
KEPT = (
    "SELECT coalesce(string_agg(t, ' '), '') FROM ("
    " SELECT to_jsonb(a)::text AS t FROM accounts a WHERE tenant_id = :tenant"
    " UNION ALL SELECT to_jsonb(c)::text FROM contacts c WHERE tenant_id = :tenant"
    " UNION ALL SELECT coalesce(old::text, '') || coalesce(new::text, '') FROM changes WHERE tenant_id = :tenant"
    " UNION ALL SELECT to_jsonb(c)::text FROM conflicts c WHERE tenant_id = :tenant"
    " UNION ALL SELECT payload::text FROM sync_mutations WHERE tenant_id = :tenant AND status = 'rejected'"
    " UNION ALL SELECT document::text FROM rxdb_held WHERE tenant_id = :tenant) AS kept"
)


class Worker:
    """A device in somebody's hand, and what they wrote on it."""

    def __init__(self, device: AppDevice, person: Person, dice: random.Random, serial: Any) -> None:
        self.device, self.person, self.dice, self.serial = device, person, dice, serial
        self.waiting: dict[tuple[str, str], str] = {}
        self.pushed: set[str] = set()
        self.story: list[str] = []

    def edit(self) -> None:
        entity = self.dice.choice(list(FIELDS))
        found = sorted(self.device.ids(entity))
        if not found:
            return
        record_id, field = self.dice.choice(found), self.dice.choice(FIELDS[entity])
        token = f"t{next(self.serial)}x"
        seen = self.device.get(entity, record_id) or {}
        if field == "tags":
            value: Any = [*self.dice.sample(seen["tags"], len(seen["tags"]) // 2), token]
            taken = {(record_id, tag) for tag in seen["tags"]} - {(record_id, tag) for tag in value}
            self.waiting = {key: one for key, one in self.waiting.items() if key not in taken}
            self.waiting[record_id, token] = token
        else:
            value = f"{seen.get(field) or ''}\n{token}" if field == "notes" else token
            self.waiting[record_id, field] = token
        self.story.append(f"{record_id}: {field} = {value!r}")
        self.device.edit(entity, record_id, **{field: value})

    def make(self) -> None:
        found = sorted(self.device.ids("account"))
        if found:
            token = f"t{next(self.serial)}x"
            record_id = self.device.create("contact", account_id=self.dice.choice(found), name=token)
            self.waiting[record_id, "name"] = token

    def delete(self) -> None:
        found = sorted(self.device.ids("contact"))
        if found:
            record_id = self.dice.choice(found)
            self.story.append(f"{record_id}: deleted")
            self.device.delete("contact", record_id)
            # What was not pushed is gone with the row: its own user took it away.
            self.waiting = {key: token for key, token in self.waiting.items() if key[0] != record_id}

    def sync(self) -> None:
        lost = {"GET": int(self.dice.random() < 0.15), "POST": int(self.dice.random() < 0.2)}
        failing = {"GET": 0, "POST": int(self.dice.random() < 0.2)}
        self.device.behave(lose=lost, fail=failing, tellsPending=True, limit=self.dice.choice((5, 50, 2000)))
        self.story.append(f"sync; answers lost: {lost}, requests lost: {failing}")
        try:
            self.device.sync()
        except Lost:
            return
        self.pushed |= set(self.waiting.values())
        self.waiting = {}

    def settle(self) -> None:
        self.device.behave(
            lose={"GET": 0, "POST": 0}, fail={"GET": 0, "POST": 0}, tellsPending=True, limit=None
        )
        self.device.settle()
        self.pushed |= set(self.waiting.values())
        self.waiting = {}


def office(world: World, dice: random.Random) -> None:
    territory = dice.choice((world.north, world.north, world.south))
    world.sql(
        "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = ("
        "SELECT id FROM accounts WHERE tenant_id = :tenant ORDER BY md5(id::text || :salt) LIMIT 1)",
        to=territory,
        salt=str(dice.random()),
    )
    world.sql(
        "UPDATE accounts SET legal_name = :name, tags = tags || CAST(:name AS text)"
        " WHERE tenant_id = :tenant AND id = ("
        "SELECT id FROM accounts WHERE tenant_id = :tenant ORDER BY md5(id::text || :salt) LIMIT 1)",
        name=f"본사{dice.randrange(1000)}",
        salt=str(dice.random()),
    )


def seen_by(device: AppDevice, entity: str) -> dict[str, dict[str, Any]]:
    fields = ("version", *FIELDS[entity])
    rows = {record_id: device.get(entity, record_id) or {} for record_id in device.ids(entity)}
    return {record_id: {name: row[name] for name in fields} for record_id, row in rows.items()}


@pytest.fixture
def hands(base_url: str, doors: dict[str, Door]) -> Iterator[dict[str, Hand]]:
    """By each door, what hands a person a device."""
    given: list[AppDevice] = []

    def of(name: str) -> Hand:
        def hand(person: Person) -> AppDevice:
            door = doors["native" if name == "phone" else name]
            # Nobody edits visits here, and each collection is a request of its own.
            more = {"collections": collections_of(person, list(FIELDS))} if name == "rxdb" else {}
            one: Any = door.device(base_url, person, **more)
            given.append(one)
            begin(one, person)
            return cast(AppDevice, one)

        return hand

    yield {name: of(name) for name in GAMES["together"]}
    for one in given:
        one.close()


@pytest.mark.more
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("game", CHOSEN)
def test_no_edit_is_lost_and_all_devices_agree(
    world: World, hands: dict[str, Hand], game: str, seed: int
) -> None:
    try:
        play(world, [hands[door] for door in GAMES[game]], seed)
    except BaseException as error:
        error.add_note(
            "To see one like it (ids are new, so chance does not fall quite the same):"
            f" FIELDMERGE_DOOR_GAMES={game} FIELDMERGE_DOOR_SEEDS={seed}-{seed}"
            " python -m pytest -m more tests/doors/test_at_random.py"
        )
        raise


def play(world: World, hands: Sequence[Hand], seed: int) -> None:
    dice = random.Random(seed)
    for name in ("가", "나", "다", "라"):
        world.account(name=name, tags=["하나", "둘"])
    people = [world.person(Role.REP, world.north) for _ in range(3)]
    serial = count(1)
    # One of them has two devices by each door.
    owners = (people[0], people[0], people[1], people[2])
    workers = [
        Worker(hand(person), person, dice, serial)
        for hand in hands
        for person in map(world.second_phone, owners)
    ]
    for _ in range(STEPS):
        worker = dice.choice(workers)
        dice.choices(
            (worker.edit, worker.make, worker.delete, worker.sync, lambda: office(world, dice)),
            (8, 2, 1, 6, 1),
        )[0]()
    for _ in range(2):
        for worker in workers:
            worker.settle()

    kept = world.sql(KEPT)[0][0]
    for person in people:
        fresh = world.second_phone(person)
        fresh.sync()
        for worker in (one for one in workers if one.person.id == person.id):
            assert [token for token in sorted(worker.pushed) if token not in kept] == []
            for entity, names in FIELDS.items():
                wanted = {
                    i: {name: record[name] for name in ("version", *names)}
                    for (kind, i), record in fresh.records.items()
                    if kind == entity
                }
                seen = seen_by(worker.device, entity)
                odd = {i: (seen.get(i), wanted.get(i)) for i in seen | wanted if seen.get(i) != wanted.get(i)}
                assert odd == {}, f"the phone has, the server has: {odd}\n" + "\n".join(worker.story)
