"""Segments of a channel: the same records with and without them, never a stale one, never another scope's."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from backports import zstd
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.db import Database, set_writer
from sync.cutting import GROWTH, Cutting
from sync.packing import PACKINGS, PLAIN, Packing
from sync.pull import Sheaf
from sync.segments import SEGMENT_BYTES, SEGMENT_ROWS, Segments
from sync.stores import feed
from sync.stores.feed import FeedReader
from tests.world import Person, World

SALES = "manager+partner+sales"
END = 1 << 60
MANY = {"limit": 10_000, "byte_limit": 8 << 20}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": zstd.decompress, "": bytes}

Json = dict[str, Any]


@contextmanager
def reader(
    world: World, kept: Segments | None = None, packing: Packing | None = PLAIN, tenant: UUID | None = None
) -> Iterator[FeedReader]:
    """A reader of one snapshot, as the given company's requests have it."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with world.db.app.connect().execution_options(**options) as connection, Session(connection) as session:
        set_writer(session, tenant or world.id)
        yield FeedReader(connection, tenant or world.id, frozenset(), packing=packing, segments=kept)


def records_of(sheaf: Sheaf | None, packing: Packing = PLAIN) -> list[Json]:
    if sheaf is None:
        return []
    comma = packing.piece(b",")
    pieces = [packing.piece(b"[")]
    for segment in sheaf.segments:
        if segment.piece:
            pieces += (segment.piece, comma)
    pieces[len(pieces) - 1 if len(pieces) > 1 else 1 :] = [packing.piece(b"]")]
    found: list[Json] = json.loads(UNPACK[packing.encoding](packing.whole(pieces)))
    return found


def whole(of: FeedReader, channel: tuple[str, str], packing: Packing = PLAIN, **limits: int) -> list[Json]:
    """The channel from its start, sheaf by sheaf."""
    after, found = 0, []
    for _ in range(100):
        sheaf = of.sheaf(channel, after=after, gone_after=END, **(MANY | limits))
        assert sheaf is not None
        found += records_of(sheaf, packing)
        after = sheaf.at
        if sheaf.done:
            return found
    raise AssertionError("no end")


def rows_of(of: FeedReader, channel: tuple[str, str]) -> list[Json]:
    return [
        {
            "entity": row.entity,
            "id": str(row.record_id),
            "version": row.version,
            "record": json.loads(row.body or "null"),
        }
        for row in of.walk(channel, after=0, gone_after=END, limit=100_000)
    ]


@pytest.fixture
def channel(world: World) -> tuple[str, str]:
    return f"territory:{world.north}", SALES


def accounts(world: World, count: int, notes: str = "오전 방문 선호") -> None:
    world.sql(
        "INSERT INTO accounts (tenant_id, id, code, name, territory_id, notes)"
        " SELECT :tenant, gen_random_uuid(), 'S' || gen_random_uuid(), '(주)가람 \"상사\" ' || n, :territory, :notes"
        " FROM generate_series(1, CAST(:count AS integer)) AS n",
        territory=world.north,
        count=count,
        notes=notes,
    )
    world.drain()


def some(world: World, channel: tuple[str, str], place: int) -> UUID:
    """The record at a place of the channel, counted from 0."""
    with reader(world) as of:
        return of.walk(channel, after=0, gone_after=END, limit=place + 1)[place].record_id


@pytest.mark.parametrize("packing", PACKINGS, ids=lambda p: p.encoding or "plain")
def test_hold_the_rows_of_the_channel_in_every_encoding(
    world: World, channel: tuple[str, str], packing: Packing
) -> None:
    accounts(world, 2 * SEGMENT_ROWS + 7)
    kept = Segments()
    for _ in range(2):
        with reader(world, kept, packing) as of:
            found = whole(of, channel, packing)
            assert found == rows_of(of, channel)
    assert len(found) == 2 * SEGMENT_ROWS + 7


CHANGES: dict[str, str] = {
    "rendered anew": "UPDATE accounts SET notes = 'neu' WHERE tenant_id = :tenant AND id = :id",
    "deleted": "UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id",
    "moved away": "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
}


@pytest.mark.parametrize("place", [0, SEGMENT_ROWS - 1, SEGMENT_ROWS, 2 * SEGMENT_ROWS + 3])
@pytest.mark.parametrize("what", sorted(CHANGES))
def test_are_not_given_once_a_record_of_theirs_was(
    world: World, channel: tuple[str, str], what: str, place: int
) -> None:
    accounts(world, 2 * SEGMENT_ROWS + 7)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    world.sql(
        CHANGES[what], id=some(world, channel, place), **({"south": world.south} if "moved" in what else {})
    )
    world.drain()

    for _ in range(2):
        with reader(world, kept) as of:
            assert whole(of, channel) == rows_of(of, channel)


