"""A scope changes: what left is named, what came is whole, and every phone equals a new one."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.identity.models import MemberKind
from tests.scope.phones import conflicting, differences, of, pull, settle, whole_account
from tests.world import Person, World

CHILDREN = ("site", "contact", "account_contact", "account_relation", "visit", "activity", "task", "conflict")


@dataclass
class Staff:
    """One of each role, and a second phone of the northern rep; an account that has everything."""

    world: World
    people: dict[str, Person]
    ids: dict[str, list[UUID]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    @property
    def everybody(self) -> list[Person]:
        return list(self.people.values())

    def settle(self) -> dict[str, Any]:
        return settle(*self.everybody)

    def move(self, *accounts: UUID, to: UUID | None) -> None:
        """By hand, in one SQL transaction."""
        self.world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = ANY(:ids)",
            to=to,
            ids=list(accounts),
        )


@pytest.fixture
def staff(world: World) -> Staff:
    people = {
        "manager": world.person("manager", world.region),
        "north_manager": world.person("manager", world.north),
        "north": world.person("rep", world.north),
        "south": world.person("rep", world.south),
        "technician": world.person("technician"),
        "overlay": world.person("technician", world.south, kind=MemberKind.OVERLAY),
        "nobody": world.person("rep"),
    }
    people["second"] = world.second_phone(people["north"])
    found = Staff(world, people)
    found.ids = whole_account(world, world.north, people["north"], people["technician"])
    whole_account(world, world.south, people["south"])
    found.ids["conflict"] = [conflicting(world, people["north"], found.ids["account"][0])]
    found.settle()
    return found


class TestAnAccountMoves:
    def test_with_everything_that_hangs_on_it(self, staff: Staff) -> None:
        mine = of(staff.ids, "account", "site", "contact", "account_contact", "account_relation")
        given = {key for key in of(staff.ids, "account", *CHILDREN) if key in staff["north"].records}
        staff.move(*staff.ids["account"], to=staff.world.south)

        pulled = staff.settle()

        lost = set(pulled[staff["north"].login].removed)
        assert mine <= given <= lost | of(staff.ids, "conflict")
        assert mine <= set(staff["south"].records)
        assert of(staff.ids, "activity") & set(staff["south"].records)
        assert lost.isdisjoint(staff["north"].records)

    def test_to_a_phone_that_gets_it_whole_in_one_sync(self, staff: Staff) -> None:
        staff.move(*staff.ids["account"], to=staff.world.south)

        pulled = pull(staff["south"])

        assert (
            of(staff.ids, "account", "site", "contact", "account_contact", "account_relation")
            <= pulled.changed
        )
        assert differences(staff["south"]) == {}

    def test_and_back_before_anybody_asked(self, staff: Staff) -> None:
        staff.move(*staff.ids["account"], to=staff.world.south)
        staff.world.drain()
        staff.move(*staff.ids["account"], to=staff.world.north)

        pulled = staff.settle()

        assert pulled[staff["north"].login].removed == []
        assert pulled[staff["south"].login].removed == []

    def test_out_of_every_territory(self, staff: Staff) -> None:
        staff.move(*staff.ids["account"], to=None)

        pulled = staff.settle()

        assert of(staff.ids, "account", "site") <= set(pulled[staff["north"].login].removed)

    def test_alone_and_leaves_the_relation_behind(self, staff: Staff) -> None:
        staff.move(staff.ids["account"][1], to=staff.world.south)

        pulled = staff.settle()

        removed = set(pulled[staff["north"].login].removed)
        assert removed == of(staff.ids, "account_relation") | {("account", str(staff.ids["account"][1]))}

    def test_in_the_middle_of_a_first_sync(self, staff: Staff) -> None:
        new = staff.world.second_phone(staff["north"])
        new.take(new.post_sync(limit=3).json)
        staff.move(*staff.ids["account"], to=staff.world.south)

        pull(new, limit=2)

        assert differences(new) == {}

    def test_between_the_pages_of_a_gain(self, staff: Staff) -> None:
        staff.move(*staff.ids["account"], to=staff.world.south)
        staff["south"].take(staff["south"].post_sync(limit=2).json)
        staff.move(*staff.ids["account"], to=staff.world.north)

        pull(staff["south"], limit=2)
        pull(staff["north"], limit=2)

        assert [differences(staff[name]) for name in ("south", "north")] == [{}, {}]

    def test_to_a_new_owner_alone(self, staff: Staff) -> None:
        staff.world.sql(
            "UPDATE accounts SET owner_id = :owner WHERE tenant_id = :tenant AND id = ANY(:ids)",
            owner=staff["nobody"].id,
            ids=staff.ids["account"],
        )

        staff.settle()

        expected = of(staff.ids, "account", "site", "contact", "account_contact", "account_relation")
        assert expected <= set(staff["nobody"].records)


class TestAMember:
    def test_joins(self, staff: Staff) -> None:
        with staff.world.session() as session:
            staff.world.join(session, staff["nobody"].id, staff.world.north)

        pulled = staff.settle()

        assert pulled[staff["nobody"].login].changed >= of(staff.ids, "account", "site", "contact")

    def test_leaves(self, staff: Staff) -> None:
        self.leave(staff)

        pulled = staff.settle()

        assert of(staff.ids, "account", "site") <= set(pulled[staff["north"].login].removed)
        assert pulled[staff["north_manager"].login].removed == []

    def leave(self, staff: Staff) -> None:
        staff.world.sql(
            "UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant AND user_id = :user",
            user=staff["north"].id,
        )

    def test_leaves_and_comes_back_before_the_phone_asked(self, staff: Staff) -> None:
        self.leave(staff)
        staff.world.drain()
        with staff.world.session() as session:
            staff.world.join(session, staff["north"].id, staff.world.north)

        staff.settle()

        assert staff["north"].held("account", staff.ids["account"][0])

    def test_leaves_with_work_unsent(self, staff: Staff) -> None:
        rep, account = staff["north"], staff.ids["account"][0]
        edits = [
            rep.edit("account", account, {"phone": "+82255500002"}),
            rep.edit("contact", staff.ids["contact"][0], {"name": "새 이름"}),
        ]
        self.leave(staff)

        verdicts = rep.sync(*edits)

        assert [(v["status"], v["code"]) for v in verdicts] == [("conflict", "out_of_scope")] * 2
        assert differences(rep) == {}
        items = staff["north_manager"].call("GET", "/api/v1/conflicts?state=open").json["items"]
        assert {v["conflict_id"] for v in verdicts} <= {item["id"] for item in items}

    def test_changes_to_another_territory(self, staff: Staff) -> None:
        staff.world.sql(
            "UPDATE territory_members SET territory_id = :to WHERE tenant_id = :tenant AND user_id = :user",
            to=staff.world.south,
            user=staff["north"].id,
        )

        staff.settle()

        assert staff["north"].held("territory", staff.world.south)
        assert staff["north"].held("territory", staff.world.north) is None


class TestARole:
    @pytest.mark.parametrize(
        "roles",
        [("technician", "manager", "rep"), ("manager", "technician", "partner", "rep"), ("admin", "rep")],
    )
    def test_changes(self, staff: Staff, roles: tuple[str, ...]) -> None:
        for role in roles:
            staff.world.sql(
                "UPDATE users SET role = :role WHERE tenant_id = :tenant AND id = :user",
                role=role,
                user=staff["north"].id,
            )
            staff.settle()

    def test_takes_the_fields_away_that_the_new_one_may_not_see(self, staff: Staff) -> None:
        account = staff.ids["account"][0]
        before = staff["north"].held("account", account)
        staff.world.sql(
            "UPDATE users SET role = 'technician' WHERE tenant_id = :tenant AND id = :user",
            user=staff["north"].id,
        )
        staff.settle()
        after = staff["north"].held("account", account)

        assert before is not None
        assert after is not None
        assert "payment_terms" in before
        assert "payment_terms" not in after


class TestATree:
    def test_of_territories_moves(self, staff: Staff) -> None:
        world = staff.world
        world.sql(
            "UPDATE territories SET parent_id = NULL WHERE tenant_id = :tenant AND id = :id", id=world.north
        )
        pulled = staff.settle()
        world.sql(
            "UPDATE territories SET parent_id = :to WHERE tenant_id = :tenant AND id = :id",
            id=world.region,
            to=world.north,
        )
        staff.settle()

        assert of(staff.ids, "account", "site") <= set(pulled[staff["manager"].login].removed)
        assert staff["north_manager"].held("territory", world.south)

    def test_of_units_moves(self, staff: Staff) -> None:
        world = staff.world
        units = [new_id() for _ in range(3)]
        for unit, parent in zip(units, (world.unit_id, world.unit_id, units[0]), strict=True):
            world.insert(
                "org_units", id=unit, parent_id=parent, kind="branch", code=str(unit)[-12:], name="지사"
            )
        boss, there = staff["north_manager"], staff["nobody"]
        for person, unit in ((boss, units[1]), (there, units[2])):
            world.sql(
                "UPDATE users SET org_unit_id = :unit WHERE tenant_id = :tenant AND id = :user",
                unit=unit,
                user=person.id,
            )
        staff.settle()
        before = boss.held("user", there.id)
        world.sql(
            "UPDATE org_units SET parent_id = :to WHERE tenant_id = :tenant AND id = :id",
            id=units[0],
            to=units[1],
        )
        staff.settle()
        inside = boss.held("user", there.id)
        world.sql(
            "UPDATE org_units SET parent_id = :to WHERE tenant_id = :tenant AND id = :id",
            id=units[0],
            to=world.unit_id,
        )
        staff.settle()

        assert before is None
        assert inside is not None
        assert boss.held("user", there.id) is None

    def test_loses_a_territory_that_is_given_up(self, staff: Staff) -> None:
        world = staff.world
        staff.move(*staff.ids["account"], to=world.south)
        world.sql(
            "UPDATE territories SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=world.north
        )

        staff.settle()

        assert staff["manager"].held("territory", world.north) is None


class TestATechnician:
    def test_gains_an_account_by_a_visit_and_loses_it_with_the_visit(self, staff: Staff) -> None:
        world, technician = staff.world, staff["technician"]
        ids = whole_account(world, world.south)
        visit = new_id()
        world.insert(
            "visits",
            id=visit,
            account_id=ids["account"][0],
            assignee_id=technician.id,
            planned_start=utc_now(),
        )
        gained = settle(technician)[technician.login]
        world.sql(
            "UPDATE visits SET assignee_id = :other WHERE tenant_id = :tenant AND id = :id",
            id=visit,
            other=staff["south"].id,
        )
        lost = staff.settle()[technician.login]

        assert gained.changed >= of(ids, "site", "contact") | {("account", str(ids["account"][0]))}
        assert set(lost.removed) == gained.changed

    def test_loses_an_account_when_the_window_has_moved_on(self, staff: Staff) -> None:
        world, technician, account = staff.world, staff["technician"], staff.ids["account"][0]
        held = technician.held("account", account)
        world.sql(
            "UPDATE visits SET planned_start = :past WHERE tenant_id = :tenant AND assignee_id = :user",
            past=utc_now() - timedelta(days=4),
            user=technician.id,
        )

        lost = staff.settle()[technician.login]

        assert held is not None
        assert ("account", str(account)) in lost.removed


class TestAPersonWhoLeaves:
    def test_is_answered_nothing_and_takes_nothing_from_the_others(self, staff: Staff) -> None:
        world, gone = staff.world, staff["north"]
        world.sql(
            "UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :user", user=gone.id
        )

        answers = [person.post_sync().status_code for person in (gone, staff["second"])]
        world.drain()
        left = world.engine_sql(
            "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :tenant AND user_id = :user",
            user=gone.id,
        )
        settle(*(p for p in staff.everybody if p.id != gone.id))

        assert answers == [401, 401]
        assert left == []
        assert staff["north_manager"].held("conflict", staff.ids["conflict"][0])

    def test_comes_back_to_what_is_there_now(self, staff: Staff) -> None:
        world, gone = staff.world, staff["north"]
        world.sql(
            "UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :user", user=gone.id
        )
        world.drain()
        staff.move(staff.ids["account"][1], to=world.south)
        world.sql("UPDATE users SET status = 'active' WHERE tenant_id = :tenant AND id = :user", user=gone.id)
        world.log_in(gone)
        world.log_in(staff["second"])

        staff.settle()

        assert gone.held("account", staff.ids["account"][0])
        assert gone.held("account", staff.ids["account"][1]) is None


class TestAPendingPhone:
    def test_is_told_no_loss_before_its_work_is_in(self, staff: Staff) -> None:
        rep = staff["north"]
        staff.move(*staff.ids["account"], to=staff.world.south)
        held = rep.post_sync(
            client={"app_version": "1", "platform": "x", "pending": 1, "last_error": None}
        ).json
        rep.take(held)

        pulled = pull(rep)

        assert (held["removed"], held["has_more"]) == ([], True)
        assert of(staff.ids, "account", "site", "contact") <= set(pulled.removed)
        assert differences(rep) == {}
