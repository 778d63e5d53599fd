"""Writers, drains and phones all at once: what was committed is delivered, whole and once.

One checker watches four scripted acts and a free run. Each act is the smallest schedule under which
one of the bugs of ``planted`` loses something, so that the same checker catches each without luck.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.config import Config
from app.core.clock import utc_now
from app.core.ids import new_id
from app.factory import create_app
from app.http.services import services
from app.sync_api.registry import REGISTRY
from sync.policy import SyncEntity
from sync.sequencer import Drainer, drain
from sync.stores.sequencer import FeedStore, lock_table, sqlstate_of
from tests.servers import migrated_database
from tests.sync import planted
from tests.world import Person, World

SEED = 20261121
WRITERS, DRAINERS, PAIRS = 8, 3, 6
TRANSACTIONS = 15
"""Of each writer in the free run."""


@dataclass
class Traffic:
    """One company under load, and what was seen to be wrong.

    Accounts come in pairs, the first with a contact. Every transaction that touches a pair adds to one
    wallet what it takes from the other, writes the same words into all three records, and moves both
    accounts or none. So a phone that shows one without the other, a sum that is not zero, or different
    words, saw half a transaction.
    """

    world: World
    seed: int
    violations: list[str] = field(default_factory=list)
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        world = self.world
        self.pairs = [
            (world.account(estimated_wallet=0), world.account(estimated_wallet=0)) for _ in range(PAIRS)
        ]
        self.contacts = [new_id() for _ in self.pairs]
        for contact, (account, _) in zip(self.contacts, self.pairs, strict=True):
            world.insert("contacts", id=contact, account_id=account, name="김한빛")
        self.phones = [
            world.person("rep", world.north),
            world.person("rep", world.south),
            world.person("manager", world.region),
        ]
        self.settle("at the start")

    # -- what they do

    def transfer(self, session: Session, pair: int, *, to: UUID | None = None, pause: float = 0.0) -> None:
        """Write to a pair and its contact; always locked in this order."""
        words = f"{self.seed}:{next(self.serial)}"
        for account, amount in zip(self.pairs[pair], (7, -7), strict=True):
            session.execute(
                text(
                    "UPDATE accounts SET estimated_wallet = estimated_wallet + :amount, notes = :words,"
                    " territory_id = coalesce(:to, territory_id) WHERE id = :id"
                ),
                {"amount": amount, "words": words, "to": to, "id": account},
            )
            time.sleep(pause)
        session.execute(
            text("UPDATE contacts SET job_title = :words WHERE id = :id"),
            {"words": words, "id": self.contacts[pair]},
        )

    def drain(self) -> None:
        try:
            drain(self.world.db.engine, REGISTRY, self.world.id, now=utc_now(), lock_timeout_ms=5_000)
        except Exception as error:
            self.violations.append(f"a drain failed: {sqlstate_of(error)} {str(error).splitlines()[0]}")

    def poll(self, phone: Person) -> None:
        """Pull to the checkpoint and look at what is there."""
        for _ in range(100):
            response = phone.post_sync(limit=5)
            if response.status_code != 200:
                self.violations.append(f"a phone was answered {response.status_code}")
                return
            phone.take(response.json)
            if not response.json["has_more"]:
                self.look_for_tears(phone)
                return
        self.violations.append("a phone came to no checkpoint in 100 pages")

    # -- what must hold

    def look_for_tears(self, phone: Person) -> None:
        for contact, (first, second) in zip(self.contacts, self.pairs, strict=True):
            a, b, c = (
                phone.held("account", first),
                phone.held("account", second),
                phone.held("contact", contact),
            )
            if a is None or b is None or c is None:
                if a or b or c:
                    self.violations.append("torn: one of a pair without the other")
            elif Decimal(a["estimated_wallet"]) + Decimal(b["estimated_wallet"]):
                self.violations.append("torn: half a transfer")
            elif not a["notes"] == b["notes"] == c["job_title"]:
                self.violations.append("torn: two records of one transaction differ")

    def settle(self, when: str) -> None:
        """All that was committed is on the phones: as the tables have it, and as a new phone gets it."""
        self.drain()
        for phone in self.phones:
            self.poll(phone)
            held = {
                key[1]: (r["version"], r["notes"]) for key, r in phone.records.items() if key[0] == "account"
            }
            committed = self.committed(phone)
            if held != committed:
                lost = sum(held.get(key) != value for key, value in committed.items())
                ghosts = len(held.keys() - committed.keys())
                self.violations.append(f"not delivered {when}: {lost} lost, {ghosts} ghosts on {phone.login}")
            fresh = self.world.second_phone(phone)
            self.poll(fresh)
            if fresh.records != phone.records:
                self.violations.append(f"differs from a first sync {when}: {phone.login}")

    def committed(self, phone: Person) -> dict[str, tuple[int, str | None]]:
        territories = {
            self.phones[0].id: [self.world.north],
            self.phones[1].id: [self.world.south],
            self.phones[2].id: [self.world.north, self.world.south],
        }[phone.id]
        rows = self.world.sql(
            "SELECT id::text, version, notes FROM accounts WHERE tenant_id = :tenant AND territory_id = ANY(:t)",
            t=territories,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    # -- four acts

    def act_late_writer(self) -> None:
        """A mark waits, another transaction writes to the same record, a drain takes the mark, it commits."""
        with self.world.session() as session:
            self.transfer(session, 0)
        with self.world.session() as session:
            self.transfer(session, 0)
            session.flush()
            self.drain()
        self.settle("after a late writer")

    def act_overtaken_writer(self) -> None:
        """A later transaction commits first, and the phones have seen it when the earlier one commits."""
        with self.world.session() as session:
            self.transfer(session, 1)
            with self.world.session() as overtaking:
                self.transfer(overtaking, 2)
            self.drain()
            for phone in self.phones:
                self.poll(phone)
        self.settle("after an overtaken writer")

    def act_queue_of_drains(self) -> None:
        """Three drains wait for one lock; before it is theirs, a pair moves to the other territory."""
        with self.world.session() as session:
            self.transfer(session, 3)
        with self.world.psql() as watcher, self.world.psql() as holder:
            with holder.transaction():
                holder.execute(f"LOCK TABLE {lock_table(self.world.id)} IN EXCLUSIVE MODE")
                drains = [threading.Thread(target=self.drain) for _ in range(DRAINERS)]
                for thread in drains:
                    thread.start()
                waiting = "SELECT count(*) = %s FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
                for _ in range(300):
                    if watcher.execute(waiting, [DRAINERS, lock_table(self.world.id)]).fetchone() == (True,):
                        break
                    time.sleep(0.01)
                with self.world.session() as session:
                    self.transfer(session, 3, to=self.world.south)
            for thread in drains:
                thread.join(20)
        self.settle("after a queue of drains")

    def act_commit_amid_a_drain(self) -> None:
        """A transaction commits when a drain has written the accounts and not yet the contacts."""
        with self.world.session() as session:
            self.transfer(session, 4)
        write, once = FeedStore.write, iter([True])

        def write_then_commit(store: FeedStore, entity: SyncEntity, *args: Any) -> int:
            used = write(store, entity, *args)
            if entity.name == "account" and next(once, False):
                with self.world.session() as session:
                    self.transfer(session, 4)
            return used

        with mock.patch.object(FeedStore, "write", write_then_commit):
            self.drain()
        with mock.patch.object(Drainer, "drain_if_due", return_value=None):  # a new drain would mend it
            for phone in self.phones:
                self.poll(phone)
        self.settle("after a commit amid a drain")

    # -- and a free run

    def run_free(self) -> None:
        """Everybody at once, with fixed counts and seeds."""
        written = threading.Event()
        writers = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        others = [
            threading.Thread(target=self.repeat, args=(self.drain, 0.01, n, written)) for n in range(DRAINERS)
        ]
        others += [
            threading.Thread(target=self.repeat, args=(lambda p=phone: self.poll(p), 0.03, n, written))  # type: ignore[misc]
            for n, phone in enumerate(self.phones)
        ]
        for thread in others + writers:
            thread.start()
        for thread in writers:
            thread.join(60)
        written.set()
        for thread in others:
            thread.join(60)
        self.settle("after the free run")

    def write(self, number: int) -> None:
        """Transfers in one or two pairs, held open for a while; some move pairs, some are rolled back."""
        chance = random.Random(f"{self.seed}.{number}")
        for _ in range(TRANSACTIONS):
            pairs = sorted(chance.sample(range(PAIRS), chance.choice((1, 1, 2))))
            to = chance.choice((None, None, self.world.north, self.world.south))
            undone, pause = chance.random() < 0.2, chance.random() * 0.01
            try:
                with self.world.session() as session:
                    for pair in pairs:
                        self.transfer(session, pair, to=to, pause=pause)
                    if undone:
                        raise Undone
            except Undone:
                pass
            except Exception as error:
                self.violations.append(f"a writer failed: {error}")
            time.sleep(chance.random() * 0.01)

    def repeat(self, work: Callable[[], None], most: float, number: int, until: threading.Event) -> None:
        chance = random.Random(f"{self.seed}.other.{number}")
        while not until.is_set():
            try:
                work()
            except Exception as error:
                self.violations.append(f"failed: {error!r}")
            time.sleep(chance.random() * most)


class Undone(Exception):
    """A writer changed its mind."""


def play(traffic: Traffic, *, free: bool) -> list[str]:
    """The four acts and the free run; what was seen to be wrong."""
    traffic.act_late_writer()
    traffic.act_overtaken_writer()
    traffic.act_queue_of_drains()
    traffic.act_commit_amid_a_drain()
    if free:
        traffic.run_free()
    return traffic.violations


@contextmanager
def company_of_its_own(bug: Callable[[Config], AbstractContextManager[None]]) -> Iterator[World]:
    """A company in a database of its own, in which *bug* is planted."""
    with migrated_database() as config, bug(config):
        app: Flask = create_app(config)
        try:
            yield World(app, services(app).db)
        finally:
            services(app).db.dispose()


class TestEverybodyAtOnce:
    @pytest.mark.parametrize(
        "seed", [SEED, *(pytest.param(SEED + n, marks=pytest.mark.more) for n in range(1, 22))]
    )
    def test_what_was_committed_is_delivered_and_nothing_is_torn(self, world: World, seed: int) -> None:
        assert play(Traffic(world, seed), free=True) == [], f"seed {seed}"


class TestPlantedBug:
    @pytest.mark.parametrize(
        ("bug", "symptom"),
        [
            (planted.one_mark_for_all, "not delivered after a late writer"),
            (planted.positions_of_the_writers, "not delivered after an overtaken writer"),
            (planted.lock_after_the_snapshot, "a drain failed: 40001"),
            (planted.drains_at_read_committed, "torn: two records of one transaction differ"),
        ],
        ids=[
            "a unique key of marks",
            "positions of the writers",
            "the lock after the snapshot",
            "drains at read committed",
        ],
    )
    def test_is_caught_by_the_same_checker(
        self, bug: Callable[[Config], AbstractContextManager[None]], symptom: str
    ) -> None:
        with company_of_its_own(bug) as world:
            violations = play(Traffic(world, SEED), free=False)

        assert any(violation.startswith(symptom) for violation in violations), violations
