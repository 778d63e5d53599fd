"""What leaves the phone: mutations, their order, and what never changes about them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from examples.phone import Clock, NoAnswer, Phone, Refused
from examples.phone.clock import new_id
from tests.phone.scripted import ACCOUNT, EPOCH, VISIT, ScriptedServer, change, page, reply, verdict


class TestRequest:
    def test_a_first_sync_has_no_cursor_and_no_mutations(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone()
        phone.log_in("demo", "rep", "pw")
        phone.create("account", name="새 고객")
        server.script.append(page(has_more=True))

        phone.sync()

        assert server.requests[0]["cursor"] is None
        assert server.requests[0]["mutations"] == []
        assert server.requests[0]["client"]["pending"] == 1
        assert len(server.requests[1]["mutations"]) == 1

    def test_a_mutation_says_what_its_user_saw(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2", name="하늘 상사")

        phone.sync()

        (sent,) = server.requests[-1]["mutations"]
        assert sent["fields"] == {"phone": "02-2"}
        assert sent["base"] == {"phone": "02-1"}
        assert sent["base_version"] == 3
        assert sent["epoch"] == EPOCH

    def test_a_second_edit_is_based_on_the_first(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.edit("account", ACCOUNT, phone="02-3")

        phone.sync()

        first, second = server.requests[-1]["mutations"]
        assert (first["n"], second["n"]) == (1, 2)
        assert second["base"] == {"phone": "02-2"}

    def test_an_edit_that_changes_nothing_is_none(self, phone: Phone) -> None:
        phone.edit("account", ACCOUNT, phone="02-1")

        assert phone.waiting() == 0

    def test_the_lowest_numbers_go_first_and_the_rest_is_counted(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone(push_limit=2)
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for name in "abcde":
            phone.create("account", name=name)
        server.requests.clear()

        phone.sync()

        assert [m["n"] for m in server.requests[0]["mutations"]] == [1, 2]
        assert server.requests[0]["client"]["pending"] == 3

    def test_a_request_takes_no_more_bytes_than_the_server_does(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone()
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for _ in range(12):
            phone.create("account", notes="글" * 300_000)
        server.requests.clear()

        phone.sync()

        assert [len(r["mutations"]) for r in server.requests] == [4, 4, 4]
        assert [r["client"]["pending"] for r in server.requests] == [8, 4, 0]

    def test_an_edit_that_no_request_could_hold_is_not_written_down(self, phone: Phone) -> None:
        with pytest.raises(ValueError, match="1 MB"):
            phone.edit("account", ACCOUNT, notes="글" * 400_000)

        assert phone.waiting() == 0

    def test_an_edit_made_by_a_wrong_clock_still_says_its_age(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone(skew=timedelta(days=3))
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        phone.create("account", name="a")
        phone.clock.let_pass(timedelta(hours=2))

        phone.sync()

        (sent,) = server.requests[-1]["mutations"]
        assert 7_200_000 <= sent["age_ms"] < 7_260_000
        assert sent["occurred_at"] < server.requests[-1]["sent_at"]

    def test_after_a_restart_no_age_is_known(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        before = make_phone(str(tmp_path / "phone.db"))
        before.log_in("demo", "rep", "pw")
        before.sync()
        before.create("account", name="a")

        make_phone(str(tmp_path / "phone.db")).sync()

        assert server.requests[-1]["mutations"][0]["age_ms"] is None


class TestLostAnswers:
    def test_the_same_mutations_are_sent_again(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.command("visit", VISIT, "check_in", location=None)
        server.script.append(ConnectionResetError())

        phone.sync()

        lost, again = (_content(request) for request in server.requests[-2:])
        assert lost == again

    def test_a_phone_without_a_network_keeps_its_queue(
        self, phone: Phone, server: ScriptedServer, waits: list[float]
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script += [TimeoutError() for _ in range(6)]

        with pytest.raises(NoAnswer):
            phone.sync()

        assert phone.waiting() == 1
        assert waits == sorted(waits)

    def test_waits_as_long_as_a_busy_server_says_and_not_all_alike(
        self, phone: Phone, server: ScriptedServer, waits: list[float]
    ) -> None:
        server.script += [reply({}, 503, retry_after="4"), reply({}, 429, retry_after="4")]

        phone.sync()

        assert all(4 <= wait <= 6 for wait in waits)
        assert len(set(waits)) == 2

    def test_a_refused_request_is_told_in_the_next(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(reply({"code": "unknown_field"}, 400))

        with pytest.raises(Refused, match="unknown_field"):
            phone.sync()
        phone.sync()

        assert server.requests[-1]["client"]["last_error"] == "unknown_field"

    def test_a_cursor_that_the_server_cannot_read_is_given_up_and_the_queue_is_not(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script += [
            reply({"code": "cursor_invalid"}, 400),
            page(cursor="c8", directives=["rebase"], has_more=True),
        ]

        result = phone.sync()

        assert [r["cursor"] for r in server.requests[-3:]] == ["c1", None, "c8"]
        assert [v["status"] for v in result.verdicts] == ["applied"]

    def test_a_server_that_takes_no_cursor_at_all_is_not_asked_for_ever(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script += [reply({"code": "cursor_invalid"}, 400) for _ in range(2)]

        with pytest.raises(Refused, match="cursor_invalid"):
            phone.sync()


class TestVerdicts:
    def test_a_verdict_empties_the_queue_and_is_kept_to_show(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")

        result = phone.sync()

        assert phone.waiting() == 0
        assert [v["status"] for v in result.verdicts] == ["applied"]
        assert phone.verdicts()[0]["verdict"]["status"] == "applied"

    def test_a_verdicts_record_is_taken_like_a_change(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        mutation = phone.store.unsent(1)[0].body
        record = change(ACCOUNT, 5, phone="02-2", name="하늘 상사(주)")["record"]
        server.script.append(page(verdicts=[verdict(mutation, version=5, record=record)]))

        phone.sync()

        assert phone.get("account", ACCOUNT) == record

    def test_a_replayed_verdicts_record_counts_with_its_own_version(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        mutation = phone.store.unsent(1)[0].body
        newer, older = change(ACCOUNT, 9, phone="02-9"), change(ACCOUNT, 8, phone="02-8")
        replayed = verdict(mutation, version=4, record=newer["record"], replayed=True)
        server.script += [page(verdicts=[replayed], has_more=True), page(changes=[older])]

        phone.sync()

        assert phone.get("account", ACCOUNT) == newer["record"]

    def test_a_rejected_creation_disappears(self, phone: Phone, server: ScriptedServer) -> None:
        record_id = phone.create("account", name="")
        mutation = phone.store.unsent(1)[0].body
        server.script.append(page(verdicts=[verdict(mutation, status="rejected", code="required")]))

        phone.sync()

        assert phone.get("account", record_id) is None

    def test_numbers_go_on_after_a_restart(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        before = make_phone(str(tmp_path / "phone.db"))
        before.log_in("demo", "rep", "pw")
        before.sync()
        before.create("account", name="a")
        before.sync()

        after = make_phone(str(tmp_path / "phone.db"))
        after.create("account", name="b")
        after.sync()

        assert server.requests[-1]["mutations"][0]["n"] == 2


class TestNewId:
    def test_is_a_version_7_uuid_that_begins_with_the_phones_time(self) -> None:
        clock = Clock()

        made = UUID(new_id(clock))

        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert abs((made.int >> 80) - clock.now().timestamp() * 1000) < 1000

    def test_survives_a_clock_that_stands_before_1970(self) -> None:
        assert UUID(new_id(Clock(timedelta(days=-36_500)))).version == 7


def _content(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in m.items() if k != "age_ms"} for m in request["mutations"]]
