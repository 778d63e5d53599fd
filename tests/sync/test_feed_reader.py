"""What is read of the feed, bound by bound: on rows that were put there by hand, by a role that sees every company."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from flask import Flask
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, text

from app.core.db import Database
from sync.budget import DEFAULTS, Settings
from sync.stores.feed import (
    PROOFS,
    SHEAF,
    STAMPS,
    FeedReader,
    keep_left_out,
    keep_set,
    set_id_of,
    settings_of,
)
from sync.stores.glance import DELTA, GLANCE, STANDING
from tests.world import World

Channel = tuple[str, str]
CHANNELS: tuple[Channel, ...] = (("a", "s"), ("a", "t"), ("b", "s"), ("b", "t"))
KINDS = ("account", "contact", "visit")
LAST = 40
ALL = 1_000
SET = "set"


@dataclass(frozen=True)
class Row:
    """One of the feed; each record is in all four channels."""

    position: int
    channel: Channel
    entity: str
    record_id: UUID
    entered: int
    gone: str | None

    @property
    def body(self) -> str | None:
        return None if self.gone else f'{{"p":{self.position}}}'


def rows_of(world: World) -> list[Row]:
    """Positions of the channels take turns."""
    return [
        Row(
            position,
            CHANNELS[position % 4],
            KINDS[position // 4 % 3],
            UUID(int=world.id.int ^ position // 4),
            max(1, position - position % 7),
            "deleted" if position % 5 in (0, 3) else None,
        )
        for position in range(1, LAST + 1)
    ]


@dataclass(frozen=True)
class Company:
    """With a feed, drains at every eighth position, two people and the subscription sets of two phones."""

    world: World
    rows: list[Row]
    nonces: dict[int, UUID]
    user: UUID
    device: UUID
    settings: Settings | None

    def of(self, *channels: Channel) -> list[Row]:
        """Their rows by position."""
        return [row for row in self.rows if row.channel in channels]


def planted(world: World, settings: Settings | None) -> Company:
    rows = rows_of(world)
    shuffled = list(rows)
    Random(4).shuffle(shuffled)
    put = world.engine_sql
    for row in shuffled:
        put(
            "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body,"
            " gone)"
            " VALUES (:tenant, :bucket, :shape, :entity, :record_id, :position, :entered, 1, :body, :gone)",
            bucket=row.channel[0],
            shape=row.channel[1],
            body=row.body,
            **{name: getattr(row, name) for name in ("entity", "record_id", "position", "entered", "gone")},
        )
    nonces = {position: uuid4() for position in range(8, LAST + 1, 8)}
    put("DELETE FROM sync_drain WHERE tenant_id = :tenant")
    for position in sorted(nonces, key=lambda position: position % 3):
        put(
            "INSERT INTO sync_drain VALUES (:tenant, :position, :nonce)",
            position=position,
            nonce=nonces[position],
        )
    put("UPDATE sync_heads SET position = :p, floor = 3 WHERE tenant_id = :tenant", p=LAST)
    if settings:
        put(
            "INSERT INTO sync_settings VALUES (:tenant, :warn, :cap, :keep, :resend, 1)",
            warn=settings.records_warn,
            cap=settings.records_cap,
            keep=settings.keep_days,
            resend=settings.resend_days,
        )
    return Company(world, rows, nonces, uuid4(), uuid4(), settings)


def people(company: Company, other_user: UUID) -> None:
    """Two with subscriptions, sizes, buckets left out, phones and sets."""
    put = company.world.engine_sql
    for user, buckets, left_out in ((company.user, "ab", "b"), (other_user, "bc", "a")):
        for bucket in buckets:
            put("INSERT INTO sync_subscriptions VALUES (:tenant, :u, :b)", u=user, b=bucket)
        for bucket in left_out:
            put("INSERT INTO sync_left_out VALUES (:tenant, :u, :b)", u=user, b=bucket)
    for number, (bucket, shape) in enumerate((("a", "s"), ("a", "t"), ("c", "s"))):
        put("INSERT INTO sync_channel_sizes VALUES (:tenant, :b, :s, :n)", b=bucket, s=shape, n=number + 5)
    for set_id, channels in ((SET, '[["a", "s"], ["b", "t"]]'), ("other", '[["a", "t"]]')):
        put(
            "INSERT INTO sync_subscription_sets VALUES (:tenant, :id, CAST(:c AS jsonb))",
            id=set_id,
            c=channels,
        )
    for device, highest in ((company.device, 7), (uuid4(), 9)):
        put(
            "INSERT INTO sync_devices (tenant_id, device_id, user_id, highest_n, app_version)"
            " VALUES (:tenant, :d, :u, :n, :v)",
            d=device,
            u=company.user,
            n=highest,
            v=str(highest),
        )


@dataclass(frozen=True)
class Companies:
    """Two that have all the same ids but those of records, and one in which there is nothing."""

    here: Company
    there: Company
    bare: Company
    other_user: UUID


@pytest.fixture(scope="module")
def companies(served: Flask, pools: Database) -> Iterator[Companies]:
    here = planted(World(served, pools), Settings(10, 20, 30, 5))
    there = planted(World(served, pools), Settings(11, 21, 31, 6))
    there = replace(there, user=here.user, device=here.device)
    bare = planted(World(served, pools), None)
    other = uuid4()
    people(here, other)
    people(there, other)
    there.world.engine_sql("DELETE FROM sync_left_out WHERE tenant_id = :tenant")
    there.world.engine_sql("INSERT INTO sync_left_out VALUES (:tenant, :u, 'a')", u=there.user)
    there.world.engine_sql("DELETE FROM sync_subscription_sets WHERE tenant_id = :tenant AND id = 'other'")
    there.world.engine_sql(
        'UPDATE sync_subscription_sets SET channels = \'[["b", "s"]]\' WHERE tenant_id = :tenant'
    )
    there.world.engine_sql("UPDATE sync_devices SET highest_n = 70 WHERE tenant_id = :tenant")
    there.world.engine_sql("UPDATE sync_channel_sizes SET records = 1 WHERE tenant_id = :tenant")
    there.world.engine_sql("INSERT INTO sync_subscriptions VALUES (:tenant, :u, 'd')", u=there.user)
    for company in (here, there, bare):
        company.world.engine_sql("DELETE FROM sync_pending WHERE tenant_id = :tenant")
    yield Companies(here, there, bare, other)
    for company in (here, there, bare):
        for table in ("sync_pending", "sync_subscriptions", "sync_devices", "sync_feed"):
            company.world.engine_sql(f"DELETE FROM {table} WHERE tenant_id = :tenant")


@pytest.fixture(params=["by the plan of its indexes", "by any plan"])
def connection(request: pytest.FixtureRequest, pools: Database) -> Iterator[Connection]:
    with pools.engine.connect() as connection:
        if request.param == "by any plan":  # an index gives rows in its order to those who ask for none too
            for setting in ("enable_indexscan", "enable_indexonlyscan"):
                connection.execute(text(f"SET LOCAL {setting} = off"))
        yield connection
        connection.rollback()


def reader(connection: Connection, company: Company) -> FeedReader:
    return FeedReader(connection, company.world.id, frozenset())


def asked(connection: Connection, sql: str, **values: Any) -> list[Any]:
    driver: Any = connection.connection.driver_connection
    with driver.cursor(row_factory=namedtuple_row) as cursor:
        return list(cursor.execute(sql, values).fetchall())


def positions(rows: Sequence[Any]) -> list[int]:
    return [row.position for row in rows]


def wanted_delta(rows: list[Row], after: int, changes_after: int, gone_after: int, limit: int) -> list[int]:
    return [
        row.position
        for row in rows
        if row.position > after and row.position > (gone_after if row.gone else changes_after)
    ][:limit]


DELTAS = list(product((0, 8, 9, 10), (0, 11, 12, 13), (0, 14, 15, 16), (ALL, 5)))


class TestDelta:
    def test_is_what_came_to_its_channels_and_left_them_behind_each_bound(
        self, companies: Companies, connection: Connection
    ) -> None:
        company, channels = companies.here, (("a", "s"), ("b", "t"))
        read = reader(connection, company)

        for after, changes_after, gone_after, limit in DELTAS:
            found = read.delta(
                channels, after=after, changes_after=changes_after, gone_after=gone_after, limit=limit
            )
            wanted = wanted_delta(company.of(*channels), after, changes_after, gone_after, limit)
            assert positions(found) == wanted

    def test_is_the_same_when_it_is_asked_along_with_a_look(
        self, companies: Companies, connection: Connection
    ) -> None:
        company = companies.here
        rows = company.of(("a", "s"), ("b", "t"))

        for after, changes_after, gone_after, limit in DELTAS:
            found = asked(
                connection,
                DELTA,
                tenant=company.world.id,
                set=SET,
                after=after,
                changes_after=changes_after,
                gone_after=gone_after,
                limit=limit,
            )
            assert positions(found) == wanted_delta(rows, after, changes_after, gone_after, limit)


class TestChannel:
    """What is read of one channel."""

    CHANNEL = ("a", "s")

    def test_is_walked_behind_each_bound(self, companies: Companies, connection: Connection) -> None:
        company = companies.here
        read = reader(connection, company)

        for after, gone_after, limit in product((0, 4, 8, 9), (0, 20, 23, 28, ALL), (ALL, 3)):
            found = read.walk(self.CHANNEL, after=after, gone_after=gone_after, limit=limit)
            assert positions(found) == wanted_delta(company.of(self.CHANNEL), after, 0, gone_after, limit)

    def test_is_read_of_one_kind_of_records_where_a_phone_keeps_a_place_for_each(
        self, companies: Companies, connection: Connection
    ) -> None:
        company = companies.here
        read = FeedReader(connection, company.world.id, frozenset(), entity="contact")

        found = (
            read.walk(self.CHANNEL, after=0, gone_after=0, limit=ALL),
            read.delta([self.CHANNEL], after=0, changes_after=0, gone_after=0, limit=ALL),
            read.lost(self.CHANNEL, after=0, given=LAST, limit=ALL),
            read.again(self.CHANNEL, ["account", "contact"], after=0, until=LAST, limit=ALL),
        )

        assert [{row.entity for row in rows} for rows in found] == [{"contact"}] * 4

    def test_is_read_in_whole_up_to_its_bounds(self, companies: Companies, connection: Connection) -> None:
        company = companies.here

        for after, until, gone_after, limit in product((0, 4, 8), (LAST, 35, 36), (0, 20, ALL), (ALL, 3)):
            wanted = [
                (row.position, row.entity, row.body)
                for row in company.of(self.CHANNEL)
                if after < row.position <= until and (row.gone is None or row.position > gone_after)
            ][:limit]
            found = asked(
                connection,
                SHEAF,
                tenant=company.world.id,
                bucket="a",
                shape="s",
                after=after,
                until=until,
                gone_after=gone_after,
                limit=limit,
            )
            assert [(p, entity, body and bytes(body).decode()) for p, entity, body in found] == wanted

    def test_proves_its_segments_by_their_rows_and_the_drain_that_wrote_so_far(
        self, companies: Companies, connection: Connection
    ) -> None:
        ranges = [(16, 40), (0, 8), (4, 12), (0, 16), (8, 9), (3, 7), (36, 41)]

        for company in (companies.here, companies.there):
            found = asked(
                connection,
                PROOFS,
                tenant=company.world.id,
                bucket="a",
                shape="s",
                afters=[after for after, _ in ranges],
                untils=[until for _, until in ranges],
            )

            assert [tuple(row) for row in found] == [
                (
                    sum(after < row.position <= until for row in company.of(self.CHANNEL)),
                    self._first_from(company, until),
                )
                for after, until in ranges
            ]

    @pytest.mark.parametrize("floor", [3, 8, 9])
    def test_is_stamped_by_its_last_row_and_by_the_floor(
        self, companies: Companies, connection: Connection, floor: int
    ) -> None:
        last = {("b", "t"): 15, ("a", "s"): 16, ("b", "s"): 14}
        for company in (companies.here, companies.there):
            tenant = {"tenant": company.world.id}
            moved = text("UPDATE sync_heads SET floor = :floor WHERE tenant_id = :tenant")
            connection.execute(moved, tenant | {"floor": floor})
        for company, place in ((companies.here, 0), (companies.there, 4)):
            for (bucket, shape), until in last.items():
                connection.execute(
                    text(
                        "DELETE FROM sync_feed WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"
                        " AND position > :until"
                    ),
                    {"tenant": company.world.id, "bucket": bucket, "shape": shape, "until": until + place},
                )
        for company, place in ((companies.here, 0), (companies.there, 4)):
            first_from = partial(self._first_from, company)
            driver: Any = connection.connection.driver_connection
            named = {
                "buckets": [*(bucket for bucket, _ in last), "c"],
                "shapes": [*(shape for _, shape in last), "s"],
            }
            found = driver.execute(STAMPS, {"tenant": company.world.id, **named}).fetchall()

            assert sorted(found) == [
                (*channel, at, first_from(at), floor, first_from(floor))
                for channel, at in sorted((channel, at + place) for channel, at in last.items())
            ]

    def _first_from(self, company: Company, position: int) -> UUID | None:
        return next((company.nonces[p] for p in sorted(company.nonces) if p >= position), None)

    def test_that_was_lost_is_what_a_phone_may_hold_of_it(
        self, companies: Companies, connection: Connection
    ) -> None:
        company = companies.here
        read = reader(connection, company)

        for after, given, limit in product((0, 4, 8), (*range(12, 30), 35, LAST), (ALL, 2)):
            found = read.lost(self.CHANNEL, after=after, given=given, limit=limit)
            assert (
                positions(found)
                == [
                    row.position
                    for row in company.of(self.CHANNEL)
                    if row.position > after
                    and row.entered <= given
                    and (row.gone is None or row.position > given)
                ][:limit]
            )

    def test_is_given_again_by_kinds_of_records(self, companies: Companies, connection: Connection) -> None:
        company = companies.here
        read = reader(connection, company)

        for after, until, limit in product((0, 11, 12, 13, 24), (LAST, 35, 36, 32), (ALL, 2)):
            found = read.again(self.CHANNEL, ["account", "visit"], after=after, until=until, limit=limit)
            assert (
                positions(found)
                == [
                    row.position
                    for row in company.of(self.CHANNEL)
                    if after < row.position <= until and row.gone is None and row.entity != "contact"
                ][:limit]
            )

    @pytest.mark.parametrize("by_entry", [False, True])
    def test_holds_the_records_that_stand_there_by_a_position(
        self, companies: Companies, connection: Connection, by_entry: bool
    ) -> None:
        company = companies.here
        read = reader(connection, company)
        records = {(row.entity, row.record_id) for row in company.rows[::2]} | {("account", uuid4())}
        records |= {(row.entity, row.record_id) for row in companies.there.rows}
        place: Callable[[Row], int] = (lambda row: row.entered) if by_entry else (lambda row: row.position)

        for first, second in product(range(0, LAST, 3), (0, 22, 23)):
            given = {("a", "s"): first, ("b", "t"): second}
            found = read.held(sorted(records), list(given.items()), by_entry=by_entry)
            assert found == {
                (row.entity, row.record_id)
                for row in company.rows
                if (row.entity, row.record_id) in records
                and row.gone is None
                and row.channel in given
                and place(row) <= given[row.channel]
            }

    def test_holds_no_record_for_another_kinds_of_the_same_id(
        self, companies: Companies, connection: Connection
    ) -> None:
        row = next(row for row in companies.here.of(self.CHANNEL) if row.gone is None)
        other = next(kind for kind in KINDS if kind != row.entity)

        read = reader(connection, companies.here)

        assert read.held([(other, row.record_id)], [(self.CHANNEL, LAST)]) == set()


def epoch_of(connection: Connection) -> tuple[UUID, int]:
    row = connection.execute(text("SELECT id, generation FROM sync_epochs WHERE ended_at IS NULL")).one()
    return row[0], row[1]


@pytest.fixture
def ended(connection: Connection) -> tuple[UUID, UUID]:
    """Two epochs that ended, with numbers that no present one has."""
    found = uuid4(), uuid4()
    for number, epoch in enumerate(found):
        connection.execute(
            text("INSERT INTO sync_epochs VALUES (:id, :g, now(), now(), NULL)"),
            {"id": epoch, "g": 9_000 + number},
        )
    return found


class TestStanding:
    """Where a company stands, and what its phones are told of it."""

    def test_is_its_last_drain_in_the_present_epoch_with_its_settings(
        self, companies: Companies, connection: Connection, ended: object
    ) -> None:
        for company in (companies.here, companies.there, companies.bare):
            head = reader(connection, company).head()

            assert (head.position, head.nonce, head.floor) == (LAST, company.nonces[LAST], 3)
            assert head.epoch == epoch_of(connection)[0]
            assert head.settings == (company.settings or DEFAULTS)

    def test_has_the_settings_of_its_own_administrators(
        self, companies: Companies, connection: Connection
    ) -> None:
        found = [
            settings_of(connection, company.world.id)
            for company in (companies.here, companies.there, companies.bare)
        ]

        kept = [replace(one, version=DEFAULTS.version) for one in found]
        assert kept == [companies.here.settings, companies.there.settings, DEFAULTS]

    def test_counts_its_own_marks_up_to_a_bound(self, companies: Companies, connection: Connection) -> None:
        for company, marks in ((companies.here, 3), (companies.there, 4)):
            for _ in range(marks):
                connection.execute(
                    text(
                        "INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (:t, 'account', :id)"
                    ),
                    {"t": company.world.id, "id": uuid4()},
                )

        read = reader(connection, companies.here)

        assert (read.waiting_marks(2), read.waiting_marks(100)) == (2, 3)

    def test_knows_what_a_person_subscribes_to_and_was_not_given(
        self, companies: Companies, connection: Connection
    ) -> None:
        read, user = reader(connection, companies.here), companies.here.user

        assert read.buckets(user)[0] == {"a", "b"}
        assert read.left_out(user) == {"b"}
        assert read.sizes(user) == {("a", "s"): 5, ("a", "t"): 6}
        assert reader(connection, companies.there).left_out(user) == {"a"}

    def test_knows_its_own_subscription_sets(self, companies: Companies, connection: Connection) -> None:
        read = reader(connection, companies.here)

        assert read.channels(SET) == (("a", "s"), ("b", "t"))
        assert read.channels("other") == (("a", "t"),)
        assert read.channels("none") is None
        assert reader(connection, companies.there).channels("other") is None

    def test_knows_its_own_drains(self, companies: Companies, connection: Connection) -> None:
        here, there = companies.here, companies.there

        for company, other in ((here, there), (there, here)):
            read = reader(connection, company)
            assert read.are_drains([(8, company.nonces[8]), (24, company.nonces[24])])
            assert not read.are_drains([(8, company.nonces[8]), (24, other.nonces[24])])

    def test_knows_where_an_ended_epoch_holds(
        self, companies: Companies, connection: Connection, ended: tuple[UUID, UUID]
    ) -> None:
        first, second = ended
        for company, epoch, position in (
            (companies.here, first, 5),
            (companies.there, first, 6),
            (companies.there, second, 7),
        ):
            connection.execute(
                text("INSERT INTO sync_epoch_holds VALUES (:t, :e, :p)"),
                {"t": company.world.id, "e": epoch, "p": position},
            )

        read = reader(connection, companies.here)

        assert [read.epoch_holds(epoch) for epoch in (first, second)] == [5, -1]
        assert [read.epoch_holds(epoch) for epoch in (epoch_of(connection)[0], uuid4())] == [None, None]


def looked(connection: Connection, sql: str, company: Company, **values: Any) -> Any:
    asked_for = {
        "tenant": company.world.id,
        "user": company.user,
        "device": company.device,
        "set": SET,
        "drains": [8, 16],
        "after": 0,
    } | values
    (row,) = asked(connection, sql, **asked_for)
    return row


class TestLook:
    """The one row that answers all."""

    def test_says_of_the_company_what_its_reader_says(
        self, companies: Companies, connection: Connection, ended: object
    ) -> None:
        for company in (companies.here, companies.there, companies.bare):
            row = looked(connection, GLANCE, company)
            settings = company.settings

            assert (row.position, row.nonce, row.floor) == (LAST, company.nonces[LAST], 3)
            assert row.epoch == epoch_of(connection)[0]
            assert (row.records_warn, row.records_cap, row.keep_days, row.resend_days) == (
                (settings.records_warn, settings.records_cap, settings.keep_days, settings.resend_days)
                if settings
                else (None,) * 4
            )
            assert sorted(row.drains) == sorted(f"{p} {company.nonces[p]}" for p in (8, 16))

    def test_says_of_a_person_what_the_reader_says(
        self, companies: Companies, connection: Connection
    ) -> None:
        row = looked(connection, GLANCE, companies.here)

        assert sorted(orjson.loads(row.subscribed)) == [
            ["a", False, "s", 5],
            ["a", False, "t", 6],
            ["b", True, None, None],
        ]

    def test_says_of_a_phone_what_it_told_last(self, companies: Companies, connection: Connection) -> None:
        known = looked(connection, GLANCE, companies.here)
        unknown = looked(connection, GLANCE, companies.here, device=uuid4(), set="none")

        assert (known.highest_n, known.app_version) == (7, "7")
        assert orjson.loads(known.channels) == [["a", "s"], ["b", "t"]]
        assert (unknown.highest_n, unknown.app_version, unknown.channels) == (None, None, None)

    def test_tells_of_its_own_marks_only(self, companies: Companies, connection: Connection) -> None:
        connection.execute(
            text("INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (:t, 'account', :id)"),
            {"t": companies.there.world.id, "id": uuid4()},
        )

        assert looked(connection, GLANCE, companies.there).marks is True
        assert looked(connection, GLANCE, companies.here).marks is False

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_has_news_where_a_row_stands_behind_the_cursor(
        self, companies: Companies, connection: Connection, channel: Channel
    ) -> None:
        company = companies.here
        connection.execute(
            text(
                "UPDATE sync_subscription_sets SET channels = CAST(:c AS jsonb) WHERE tenant_id = :t AND id = :id"
            ),
            {"t": company.world.id, "id": SET, "c": f'[["{channel[0]}", "{channel[1]}"]]'},
        )
        last = company.of(channel)[-1].position
        connection.execute(
            text(
                "INSERT INTO sync_feed (tenant_id, bucket, shape, entity, record_id, position, entered, version, body)"
                " VALUES (:t, :bucket, :shape, 'account', :id, 99, 99, 1, '{}')"
            ),
            {"t": companies.there.world.id, "bucket": channel[0], "shape": channel[1], "id": uuid4()},
        )

        for after in (0, last - 1, last, last + 1, LAST, LAST + 1):
            assert looked(connection, GLANCE, company, after=after).news is (after < last)

    def test_before_a_push_weighs_the_cursor_alone(
        self, companies: Companies, connection: Connection, ended: object
    ) -> None:
        for company, highest in ((companies.here, 7), (companies.there, 70), (companies.bare, 0)):
            row = looked(connection, STANDING, company)

            assert (row.position, row.nonce, row.floor) == (LAST, company.nonces[LAST], 3)
            assert (row.epoch, row.generation) == epoch_of(connection)
            assert row.highest_n == highest
            assert sorted(row.drains) == sorted(f"{p} {company.nonces[p]}" for p in (8, 16))


class TestKept:
    def test_sets_are_touched_once_a_day(self, companies: Companies, connection: Connection) -> None:
        channels = [("a", "s")]
        tenant = companies.here.world.id
        keep_set(connection, tenant, channels)

        def used_after(age: str) -> bool:
            values = {"t": tenant, "id": set_id_of(channels), "age": age}
            where = "WHERE tenant_id = :t AND id = :id"
            connection.execute(
                text(f"UPDATE sync_subscription_sets SET used_at = now() - CAST(:age AS interval) {where}"),
                values,
            )
            keep_set(connection, tenant, channels)
            return bool(
                connection.execute(
                    text(f"SELECT used_at = now() FROM sync_subscription_sets {where}"), values
                ).scalar_one()
            )

        assert [used_after(age) for age in ("23 hours", "1 day", "25 hours")] == [False, False, True]

    def test_what_a_person_was_not_given_is_told_of_that_person_only(
        self, companies: Companies, connection: Connection
    ) -> None:
        keep_left_out(connection, companies.here.world.id, companies.here.user, ["b", "c"])
        connection.execute(text("UPDATE sync_left_out SET since = '2026-01-01'"))
        keep_left_out(connection, companies.here.world.id, companies.here.user, ["c"])

        touched = connection.execute(text("SELECT count(*) FROM sync_left_out WHERE since > '2026-01-02'"))
        assert touched.scalar_one() == 0
        found = connection.execute(
            text("SELECT tenant_id, user_id, bucket FROM sync_left_out WHERE user_id = ANY(:users)"),
            {"users": [companies.here.user, companies.other_user]},
        ).all()
        assert {tuple(row) for row in found} == {
            (companies.here.world.id, companies.here.user, "c"),
            (companies.here.world.id, companies.other_user, "a"),
            (companies.there.world.id, companies.there.user, "a"),
        }
