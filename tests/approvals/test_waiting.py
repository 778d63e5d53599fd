"""A request that nobody answers goes to somebody else, within business hours, whatever happens to people."""

import random
from datetime import datetime
from uuid import UUID

import pytest

from app.approvals import service
from app.approvals.models import ApprovalRequest
from app.approvals.queries import standings
from app.approvals.service.routing import is_available
from app.core.scope import Role
from app.identity import service as identity
from app.jobs.approvals import move_approvals
from tests.approvals.office import DAY, HOUR, NOW, TODAY, Office

HOURS_9 = NOW + DAY  # ten o'clock on Tuesday, nine business hours later on Wednesday
AFTER = HOURS_9 + HOUR


@pytest.fixture
def top(office: Office) -> UUID:
    return office.hire()


@pytest.fixture
def boss(office: Office, top: UUID) -> UUID:
    office.policy("manager")
    return office.hire(manager=top)


@pytest.fixture
def rep(office: Office, boss: UUID) -> UUID:
    return office.hire(Role.REP, boss)


def run(office: Office, now: datetime = NOW) -> int:
    return move_approvals(office.world.db, office.world.id, now)


def steps(office: Office, request: ApprovalRequest) -> list[tuple[str, UUID | None, UUID | None]]:
    return [(s.status, s.assignee_id, s.delegated_from) for s in office.look(request).steps]


