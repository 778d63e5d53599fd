"""Who is connected and whom a change concerns, without a database."""

from uuid import UUID, uuid4

import pytest

from app.core.scope import Role
from app.events.audience import MAX_STREAMS_PER_USER, Audience
from app.events.stream import Ending, News, Stream

TENANT, OTHER = uuid4(), uuid4()
NORTH, SOUTH = ("territory:n", "all"), ("territory:s", "all")


def stream(tenant: UUID = TENANT, user: UUID | None = None, device: UUID | None = None) -> Stream:
    return Stream(tenant, user or uuid4(), device or uuid4(), None, lambda _: None)


def let_in(audience: Audience, *channels: tuple[str, str], one: Stream | None = None) -> Stream:
    one = one or stream()
    audience.admit(one, Role.REP, frozenset(channels), head=5)
    return one


class TestStream:
    def test_keeps_only_the_last_of_many_pings(self) -> None:
        one = stream()
        for position in range(1000):
            one.ping(position)

        assert one.take() == News(False, None, 999, None)

    def test_gives_a_ping_out_once(self) -> None:
        one = stream()
        one.ping(7)
        one.take()

        assert one.take().position is None

    def test_ends_for_the_first_reason(self) -> None:
        one = stream()
        one.end(Ending.REPLACED)
        one.end(Ending.RECONNECT)

        assert one.take().ending is Ending.REPLACED

    def test_rings_for_everything_that_it_is_told(self) -> None:
        rung: list[Stream] = []
        one = Stream(TENANT, uuid4(), uuid4(), None, rung.append)
        one.admit()
        one.refuse(ValueError())
        one.ping(1)
        one.end(Ending.REAUTH)

        assert rung == [one] * 4


class TestAudience:
    def test_a_change_concerns_those_who_are_given_its_channel(self) -> None:
        audience = Audience()
        near, far = let_in(audience, NORTH), let_in(audience, SOUTH)
        hall = audience.halls[TENANT]

        assert [listener.user_id for listener in hall.concerned([NORTH])] == [near.user_id]
        assert {listener.user_id for listener in hall.concerned([NORTH, SOUTH])} == {
            near.user_id,
            far.user_id,
        }

    def test_a_channel_is_asked_about_once_for_all_who_are_given_it(self) -> None:
        audience = Audience()
        for _ in range(3):
            let_in(audience, NORTH, SOUTH)

        assert sorted(audience.halls[TENANT].channels()) == [NORTH, SOUTH]

    def test_companies_have_halls_of_their_own(self) -> None:
        audience = Audience()
        let_in(audience, NORTH)
        let_in(audience, NORTH, one=stream(OTHER))

        assert len(audience.halls[TENANT].concerned([NORTH])) == 1

    def test_a_channel_that_nobody_is_given_any_more_is_not_asked_about(self) -> None:
        audience = Audience()
        one, two = let_in(audience, NORTH), let_in(audience, NORTH)
        hall = audience.halls[TENANT]

        hall.give(one.user_id, Role.REP, frozenset({SOUTH}))
        assert set(hall.channels()) == {NORTH, SOUTH}
        audience.leave(two)
        assert hall.channels() == [SOUTH]

    def test_nothing_is_kept_of_those_who_left(self) -> None:
        audience = Audience()
        one = let_in(audience, NORTH)

        audience.leave(one)
        audience.leave(one)

        assert audience.halls == {}
        assert list(audience.everybody()) == []

    def test_a_device_has_one_stream(self) -> None:
        audience = Audience()
        old = let_in(audience, NORTH)
        new = stream(user=old.user_id, device=old.device_id)

        assert audience.admit(new, Role.REP, frozenset({NORTH}), 5) == [old]
        listener = audience.listener(TENANT, old.user_id)
        assert listener is not None
        assert listener.streams == [new]

    def test_a_user_has_a_bounded_number_of_streams(self) -> None:
        audience = Audience()
        user = uuid4()
        streams = [stream(user=user) for _ in range(MAX_STREAMS_PER_USER + 1)]
        out = [audience.admit(one, Role.REP, frozenset({NORTH}), 5) for one in streams]

        assert out[-1] == [streams[0]]
        assert out[:-1] == [[]] * MAX_STREAMS_PER_USER

    @pytest.mark.parametrize(("pinged", "expected"), [(None, 1), (4, 1), (5, 0), (6, 0)])
    def test_who_was_pinged_at_that_position_is_not_pinged_again(
        self, pinged: int | None, expected: int
    ) -> None:
        audience = Audience()
        one = let_in(audience, NORTH)
        if pinged is not None:
            one.ping(pinged)

        (listener,) = audience.halls[TENANT].concerned([NORTH])
        assert listener.ping_news(5) == expected