def test_are_not_given_when_a_record_left_and_came_back(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS + 7)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    record = some(world, channel, 5)
    for territory in (world.south, world.north):
        world.sql(
            "UPDATE accounts SET territory_id = :t WHERE tenant_id = :tenant AND id = :id",
            t=territory,
            id=record,
        )
        world.drain()

    with reader(world, kept) as of:
        assert whole(of, channel) == rows_of(of, channel)


def test_read_anew_end_where_they_ended_so_that_those_behind_them_stay_true(
    world: World, channel: tuple[str, str]
) -> None:
    accounts(world, 4 * SEGMENT_ROWS)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    world.sql(CHANGES["rendered anew"], id=some(world, channel, 3))
    world.drain()
    with reader(world, kept) as of:
        whole(of, channel)

    with reader(world, kept) as of:
        sheaf = of.sheaf(channel, after=0, gone_after=END, **MANY)
        assert sheaf is not None
        assert [segment.count for segment in sheaf.segments] == [SEGMENT_ROWS - 1, *[SEGMENT_ROWS] * 3]


def test_of_another_life_of_the_database_are_not_given(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS + 7)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    # A restored database gives the same positions to other contents, under other nonces.
    world.engine_sql("UPDATE sync_drain SET nonce = gen_random_uuid() WHERE tenant_id = :tenant")
    world.engine_sql(
        "UPDATE sync_feed SET body = replace(body, '오전', '오후') WHERE tenant_id = :tenant AND bucket = :bucket"
        " AND gone IS NULL",
        bucket=channel[0],
    )

    with reader(world, kept) as of:
        found = whole(of, channel)
        assert found == rows_of(of, channel)
    assert "오후" in json.dumps(found, ensure_ascii=False)


def test_that_are_newer_than_a_snapshot_are_not_given_in_it(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS - 1)
    kept = Segments()
    with reader(world, kept) as older:
        before = rows_of(older, channel)
        accounts(world, 2)
        with reader(world, kept) as newer:
            whole(newer, channel)

        assert whole(older, channel) == before


