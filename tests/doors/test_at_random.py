"""Four devices that edit, sync and fail as it comes: none of their edits is lost, and all come to hold the same."""

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from app.core.scope import Role
from tests.doors.door import Lost
from tests.doors.rxdb import RxdbDevice
from tests.doors.watermelon import WatermelonDevice
from tests.world import Person, World

AppDevice = WatermelonDevice | RxdbDevice

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
            self.device.delete("contact", record_id)
            # What was not pushed is gone with the row: its own user took it away.
            self.waiting = {key: token for key, token in self.waiting.items() if key[0] != record_id}

    def sync(self) -> None:
        lost = {"GET": int(self.dice.random() < 0.15), "POST": int(self.dice.random() < 0.2)}
        failing = {"GET": 0, "POST": int(self.dice.random() < 0.2)}
        self.device.behave(lose=lost, fail=failing, tellsPending=True, limit=self.dice.choice((5, 50, 2000)))
        try:
            self.device.sync()
        except Lost:
            return
        self.pushed |= set(self.waiting.values())
        self.waiting = {}

    def settle(self) -> None:
        self.device.behave(lose={"GET": 0, "POST": 0}, fail={"GET": 0, "POST": 0}, limit=None)
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


@pytest.mark.more
@pytest.mark.parametrize("door", ["melon", "rx"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_edit_is_lost_and_all_devices_agree(
    world: World, request: pytest.FixtureRequest, door: str, seed: int
) -> None:
    try:
        play(world, request.getfixturevalue(door), seed)
    except BaseException as error:
        error.add_note(
            f"To see it again: FIELDMERGE_DOOR_SEEDS={seed}-{seed} python -m pytest -m more"
            f" tests/doors/test_at_random.py -k {door}"
        )
        raise


def play(world: World, hand: Callable[[Person], AppDevice], seed: int) -> None:
    dice = random.Random(seed)
    serial = iter(range(1, 100_000))
    for name in ("가", "나", "다", "라"):
        world.account(name=name, tags=["하나", "둘"])
    person = world.person(Role.REP, world.north)
    people = [
        person,
        world.second_phone(person),
        world.person(Role.REP, world.north),
        world.person(Role.REP, world.north),
    ]
    workers = [Worker(hand(one), one, dice, serial) for one in people]
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
    for worker in workers:
        assert [token for token in sorted(worker.pushed) if token not in kept] == []
        fresh = world.second_phone(worker.person)
        fresh.sync()
        for entity, names in FIELDS.items():
            wanted = {
                i: {name: record[name] for name in ("version", *names)}
                for (kind, i), record in fresh.records.items()
                if kind == entity
            }
            assert seen_by(worker.device, entity) == wanted
