"""What the server orders: empty yourself, get a newer app, log in again; and how many records are too many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.phone import LockedOut, NeedsLogin, NoAnswer, Phone, Refused
from tests.phone.scripted import ACCOUNT, ScriptedServer, page, reply, tokens, verdict

EXPIRED = ({"code": "token_expired"}, 401)
WIPED = {"wiped": True}


def farewell(server: ScriptedServer, phone: Phone, count: int) -> dict[str, Any]:
    """An answer to a phone that was locked out: its first *count* mutations are in quarantine."""
    queue = [one.body for one in phone.store.unsent(count)]
    judged = [verdict(m, status="conflict", code="quarantined", version=None) for m in queue]
    return page(verdicts=judged, cursor=None, directives=["wipe"])


class TestWipe:
    def test_the_queue_goes_first_then_the_data_then_the_server_is_told(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone(push_limit=2)
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for name in "abc":
            phone.create("account", name=name)
        first, second = phone.store.unsent(2), phone.store.unsent(3)[2:]
        quarantined = [
            [verdict(one.body, status="conflict", code="quarantined") for one in part]
            for part in (first, second)
        ]
        server.script += [page(verdicts=v, cursor=None, directives=["wipe"]) for v in quarantined]
        server.requests.clear()

        result = phone.sync()

        assert [[m["n"] for m in r["mutations"]] for r in server.requests] == [[1, 2], [3], []]
        assert [r["client"].get("wiped") for r in server.requests] == [None, None, True]
        assert [v["code"] for v in result.verdicts] == ["quarantined"] * 3
        assert result.wiped
        assert not result.checkpoint

    def test_nothing_is_left_on_the_phone_not_even_in_the_bytes_of_the_file(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        phone = make_phone(str(tmp_path / "phone.db"))
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        phone.create("account", name="secret-customer")
        server.script.append(farewell(server, phone, 1))

        phone.sync()
        phone.close()

        assert b"secret-customer" not in (tmp_path / "phone.db").read_bytes()

    def test_a_queue_that_the_server_does_not_take_stays(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["wipe"]))

        phone.sync()

        assert phone.waiting() == 1
        assert phone.get("account", ACCOUNT) is not None

    def test_a_locked_phone_takes_no_new_edits(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["wipe"]))
        phone.sync()

        with pytest.raises(LockedOut):
            phone.edit("account", ACCOUNT, phone="02-3")

    def test_is_confirmed_until_the_server_knows(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        phone = make_phone(str(tmp_path / "phone.db"))
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        server.script += [page(cursor=None, directives=["wipe"]), *[ConnectionResetError() for _ in range(6)]]
        with pytest.raises(NoAnswer):
            phone.sync()
        phone.close()
        server.requests.clear()

        again = make_phone(str(tmp_path / "phone.db"))
        server.script.append(page(cursor=None, directives=["wipe"]))
        still_not = again.sync()
        known = again.sync()

        assert [r["client"] for r in server.requests] == [WIPED, WIPED]
        assert (still_not.wiped, known.wiped) == (False, True)

    def test_a_confirmation_whose_answer_was_lost_is_known_by_the_closed_door(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script += [page(cursor=None, directives=["wipe"]), ConnectionResetError(), reply(*EXPIRED)]
        server.refreshed.append(reply({"code": "auth.device_revoked"}, 401))

        result = phone.sync()

        assert result.wiped
        with pytest.raises(NeedsLogin):
            phone.sync()

    def test_a_wiped_phone_begins_as_a_new_device(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(page(cursor=None, directives=["wipe"]))
        phone.sync()

        phone.log_in("demo", "somebody else", "pw")
        server.requests.clear()
        phone.sync()

        assert "id" not in server.logged_in[-1]["device"]
        assert server.requests[0]["cursor"] is None


class TestFarewell:
    def test_a_dismissed_persons_queue_leaves_by_the_farewell_token(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script += [reply(*EXPIRED), farewell(server, phone, 1)]
        server.refreshed.append({"access_token": "bye", "refresh_token": "r2", "farewell": True})

        result = phone.sync()

        assert server.tokens[-1] == "Bearer bye"
        assert [len(r["mutations"]) for r in server.requests[-2:]] == [1, 0]
        assert result.wiped

    def test_leaves_too_where_no_first_sync_was_ever_done(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone()
        phone.log_in("demo", "rep", "pw")
        phone.create("account", name="새 고객")
        server.script += [reply(*EXPIRED), farewell(server, phone, 1)]
        server.refreshed.append({"access_token": "bye", "refresh_token": "r2", "farewell": True})

        result = phone.sync()

        assert len(server.requests[-2]["mutations"]) == 1
        assert result.wiped


class TestUpgrade:
    def test_what_was_done_leaves_and_nothing_is_called_complete(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone(push_limit=1)
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for name in "ab":
            phone.create("account", name=name)
        queue = [one.body for one in phone.store.unsent(2)]
        server.script += [page(verdicts=[verdict(m)], has_more=True, directives=["upgrade"]) for m in queue]

        result = phone.sync()

        assert phone.waiting() == 0
        assert (result.rounds, result.checkpoint, result.directives) == (2, False, {"upgrade"})

    def test_what_was_lost_leaves_the_phone(self, phone: Phone, server: ScriptedServer) -> None:
        gone = [{"entity": "account", "id": ACCOUNT, "reason": "out_of_scope"}]
        server.script += [
            page(removed=gone, has_more=True, directives=["upgrade"]),
            page(has_more=True, directives=["upgrade"]),
        ]

        result = phone.sync()

        assert phone.get("account", ACCOUNT) is None
        assert result.rounds == 2

    def test_what_is_not_taken_stays_for_the_newer_app(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(has_more=True, directives=["upgrade"]))

        phone.sync()

        assert phone.waiting() == 1

    def test_an_app_that_the_server_no_longer_understands_keeps_its_queue(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(reply({"code": "upgrade_required"}, 426))

        with pytest.raises(Refused) as refused:
            phone.sync()

        assert (refused.value.status, phone.waiting()) == (426, 1)


class TestReauth:
    def test_asks_for_the_password_and_keeps_the_queue(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["reauth"]))

        with pytest.raises(NeedsLogin, match="reauth"):
            phone.sync()
        with pytest.raises(NeedsLogin):
            phone.sync()

        assert phone.waiting() == 1

    def test_a_cloned_phone_goes_on_as_a_device_of_its_own(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.edit("account", ACCOUNT, phone="02-3")
        first = phone.store.unsent(1)[0].body
        server.script.append(page(verdicts=[verdict(first)], directives=["reauth"]))
        with pytest.raises(NeedsLogin):
            phone.sync()
        server.logins.append(tokens(device="d2"))
        server.requests.clear()

        phone.log_in("demo", "rep", "pw")
        server.script.append(page(directives=["rebase"], cursor="c9", has_more=True))
        phone.sync()

        assert "id" not in server.logged_in[-1]["device"]
        assert [r["cursor"] for r in server.requests] == [None, "c9"]
        assert [m["n"] for m in server.requests[-1]["mutations"]] == [1, 2]


class TestBudget:
    def test_a_phone_near_its_cap_warns(self, phone: Phone, server: ScriptedServer) -> None:
        budget = {"records": 8_500, "warn_at": 8_000, "cap": 20_000, "left_out": []}
        server.script.append(page(budget=budget))

        assert phone.sync().warning == "8500 of at most 20000 records are on this phone."

    def test_what_was_left_out_over_the_cap_is_named(self, phone: Phone, server: ScriptedServer) -> None:
        budget = {"records": 20_000, "warn_at": 8_000, "cap": 20_000, "left_out": ["history"]}
        server.script.append(page(budget=budget))

        warning = phone.sync().warning

        assert warning is not None
        assert warning.endswith("Left out: history.")

    @pytest.mark.parametrize(
        "budget", [None, {"records": 9, "warn_at": 8_000, "cap": 20_000, "left_out": []}]
    )
    def test_there_is_nothing_to_say_below(
        self, phone: Phone, server: ScriptedServer, budget: dict[str, Any] | None
    ) -> None:
        server.script.append(page(budget=budget))

        assert phone.sync().warning is None
