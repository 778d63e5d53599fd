"""Whether the phone holds what the server thinks, and how it is mended."""

import hashlib

import pytest

from examples.phone import Phone, Refused
from examples.phone.digest import digest
from tests.phone.scripted import ACCOUNT, VISIT, ScriptedServer, change, reply

NONE = {"count": 0, "sum": "0"}


class TestDigest:
    def test_is_the_sum_of_the_first_eight_bytes_of_the_hashes(self) -> None:
        texts = [b"one:3", b"two:1"]
        numbers = [int.from_bytes(hashlib.sha256(text).digest()[:8], "big") for text in texts]

        assert digest([("one", 3), ("two", 1)]) == {"count": 2, "sum": str(sum(numbers) % 2**64)}

    def test_does_not_depend_on_the_order(self) -> None:
        many = [(str(number), number) for number in range(100)]

        assert digest(many) == digest(reversed(many))

    def test_of_nothing_is_nothing(self) -> None:
        assert digest([]) == NONE


class TestMend:
    def test_a_phone_that_holds_what_it_should_asks_for_no_record(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        server.digests.append(
            {"entities": {"account": digest([(ACCOUNT, 3)]), "visit": digest([(VISIT, 1)]), "task": NONE}}
        )

        assert phone.check() == []
        assert server.repairs_asked == []

    def test_what_is_missing_older_or_too_much_is_put_right_whatever_the_version(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        missing = "01930000-0000-7000-8000-000000000009"
        server.digests.append({"entities": {"account": digest([(ACCOUNT, 2), (missing, 1)])}})
        server.repairs += [
            {
                "changes": [change(ACCOUNT, 2, phone="right"), change(missing, 1, name="was missing")],
                "removed": [],
            },
            {"changes": [], "removed": [{"entity": "visit", "id": VISIT, "reason": "out_of_scope"}]},
        ]

        mended = phone.check()

        assert mended == [("account", ACCOUNT), ("account", missing), ("visit", VISIT)]
        assert phone.store.versions() == {("account", ACCOUNT): 2, ("account", missing): 1}
        assert server.repairs_asked[0]["records"] == [{"id": ACCOUNT, "version": 3}]

    def test_says_nothing_while_newer_changes_wait(self, phone: Phone, server: ScriptedServer) -> None:
        server.digests.append(reply({"code": "behind"}, 409))

        assert phone.check() == []

    def test_tells_of_any_other_refusal(self, phone: Phone, server: ScriptedServer) -> None:
        server.digests.append(reply({"code": "cursor_invalid"}, 400))

        with pytest.raises(Refused):
            phone.check()

    def test_before_the_first_sync_there_is_nothing_to_compare(self, phone: Phone) -> None:
        with phone.store.transaction():
            phone.store.write("cursor", None)

        assert phone.check() == []
