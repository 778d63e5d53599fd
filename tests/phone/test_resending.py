"""After a restore of the server: what it had acknowledged and may have forgotten is told again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from examples.phone import Phone
from tests.phone.scripted import ACCOUNT, EPOCH, VISIT, ScriptedServer, change, page, verdict

RESTORED = "22222222-2222-4222-8222-222222222222"


class TestResending:
    def test_acknowledged_and_unsent_work_go_in_one_order_before_newer_work(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone = make_phone(push_limit=2)
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for name in "ab":
            phone.create("account", name=name)
        phone.sync()
        server.judges = False
        phone.create("account", name="c")
        server.script.append(page(epoch=RESTORED, directives=["rebase"], has_more=True))
        server.script.append(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            phone.sync()
        phone.create("account", name="newer")
        server.judges = True
        server.requests.clear()

        phone.sync()

        assert [m["fields"]["name"] for r in server.requests for m in r["mutations"]] == [*"abc", "newer"]
        assert [m["n"] for r in server.requests for m in r["mutations"]] == [1, 2, 3, 4]

    def test_a_mutation_is_sent_again_as_it_was_its_epoch_too(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.sync()
        (first,) = server.requests[-1]["mutations"]
        server.script.append(page(epoch=RESTORED, directives=["rebase"], has_more=True))

        phone.sync()

        (again,) = server.requests[-1]["mutations"]
        assert again | {"age_ms": 0} == first | {"age_ms": 0}
        assert again["epoch"] == EPOCH

    def test_the_answer_that_says_rebase_is_still_to_an_unanswered_queue(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.script.append(page(epoch=RESTORED, directives=["rebase"], has_more=True))

        result = phone.sync()

        assert [len(r["mutations"]) for r in server.requests[-2:]] == [1, 1]
        assert [v["status"] for v in result.verdicts] == ["applied"]

    def test_is_done_in_the_same_sync_even_where_all_came_in_one_page(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.sync()
        server.script.append(page(epoch=RESTORED, directives=["rebase"]))

        phone.sync()

        assert [len(r["mutations"]) for r in server.requests[-2:]] == [0, 1]

    def test_what_the_answer_itself_judged_is_not_sent_again(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        judged = verdict(phone.store.unsent(1)[0].body)
        server.script.append(page(verdicts=[judged], directives=["rebase"], has_more=True))

        phone.sync()

        assert server.requests[-1]["mutations"] == []

    def test_a_new_epoch_that_carried_the_cursor_on_asks_for_nothing_again(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.sync()
        server.script.append(page(epoch=RESTORED, has_more=True))

        phone.sync()

        assert server.requests[-1]["mutations"] == []

    def test_an_edit_made_while_everything_comes_anew_names_the_epoch_of_what_its_user_saw(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.script.append(
            page(
                epoch=RESTORED, directives=["rebase"], has_more=True, changes=[change(ACCOUNT, 1, phone="r")]
            )
        )
        server.script.append(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            phone.sync()

        phone.edit("account", ACCOUNT, phone="02-2")
        phone.edit("visit", VISIT, report="…")
        phone.create("account", name="새 고객")

        epochs = [one.body["epoch"] for one in phone.store.unsent(10)]
        assert epochs == [RESTORED, EPOCH, RESTORED]


class TestWindow:
    def test_older_work_is_let_go(self, phone: Phone, server: ScriptedServer) -> None:
        acknowledged(phone, server, timedelta(days=8))
        acknowledged(phone, server)

        assert resent(phone, server) == [2]

    def test_is_as_long_as_the_server_says(
        self, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        server.keep_days = 30
        phone = make_phone()
        phone.log_in("demo", "rep", "pw")
        phone.sync()
        for _ in range(3):
            phone.create("account", name="a")
            phone.sync()
            server.now += timedelta(days=20)

        assert resent(phone, server) == [2, 3]

    def test_ends_when_the_phone_last_heard_from_the_server(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        acknowledged(phone, server)
        server.now += timedelta(days=60)
        phone.clock.let_pass(timedelta(days=60))

        assert resent(phone, server) == [1]

    @pytest.mark.parametrize("wrong_by", [timedelta(days=-3650), timedelta(days=3650)])
    def test_does_not_move_with_the_phones_clock(
        self, phone: Phone, server: ScriptedServer, wrong_by: timedelta
    ) -> None:
        acknowledged(phone, server)
        phone.clock.skew = wrong_by
        acknowledged(phone, server)
        phone.clock.skew = timedelta(0)
        acknowledged(phone, server)

        assert resent(phone, server) == [1, 2, 3]

    def test_numbers_of_work_that_was_let_go_are_not_given_again(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        acknowledged(phone, server, timedelta(days=8))
        phone.sync()
        assert phone.verdicts() == []

        acknowledged(phone, server)

        assert [mutation["n"] for mutation in phone.verdicts()] == [2]


def acknowledged(phone: Phone, server: ScriptedServer, then: timedelta = timedelta(0)) -> None:
    """An edit that the server judges; time passes afterwards."""
    phone.create("account", name="a")
    phone.sync()
    server.now += then


def resent(phone: Phone, server: ScriptedServer) -> list[int]:
    """What is told again to a restored server, by ``n``."""
    server.script.append(page(epoch=RESTORED, directives=["rebase"], has_more=True))
    phone.sync()
    return [m["n"] for m in server.requests[-1]["mutations"]]
