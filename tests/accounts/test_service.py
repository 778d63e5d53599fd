"""What may be done with accounts, and by whom."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.accounts import service
from app.accounts.models import Account
from app.accounts.service.errors import (
    AccountCodeTaken,
    AccountInvalid,
    AccountParentCycle,
    AccountReassignNotAllowed,
    FieldNotYours,
)
from app.core.clock import utc_now
from app.core.errors import Forbidden, HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Role
from app.identity.models import MemberKind
from tests.world import Person, World


def create(person: Person, **values: Any) -> Account:
    with person.world.acting(person) as (session, actor):
        return service.create_account(session, actor, {"name": "가람상사", **values}, now=utc_now())


def update(person: Person, account_id: UUID, **changes: Any) -> Account:
    with person.world.acting(person) as (session, actor):
        return service.update_account(session, actor, account_id, changes, now=utc_now())


def delete(person: Person, account_id: UUID) -> None:
    with person.world.acting(person) as (session, actor):
        service.delete_account(session, actor, account_id, now=utc_now())


def get(person: Person, account_id: UUID) -> Account:
    with person.world.acting(person) as (session, actor):
        return service.get_account(session, actor, account_id)


def listed(person: Person, **filters: Any) -> set[UUID]:
    with person.world.acting(person) as (session, actor):
        return {found.id for found in session.scalars(service.list_accounts(session, actor, **filters))}


def technician(world: World) -> Person:
    return world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)


class TestCreateAccount:
    def test_gives_a_rep_what_they_create(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)

        account = create(rep, territory_id=world.north)

        assert (account.owner_id, account.kinds, account.version) == (rep.id, ["prospect"], 1)

    def test_keeps_an_account_without_territory_visible_to_its_author(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)

        account = create(rep, owner_id=None)

        assert get(rep, account.id).id == account.id

    def test_takes_the_id_that_a_phone_minted(self, world: World) -> None:
        account_id = new_id()

        assert create(world.person(Role.REP, world.north), id=account_id).id == account_id

    def test_refuses_an_id_in_use_even_outside_the_scope(self, world: World) -> None:
        account_id = world.account(world.south)

        with pytest.raises(IdTaken):
            create(world.person(Role.REP, world.north), id=account_id)

    def test_refuses_a_foreign_territory_as_an_unknown_one(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)

        for territory_id in (world.south, new_id()):
            with pytest.raises(ReferenceNotFound):
                create(rep, territory_id=territory_id)

    def test_does_not_let_a_rep_create_for_somebody_else(self, world: World) -> None:
        other = world.person(Role.REP, world.north)

        with pytest.raises(AccountReassignNotAllowed):
            create(world.person(Role.REP, world.north), owner_id=other.id)

    def test_does_not_let_a_rep_create_a_partner(self, world: World) -> None:
        with pytest.raises(AccountInvalid):
            create(world.person(Role.REP, world.north), kinds=["partner"])

    @pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.PARTNER])
    def test_is_not_for(self, world: World, role: Role) -> None:
        with pytest.raises(Forbidden):
            create(world.person(role, world.north))

    def test_refuses_a_code_in_use(self, world: World) -> None:
        world.account(code="C1")

        with pytest.raises(AccountCodeTaken):
            create(world.person(Role.ADMIN), code="C1")

    def test_takes_the_code_of_a_deleted_account(self, world: World) -> None:
        world.account(code="C1", deleted_at=utc_now())

        assert create(world.person(Role.ADMIN), code="C1").code == "C1"

    def test_masks_national_id_numbers(self, world: World) -> None:
        account = create(world.person(Role.REP, world.north), notes="보증인 900101-1234567")

        assert account.notes == "보증인 900101-*******"

    def test_refuses_a_limit_without_currency(self, world: World) -> None:
        with pytest.raises(AccountInvalid) as refused:
            create(world.person(Role.ADMIN), credit_limit=Decimal(1))

        assert refused.value.details == {"fields": {"credit_currency": "currency_missing"}}


class TestUpdateAccount:
    def test_writes_only_what_differs(self, world: World) -> None:
        account_id = world.account(phone="+8225550100")

        account = update(
            world.person(Role.REP, world.north), account_id, phone="+8225550100", name="가람상사"
        )

        assert account.version == 1

    def test_raises_the_version(self, world: World) -> None:
        assert update(world.person(Role.REP, world.north), world.account(), phone="+8225550100").version == 2

    @pytest.mark.parametrize("foreign", ["another territory", "deleted", "unknown", "another tenant"])
    def test_knows_no_account_that_is(self, world: World, foreign: str) -> None:
        account_id = {
            "another territory": lambda: world.account(world.south),
            "deleted": lambda: world.account(deleted_at=utc_now()),
            "unknown": new_id,
            "another tenant": lambda: World(world.app, world.db).account(),
        }[foreign]()

        with pytest.raises(NotFound):
            update(world.person(Role.REP, world.north), account_id, phone="+8225550100")

    def test_lets_a_technician_write_contact_data(self, world: World) -> None:
        account = update(
            technician(world), world.account(), address="세종대로 110", tags=["개"], opening_hours="24시간"
        )

        assert (account.address, account.tags, account.opening_hours) == ("세종대로 110", ["개"], "24시간")

    @pytest.mark.parametrize("field", ["name", "tier", "credit_limit", "payment_terms", "business_number"])
    def test_does_not_let_a_technician_write(self, world: World, field: str) -> None:
        value = Decimal(5) if field == "credit_limit" else "B"

        with pytest.raises(FieldNotYours) as refused:
            update(technician(world), world.account(), **{field: value})

        assert refused.value.details == {"fields": [field]}

    def test_tells_a_technician_nothing_by_accepting_a_right_guess(self, world: World) -> None:
        account_id = world.account(payment_terms="30일")

        with pytest.raises(FieldNotYours):
            update(technician(world), account_id, payment_terms="30일")

    @pytest.mark.parametrize("field", ["territory_id", "owner_id"])
    def test_does_not_let_a_rep_reassign(self, world: World, field: str) -> None:
        rep = world.person(Role.REP, world.north, world.south)

        with pytest.raises(AccountReassignNotAllowed):
            update(rep, world.account(), **{field: world.south if field == "territory_id" else rep.id})

    def test_lets_a_rep_send_the_territory_unchanged(self, world: World) -> None:
        account = update(
            world.person(Role.REP, world.north), world.account(), territory_id=world.north, tier="A"
        )

        assert account.tier == "A"

    def test_checks_the_currency_against_the_stored_limit(self, world: World) -> None:
        account_id = world.account(credit_limit=5, credit_currency="KRW")

        with pytest.raises(AccountInvalid):
            update(world.person(Role.REP, world.north), account_id, credit_currency=None)

    def test_refuses_a_code_in_use(self, world: World) -> None:
        world.account(code="C1")

        with pytest.raises(AccountCodeTaken):
            update(world.person(Role.REP, world.north), world.account(code="C2"), code="C1")

    def test_never_lets_a_wrong_clock_hold_the_last_visit(self, world: World) -> None:
        account = update(
            world.person(Role.REP, world.north),
            world.account(),
            last_visited_at=utc_now() + timedelta(days=3650),
        )

        assert account.last_visited_at is not None
        assert account.last_visited_at <= utc_now()


class TestMoveAccount:
    def move(self, person: Person, account_id: UUID, **args: Any) -> Account:
        now = utc_now()
        with person.world.acting(person) as (session, actor):
            return service.move_account(session, actor, account_id, args, at=now, now=now)

    def test_moves_within_the_scope_of_a_manager(self, world: World) -> None:
        manager = world.person(Role.MANAGER, world.region)

        assert self.move(manager, world.account(), territory_id=world.south).territory_id == world.south

    def test_knows_no_territory_outside_the_scope(self, world: World) -> None:
        with pytest.raises(ReferenceNotFound):
            self.move(world.person(Role.MANAGER, world.north), world.account(), territory_id=world.south)

    def test_does_not_take_from_a_territory_outside_the_scope(self, world: World) -> None:
        manager = world.person(Role.MANAGER, world.north)
        account_id = world.account(world.south, owner_id=manager.id)

        with pytest.raises(AccountReassignNotAllowed):
            self.move(manager, account_id, territory_id=world.north)

    def test_gives_to_an_owner_of_the_team(self, world: World) -> None:
        manager = world.person(Role.MANAGER, world.north)
        rep = world.person(Role.REP, world.north, manager=manager)

        assert self.move(manager, world.account(), owner_id=rep.id).owner_id == rep.id

    def test_knows_no_owner_who_left(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        world.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :id", id=rep.id)

        with pytest.raises(ReferenceNotFound):
            self.move(world.person(Role.ADMIN), world.account(), owner_id=rep.id)


class TestParents:
    def test_takes_a_parent_of_the_scope(self, world: World) -> None:
        parent_id = world.account()

        assert update(world.person(Role.REP, world.north), world.account(), parent_id=parent_id).parent_id

    def test_knows_no_parent_outside_the_scope(self, world: World) -> None:
        with pytest.raises(ReferenceNotFound):
            update(world.person(Role.REP, world.north), world.account(), parent_id=world.account(world.south))

    def test_refuses_the_account_itself(self, world: World) -> None:
        account_id = world.account()

        with pytest.raises(AccountParentCycle):
            update(world.person(Role.ADMIN), account_id, parent_id=account_id)

    def test_refuses_an_account_below(self, world: World) -> None:
        top = world.account()
        middle = world.account(parent_id=top)
        bottom = world.account(parent_id=middle)

        with pytest.raises(AccountParentCycle):
            update(world.person(Role.ADMIN), top, parent_id=bottom)

    def test_two_writers_at_once_make_no_cycle(self, world: World) -> None:
        admin = world.person(Role.ADMIN)
        pair = world.account(), world.account()
        start = Barrier(2)

        def hang(account_id: UUID, parent_id: UUID) -> None:
            start.wait()
            # Refused, or chosen to end a deadlock.
            with suppress(AccountParentCycle, OperationalError):
                update(admin, account_id, parent_id=parent_id)

        threads = [Thread(target=hang, args=pair), Thread(target=hang, args=pair[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [bool(get(admin, account_id).parent_id) for account_id in pair].count(True) == 1


class TestDeleteAccount:
    def test_hides_the_account(self, world: World) -> None:
        manager = world.person(Role.MANAGER, world.north)
        account_id = world.account()

        delete(manager, account_id)

        with pytest.raises(NotFound):
            get(manager, account_id)

    def test_is_not_for_reps(self, world: World) -> None:
        with pytest.raises(Forbidden):
            delete(world.person(Role.REP, world.north), world.account())

    @pytest.mark.parametrize(
        ("entity", "table", "values"),
        [
            ("account", "accounts", {"name": "지점", "parent_id": "account"}),
            ("site", "sites", {"name": "공장", "account_id": "account"}),
            ("contact", "contacts", {"name": "이보람", "account_id": "account"}),
            (
                "account_relation",
                "account_relations",
                {"account_id": "other", "to_account_id": "account", "kind": "owns"},
            ),
            (
                "visit",
                "visits",
                {
                    "account_id": "account",
                    "assignee_id": "rep",
                    "planned_start": datetime(2026, 1, 1, tzinfo=UTC),
                },
            ),
            ("task", "tasks", {"account_id": "account", "assignee_id": "rep", "title": "전화"}),
        ],
    )
    def test_refuses_while_there_is_a_live(
        self, world: World, entity: str, table: str, values: Mapping[str, Any]
    ) -> None:
        account_id = world.account()
        ids = {"account": account_id, "other": world.account(), "rep": world.person(Role.REP).id}
        row = {
            name: ids.get(value, value) if isinstance(value, str) else value for name, value in values.items()
        }
        world.insert(table, id=new_id(), **row)

        with pytest.raises(HasDependants) as refused:
            delete(world.person(Role.ADMIN), account_id)

        assert refused.value.details == {"dependants": [entity]}

    def test_is_possible_when_all_that_hung_on_it_is_deleted(self, world: World) -> None:
        account_id = world.account()
        world.insert("sites", id=new_id(), account_id=account_id, name="공장", deleted_at=utc_now())

        delete(world.person(Role.ADMIN), account_id)


class TestListAccounts:
    def test_shows_territory_and_owned(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        mine, owned = world.account(), world.account(world.south, owner_id=rep.id)
        world.account(world.south)

        assert listed(rep) == {mine, owned}

    def test_shows_a_technician_accounts_of_own_visits_in_the_window(self, world: World) -> None:
        technician = world.person(Role.TECHNICIAN)
        soon, late = world.account(), world.account()
        for account_id, days in ((soon, 13), (late, 15)):
            world.insert(
                "visits",
                id=new_id(),
                account_id=account_id,
                assignee_id=technician.id,
                planned_start=utc_now() + timedelta(days=days),
            )

        assert listed(technician) == {soon}

    def test_shows_a_manager_what_lies_below(self, world: World) -> None:
        assert listed(world.person(Role.MANAGER, world.region)) == set()
        account_id = world.account(world.south)

        assert listed(world.person(Role.MANAGER, world.region)) == {account_id}

    @pytest.mark.parametrize("q", ["가람", "가 람", "(주)가람", "주식회사 가람상", "K-1"])
    def test_finds_by_the_beginning_of_name_or_code(self, world: World, q: str) -> None:
        account_id = world.account(name="(주) 가람상사", code="K-100")
        world.account(name="새가람", code="AK-1")

        assert listed(world.person(Role.ADMIN), q=q) == {account_id}

    def test_filters(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        wanted = world.account(tier="A", kinds=["customer", "partner"], owner_id=rep.id)
        world.account(tier="B", kinds=["customer"])

        for filters in ({"tier": "A"}, {"kind": "partner"}, {"owner_id": rep.id}):
            assert listed(rep, **filters) == {wanted}

    def test_uses_indexes_under_row_level_security(self, world: World) -> None:
        territory_id = new_id()
        world.sql(
            "INSERT INTO accounts (tenant_id, id, name, code)"
            " SELECT :tenant, gen_random_uuid(), 'N' || i, 'C' || i FROM generate_series(1, 3000) AS i"
        )
        with world.psql() as owner:
            owner.execute("ANALYZE accounts")

        for filters, index in (
            ({"q": "n123"}, "search_key"),
            ({"q": "C123"}, "code"),
            ({"territory_id": territory_id}, "territory_id"),
            ({"updated_since": utc_now() + timedelta(days=1)}, "updated_at_id"),
        ):
            assert f"accounts_tenant_id_{index}" in self.plan(world, filters)

    def plan(self, world: World, filters: Mapping[str, Any]) -> str:
        with world.acting(world.person(Role.ADMIN)) as (session, actor):
            statement = service.list_accounts(session, actor, **filters)
            compiled = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
            return "\n".join(session.scalars(text(f"EXPLAIN {compiled}".replace(":", "\\:"))))


class TestNoteVisit:
    def test_only_grows(self, world: World) -> None:
        rep, account_id = world.person(Role.REP, world.north), world.account()
        first, second = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)

        for at in (second, first):
            with world.acting(rep) as (session, actor):
                service.note_visit(session, actor, account_id, at=at)

        assert get(rep, account_id).last_visited_at == second


class TestProfile:
    def test_counts_what_sql_wrote(self, world: World) -> None:
        account_id = world.account(legal_name="가람상사 주식회사", phone="")

        account = get(world.person(Role.ADMIN), account_id)

        assert (account.completeness, account.profile_stage) == (100 * 2 // 14, 1)

    def test_reaches_the_third_stage(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        account_id = world.account(
            legal_name="가람상사 주식회사",
            business_number="123-45-67891",
            phone="+8225550100",
            address="세종대로 110",
            postcode="04524",
            location=[37.5, 127.0],
            owner_id=rep.id,
            tier="A",
            payment_terms="30일",
            credit_limit=1,
        )

        account = get(rep, account_id)

        assert (account.completeness, account.profile_stage) == (100 * 11 // 14, 3)