def test_of_one_company_or_shape_are_not_given_to_another(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
        service = whole(of, (channel[0], "service"))
        assert service == rows_of(of, (channel[0], "service"))
        assert service[1]["record"].keys() != rows_of(of, channel)[1]["record"].keys()

    with reader(world, kept, tenant=UUID(int=7)) as of:
        assert whole(of, channel) == []


def test_are_true_of_row_level_security_alone(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)

    with reader(world, kept) as of:
        of.connection.execute(
            text("SELECT set_config('app.tenant', :other, true)"), {"other": str(UUID(int=7))}
        )
        assert whole(of, channel) == []


def test_stop_before_a_mark_that_has_to_be_told(world: World, channel: tuple[str, str]) -> None:
    accounts(world, 20)
    world.sql(CHANGES["deleted"], id=some(world, channel, 4))
    world.drain()
    accounts(world, 5)
    with reader(world, Segments()) as of:
        marked = next(row for row in of.walk(channel, after=0, gone_after=0, limit=100) if row.gone)
        sheaf = of.sheaf(channel, after=0, gone_after=0, **MANY)
        assert sheaf is not None
        assert (len(records_of(sheaf)), sheaf.done, sheaf.closed) == (19, False, False)
        assert sheaf.at < marked.position
        assert of.sheaf(channel, after=marked.position - 1, gone_after=0, **MANY) is None
        after = of.sheaf(channel, after=marked.position, gone_after=0, **MANY)
        assert (len(records_of(after)), after is not None and after.done) == (5, True)
        told = of.sheaf(channel, after=0, gone_after=marked.position, **MANY)
        assert (len(records_of(told)), told is not None and told.done) == (24, True)


def test_that_are_kept_are_given_up_to_where_marks_have_to_be_told(
    world: World, channel: tuple[str, str]
) -> None:
    accounts(world, 2 * SEGMENT_ROWS)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
        first, second = of.walk(channel, after=0, gone_after=END, limit=10_000)[
            SEGMENT_ROWS - 1 : SEGMENT_ROWS + 1
        ]
    with reader(world, kept) as of:
        sheaf = of.sheaf(channel, after=0, gone_after=second.position, **MANY)
        assert sheaf is not None
        assert [segment.until for segment in sheaf.segments] == [first.position]


def test_are_given_where_nothing_is_kept(world: World, channel: tuple[str, str]) -> None:
    accounts(world, SEGMENT_ROWS + 1)
    with reader(world, None) as of:
        assert whole(of, channel) == rows_of(of, channel)


@pytest.mark.parametrize("warm", [False, True])
def test_go_into_a_page_whole(world: World, channel: tuple[str, str], warm: bool) -> None:
    accounts(world, 3 * SEGMENT_ROWS)
    kept = Segments()
    if warm:
        with reader(world, kept) as of:
            whole(of, channel)
    with reader(world, kept) as of:
        page = of.sheaf(channel, after=0, gone_after=END, limit=2 * SEGMENT_ROWS + 100, byte_limit=8 << 20)
        assert page is not None
        assert len(records_of(page)) == 2 * SEGMENT_ROWS
        rest = of.sheaf(channel, after=page.at, gone_after=END, limit=100, byte_limit=8 << 20)
        assert rest is not None
        assert (rest.segments, rest.at, rest.closed, rest.done) == ((), page.at, True, False)


def test_of_huge_bodies_pass_the_limit_of_bytes_by_one_body(world: World, channel: tuple[str, str]) -> None:
    accounts(world, 6, notes="가" * 100_000)
    with reader(world, Segments()) as of:
        page = of.sheaf(channel, after=0, gone_after=END, limit=2_000, byte_limit=1 << 20)
        assert page is not None
        sizes = [segment.size for segment in page.segments]
        assert all(size >= SEGMENT_BYTES for size in sizes[1:])
        assert sum(sizes[:-1]) < 1 << 20 <= sum(sizes)
        assert whole(of, channel, limit=2_000, byte_limit=1 << 20) == rows_of(of, channel)


def test_of_large_bodies_behind_small_ones_end_with_the_body_that_reaches_the_limit(
    world: World, channel: tuple[str, str]
) -> None:
    accounts(world, 120)
    accounts(world, 60, notes="가" * 10_000)
    accounts(world, 120)
    with reader(world, Segments()) as of:
        page = of.sheaf(channel, after=0, gone_after=END, limit=2_000, byte_limit=400_000)
        assert page is not None
        assert sum(segment.count for segment in page.segments) == 120 + 6  # the sixth reaches 256 KiB
        assert whole(of, channel, limit=2_000, byte_limit=400_000) == rows_of(of, channel)


def test_are_read_by_portions_that_fit_what_has_come_and_grow_step_by_step() -> None:
    body = b'{"id":"%b","version":1,"notes":"%b"}'
    small, large = body % (b"0" * 36, b""), body % (b"0" * 36, b"x" * 50_000)
    of_small, of_large, spent = (Cutting(PLAIN, 0, [], most) for most in (8 << 20, 8 << 20, 1_000))

    of_small.take((n, "account", small) for n in range(1, 51))
    of_large.take((n, "account", large) for n in range(1, 51))
    spent.take((n, "account", small) for n in range(1, 51))

    assert of_small.portion == GROWTH * 50
    assert 100 < of_large.portion < 140
    assert (spent.portion, spent.full) == (0, True)


def test_that_are_true_are_known_by_one_look(
    world: World, channel: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts(world, 2 * SEGMENT_ROWS)
    kept = Segments()
    for _ in range(2):
        with reader(world, kept) as of:
            whole(of, channel)
    monkeypatch.setattr(feed, "PROOFS", "nobody counts")
    monkeypatch.setattr(feed, "SHEAF", "nobody reads")

    with reader(world, kept) as of:
        sheaf = of.sheaf(channel, after=0, gone_after=END, **MANY)
        assert sheaf is not None
        assert [segment.count for segment in sheaf.segments] == [SEGMENT_ROWS, SEGMENT_ROWS]


def test_are_counted_once_after_others_of_the_channel_changed(
    world: World, channel: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts(world, 2 * SEGMENT_ROWS)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    accounts(world, 3)
    with reader(world, kept) as of:
        assert of.sheaf(channel, after=0, gone_after=END, **MANY) is not None
    monkeypatch.setattr(feed, "PROOFS", "nobody counts")

    with reader(world, kept) as of:
        sheaf = of.sheaf(channel, after=0, gone_after=END, **MANY)
        assert sheaf is not None
        assert len(sheaf.segments) == 2


def test_are_not_given_once_the_mark_of_what_left_them_was_forgotten_too(
    world: World, channel: tuple[str, str]
) -> None:
    accounts(world, 2 * SEGMENT_ROWS + 7)
    kept = Segments()
    with reader(world, kept) as of:
        whole(of, channel)
    gone = some(world, channel, 3)
    world.sql(CHANGES["deleted"], id=gone)
    world.drain()
    # As retention does. The newest position of the channel is again what it was when its segments were kept.
    world.engine_sql("UPDATE sync_heads SET floor = position WHERE tenant_id = :tenant")
    world.engine_sql("DELETE FROM sync_feed WHERE tenant_id = :tenant AND gone IS NOT NULL")

    with reader(world, kept) as of:
        found = whole(of, channel)
        assert found == rows_of(of, channel)
    assert str(gone) not in {one["id"] for one in found}


def test_are_forgotten_when_they_become_too_many(world: World, channel: tuple[str, str]) -> None:
    accounts(world, 3 * SEGMENT_ROWS)
    unbounded, packing = Segments(), PACKINGS[0]
    with reader(world, unbounded, packing) as of:
        whole(of, channel, packing)
    kept = Segments(unbounded.bytes - 1)
    for _ in range(2):
        with reader(world, kept, packing) as of:
            assert whole(of, channel, packing) == rows_of(of, channel)
            assert 0 < kept.bytes < unbounded.bytes


def test_that_are_not_compressed_push_out_only_each_other(world: World, channel: tuple[str, str]) -> None:
    accounts(world, 3 * SEGMENT_ROWS)
    kept, packing = Segments(1_500_000), PACKINGS[0]
    for taken in (packing, PLAIN, PLAIN):
        with reader(world, kept, taken) as of:
            assert whole(of, channel, taken) == rows_of(of, channel)

    assert kept.bytes < 1_500_000
    assert len(kept.chain((world.id, *channel, packing.encoding), 0, 10_000, 8 << 20, END).kept) == 3
    assert len(kept.chain((world.id, *channel, ""), 0, 10_000, 8 << 20, END).kept) < 3


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


def test_a_first_sync_gives_what_one_record_at_a_time_gives(
    world: World, rep: Person, pools: Database
) -> None:
    world.account(owner_id=rep.id, name="내 거래처")
    accounts(world, 2 * SEGMENT_ROWS + 30)

    def pages(limit: int) -> dict[str, Json]:
        cursor, found = None, {}
        for _ in range(100):
            answer = rep.post_sync(cursor=cursor, limit=limit, limit_bytes=8 << 20).json
            assert len({c["id"] for c in answer["changes"]}) == len(answer["changes"])
            found |= {c["id"]: c for c in answer["changes"]}
            cursor = answer["cursor"]
            if not answer["has_more"]:
                return found
        raise AssertionError("no checkpoint")

    assert pages(10_000) == pages(2 * SEGMENT_ROWS) == pages(SEGMENT_ROWS - 1)


def test_a_record_rendered_between_two_pages_comes_once_more(
    world: World, rep: Person, channel: tuple[str, str]
) -> None:
    accounts(world, 3 * SEGMENT_ROWS)
    first = rep.post_sync(cursor=None, limit=2 * SEGMENT_ROWS, limit_bytes=8 << 20).json
    early = next(c["id"] for c in first["changes"] if c["entity"] == "account")
    world.sql(CHANGES["rendered anew"], id=early)
    gone = some(world, channel, 3 * SEGMENT_ROWS - 5)
    world.sql(CHANGES["deleted"], id=gone)

    second = rep.post_sync(cursor=first["cursor"], limit=10_000, limit_bytes=8 << 20).json

    again = {c["id"]: c for c in second["changes"]}
    assert again[early]["version"] == 2
    assert str(gone) not in again
    assert not second["has_more"]
    held = {c["id"] for c in first["changes"] + second["changes"] if c["entity"] == "account"}
    assert len(held) == 3 * SEGMENT_ROWS - 1


def test_a_connection_lost_in_the_middle_is_answered_as_any_other(
    world: World, rep: Person, pools: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts(world, 10)
    monkeypatch.setattr(
        feed, "SHEAF", feed.SHEAF.replace("SELECT", "SELECT pg_terminate_backend(pg_backend_pid()), ", 1)
    )

    answer = rep.post_sync(cursor=None, limit=10_000)

    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    monkeypatch.undo()
    assert rep.post_sync(cursor=None, limit=10_000).status_code == 200
