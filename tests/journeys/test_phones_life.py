"""A phone's life at the real server: groups, damage, reinstallation, a twin, and its end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.scope import Role
from examples.phone import LockedOut, NeedsLogin, Phone
from tests.journeys.conftest import InHand
from tests.world import PASSWORD, Person, World

Hand = Callable[..., InHand]


def ledger(world: World, record: str) -> list[str]:
    rows = world.sql(
        "SELECT new::text FROM changes WHERE tenant_id = :tenant AND record_id = :id ORDER BY id", id=record
    )
    return [new for (new,) in rows]


class TestGroups:
    def test_one_bad_member_takes_the_others_with_it(self, world: World, hand: Hand) -> None:
        rep = hand(world.person(Role.REP, world.north)).phone
        with rep.group():
            good = rep.create("account", name="가람상사", territory_id=str(world.north))
            rep.create("contact", account_id=good, name="")

        verdicts = rep.sync().verdicts

        assert {v["status"] for v in verdicts} == {"rejected"}
        assert "group_failed" in {v["code"] for v in verdicts}
        assert ledger(world, good) == []
        assert rep.list("account") == []

    def test_a_long_queue_of_groups_arrives_whole_over_a_bad_line(self, world: World, hand: Hand) -> None:
        one = hand(world.person(Role.REP, world.north))
        one.phone._push_limit = 7
        for number in range(10):
            with one.phone.group():
                account = one.phone.create("account", name=f"거래처 {number}", territory_id=str(world.north))
                for member in "가나다":
                    one.phone.create("contact", account_id=account, name=member)
        one.network.lose_next = 3

        result = one.phone.sync()

        assert {v["status"] for v in result.verdicts} == {"applied"}
        assert (len(one.phone.list("account")), len(one.phone.list("contact"))) == (10, 30)
        assert result.checkpoint


class TestDamage:
    def test_a_damaged_store_is_found_and_mended(self, world: World, hand: Hand) -> None:
        accounts = [str(world.account(name=f"거래처 {number}")) for number in range(6)]
        phone = hand(world.person(Role.REP, world.north)).phone
        right = phone.store.records("account")
        with phone.store.transaction():
            write = phone.store._write
            write("DELETE FROM records WHERE id = ?", (accounts[0],))
            write("UPDATE records SET version = 99 WHERE id = ?", (accounts[1],))
            write("UPDATE records SET version = 0 WHERE id = ?", (accounts[2],))
            write("UPDATE records SET body = substr(body, 1, 30) WHERE id = ?", (accounts[3],))
            phone.store.put("account", str(world.id), 1, {"id": str(world.id), "version": 1}, None)

        mended = phone.check()

        assert {record for _, record in mended} == {*accounts[:4], str(world.id)}
        assert phone.store.records("account") == right
        assert phone.check() == []

    def test_a_sound_store_is_left_alone(self, world: World, hand: Hand) -> None:
        world.account()
        phone = hand(world.person(Role.REP, world.north)).phone
        phone.create("account", name="가람상사", territory_id=str(world.north))
        phone.sync()

        assert phone.check() == []


class TestInstallations:
    def test_a_restored_queue_leaves_one_effect_under_the_new_device(
        self, world: World, hand: Hand, base_url: str
    ) -> None:
        person = world.person(Role.REP, world.north)
        before = hand(person).phone
        account = before.create("account", name="가람상사", territory_id=str(world.north))
        before.sync()
        before.edit("account", account, notes="둘째 줄")
        backup = before.backup()
        after = Phone(base_url, name="새 설치")
        after.log_in(world.code, person.login, PASSWORD)
        after.restore(backup)

        verdicts = after.sync().verdicts

        assert [v["replayed"] for v in verdicts] == [True, False]
        assert [v["status"] for v in verdicts] == ["applied", "applied"]
        assert len(ledger(world, account)) == 2
        assert (after.get("account", account) or {})["notes"] == "둘째 줄"
        after.close()

    def test_both_of_two_twins_go_on_and_lose_nothing(
        self, world: World, base_url: str, tmp_path: Path
    ) -> None:
        person = world.person(Role.REP, world.north)
        first = Phone(base_url, str(tmp_path / "first.db"), name="원본")
        first.log_in(world.code, person.login, PASSWORD)
        first.sync()
        (tmp_path / "second.db").write_bytes((tmp_path / "first.db").read_bytes())
        second = Phone(base_url, str(tmp_path / "second.db"), name="사본")
        made = [
            phone.create("account", name=f"거래처 {number}", territory_id=str(world.north))
            for number, phone in enumerate((first, second))
        ]
        first.sync()

        with pytest.raises(NeedsLogin):
            second.sync()
        second.log_in(world.code, person.login, PASSWORD)
        second.sync()
        first.sync()

        assert second.store.read("device_id") != first.store.read("device_id")
        for phone in (first, second):
            assert {account["id"] for account in phone.list("account")} == set(made)
            phone.close()
        assert [len(ledger(world, account)) for account in made] == [1, 1]


class TestEnd:
    @pytest.mark.parametrize("how", ["revoke", "wipe", "dismissed"])
    def test_what_was_done_is_handed_in_before_the_phone_is_emptied(
        self, world: World, hand: Hand, how: str
    ) -> None:
        admin = world.person(Role.ADMIN)
        person = world.person(Role.REP, world.north)
        account = str(world.account())
        one = hand(person)
        phone, device = one.phone, one.phone.store.read("device_id")
        phone.edit("account", account, notes="아직 보내지 않은 일")
        end(admin, person, device, how)

        result = phone.sync()

        assert result.wiped
        assert [(v["status"], v["code"]) for v in result.verdicts] == [("conflict", "quarantined")]
        assert phone.store.versions() == {}
        kept = world.sql(
            "SELECT mine::text FROM conflicts WHERE tenant_id = :tenant AND kind = 'quarantined'"
        )
        assert "아직 보내지 않은 일" in str(kept)
        assert ledger(world, account)[1:] == []
        with pytest.raises(NeedsLogin):
            phone.sync()

    def test_the_confirmation_of_a_wipe_is_repeated_until_it_arrives(self, world: World, hand: Hand) -> None:
        admin, person = world.person(Role.ADMIN), world.person(Role.REP, world.north)
        one = hand(person)
        device = one.phone.store.read("device_id")
        end(admin, person, device, "wipe")
        one.network.lose_next = 4

        assert one.phone.sync().wiped
        told = admin.call("GET", "/api/v1/devices?limit=200").json["items"]
        assert [d["wiped_at"] is not None for d in told if d["id"] == device] == [True]

    def test_a_locked_phone_takes_no_new_edits_while_its_queue_waits(self, world: World, hand: Hand) -> None:
        admin, person = world.person(Role.ADMIN), world.person(Role.REP, world.north)
        one = hand(person)
        one.phone._push_limit = 1
        for number in range(3):
            one.phone.create("account", name=f"거래처 {number}", territory_id=str(world.north))
        end(admin, person, one.phone.store.read("device_id"), "revoke")
        one.phone.client._refresh()

        with pytest.raises(LockedOut):
            one.phone.create("account", name="너무 늦음")
        result = one.phone.sync()

        assert [v["code"] for v in result.verdicts] == ["quarantined"] * 3
        assert result.wiped


def end(admin: Person, person: Person, device: str | None, how: str) -> None:
    """Lock a device out, or its person."""
    if how == "dismissed":
        path = f"/api/v1/users/{person.id}"
        version = admin.call("GET", path).headers["ETag"]
        answer = admin.call("PATCH", path, {"status": "disabled"}, **{"If-Match": version})
    else:
        answer = admin.call("POST", f"/api/v1/devices/{device}/{how}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
