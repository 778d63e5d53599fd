"""What comes to the phone: pages, removals, and starting over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.phone import NeedsLogin, Phone
from examples.phone.phone import STANDSTILL_S
from tests.phone.scripted import ACCOUNT, VISIT, ScriptedServer, change, page, reply, verdict


class TestChanges:
    def test_an_older_version_is_ignored(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(page(changes=[change(ACCOUNT, 2, phone="old")]))

        phone.sync()

        assert seen(phone)["phone"] == "02-1"

    def test_an_equal_version_overwrites(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(page(changes=[change(ACCOUNT, 3, phone="same version")]))

        phone.sync()

        assert seen(phone)["phone"] == "same version"

    def test_a_removal_forgets_the_version(self, phone: Phone, server: ScriptedServer) -> None:
        server.script += [
            page(removed=[{"entity": "account", "id": ACCOUNT, "reason": "out_of_scope"}]),
            page(changes=[change(ACCOUNT, 1, phone="came back")]),
        ]

        phone.sync()
        gone = phone.get("account", ACCOUNT)
        phone.sync()

        assert gone is None
        assert seen(phone)["phone"] == "came back"

    def test_pages_are_taken_until_there_is_no_more(self, phone: Phone, server: ScriptedServer) -> None:
        server.script += [page(cursor="c2", has_more=True), page(cursor="c3", has_more=True)]
        server.requests.clear()

        result = phone.sync()

        assert [r["cursor"] for r in server.requests] == ["c1", "c2", "c3"]
        assert (result.rounds, result.checkpoint) == (3, True)

    def test_a_server_that_has_nothing_yet_is_asked_again_after_a_pause(
        self, phone: Phone, server: ScriptedServer, waits: list[float]
    ) -> None:
        late = page(has_more=True)
        server.script += [
            page(has_more=True, changes=[change(ACCOUNT, 4)]),
            late,
            late,
            page(has_more=True, cursor="c2"),
        ]
        server.requests.clear()

        assert phone.sync().checkpoint

        assert len(server.requests) == 5
        assert waits == [STANDSTILL_S, STANDSTILL_S]

    def test_a_broken_answer_changes_nothing(self, phone: Phone, server: ScriptedServer) -> None:
        broken = page(cursor="c2", changes=[change(ACCOUNT, 9, phone="half")])
        broken["removed"] = [{"entity": "account"}]
        server.script.append(broken)

        with pytest.raises(KeyError):
            phone.sync()

        assert seen(phone)["phone"] == "02-1"
        assert phone.store.read("cursor") == "c1"

    def test_of_a_record_that_only_a_verdict_told_the_feed_is_asked(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        made = phone.create("visit", planned_start="2027-01-01T00:00:00Z")
        told = verdict(phone.store.unsent(1)[0].body, record={"id": made, "version": 1, "status": "planned"})
        server.script.append(page(verdicts=[told]))

        result = phone.sync()

        assert result.rounds == 2
        assert phone.get("visit", made) is None

    def test_a_record_that_a_verdict_told_and_the_feed_gives_stays(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        made = phone.create("account", name="새 고객")
        record = {"id": made, "version": 2, "name": "새 고객"}
        told = verdict(phone.store.unsent(1)[0].body, record=record)
        server.script += [
            page(verdicts=[told], has_more=True),
            page(changes=[change(made, 1, name="before it was sequenced")], has_more=True),
            page(changes=[change(made, 2, name="새 고객")]),
        ]

        result = phone.sync()

        assert result.rounds == 3
        assert phone.get("account", made) == record


class TestRebase:
    def test_drops_what_was_not_sent_again(self, phone: Phone, server: ScriptedServer) -> None:
        server.script += [
            page(directives=["rebase"], has_more=True, changes=[change(ACCOUNT, 3, phone="again")]),
            page(),
        ]

        phone.sync()

        assert phone.get("visit", VISIT) is None
        assert seen(phone)["phone"] == "again"

    def test_drops_nothing_before_the_whole_set_came(self, phone: Phone, server: ScriptedServer) -> None:
        server.script += [page(directives=["rebase"], has_more=True), KeyboardInterrupt()]

        with pytest.raises(KeyboardInterrupt):
            phone.sync()

        assert phone.get("visit", VISIT) is not None

    def test_believes_an_older_version(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(page(directives=["rebase"], changes=[change(ACCOUNT, 1, phone="restored")]))

        phone.sync()

        assert seen(phone)["phone"] == "restored"

    def test_a_record_with_unsent_work_believes_an_older_version_too(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.judges = False
        phone.edit("account", ACCOUNT, phone="02-2")
        restored = change(ACCOUNT, 1, phone="02-0", name="restored")
        server.script.append(page(directives=["rebase"], changes=[restored]))

        phone.sync()

        assert (seen(phone)["version"], seen(phone)["phone"], seen(phone)["name"]) == (1, "02-2", "restored")

    def test_begins_again_where_a_second_one_interrupts_it(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script += [
            page(directives=["rebase"], has_more=True, changes=[change(ACCOUNT, 1, phone="first")]),
            page(directives=["rebase"], has_more=True),
            page(),
        ]

        phone.sync()

        assert phone.list("account") == []

    def test_goes_on_after_the_app_was_closed_in_the_middle(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        before = make_phone(str(tmp_path / "phone.db"))
        before.log_in("demo", "rep", "pw")
        server.script.append(page(changes=[change(ACCOUNT, 5, phone="02-1"), change(VISIT, 1, "visit")]))
        before.sync()
        server.script += [page(directives=["rebase"], has_more=True), KeyboardInterrupt()]
        with pytest.raises(KeyboardInterrupt):
            before.sync()
        before.close()

        after = make_phone(str(tmp_path / "phone.db"))
        server.script.append(page(changes=[change(ACCOUNT, 2, phone="restored")]))
        after.sync()

        assert (seen(after)["phone"], after.list("visit")) == ("restored", [])

    def test_keeps_a_record_with_unsent_work(self, phone: Phone, server: ScriptedServer) -> None:
        server.judges = False
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["rebase"]))

        phone.sync()

        assert seen(phone)["phone"] == "02-2"


class TestTokens:
    def test_an_expired_token_is_renewed_and_the_request_sent_again(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script.append(reply({"code": "token_expired"}, 401))
        server.refreshed.append({"access_token": "a2", "refresh_token": "r2"})

        phone.sync()

        assert server.tokens[-1] == "Bearer a2"
        assert phone.store.read("refresh_token") == "r2"

    def test_a_lost_answer_to_the_refresh_is_asked_for_with_the_same_token(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script.append(reply({"code": "token_expired"}, 401))
        server.refreshed += [ConnectionResetError(), {"access_token": "a2", "refresh_token": "r2"}]

        phone.sync()

        assert server.tokens[-1] == "Bearer a2"

    def test_a_session_that_is_over_keeps_the_queue(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(reply({"code": "token_expired"}, 401))
        server.refreshed.append(reply({"code": "auth.session_ended"}, 401))

        with pytest.raises(NeedsLogin, match=r"auth\.session_ended"):
            phone.sync()

        assert phone.waiting() == 1


def seen(phone: Phone) -> dict[str, Any]:
    record = phone.get("account", ACCOUNT)
    assert record is not None
    return record