class TestTimeRunsOut:
    def test_the_manager_above_is_asked(self, office: Office, rep: UUID, boss: UUID, top: UUID) -> None:
        request = office.ask(rep)
        assert run(office, HOURS_9 - HOUR) == 0
        assert run(office, HOURS_9) == 1
        assert steps(office, request) == [("expired", boss, None), ("active", top, boss)]
        assert office.notices(top) == ["asked"]
        assert run(office, HOURS_9) == 0

    def test_who_let_it_lie_decides_no_more(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.ask(rep)
        run(office, HOURS_9)
        with pytest.raises(service.ApprovalMovedOn):
            office.do(boss, "approve", request, now=AFTER)

    def test_a_holiday_of_the_company_stops_the_time(self, office: Office, rep: UUID, boss: UUID) -> None:
        office.world.insert("company_holidays", id=office.world.id, day=TODAY + DAY, name="창립기념일")
        request = office.ask(rep)
        assert run(office, HOURS_9) == 0
        assert run(office, HOURS_9 + DAY) == 1
        assert office.asked(request) != boss

    def test_then_an_administrator_then_the_alarm(
        self, office: Office, rep: UUID, boss: UUID, top: UUID
    ) -> None:
        admin = office.hire(Role.ADMIN)
        request = office.ask(rep)
        now = NOW
        for asked in (top, admin, admin):
            now = office.look(request).steps[-1].due_at or now
            assert run(office, now) == 1
            assert office.asked(request) == asked
        assert office.notices(admin) == ["asked", "stuck"]
        assert office.notices(rep) == ["stuck"]
        assert run(office, now) == 0

    def test_of_a_role_the_manager_above_comes_before_a_peer(self, office: Office, top: UUID) -> None:
        first = office.hire(Role.MANAGER, top)
        second = office.hire(Role.MANAGER, top)
        office.world.sql("UPDATE users SET org_unit_id = NULL WHERE tenant_id = :tenant AND id = :u", u=top)
        office.policy({"approver": "role", "role": "manager"})
        request = office.ask(office.hire(Role.REP, second))
        assert office.asked(request) == first
        run(office, HOURS_9)
        assert office.asked(request) == top

    def test_never_to_the_requester(self, office: Office) -> None:
        admin, other = office.hire(Role.ADMIN), office.hire(Role.ADMIN)
        office.policy({"approver": "user", "user_id": str(other)})
        request = office.ask(admin)
        run(office, HOURS_9)
        assert office.asked(request) == other


class TestPeopleGo:
    def test_of_the_dismissed_at_once(self, office: Office, rep: UUID, boss: UUID, top: UUID) -> None:
        request = office.ask(rep)
        office.dismiss(boss)
        assert run(office, NOW + HOUR) == 1
        assert steps(office, request) == [("skipped", boss, None), ("active", top, boss)]

    def test_of_one_whose_role_may_not_decide(self, office: Office, rep: UUID, boss: UUID, top: UUID) -> None:
        request = office.ask(rep)
        office.world.sql("UPDATE users SET role = 'technician' WHERE tenant_id = :tenant AND id = :u", u=boss)
        run(office)
        assert office.asked(request) == top

    def test_of_one_whose_leave_begins(self, office: Office, rep: UUID, boss: UUID, top: UUID) -> None:
        request = office.ask(rep)
        office.away(boss, TODAY + DAY, TODAY + 3 * DAY)
        assert run(office, NOW + 13 * HOUR) == 0
        assert run(office, NOW + 14 * HOUR) == 1  # midnight in Seoul
        assert office.asked(request) == top

    def test_not_of_one_on_leave_where_somebody_stands_in(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        request = office.ask(rep)
        office.away(boss)
        office.stand_in(office.hire(), boss)
        assert run(office) == 0
        assert office.asked(request) == boss

    def test_when_the_one_who_stands_in_goes_as_well(
        self, office: Office, rep: UUID, boss: UUID, top: UUID
    ) -> None:
        delegate = office.hire()
        request = office.ask(rep)
        office.away(boss)
        office.stand_in(delegate, boss)
        office.dismiss(delegate)
        assert run(office) == 1
        assert office.asked(request) == top

    def test_with_nobody_left_it_waits_and_is_tried_again(
        self, office: Office, rep: UUID, boss: UUID, top: UUID
    ) -> None:
        request = office.ask(rep)
        for one in (boss, top):
            office.dismiss(one)
        assert run(office) == 1
        assert office.asked(request) is None
        assert office.notices(rep) == ["stuck"]
        assert run(office, NOW + HOUR) == 0
        newcomer = office.hire(Role.ADMIN)
        assert run(office, NOW + HOUR) == 1
        assert office.asked(request) == newcomer
        assert office.do(newcomer, "approve", request, now=NOW + 2 * HOUR).status == "approved"

    def test_a_decided_request_stays_as_it_is(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.do(boss, "reject", office.ask(rep))
        office.dismiss(boss)
        assert run(office, HOURS_9) == 0
        assert office.look(request).status == "rejected"

    def test_one_that_is_just_decided_on_waits_for_the_next_run(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        request = office.ask(rep)
        with office.acting(boss, NOW + HOUR) as (session, actor):
            service.get_request(session, actor, request.id, lock=True)
            assert run(office, HOURS_9) == 0
        assert run(office, HOURS_9) == 1


class TestWhateverHappens:
    @pytest.mark.parametrize("seed", range(12))
    def test_it_is_always_with_somebody_who_can_answer(self, office: Office, seed: int) -> None:
        """People come, go, leave and return at random; the job runs each hour, and somebody can always answer."""
        draw = random.Random(seed)
        admins = [office.hire(Role.ADMIN), office.hire(Role.ADMIN)]
        people = [*admins]
        for _ in range(8):
            people.append(office.hire(draw.choice(("manager", "rep")), draw.choice([None, *people])))
        levels = [
            draw.choice(
                (
                    {"approver": "manager"},
                    {"approver": "role", "role": "manager"},
                    {"approver": "territory"},
                    {"approver": "user", "user_id": str(draw.choice(people))},
                )
            )
            for _ in range(3)
        ]
        office.policy(*levels)
        requester = draw.choice(people)
        request = office.ask(requester)
        now, gone = NOW, {requester}
        for _ in range(15):
            now += draw.choice((HOUR, 5 * HOUR, 20 * HOUR))
            somebody = draw.choice(people)
            match draw.randrange(4):
                case 0 if somebody not in admins and somebody != requester:
                    office.dismiss(somebody)
                    gone.add(somebody)
                case 1:
                    first = TODAY + draw.randrange(12) * DAY
                    office.away(somebody, first, first + draw.randrange(4) * DAY)
                case 2:
                    office.stand_in(draw.choice([p for p in people if p != somebody]), somebody)
            run(office, now)
            run(office, now)
            asked = office.asked(request)
            assert asked is not None
            assert asked not in gone
            with office.world.session() as session:
                day = identity.tenant_day(session, office.world.id, now)
                known = standings(session, office.world.id, people, day)
            never = frozenset({requester})
            if any(is_available(known[admin], admin, never) for admin in admins):
                assert is_available(known[asked], asked, never)
            (step,) = [s for s in office.look(request).steps if s.status == "active"]
            assert step.due_at is not None
            assert step.due_at > now
