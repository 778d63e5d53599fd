"""Whether the phone holds what the server thinks, and how it is mended."""

import hashlib

import pytest

from examples.phone import Phone, Refused
from examples.phone.digest import digest
from tests.phone.scripted import ACCOUNT, VISIT, ScriptedServer, change, page, reply

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
                "next_after": None,
            },
            {
                "changes": [],
                "removed": [{"entity": "visit", "id": VISIT, "reason": "out_of_scope"}],
                "next_after": None,
            },
        ]

        mended = phone.check()

        assert mended == [("account", ACCOUNT), ("account", missing), ("visit", VISIT)]
        assert phone.store.versions() == {("account", ACCOUNT): 2, ("account", missing): 1}
        assert server.repairs_asked[0]["held"] == [{"id": ACCOUNT, "version": 3}]

    def test_a_body_that_is_broken_is_asked_for_whatever_its_version(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        with phone.store.transaction():
            phone.store._write("UPDATE records SET body = '{' WHERE id = ?", (ACCOUNT,))
            phone.store._write("UPDATE records SET body = '{\"version\": 7}' WHERE id = ?", (VISIT,))
        server.digests.append(
            {"entities": {"account": digest([(ACCOUNT, 3)]), "visit": digest([(VISIT, 1)])}}
        )
        right = [change(ACCOUNT, 3, phone="right"), change(VISIT, 1, "visit", status="planned")]
        server.repairs += [{"changes": [one], "removed": [], "next_after": None} for one in right]

        phone.check()

        assert [asked["held"][0]["version"] for asked in server.repairs_asked] == [0, 0]
        assert phone.list("account") == [right[0]["record"]]

    def test_goes_on_where_an_answer_ended_and_from_stretch_to_stretch(
        self, phone: Phone, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("examples.phone.digest.STRETCH", 2)
        ids = [f"01930000-0000-7000-8000-00000000010{number}" for number in range(3)]
        server.script.append(page(changes=[change(one, 1) for one in ids]))
        phone.sync()
        server.digests.append({"entities": {"visit": digest([(VISIT, 1)])}})
        server.repairs += [
            {"changes": [], "removed": [{"id": ACCOUNT}], "next_after": ACCOUNT},
            {"changes": [], "removed": [{"id": one} for one in ids[:2]], "next_after": None},
            {"changes": [], "removed": [{"id": ids[2]}], "next_after": None},
        ]

        phone.check()

        asked = [(a["after"], [h["id"] for h in a["held"]], a["until"]) for a in server.repairs_asked]
        assert asked == [
            (None, [ACCOUNT, ids[0]], ids[0]),
            (ACCOUNT, ids[:2], ids[1]),
            (ids[1], ids[2:], None),
        ]
        assert phone.list("account") == []

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
