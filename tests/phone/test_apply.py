"""What comes to the phone: pages, removals, and starting over."""

from datetime import timedelta
from typing import Any

import pytest

from examples.phone import NeedsLogin, Phone
from tests.phone.scripted import ACCOUNT, VISIT, ScriptedServer, change, page, reply

OTHER_EPOCH = "22222222-2222-4222-8222-222222222222"


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

    def test_a_broken_answer_changes_nothing(self, phone: Phone, server: ScriptedServer) -> None:
        broken = page(cursor="c2", changes=[change(ACCOUNT, 9, phone="half")])
        broken["removed"] = [{"entity": "account"}]
        server.script.append(broken)

        with pytest.raises(KeyError):
            phone.sync()

        assert seen(phone)["phone"] == "02-1"
        assert phone.store.read("cursor") == "c1"


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

    def test_keeps_a_record_with_unsent_work(self, phone: Phone, server: ScriptedServer) -> None:
        server.judges = False
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["rebase"]))

        phone.sync()

        assert seen(phone)["phone"] == "02-2"

    def test_a_new_epoch_gets_the_acknowledged_work_of_the_last_week_again(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.sync()
        phone.clock.let_pass(timedelta(days=8))
        phone.edit("account", ACCOUNT, phone="02-3")
        phone.sync()
        server.script.append(page(epoch=OTHER_EPOCH, directives=["rebase"], has_more=True))

        phone.sync()

        assert [m["n"] for m in server.requests[-1]["mutations"]] == [2]


class TestDirectives:
    def test_a_locked_out_phone_forgets_everything_once_its_queue_is_empty(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        mutation = next(phone.store.unsent(1))[0]
        judged = {"id": mutation["id"], "status": "conflict", "code": "quarantined", "record": None}
        server.script.append(page(verdicts=[judged], directives=["wipe"]))

        phone.sync()

        assert server.requests[-1]["client"] == {"wiped": True}
        assert phone.list("account") == []

    def test_a_locked_out_phone_with_unsent_work_keeps_it(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(directives=["wipe"]))

        phone.sync()

        assert phone.waiting() == 1

    def test_reauth_asks_for_the_password(self, phone: Phone, server: ScriptedServer) -> None:
        server.script.append(page(directives=["reauth"]))

        with pytest.raises(NeedsLogin):
            phone.sync()


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
