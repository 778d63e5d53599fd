"""What is kept of a device's syncs: the last 50, numbers and codes only."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.core.clock import utc_now
from sync.stores.support import KEPT_TRACES, SupportReader, note_clone, note_sync_trace
from tests.world import World

NOW = utc_now()


def note(world: World, device: UUID, minute: int = 0, **told: Any) -> None:
    values = {"kind": "delta", "duration_ms": 3, "position": minute} | told
    with world.session() as session:
        note_sync_trace(session.connection(), world.id, device, at=NOW + timedelta(minutes=minute), **values)


def kept(world: World, device: UUID) -> list[Any]:
    return world.sql(
        "SELECT * FROM sync_traces WHERE tenant_id = :tenant AND device_id = :device ORDER BY id",
        device=device,
    )


def test_a_trace_tells_numbers_and_codes(world: World) -> None:
    device = uuid4()

    note(
        world,
        device,
        kind="push",
        mutations=3,
        verdicts={"applied": 2, "rejected": 1},
        changes=5,
        removed=1,
        position=77,
        has_more=True,
        directives=["upgrade"],
    )

    (trace,) = kept(world, device)
    assert (trace.kind, trace.mutations, trace.verdicts) == ("push", 3, {"applied": 2, "rejected": 1})
    assert (trace.changes, trace.removed, trace.position, trace.has_more) == (5, 1, 77, True)
    assert (trace.directives, trace.error, trace.duration_ms, trace.times) == (["upgrade"], None, 3, 1)


def test_the_last_fifty_are_kept_for_each_device(world: World) -> None:
    device, other = uuid4(), uuid4()
    note(world, other, changes=1)

    for minute in range(KEPT_TRACES + 7):
        note(world, device, minute, changes=1)

    assert [trace.position for trace in kept(world, device)] == list(range(7, KEPT_TRACES + 7))
    assert len(kept(world, other)) == 1


def test_syncs_in_which_nothing_happened_are_told_by_one_row(world: World) -> None:
    device = uuid4()
    note(world, device, 0, changes=4)

    for minute in range(1, 6):
        note(world, device, minute)

    busy, quiet = kept(world, device)
    assert (busy.changes, busy.times) == (4, 1)
    assert (quiet.times, quiet.position) == (5, 5)
    assert quiet.at - quiet.since == timedelta(minutes=4)


def test_a_sync_in_which_something_happened_has_a_row_of_its_own(world: World) -> None:
    device = uuid4()
    note(world, device, 0)

    for minute, told in enumerate(
        ({"changes": 1}, {"removed": 1}, {"mutations": 1}, {"directives": ["wipe"]}, {"error": "behind"}, {}),
        1,
    ):
        note(world, device, minute, **told)

    assert [trace.times for trace in kept(world, device)] == [1] * 7


def test_a_refusal_is_kept_as_a_code_and_never_as_a_text(world: World) -> None:
    device = uuid4()

    note(world, device, 0, error="cursor_invalid")
    note(world, device, 1, error="no room for 김하늘 <kim@example.com>")

    assert [trace.error for trace in kept(world, device)] == ["cursor_invalid", "unknown"]


def test_a_trace_is_of_its_company_alone(world: World) -> None:
    device = uuid4()
    note(world, device)

    with world.db.session(uuid4()) as session:
        assert session.scalar(text("SELECT count(*) FROM sync_traces")) == 0


def test_where_a_device_stands_is_its_newest_position(world: World) -> None:
    device = uuid4()
    note(world, device, 1, position=10, changes=1)
    note(world, device, 2, position=20, changes=1, has_more=True)
    note(world, device, 3, position=None, error="unavailable")

    with world.session() as session:
        known = SupportReader(session.connection(), world.id).last_known(device)

    assert known is not None
    assert (known.position, known.has_more) == (20, True)


def test_a_clone_is_noted_when_it_is_first_seen(world: World) -> None:
    rep = world.person("rep", world.north)
    rep.sync()

    for minute in (1, 2):
        with world.session() as session:
            note_clone(session.connection(), world.id, rep.device_id, NOW + timedelta(minutes=minute))

    found = world.sql("SELECT cloned_at FROM sync_devices WHERE tenant_id = :tenant")
    assert found == [(NOW + timedelta(minutes=1),)]
