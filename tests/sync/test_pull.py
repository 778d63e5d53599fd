"""Pull: whatever happened in between, at a checkpoint a phone equals the server's view of its scope."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from app.core.db import Database, set_writer
from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync import pull as pulling
from sync.budget import Settings
from sync.cursor import Cursor, Walk
from sync.policy import Field, Merge, SyncEntity
from sync.pull import Ask, Channel, FeedRow, Head, Page, Record, Restored, Sheaf, Worth, pull, worth_of
from sync.registry import Registry, newest_since
from sync.segments import Segment
from sync.stores.feed import FeedReader, set_id_of
from sync.stores.sequencer import lock_table
from tests.world import Person, World

SALES = "manager+partner+sales"

# -- over HTTP


def pages(
    person: Person, limit: int, between: Callable[[int], None] = lambda page: None
) -> list[dict[str, Any]]:
    """Pull to the checkpoint in pages of *limit*; *between* is called after each page but the last."""
    answers: list[dict[str, Any]] = []
    for number in range(500):
        response = person.post_sync(limit=limit)
        assert response.status_code == 200, response.get_data(as_text=True)
        answers.append(response.json)
        person.take(response.json)
        if not response.json["has_more"]:
            return answers
        between(number)
    raise AssertionError("no checkpoint within 500 pages")


def removed(answers: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What all answers removed: reason by id."""
    return {r["id"]: r["reason"] for answer in answers for r in answer["removed"]}


def accounts_of(person: Person) -> set[UUID]:
    return {UUID(record_id) for entity, record_id in person.records if entity == "account"}


def move(world: World, account: UUID, territory: UUID) -> None:
    world.sql("UPDATE accounts SET territory_id = :to WHERE id = :id", to=territory, id=account)


def delete(world: World, account: UUID) -> None:
    world.sql("UPDATE accounts SET deleted_at = now() WHERE id = :id", id=account)


def leave(world: World, person: Person, territory: UUID) -> None:
    world.sql(
        "UPDATE territory_members SET deleted_at = now() WHERE user_id = :u AND territory_id = :t",
        u=person.id,
        t=territory,
    )


def join(world: World, person: Person, territory: UUID) -> None:
    with world.session() as session:
        world.join(session, person.id, territory)


def equals_a_first_sync(world: World, person: Person) -> bool:
    fresh = world.second_phone(person)
    fresh.sync()
    return fresh.records == person.records


