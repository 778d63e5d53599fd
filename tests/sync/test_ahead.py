"""Judging ahead: what a plain edit may not use is refused, so that it is judged by itself."""

from typing import Any, cast
from uuid import uuid4

import pytest

from app.accounts.sync import ACCOUNT
from app.core.clock import utc_now
from app.sync_api.registry import REGISTRY
from sync.ahead import NotPlain, Plan, Planner, _Drafted, _DraftedRooms
from sync.cursor import Cursor
from sync.cutting import Cutting
from sync.packing import PLAIN
from sync.push import Pusher
from sync.segments import Segment, Segments
from sync.stores.feed import FeedReader
from sync.stores.glance import Awaited
from sync.stores.push import PushStore
from tests.world import World

NOW = utc_now()
NOTHING = cast("Any", None)


class _Rooms:
    """Rooms that take nothing together, and call every failure a passing one."""

    def takes_many(self, *_: Any) -> bool:
        return False

    def is_transient(self, _: Exception) -> bool:
        return True

    def keepable(self, value: Any) -> Any:
        return f"masked {value}"


def plan() -> Plan:
    return Plan(NOTHING, ACCOUNT, uuid4(), 1)


class TestAPlainEdit:
    @pytest.mark.parametrize(
        ("name", "arguments", "named"),
        [
            ("sees_which", 2, {}),
            ("holding", 3, {}),
            ("held", 2, {}),
            ("create", 3, {"at": NOW}),
            ("update", 3, {}),
            ("update_many", 2, {}),
            ("delete", 2, {}),
            ("command", 4, {"at": NOW, "status": None}),
            ("open_item", 4, {}),
            ("refused", 2, {}),
            ("refusal_of", 1, {}),
            ("is_transient", 1, {}),
            ("report", 1, {}),
        ],
    )
    def test_touches_no_other_record(self, name: str, arguments: int, named: dict[str, Any]) -> None:
        rooms = _DraftedRooms(cast("Any", _Rooms()), plan())

        with pytest.raises(NotPlain):
            getattr(rooms, name)(*[None] * arguments, **named)

    def test_is_masked_and_taken_as_the_rooms_do(self) -> None:
        rooms = _DraftedRooms(cast("Any", _Rooms()), plan())

        assert (rooms.keepable("a"), rooms.takes_many(ACCOUNT, {})) == ("masked a", False)

    def test_sends_no_statement_and_asks_no_other_past(self, world: World) -> None:
        with world.session() as session:
            store = PushStore(session.connection(), world.id, uuid4(), uuid4(), NOTHING)
            drafted = _Drafted(store, plan(), NOTHING, NOTHING, NOTHING)

            for ask in (
                lambda: drafted._run("SELECT 1"),
                lambda: drafted.history(cast("Any", 1), []),
                lambda: drafted.write_as(None, None, None, {}),
                drafted.savepoint,
            ):
                with pytest.raises(NotPlain), cast("Any", ask()):
                    pass

    def test_is_none_of_a_record_that_was_deleted_meanwhile(self) -> None:
        planner = Planner(NOTHING, REGISTRY, NOTHING, NOTHING, [])
        intent = type("Intent", (), {"entity": "account"})()
        state = type("State", (), {"deleted": True})()

        assert planner._plan(intent, state, NOTHING, NOTHING) is None


def test_a_passing_failure_of_a_run_is_the_whole_chunks() -> None:
    pusher = Pusher.__new__(Pusher)
    pusher.rooms = cast("Any", _Rooms())

    with pytest.raises(TimeoutError):
        pusher._judge_halves([], {}, TimeoutError())


def test_the_device_that_was_never_heard_of_is_noted_when_it_is_locked(world: World) -> None:
    with world.session() as session:
        store = PushStore(session.connection(), world.id, uuid4(), uuid4(), NOTHING)

        assert store.lock_device().highest_n == 0


def test_segments_are_cut_where_stale_ones_ended() -> None:
    cutting = Cutting(PLAIN, 0, [5, 9], 1_000_000)
    body = f'{{"id":"{uuid4()}","version":1,"name":null}}'.encode()

    cutting.take([(at, "account", body) for at in (3, 7, 12)])

    assert [segment.until for segment in cutting.segments] == [5, 9]


def test_a_segment_that_no_drain_has_signed_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FeedReader(NOTHING, uuid4(), frozenset(), packing=PLAIN, segments=Segments())
    monkeypatch.setattr(reader, "_proofs", lambda *_: [(1, None)])
    key = (reader.tenant_id, "b", "s", "")

    reader._keep(key, ("b", "s"), [Segment(0, 5, b"", 0, 0, {}, None, True)])

    assert reader.segments is not None
    assert reader.segments.bytes == 0


def test_a_phone_in_the_middle_of_a_walk_asks_for_no_delta() -> None:
    cursor = cast("Cursor", type("Walking", (), {"walks": (1,)})())

    assert Awaited.of(cursor, limit=10, pending=0) is None
