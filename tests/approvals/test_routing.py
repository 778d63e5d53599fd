"""A request always reaches somebody, and never its own requester."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.core.scope import Role
from tests.approvals.office import DAY, TODAY, Office


class TestManagers:
    def test_the_manager_is_asked(self, office: Office) -> None:
        boss = office.hire()
        office.policy("manager")
        request = office.ask(office.hire(Role.REP, boss))
        assert office.asked(request) == boss
        assert office.notices(boss) == ["asked"]

    def test_a_manager_on_leave_keeps_it_where_somebody_stands_in(self, office: Office) -> None:
        boss, delegate = office.hire(), office.hire()
        office.policy("manager")
        office.away(boss)
        office.stand_in(delegate, boss)
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == boss
        assert office.notices(delegate) == ["asked"]

    def test_a_manager_on_leave_without_anybody_is_passed_over_at_once(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        office.away(boss)
        (step,) = office.ask(office.hire(Role.REP, boss)).steps
        assert (step.assignee_id, step.delegated_from) == (top, boss)

    def test_a_delegate_who_is_the_requester_does_not_count(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        rep = office.hire(Role.REP, boss)
        office.policy("manager")
        office.away(boss)
        office.stand_in(rep, boss)
        assert office.asked(office.ask(rep)) == top

    @pytest.mark.parametrize("fate", ["away", "dismiss"])
    def test_a_delegate_who_cannot_answer_does_not_count(self, office: Office, fate: str) -> None:
        top = office.hire()
        boss, delegate = office.hire(manager=top), office.hire()
        office.policy("manager")
        office.away(boss)
        office.stand_in(delegate, boss)
        getattr(office, fate)(delegate)
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == top

    def test_a_delegation_counts_on_its_days_only(self, office: Office) -> None:
        top = office.hire()
        boss, delegate = office.hire(manager=top), office.hire()
        office.policy("manager")
        office.away(boss)
        office.stand_in(delegate, boss, TODAY - 2 * DAY, TODAY - DAY)
        office.stand_in(delegate, boss, TODAY + DAY)
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == top

    def test_the_day_is_the_companys(self, office: Office) -> None:
        from tests.approvals.office import NOW

        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        office.away(boss, TODAY, TODAY)
        midnight = NOW + timedelta(hours=14)  # 24:00 in Seoul, still the same day in UTC
        rep = office.hire(Role.REP, boss)
        assert office.asked(office.ask(rep, now=midnight - timedelta(seconds=1))) == top
        assert office.asked(office.ask(rep, now=midnight)) == boss

    def test_a_dismissed_manager_is_passed_over(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        office.dismiss(boss)
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == top

    def test_without_a_manager_an_administrator_is_asked(self, office: Office) -> None:
        office.policy("manager")
        rep, admin = office.hire(Role.REP), office.hire(Role.ADMIN)
        assert office.asked(office.ask(rep)) == admin

    def test_the_last_administrator_is_asked_even_on_leave(self, office: Office) -> None:
        office.policy("manager")
        rep, admin = office.hire(Role.REP), office.hire(Role.ADMIN)
        office.away(admin)
        assert office.asked(office.ask(rep)) == admin

    def test_one_who_is_their_own_manager_is_not_asked(self, office: Office) -> None:
        office.policy("manager")
        boss, admin = office.hire(), office.hire(Role.ADMIN)
        office.world.sql("UPDATE users SET manager_id = id WHERE tenant_id = :tenant AND id = :u", u=boss)
        assert office.asked(office.ask(boss)) == admin

    def test_a_circle_of_managers_ends_at_an_administrator(self, office: Office) -> None:
        office.policy("manager", "manager", "manager")
        first = office.hire()
        second = office.hire(manager=first)
        office.world.sql(
            "UPDATE users SET manager_id = :m WHERE tenant_id = :tenant AND id = :u", u=first, m=second
        )
        admin = office.hire(Role.ADMIN)
        request = office.ask(first)
        assert office.asked(request) == second
        assert office.asked(office.do(second, "approve", request)) == admin

    def test_an_administrator_is_not_asked_for_their_own(self, office: Office) -> None:
        office.policy("manager")
        first = office.hire(Role.ADMIN)
        second = office.hire(Role.ADMIN)
        assert office.asked(office.ask(first)) == second

    def test_with_nobody_at_all_it_waits_and_says_so(self, office: Office) -> None:
        office.policy("manager")
        rep = office.hire(Role.REP)
        assert office.asked(office.ask(rep)) is None
        assert office.notices(rep) == ["stuck"]

    def test_the_second_manager_is_the_managers_manager(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager", "manager")
        request = office.ask(office.hire(Role.REP, boss))
        assert (request.levels, office.asked(request)) == (2, boss)
        after = office.do(boss, "approve", request)
        assert (after.level, office.asked(after)) == (2, top)


class TestRoles:
    def test_one_of_the_unit_is_asked_before_one_above_it(self, office: Office) -> None:
        branch = unit_below(office)
        office.hire(Role.MANAGER)
        near = office.hire(Role.MANAGER, org_unit_id=branch)
        office.policy({"approver": "role", "role": "manager"})
        assert office.asked(office.ask(office.hire(Role.REP, org_unit_id=branch))) == near

    def test_a_vacant_unit_is_climbed_over(self, office: Office) -> None:
        branch = unit_below(office)
        above = office.hire(Role.MANAGER)
        office.policy({"approver": "role", "role": "manager"})
        assert office.asked(office.ask(office.hire(Role.REP, org_unit_id=branch))) == above

    def test_the_requester_is_not_the_one_of_the_unit(self, office: Office) -> None:
        branch = unit_below(office)
        above = office.hire(Role.MANAGER)
        near = office.hire(Role.MANAGER, org_unit_id=branch)
        office.policy({"approver": "role", "role": "manager"})
        assert office.asked(office.ask(near)) == above


class TestTerritories:
    def test_the_manager_who_owns_it_is_asked_and_not_its_rep(self, office: Office) -> None:
        rep, near, far = office.hire(Role.REP), office.hire(), office.hire()
        with office.world.session() as session:
            office.world.join(session, rep, office.world.north)
            office.world.join(session, far, office.world.region)
        office.policy("territory")
        assert office.asked(office.ask(rep, territory_id=office.world.north)) == far
        with office.world.session() as session:
            office.world.join(session, near, office.world.north)
        assert office.asked(office.ask(rep, territory_id=office.world.north)) == near

    def test_a_document_of_no_territory_goes_to_the_manager(self, office: Office) -> None:
        boss = office.hire()
        office.policy("territory")
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == boss


class TestNamedPeople:
    def test_whoever_is_named_is_asked(self, office: Office) -> None:
        named = office.hire()
        office.policy({"approver": "user", "user_id": str(named)})
        assert office.asked(office.ask(office.hire(Role.REP, office.hire()))) == named

    @pytest.mark.parametrize("known", [True, False])
    def test_one_who_left_is_replaced(self, office: Office, known: bool) -> None:
        top = office.hire(Role.ADMIN)
        named = office.hire(manager=top) if known else new_id()
        if known:
            office.dismiss(named)
        office.policy({"approver": "user", "user_id": str(named)})
        assert office.asked(office.ask(office.hire(Role.REP, office.hire()))) == top

    @pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.PARTNER, Role.INTEGRATION])
    def test_who_may_not_see_terms_is_not_asked(self, office: Office, role: Role) -> None:
        admin = office.hire(Role.ADMIN)
        office.policy({"approver": "user", "user_id": str(office.hire(role))})
        assert office.asked(office.ask(office.hire(Role.REP))) == admin


def unit_below(office: Office) -> UUID:
    unit_id = new_id()
    office.world.insert(
        "org_units", id=unit_id, parent_id=office.world.unit_id, kind="branch", code="b1", name="강남지점"
    )
    return unit_id