class TestFirstSync:
    @pytest.mark.parametrize("limit", [1, 2, 7])
    def test_in_pages_equals_one_in_a_single_answer(self, world: World, limit: int) -> None:
        for _ in range(9):
            world.account()
        rep = world.person("rep", world.north)

        answers = pages(rep, limit)

        assert all(len(a["changes"]) + len(a["removed"]) <= limit for a in answers)
        assert len(accounts_of(rep)) == 9
        assert equals_a_first_sync(world, rep)

    def test_asks_to_rebase_on_its_first_page_only(self, world: World) -> None:
        world.account()
        rep = world.person("rep", world.north)

        answers = pages(rep, 1)

        assert [a["directives"] for a in answers] == [["rebase"]] + [[]] * (len(answers) - 1)

    def test_goes_on_where_an_answer_was_lost(self, world: World) -> None:
        for _ in range(5):
            world.account()
        rep = world.person("rep", world.north)
        rep.take(rep.post_sync(limit=3).json)

        lost = rep.post_sync(limit=3).json
        again = rep.post_sync(limit=3).json

        assert lost["changes"] == again["changes"] != []
        pages(rep, 3)
        assert equals_a_first_sync(world, rep)

    def test_misses_nothing_that_happens_meanwhile(self, world: World) -> None:
        rep = world.person("rep", world.north)
        accounts = [world.account() for _ in range(12)]
        happenings: list[Callable[[], object]] = []
        for n, account in enumerate(accounts):
            match n % 4:
                case 0:
                    happenings.append(
                        lambda a=account: world.sql("UPDATE accounts SET name = 'x' WHERE id = :a", a=a)
                    )
                case 1:
                    happenings.append(lambda a=account: delete(world, a))
                case 2:
                    happenings.append(lambda a=account: move(world, a, world.south))
                case 3:
                    happenings.append(lambda: world.account(name="새 거래처"))

        answers = pages(rep, 1, lambda page: happenings[page % 12]() and None if page < 12 else None)

        assert len(answers) > 12
        assert len(accounts_of(rep)) == 12 - 6 + 3
        assert equals_a_first_sync(world, rep)

    def test_gives_more_important_buckets_first(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.account()
        task = new_id()
        world.insert("tasks", id=task, assignee_id=rep.id, title="전화")

        answers = pages(rep, 1)

        order = [(c["entity"], c["id"]) for a in answers for c in a["changes"]]
        assert order.index(("task", str(task))) < min(n for n, key in enumerate(order) if key[0] == "account")

    def test_killed_after_any_page_goes_on_where_it_was(self, world: World) -> None:
        """Each page is lost once, then taken; meanwhile others create, edit, move and delete."""
        accounts = [world.account() for _ in range(8)]
        rep, other = world.person("rep", world.north), world.person("rep", world.north)
        other.sync()
        happenings = iter(
            [
                lambda: other.sync(other.edit("account", accounts[0], {"name": "고침"})),
                lambda: delete(world, accounts[1]),
                lambda: move(world, accounts[2], world.south),
                lambda: other.sync(other.mutation("create", "account", new_id(), fields={"name": "새"})),
                lambda: move(world, accounts[2], world.north),
            ]
        )
        first, cursors = True, set()
        for _ in range(100):
            lost = rep.post_sync(limit=2).json
            assert lost["changes"] or not lost["has_more"]
            next(happenings, list)()
            answer = rep.post_sync(limit=2).json
            assert ("rebase" in answer["directives"]) == first
            rep.take(answer)
            first = False
            assert rep.cursor not in cursors
            cursors.add(rep.cursor or "")
            if not answer["has_more"]:
                break

        assert next(happenings, None) is None
        assert equals_a_first_sync(world, rep)

    def test_gives_a_record_that_is_larger_than_the_page_alone(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(3):
            world.account(notes="가" * 1_000)

        answers = pages_of_bytes(rep, 500)

        assert all(sum(c["entity"] == "account" for c in a["changes"]) <= 1 for a in answers)
        assert len(accounts_of(rep)) == 3


def pages_of_bytes(person: Person, limit: int) -> list[dict[str, Any]]:
    answers = []
    for _ in range(100):
        answers.append(person.post_sync(limit_bytes=limit).json)
        person.take(answers[-1])
        if not answers[-1]["has_more"]:
            break
    return answers


class TestDelta:
    def test_costs_no_more_than_nine_statements_when_it_is_empty(self, world: World) -> None:
        rep = world.person("rep", world.north)
        world.account()
        rep.sync()
        rep.sync()
        sent: list[str] = []

        def note(*parts: Any) -> None:
            sent.append(parts[2])

        event.listen(world.db.app, "before_cursor_execute", note)
        try:
            rep.sync()
        finally:
            event.remove(world.db.app, "before_cursor_execute", note)

        assert len(sent) <= 9, sent

    def test_is_empty_when_nothing_happened(self, world: World) -> None:
        world.account()
        rep = world.person("rep", world.north)
        rep.sync()

        (answer,) = pages(rep, 100)

        assert (answer["changes"], answer["removed"]) == ([], [])

    @pytest.mark.parametrize("limit", [1, 2, 7])
    def test_in_pages_equals_a_first_sync(self, world: World, limit: int) -> None:
        accounts = [world.account() for _ in range(8)]
        rep = world.person("rep", world.north)
        rep.sync()
        for account in accounts[:3]:
            delete(world, account)
        for account in accounts[3:6]:
            move(world, account, world.south)
        world.account()

        answers = pages(rep, limit)

        reasons = {str(a): "deleted" for a in accounts[:3]} | {str(a): "out_of_scope" for a in accounts[3:6]}
        assert removed(answers) == reasons
        assert equals_a_first_sync(world, rep)

    def test_removes_nothing_that_stays_by_another_bucket(self, world: World) -> None:
        rep = world.person("rep", world.north)
        account = world.account(owner_id=rep.id)
        rep.sync()

        move(world, account, world.south)
        answers = pages(rep, 100)

        assert removed(answers) == {}
        assert (rep.held("account", account) or {})["territory_id"] == str(world.south)
        world.sql("UPDATE accounts SET owner_id = NULL WHERE id = :id", id=account)
        assert removed(pages(rep, 100)) == {str(account): "out_of_scope"}

    def test_is_silent_on_what_came_and_went_unseen(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        account = world.account()
        world.drain()
        delete(world, account)

        answers = pages(rep, 100)

        assert removed(answers) == {}
        assert answers[0]["changes"] == []

    def test_counts_bytes_and_not_letters(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(6):
            world.account(notes="가" * 10_000)
        connection_limit = 65_536
        ask = asking(world, rep, byte_limit=connection_limit)
        world.drain()
        with snapshot(world, rep) as reader:
            page = pull(reader, REGISTRY, None, ask, set_id_of)

        bodies = [len((row.body or "").encode()) for row in page.changes]
        assert sum(bodies[:-1]) < connection_limit
        assert page.has_more


class TestUnsentWork:
    def test_removes_nothing_and_is_no_checkpoint(self, world: World) -> None:
        kept, gone = world.account(), world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        delete(world, gone)
        world.sql("UPDATE accounts SET name = '바뀜' WHERE id = :id", id=kept)

        answer = rep.post_sync(client={"pending": 2}).json
        rep.take(answer)

        assert (answer["removed"], answer["has_more"]) == ([], True)
        assert (rep.held("account", kept) or {})["name"] == "바뀜"
        assert rep.held("account", gone)
        assert removed(pages(rep, 100)) == {str(gone): "deleted"}
        assert equals_a_first_sync(world, rep)

    def test_keeps_a_lost_territory_until_it_is_sent(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        leave(world, rep, world.north)

        answer = rep.post_sync(client={"pending": 1}).json
        rep.take(answer)

        assert (answer["removed"], answer["has_more"]) == ([], True)
        assert removed(pages(rep, 100))[str(account)] == "out_of_scope"
        assert equals_a_first_sync(world, rep)

    def test_hides_no_removal_of_a_territory_that_is_lost_meanwhile(self, world: World) -> None:
        """The delta held the removal back; it must be told though the territory left the delta."""
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        delete(world, account)
        rep.take(rep.post_sync(client={"pending": 1}).json)
        leave(world, rep, world.north)

        answers = pages(rep, 100)

        assert str(account) in removed(answers)
        assert equals_a_first_sync(world, rep)


class TestScope:
    def test_that_is_lost_names_exactly_what_leaves(self, world: World) -> None:
        rep = world.person("rep", world.north, world.south)
        leaves = {world.account() for _ in range(5)}
        stays = {world.account(world.south) for _ in range(3)} | {world.account(owner_id=rep.id)}
        long_gone = world.account()
        rep.sync()
        delete(world, long_gone)
        rep.sync()

        leave(world, rep, world.north)
        answers = pages(rep, 2)

        told = set(removed(answers))
        assert {str(a) for a in leaves} <= told
        assert told - {str(a) for a in leaves} == {str(world.north)}, "and the territory itself"
        assert accounts_of(rep) == stays
        assert equals_a_first_sync(world, rep)

    @pytest.mark.parametrize("limit", [2, 100])
    def test_that_is_gained_comes_whole(self, world: World, limit: int) -> None:
        rep = world.person("rep", world.north)
        old = [world.account(world.south) for _ in range(5)]
        delete(world, old[0])
        rep.sync()
        world.account()

        join(world, rep, world.south)
        answers = pages(rep, limit)

        assert accounts_of(rep) >= set(old[1:])
        assert removed(answers) == {}, "what went before the gain was never theirs"
        assert equals_a_first_sync(world, rep)

    def test_that_is_lost_but_not_yet_drained_is_withheld(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        leave(world, rep, world.north)
        world.sql("UPDATE accounts SET name = '남의 것' WHERE id = :id", id=account)
        with world.db.engine.connect() as holder:
            holder.exec_driver_sql(f"LOCK TABLE {lock_table(world.id)} IN EXCLUSIVE MODE")

            answer = rep.post_sync().json

        assert answer["has_more"], "it is no checkpoint"
        assert "남의 것" not in str(answer["changes"])
        rep.take(answer)
        assert str(account) in removed(pages(rep, 100))
        assert equals_a_first_sync(world, rep)

    def test_that_is_lost_may_name_what_stood_there_before_and_came_back_after(self, world: World) -> None:
        """Whether a record was in a bucket while somebody held it is kept by its first entry alone."""
        account = world.account()
        world.drain()
        move(world, account, world.south)
        world.drain()
        rep = world.person("rep", world.north)
        rep.sync()
        assert accounts_of(rep) == set()
        leave(world, rep, world.north)
        world.drain()
        move(world, account, world.north)

        answers = pages(rep, 100)

        assert removed(answers)[str(account)] == "out_of_scope"
        assert all(answer["changes"] == [] for answer in answers), "the id, and nothing else of it"

    def test_that_is_lost_and_regained_between_two_pages_ends_right(self, world: World) -> None:
        rep = world.person("rep", world.north)
        for _ in range(6):
            world.account()
        rep.sync()
        leave(world, rep, world.north)
        rep.take(rep.post_sync(limit=3).json)
        join(world, rep, world.north)

        pages(rep, 3)

        assert len(accounts_of(rep)) == 6
        assert equals_a_first_sync(world, rep)

    def test_of_another_role_comes_in_its_shape(self, world: World) -> None:
        account = world.account(credit_limit="5000000")
        person = world.person("rep", world.north)
        person.sync()
        assert "credit_limit" in (person.held("account", account) or {})

        world.sql("UPDATE users SET role = 'technician' WHERE id = :id", id=person.id)
        pages(person, 2)

        assert "credit_limit" not in (person.held("account", account) or {})
        assert equals_a_first_sync(world, person)


class TestCursor:
    def refused(self, person: Person, cursor: str) -> None:
        response = person.post_sync(cursor=cursor)
        assert response.status_code == 400
        assert response.json["code"] == "cursor_invalid"

    def test_of_another_phone_is_refused(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        other = world.second_phone(rep)

        self.refused(other, rep.cursor or "")

    def test_of_another_company_is_refused(self, world: World, served: Flask, pools: Database) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        elsewhere = World(served, pools)

        self.refused(elsewhere.person("rep", elsewhere.north), rep.cursor or "")

    def test_that_was_tampered_with_is_refused(self, world: World) -> None:
        rep = world.person("rep", world.north)
        rep.sync()
        cursor = rep.cursor or ""
        for place in (0, len(cursor) // 2, len(cursor) - 1):
            other = "A" if cursor[place] != "A" else "B"
            self.refused(rep, cursor[:place] + other + cursor[place + 1 :])
        self.refused(rep, cursor[:-1])
        self.refused(rep, "x")

    def test_whose_subscription_set_is_forgotten_starts_over(self, world: World) -> None:
        account = world.account()
        rep = world.person("rep", world.north)
        rep.sync()
        world.engine_sql("DELETE FROM sync_subscription_sets WHERE tenant_id = :tenant")

        (answer,) = pages(rep, 100)

        assert answer["directives"] == ["rebase"]
        assert rep.held("account", account)


# -- one snapshot


def asking(world: World, person: Person, **values: Any) -> Ask:
    return Ask(world.id, person.device_id, person.id, "sales", 1, **values)


@contextmanager
def snapshot(
    world: World, person: Person, isolation: Any = "REPEATABLE READ", reader: type[FeedReader] = FeedReader
) -> Iterator[FeedReader]:
    """A reader as a request has it."""
    buckets = world.engine_sql("SELECT bucket FROM sync_subscriptions WHERE user_id = :u", u=person.id)
    with world.db.app.connect() as raw:
        connection: Connection = raw.execution_options(isolation_level=isolation)
        with connection.begin(), Session(connection) as session:
            set_writer(session, world.id, user_id=person.id, device_id=person.device_id)
            yield reader(connection, world.id, frozenset(row[0] for row in buckets))


class TestSnapshot:
    def account_moves_between_two_statements(
        self, world: World, isolation: str
    ) -> tuple[UUID, set[UUID], bool]:
        """A first sync, in the middle of which an account moves from an unread bucket to one that was read."""
        rep = world.person("rep", world.north, world.south)
        first, second = sorted((world.north, world.south), key=str)
        account = world.account(second)
        world.drain()

        class MovingReader(FeedReader):
            def walk(self, channel: Channel, **where: Any) -> list[FeedRow]:
                rows = super().walk(channel, **where)
                if channel == (f"territory:{first}", SALES):
                    move(world, account, first)
                    world.drain()
                return rows

        with snapshot(world, rep, isolation, MovingReader) as reader:
            page = pull(reader, REGISTRY, None, asking(world, rep), set_id_of)
        return account, {row.record_id for row in page.changes}, page.has_more

    def test_is_one_for_the_whole_pull(self, world: World) -> None:
        account, given, has_more = self.account_moves_between_two_statements(world, "REPEATABLE READ")

        assert not has_more
        assert account in given

    def test_of_each_statement_would_drop_a_record_that_moves(self, world: World) -> None:
        """Planted: the same at read committed. It proves that the test above would notice."""
        account, given, has_more = self.account_moves_between_two_statements(world, "READ COMMITTED")

        assert not has_more
        assert account not in given


# -- against a model

SHAPES = ("sales", "manager")
_nonces = count(1)
ENTITIES = ("thing", "stone", "novelty")
THINGS = Registry(
    (
        SyncEntity("thing", "things", {"since_two": Field(Merge.LAST_WRITE, since=2)}, "", shapes=SHAPES),
        SyncEntity("stone", "stones", {}, buckets="", shapes=SHAPES),
        SyncEntity("novelty", "novelties", {}, buckets="", shapes=SHAPES, since=3),
    ),
    "",
    schema_version=3,
)
TENANT, DEVICE, USER, EPOCH = (UUID(int=n) for n in (1, 2, 3, 4))
BUCKETS = "ABCD"
SMALLEST = 20
"""Bytes of bodies that close a segment of the model."""


def entity_of(record: int) -> str:
    return ENTITIES[record % 3]


@dataclass
class Company:
    """The server in memory: records in buckets, drains that write the feed, one user's subscriptions.

    It is the Reader that pull asks; between two calls of pull nothing moves.
    """

    rows: dict[tuple[Channel, int], FeedRow] = field(default_factory=dict)
    buckets_of: dict[int, set[str]] = field(default_factory=dict)
    version: dict[int, int] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    live: set[str] = field(default_factory=set)
    drained: set[str] = field(default_factory=set)
    position: int = 0
    sets: dict[str, tuple[Channel, ...]] = field(default_factory=dict)
    tellable: set[int] = field(default_factory=set)
    last_pull: tuple[set[str], int] = (set(), 0)
    nonces: dict[int, UUID] = field(default_factory=lambda: {0: UUID(int=0)})
    epoch: UUID = EPOCH
    ended: dict[UUID, int] = field(default_factory=dict)
    floor: int = 0
    cap: int = 20_000
    out: frozenset[str] = frozenset()
    segment_rows: int = 0

    def write(self, record: int, buckets: set[str]) -> None:
        self.version[record] = self.version.get(record, 0) + 1
        self.buckets_of[record] = buckets
        self.dirty.add(record)

    def drain(self) -> None:
        self.drained = set(self.live)
        for record in sorted(self.dirty):
            self._sequence(record)
        self.dirty.clear()
        self.tellable |= {
            r for ((bucket, _), r), row in self.rows.items() if bucket in self.drained and not row.gone
        }
        self.nonces.setdefault(self.position, UUID(int=next(_nonces)))

    def _sequence(self, record: int) -> None:
        wanted = {(bucket, shape) for bucket in self.buckets_of[record] for shape in SHAPES}
        held = {channel for (channel, r), row in self.rows.items() if r == record and not row.gone}
        for channel in sorted(wanted | held):
            self.position += 1
            before, body = self.rows.get((channel, record)), f"{record}.{self.version[record]}.{channel[1]}"
            if before and before.gone and channel in wanted:
                # ``entered`` is kept through a return, so a later loss may name the record to
                # somebody who came after its first stay. The specification takes that.
                self.tellable.add(record)
            self.rows[channel, record] = FeedRow(
                self.position,
                before.entered if before else self.position,
                entity_of(record),
                UUID(int=record),
                self.version[record],
                body if channel in wanted else None,
                None if channel in wanted else "out_of_scope",
                *channel,
            )

    def note_pull(self) -> None:
        """A bucket that was lost and regained between two pulls counts as never lost."""
        before, position = self.last_pull
        self.tellable |= {
            r
            for ((bucket, _), r), row in self.rows.items()
            if bucket in before & self.drained and row.entered > position
        }
        self.last_pull = set(self.drained), self.position

    def view(self, shape: str, schema: int) -> dict[Record, str | None]:
        return {
            (row.entity, row.record_id): row.body
            for ((bucket, s), _), row in self.rows.items()
            if s == shape
            and bucket in self.drained - self.out
            and not row.gone
            and row.entity not in THINGS.unknown_to(schema)
        }

    def restore(self, backup: "Company") -> None:
        vars(self).update(vars(deepcopy(backup)))

    def begin_epoch(self, seen: UUID) -> None:
        """As ``sync_begin_epoch`` does."""
        if seen not in self.ended:
            self.ended[seen] = -1
            self.ended[self.epoch] = self.position
            self.epoch = UUID(int=next(_nonces))

    def keep(self, channels: Sequence[Channel]) -> str:
        name = repr(sorted(channels))
        self.sets[name] = tuple(channels)
        return name

    # The Reader

    def head(self) -> Head:
        return Head(self.position, self.nonces[self.position], self.floor, self.epoch, Settings(1, self.cap))

    def buckets(self, user_id: UUID) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(self.drained), frozenset(self.live)

    def channels(self, set_id: str) -> tuple[Channel, ...] | None:
        return self.sets.get(set_id)

    def sizes(self, user_id: UUID) -> Mapping[Channel, int]:
        live = [
            channel for (channel, _), row in self.rows.items() if not row.gone and channel[0] in self.drained
        ]
        return Counter(live)

    def left_out(self, user_id: UUID) -> frozenset[str]:
        return self.out

    def are_drains(self, drains: Sequence[tuple[int, UUID]]) -> bool:
        return all(self.nonces.get(position) == nonce for position, nonce in drains)

    def epoch_holds(self, epoch: UUID) -> int | None:
        return self.ended.get(epoch)

    def _rows(self, channels: Sequence[Channel], after: int) -> list[FeedRow]:
        found = [
            row for (channel, _), row in self.rows.items() if channel in channels and row.position > after
        ]
        return sorted(found, key=lambda row: row.position)

    def delta(
        self,
        channels: Sequence[Channel],
        *,
        after: int,
        changes_after: int,
        gone_after: int | None,
        limit: int,
    ) -> list[FeedRow]:
        return [
            row
            for row in self._rows(channels, after)
            if (row.gone is None and row.position > changes_after)
            or (row.gone is not None and gone_after is not None and row.position > gone_after)
        ][:limit]

    def walk(self, channel: Channel, *, after: int, gone_after: int, limit: int) -> list[FeedRow]:
        return [row for row in self._rows([channel], after) if not row.gone or row.position > gone_after][
            :limit
        ]

    def sheaf(
        self, channel: Channel, *, after: int, gone_after: int, limit: int, byte_limit: int
    ) -> Sheaf | None:
        if not self.segment_rows:
            return None
        rows = self.walk(channel, after=after, gone_after=gone_after, limit=10_000)
        live = list(takewhile(lambda row: not row.gone, rows))
        if rows and not live:
            return None
        segments: list[Segment] = []
        stretch: list[FeedRow] = []
        for row in live:
            stretch.append(row)
            sizes = [len(one.body or "") for one in stretch]
            full = len(stretch) == self.segment_rows or sum(sizes) >= SMALLEST
            if not full and row is not live[-1]:
                continue
            limit -= len(stretch)
            if limit < 0 or sum(sizes[:-1]) >= byte_limit:
                return Sheaf(channel, tuple(segments), after, closed=True)
            byte_limit -= sum(sizes)
            ids = b"".join(one.record_id.bytes for one in stretch)
            entities = Counter(one.entity for one in stretch)
            segments.append(Segment(after, row.position, ids, sum(sizes), sizes[-1], entities, None, full))
            after, stretch = row.position, []
        return Sheaf(channel, tuple(segments), after, done=len(live) == len(rows))

    def untied(self, page: Page) -> list[FeedRow]:
        """All changes of a page, row by row."""
        tied = [
            self.rows[sheaf.channel, UUID(bytes=record).int]
            for sheaf in page.sheaves
            for segment in sheaf.segments
            for record in segment.records()
        ]
        return [*page.changes, *tied]

    def lost(self, channel: Channel, *, after: int, given: int, limit: int) -> list[FeedRow]:
        return [
            row
            for row in self._rows([channel], after)
            if row.entered <= given and (not row.gone or row.position > given)
        ][:limit]

    def again(
        self, channel: Channel, entities: Sequence[str], *, after: int, until: int, limit: int
    ) -> list[FeedRow]:
        return [
            row
            for row in self._rows([channel], after)
            if not row.gone and row.entity in entities and row.position <= until
        ][:limit]

    def held(
        self, records: Sequence[Record], channels: Sequence[tuple[Channel, int]], *, by_entry: bool = False
    ) -> set[Record]:
        return {
            (entity, record_id)
            for entity, record_id in records
            for channel, given in channels
            if (row := self.rows.get((channel, record_id.int)))
            and not row.gone
            and (row.entered if by_entry else row.position) <= given
        }


@dataclass
class Phone:
    """What one device holds, and what must hold of every answer that it gets."""

    company: Company
    cursor: Cursor | None = None
    records: dict[Record, str | None] = field(default_factory=dict)
    schema: int = 3
    kept_by: dict[Record, int] = field(default_factory=dict)

    def may_hold(self) -> set[int]:
        """What came into a bucket of this phone at or before the last position that its cursor speaks of."""
        if self.cursor is None:
            return set()
        known = max(self.cursor.position, *(max(w.at, w.until) for w in self.cursor.walks), 0)
        channels = set(self.company.sets.get(self.cursor.subscription_set, ()))
        channels |= {(walk.bucket, walk.shape) for walk in self.cursor.walks}
        return {
            r
            for (channel, r), row in self.company.rows.items()
            if channel in channels and row.entered <= known
        }

    def pull(
        self, shape: str, limit: int, byte_limit: int, pending: int = 0, *, changes_held: bool = False
    ) -> bool:
        """One page; whether it was the checkpoint."""
        self.company.note_pull()
        may_hold = self.may_hold()
        ask = Ask(
            TENANT,
            DEVICE,
            USER,
            shape,
            self.schema,
            limit=limit,
            byte_limit=byte_limit,
            pending=pending,
            changes_held=changes_held,
        )
        try:
            page = pull(self.company, THINGS, self.cursor, ask, self.company.keep)
        except Restored as restored:
            self.company.begin_epoch(restored.epoch)
            page = pull(self.company, THINGS, None, ask, self.company.keep)
        self.company.out = frozenset(page.budget.left_out)
        self.check(page, may_hold, ask)
        self.take(page)
        if not page.has_more:
            assert self.company.drained - self.company.out <= self.company.live
            assert self.records == self.company.view(shape, self.schema)
            newest = {e.name: newest_since(e) for e in THINGS.entities}
            assert all(self.kept_by[key] >= min(newest[key[0]], self.schema) for key in self.records)
        return not page.has_more

    def check(self, page: Page, may_hold: set[int], ask: Ask) -> None:
        changes = self.company.untied(page)
        given = {(row.entity, row.record_id) for row in changes}
        taken = {(entity, record_id) for entity, record_id, _ in page.removed}
        assert len(given) == len(changes), "a record stands in a page once"
        assert len(given) + len(taken) <= ask.limit
        assert not taken & given, "an id stands in changes or in removed, not in both"
        assert all(record.int in self.company.tellable for _, record in taken | given), "a foreign id"
        assert all(record.int in may_hold for _, record in taken), "an id that the phone never had"
        assert page.budget.records <= self.company.cap
        assert all(row.bucket in self.company.live for row in changes), "a body of a withheld bucket"
        if ask.pending:
            assert not taken
        if ask.changes_held:
            assert not given
        if ask.pending or ask.changes_held:
            assert page.has_more

    def take(self, page: Page) -> None:
        if page.rebase:
            self.records.clear()
        for entity, record, _ in page.removed:
            self.records.pop((entity, record), None)
        for row in self.company.untied(page):
            self.records[row.entity, row.record_id] = row.body
            self.kept_by[row.entity, row.record_id] = self.schema
        self.cursor = page.cursor


def live_through(seed: int, segment_rows: int = 0) -> None:
    """A random history of writes, drains, scope and role changes, restores, updates of the app, and pulls."""
    chance = random.Random(seed)
    company, shape = Company(segment_rows=segment_rows), SHAPES[0]
    phone = Phone(company)
    toggles = chance.choice((0.1, 0.25))
    upheavals = [what for what in ("restores", "updates", "caps") if chance.random() < 0.35]
    phone.schema = 1 if "updates" in upheavals else 3

    def some_buckets() -> set[str]:
        return {bucket for bucket in BUCKETS if chance.random() < 0.35}

    def page(pending: int = 0, *, held: bool = False) -> bool:
        limit, byte_limit = chance.choice((1, 1, 2, 3, 7)), chance.choice((5, 20, 1000))
        return phone.pull(shape, limit, byte_limit, pending, changes_held=held)

    company.live = some_buckets()
    for record in range(chance.randint(1, 8)):
        company.write(record, some_buckets())
    company.drain()
    backup = deepcopy(company)
    for _ in range(35):
        what = chance.random()
        if what < 0.3:
            new = chance.random() < 0.2
            record = len(company.version) if new else chance.choice(list(company.version))
            moves = new or chance.random() < 0.6
            company.write(record, some_buckets() if moves else company.buckets_of[record])
        elif what < 0.3 + toggles:
            company.live ^= {chance.choice(BUCKETS)}
        elif what < 0.33 + toggles:
            shape = chance.choice(SHAPES)
        elif what < 0.34 + toggles:
            company.sets.clear()  # as the purge would: the phone has to start over
        elif what < 0.36 + toggles:
            backup = deepcopy(company)
        elif what < 0.46 + toggles and upheavals:
            match chance.choice(upheavals):
                case "restores":
                    company.restore(backup)
                case "updates":
                    phone.schema = min(3, phone.schema + 1)
                case "caps":
                    company.cap = chance.choice((2, 4, 8, 20_000))
        elif what < 0.56 + toggles:
            company.drain()
        else:
            if chance.random() < 0.5:
                company.drain()
            pending, held = int(chance.random() < 0.25), "updates" in upheavals and chance.random() < 0.3
            for _ in range(chance.choice((1, 1, 4))):
                if page(pending, held=held):
                    break
    company.drain()
    assert any(page() for _ in range(300)), "no checkpoint"


class TestAWalkBelowTheFloor:
    """Tombstones above the place where a walk began may be purged, though the position has gone on."""

    def cursor(self, company: Company, *walks: Walk) -> Cursor:
        at, nonce = company.position, company.nonces[company.position]
        return Cursor(
            TENANT, DEVICE, 3, EPOCH, at, nonce, at, nonce, 0, company.keep([("A", "sales")]), walks
        )

    @pytest.mark.parametrize(
        ("walk", "worth"),
        [
            (Walk("gain", "A", "sales", 1, 2), Worth.BELOW_FLOOR),
            (Walk("gain", "A", "sales", 1, 3), Worth.GOOD),
            (Walk("loss", "A", "sales", 0, 2), Worth.BELOW_FLOOR),
            (Walk("delta", "A", "sales", 2, 4), Worth.BELOW_FLOOR),
            (Walk("delta", "A", "sales", 3, 4), Worth.GOOD),
        ],
    )
    def test_makes_the_phone_start_over(self, walk: Walk, worth: Worth) -> None:
        company = Company(live={"A"})
        for record in range(5):
            company.write(record, {"A"})
        company.drain()
        company.floor = 3

        assert worth_of(company, self.cursor(company, walk), company.head(), 0) is worth


class TestAgainstAModel:
    @pytest.mark.parametrize("start", range(0, 4000, 500))
    def test_every_checkpoint_equals_the_view(self, start: int) -> None:
        for seed in range(start, start + 500):
            try:
                live_through(seed)
            except AssertionError as error:
                raise AssertionError(f"live_through({seed})") from error

    @pytest.mark.parametrize(("segment_rows", "few"), [(1, pulling.FEW), (2, 0), (3, 2)])
    def test_whole_segments_give_the_same(
        self, segment_rows: int, few: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulling, "FEW", few)
        monkeypatch.setattr(pulling, "SEGMENT_ROWS", segment_rows)
        monkeypatch.setattr(pulling, "SEGMENT_BYTES", SMALLEST)
        for seed in range(segment_rows * 1000, segment_rows * 1000 + 500):
            try:
                live_through(seed, segment_rows)
            except AssertionError as error:
                raise AssertionError(f"live_through({seed}, {segment_rows})") from error

    def test_a_walk_tells_nothing_of_what_came_and_went_meanwhile(self) -> None:
        company = Company(live={"A"})
        phone = Phone(company)
        for record in (0, 1):
            company.write(record, {"A"})
        company.drain()
        phone.pull(SHAPES[0], 1, 1000)
        for record, buckets in ((2, {"A"}), (1, {"A"}), (2, set())):
            company.write(record, buckets)
            company.drain()

        assert phone.pull(SHAPES[0], 7, 1000)


class TestAnAppThatIsTooOldForChanges:
    def test_loses_no_record_that_stays_by_another_bucket(self) -> None:
        company = Company(live={"A", "B"})
        phone = Phone(company)
        company.write(0, {"A", "B"})
        company.write(1, {"A"})
        company.drain()
        phone.pull(SHAPES[0], 7, 1000)
        company.write(0, {"B"})
        company.write(1, set())
        company.drain()

        phone.pull(SHAPES[0], 7, 1000, changes_held=True)

        assert [record.int for _, record in phone.records] == [0]
        company.write(0, set())
        company.drain()
        phone.pull(SHAPES[0], 7, 1000, changes_held=True)
        assert phone.records == {}

    def test_gets_what_was_held_once_it_is_new_enough(self) -> None:
        company = Company(live={"A"})
        phone = Phone(company)
        company.write(0, {"A"})
        company.drain()
        phone.pull(SHAPES[0], 7, 1000)
        company.write(0, {"A"})
        company.write(3, {"A"})
        company.drain()
        for _ in range(2):
            assert not phone.pull(SHAPES[0], 7, 1000, changes_held=True)

        assert phone.pull(SHAPES[0], 7, 1000)


class TestReaderOfTheModel:
    def test_answers_as_the_feed_in_the_database_does(self, world: World) -> None:
        rep = world.person("rep", world.north)
        chance, company = random.Random(7), Company()
        world.drain()
        for _ in range(8):
            company.live = {b for b in BUCKETS if chance.random() < 0.5}
            for record in range(12):
                if chance.random() < 0.5:
                    company.write(record, {b for b in BUCKETS if chance.random() < 0.4})
            company.drain()
        load(world, company)
        everything = [(bucket, shape) for bucket in BUCKETS for shape in SHAPES]
        with snapshot(world, rep) as reader:
            for _ in range(150):
                after, other, given = (chance.randint(0, company.position) for _ in range(3))
                limit, channel = chance.randint(1, 20), chance.choice(everything)
                channels = chance.sample(everything, chance.randint(0, 8))
                asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
                    ("walk", (channel,), {"after": after, "gone_after": other, "limit": limit}),
                    ("lost", (channel,), {"after": after, "given": given, "limit": limit}),
                    (
                        "delta",
                        (channels,),
                        {
                            "after": after,
                            "changes_after": other,
                            "gone_after": chance.choice((None, given)),
                            "limit": limit,
                        },
                    ),
                    (
                        "again",
                        (channel, chance.sample(ENTITIES, 2)),
                        {"after": after, "until": other, "limit": limit},
                    ),
                    (
                        "held",
                        ([(entity_of(n), UUID(int=n)) for n in range(12)], [(c, given) for c in channels]),
                        {"by_entry": chance.random() < 0.5},
                    ),
                ]
                for name, args, values in asked:
                    in_memory = getattr(company, name)(*args, **values)
                    in_database = getattr(reader, name)(*args, **values)
                    if name == "lost":  # which reads no bodies
                        in_memory = [(r.position, r.record_id, r.gone) for r in in_memory]
                        in_database = [(r.position, r.record_id, r.gone) for r in in_database]
                    assert in_database == in_memory, (name, args, values)


def load(world: World, company: Company) -> None:
    """The model's feed, written into the company's own."""
    with world.db.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version,"
                " body, gone) VALUES (:t, :b, :s, :entity, :id, :p, :e, :v, :body, :gone)"
            ),
            [
                {
                    "t": world.id,
                    "b": channel[0],
                    "s": channel[1],
                    "entity": row.entity,
                    "id": row.record_id,
                    "p": row.position,
                    "e": row.entered,
                    "v": row.version,
                    "body": row.body,
                    "gone": row.gone,
                }
                for (channel, _), row in company.rows.items()
            ],
        )
