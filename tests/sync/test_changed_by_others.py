"""What doors ask of the ledger: did anybody else change a record since?"""

from uuid import UUID

from app.core.scope import Role
from sync.stores.doors import Record, changed_by_others
from tests.world import Person, World


def asked(world: World, person: Person, *since: tuple[Record, int]) -> dict[Record, frozenset[str]]:
    with world.session() as session:
        return changed_by_others(session.connection(), world.id, person.device_id, dict(since))


class TestChangedByOthers:
    def test_names_each_column_that_others_changed_after_the_version(self, world: World) -> None:
        account = world.account()
        person = world.person(Role.REP, world.north)
        for name in ("나", "다"):
            world.sql("UPDATE accounts SET name = :name WHERE tenant_id = :tenant", name=name)
        world.sql("UPDATE accounts SET phone = '+8220000001' WHERE tenant_id = :tenant")

        assert asked(world, person, (("account", account), 1)) == {("account", account): {"name", "phone"}}
        assert asked(world, person, (("account", account), 3)) == {("account", account): {"phone"}}
        assert asked(world, person, (("account", account), 4)) == {}

    def test_does_not_count_what_the_device_did(self, world: World) -> None:
        account = world.account()
        person = world.person(Role.REP, world.north)
        person.sync()
        person.sync(person.edit("account", account, {"name": "나"}))

        assert asked(world, person, (("account", account), 1)) == {}

    def test_names_parts_and_deletes(self, world: World) -> None:
        person = world.person(Role.REP, world.north)
        visit, task = UUID(int=1 << 100), UUID(int=2 << 100)
        world.insert(
            "visits", id=visit, account_id=world.account(), assignee_id=person.id, planned_start="2030-01-01"
        )
        world.insert("visit_tasks", id=task, visit_id=visit, kind="other", title="재고", position=1)
        world.sql("UPDATE visits SET deleted_at = now() WHERE tenant_id = :tenant")

        assert asked(world, person, (("visit", visit), 1))[("visit", visit)] >= {"tasks", "deleted_at"}
