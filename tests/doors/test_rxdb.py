"""What RxDB's published client does at its door, where that is not the same by every door."""

from collections.abc import Callable

import pytest

from app.core.ids import new_id
from tests.doors.absence import delete, forget_all
from tests.doors.door import Lost
from tests.doors.restoring import backup
from tests.doors.rxdb import RxdbDevice
from tests.world import World

Rx = Callable[..., RxdbDevice]


class TestPaging:
    def test_pages_are_full_until_the_last(self, world: World, rx: Rx) -> None:
        wanted = {str(world.account(name=f"가게 {number}")) for number in range(7)}
        for _ in range(5):
            world.account(world.south)
        one = rx(world.person("rep"))
        with world.session() as session:
            world.join(session, one.person.id, world.north)
        one.behave(batch=3)
        one.ask("pages")
        one.sync()

        assert one.ids("account") == wanted
        assert [size for name, size in one.ask("pages") if name == "account"] == [3, 3, 1]


class TestAChildThatComesFirst:
    def test_is_there_with_its_parent_and_nothing_is_refused(self, world: World, rx: Rx) -> None:
        one = rx(world.person("rep", world.north))
        parent = one.create("account", name="새 가게", territory_id=str(world.north))
        child = one.create("contact", account_id=parent, name="윤담당")
        one.behave(fail={"GET": 0, "POST": 1})
        one.settle()

        assert [str(row[0]) for row in world.sql("SELECT account_id FROM contacts")] == [parent]
        assert one.get("contact", child)["version"] == 1  # type: ignore[index]
        assert world.sql("SELECT count(*) FROM sync_mutations WHERE status = 'rejected'") == [(0,)]


class TestWhatThePhoneDrops:
    def test_of_what_is_not_theirs_any_more_is_no_delete(self, world: World, rx: Rx) -> None:
        account = world.account()
        one = rx(world.person("rep", world.north))
        one.delete("account", str(account))
        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)
        one.settle()

        assert world.sql("SELECT deleted_at FROM accounts") == [(None,)]
        assert world.sql("SELECT count(*) FROM conflicts") == [(0,)]


@pytest.mark.more
class TestRebase:
    def test_takes_away_what_went_while_the_user_was_logged_out(self, world: World, rx: Rx) -> None:
        """A new login is a new device: the server knows nothing of what the phone holds."""
        kept, gone = str(world.account(name="남은 가게")), str(world.account(name="없어진 가게"))
        person = world.person("rep", world.north)
        one = rx(person)
        delete(world, gone)
        one.behave(token=world.second_phone(person).token)
        one.settle()

        assert one.ids("account") == {kept}
        assert world.sql("SELECT count(*) FROM accounts WHERE deleted_at IS NULL") == [(1,)]

    def test_of_one_collection_takes_nothing_of_another(self, world: World, rx: Rx) -> None:
        account = str(world.account())
        world.insert("contacts", id=(contact := new_id()), account_id=account, name="윤담당")
        one = rx(world.person("rep", world.north))
        delete(world, str(world.account(name="없어진 가게")))
        one.behave(only=["contact"])
        world.sql("UPDATE contacts SET job_title = '점장'")
        world.drain()
        one.sync()
        forget_all(world)
        one.behave(only=None)
        one.settle()

        assert one.ids("contact") == {str(contact)}
        assert world.sql("SELECT count(*) FROM contacts WHERE deleted_at IS NULL") == [(1,)]


@pytest.mark.more
class TestARestore:
    def test_gets_back_what_was_acknowledged_after_the_backup_where_the_app_pushes_all_anew(
        self, world: World, rx: Rx
    ) -> None:
        account, left = str(world.account(phone="+8225550100", tier=None)), str(world.account(name="그대로"))
        one, other = rx(world.person("rep", world.north)), rx(world.person("manager", world.north))
        for device in (one, other):
            device.behave(resends=True)
        restore = backup(world)
        one.edit("account", account, phone="+8225550111")
        contact = one.create("contact", account_id=account, name="윤담당")
        one.settle()
        other.settle()
        restore()
        # Life went on before anybody noticed.
        world.sql("UPDATE accounts SET website = 'https://new.example' WHERE id = :id", id=account)
        world.sql("UPDATE accounts SET name = '새로' WHERE id = :id", id=left)

        for device in (other, one, other):
            device.settle()

        assert world.sql("SELECT phone, website, name FROM accounts ORDER BY name") == [
            ("+8225550111", "https://new.example", "가람상사"),
            (None, None, "새로"),
        ]
        assert [str(row[0]) for row in world.sql("SELECT id FROM contacts")] == [contact]
        for device in (one, other):
            assert device.get("account", account)["website"] == "https://new.example"  # type: ignore[index]
            assert device.get("account", left)["name"] == "새로"  # type: ignore[index]
            assert device.ids("contact") == {contact}
        assert world.sql("SELECT count(*) FROM conflicts") == [(0,)]


class TestANetworkThatIsAway:
    def test_loses_nothing(self, world: World, rx: Rx) -> None:
        account = str(world.account())
        one = rx(world.person("rep", world.north))
        one.edit("account", account, name="하나")
        one.behave(fail={"GET": 99, "POST": 99})
        with pytest.raises(Lost):
            one.sync()
        one.edit("account", account, phone="+8225550100")
        one.behave(fail={"GET": 0, "POST": 0})
        one.settle()

        assert world.sql("SELECT name, phone FROM accounts") == [("하나", "+8225550100")]
        assert one.get("contact", str(new_id())) is None
