"""Groups: judged as one, so sent as one."""

from collections.abc import Callable

import pytest

from examples.phone import Phone
from tests.phone.scripted import ACCOUNT, ScriptedServer


class TestGroup:
    def test_its_members_have_one_name_and_consecutive_numbers(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.create("account", name="before")
        with phone.group():
            account = phone.create("account", name="새 고객")
            phone.create("contact", account_id=account, name="김")
        phone.create("account", name="after")

        phone.sync()

        before, first, second, after = server.requests[-1]["mutations"]
        assert first["group"] == second["group"] is not None
        assert (before["group"], after["group"]) == (None, None)
        assert [first["n"], second["n"]] == [2, 3]

    def test_two_have_two_names(self, phone: Phone) -> None:
        for name in "ab":
            with phone.group():
                phone.create("account", name=name)

        one, other = phone.store.unsent(2)
        assert one.body["group"] != other.body["group"]

    def test_is_seen_at_once(self, phone: Phone) -> None:
        with phone.group():
            phone.edit("account", ACCOUNT, phone="02-2")
            phone.edit("account", ACCOUNT, phone="02-3")

        _, second = phone.store.unsent(2)
        assert second.body["base"] == {"phone": "02-2"}

    def test_is_written_down_whole_or_not_at_all(self, phone: Phone) -> None:
        with pytest.raises(KeyError), phone.group():
            phone.edit("account", ACCOUNT, phone="02-2")
            phone.edit("account", "unknown", phone="02-2")

        assert phone.waiting() == 0
        phone.create("account", name="next")
        assert [(one.body["n"], one.body["group"]) for one in phone.store.unsent(2)] == [(1, None)]

    def test_has_fifty_members_at_most(self, phone: Phone) -> None:
        with phone.group():
            for _ in range(50):
                phone.create("account", name="a")
        with pytest.raises(ValueError, match="50"), phone.group():
            for _ in range(51):
                phone.create("account", name="a")

        assert phone.waiting() == 50

    def test_is_not_sent_before_it_is_whole(self, phone: Phone) -> None:
        with pytest.raises(RuntimeError, match="whole"), phone.group():
            phone.sync()

    def test_has_no_groups_in_it(self, phone: Phone) -> None:
        with pytest.raises(RuntimeError, match="no groups"), phone.group(), phone.group():
            pass


class TestRequests:
    @pytest.mark.parametrize(
        ("sizes", "limit", "requests"),
        [
            ([1, 3, 1], 3, [[1], [2, 3, 4], [5]]),
            ([2, 2], 3, [[1, 2], [3, 4]]),
            ([3, 3], 3, [[1, 2, 3], [4, 5, 6]]),
            ([4, 1], 3, [[1, 2, 3, 4], [5]]),
            ([1, 1, 1, 1], 3, [[1, 2, 3], [4]]),
        ],
    )
    def test_never_split_a_group(
        self,
        make_phone: Callable[..., Phone],
        server: ScriptedServer,
        sizes: list[int],
        limit: int,
        requests: list[list[int]],
    ) -> None:
        phone = make_phone(push_limit=limit)
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for size in sizes:
            with phone.group():
                for _ in range(size):
                    phone.create("account", name="a")
        server.requests.clear()

        phone.sync()

        sent = [[m["n"] for m in r["mutations"]] for r in server.requests]
        assert sent == requests
        assert [r["client"]["pending"] for r in server.requests] == [
            sum(sizes) - sum(len(part) for part in requests[: i + 1]) for i in range(len(requests))
        ]

    def test_never_split_a_group_by_its_bytes(self, phone: Phone, server: ScriptedServer) -> None:
        phone.create("account", name="first")
        with phone.group():
            for _ in range(5):
                phone.create("account", notes="글" * 300_000)

        phone.sync()

        assert [len(r["mutations"]) for r in server.requests[-2:]] == [1, 5]
