"""Policies, absences and holidays: who may set what."""

from typing import Any
from uuid import UUID

import pytest

from app.approvals import service
from app.approvals.service.errors import AbsencePast, HolidayTaken, PolicyInvalid
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Role
from app.identity.service.errors import DatesReversed
from tests.approvals.office import DAY, NOW, TODAY, Office

POLICY = {
    "name": "할인",
    "document_kind": "order",
    "metric": "discount_percent",
    "threshold": 10,
    "levels": [{"approver": "manager", "escalate_after_h": 9}],
}


@pytest.fixture
def admin(office: Office) -> UUID:
    return office.hire(Role.ADMIN)


class TestPolicies:
    @pytest.mark.parametrize("role", [r for r in Role if r is not Role.ADMIN])
    def test_are_the_administrators(self, office: Office, role: Role) -> None:
        with office.acting(office.hire(role)) as (session, actor):
            with pytest.raises(Forbidden):
                service.create_policy(session, actor, POLICY, now=NOW)
            with pytest.raises(Forbidden):
                service.list_policies(session, actor)

    def test_ask_from_the_next_document_on(self, office: Office, admin: UUID) -> None:
        boss = office.hire()
        with office.acting(admin) as (session, actor):
            service.create_policy(session, actor, POLICY, now=NOW)
        assert office.asked(office.ask(office.hire(Role.REP, boss))) == boss

    def test_keep_of_a_level_what_its_approver_needs(self, office: Office, admin: UUID) -> None:
        levels = [{"approver": "manager", "role": "admin", "user_id": admin, "escalate_after_h": 3}]
        with office.acting(admin) as (session, actor):
            policy = service.create_policy(session, actor, POLICY | {"levels": levels}, now=NOW)
        assert policy.levels == [{"approver": "manager", "escalate_after_h": 3}]

    @pytest.mark.parametrize("approver", ["role", "user"])
    def test_name_somebody_at_each_level(self, office: Office, admin: UUID, approver: str) -> None:
        levels = [{"approver": approver, "escalate_after_h": 3}]
        with office.acting(admin) as (session, actor), pytest.raises(PolicyInvalid):
            service.create_policy(session, actor, POLICY | {"levels": levels}, now=NOW)

    def test_name_nobody_of_another_company(self, office: Office, admin: UUID) -> None:
        levels = [{"approver": "user", "user_id": new_id(), "escalate_after_h": 3}]
        with office.acting(admin) as (session, actor), pytest.raises(ReferenceNotFound):
            service.create_policy(session, actor, POLICY | {"levels": levels}, now=NOW)

    def test_that_are_deleted_ask_no_more(self, office: Office, admin: UUID) -> None:
        policy = office.policy("manager")
        rep = office.hire(Role.REP, office.hire())
        with office.acting(admin) as (session, actor):
            service.delete_policy(session, actor, policy, now=NOW)
            with pytest.raises(NotFound):
                service.get_policy(session, actor, policy)
        with office.acting(rep) as (session, actor):
            assert service.request_approval(session, actor, office.document(rep), now=NOW) is None


class TestAbsences:
    def enter(self, office: Office, by: UUID, **values: Any) -> Any:
        with office.acting(by) as (session, actor):
            whole = {"first_day": TODAY, "last_day": TODAY + DAY} | values
            return service.create_absence(session, actor, whole, now=NOW)

    def test_are_ones_own_ones_teams_and_the_administrators(self, office: Office, admin: UUID) -> None:
        boss = office.hire()
        rep = office.hire(Role.REP, boss)
        for by in (rep, boss, admin):
            assert self.enter(office, by, user_id=rep).user_id == rep
        for by in (office.hire(), office.hire(Role.REP)):
            with pytest.raises(Forbidden):
                self.enter(office, by, user_id=rep)
        with office.acting(office.hire()) as (session, actor):
            assert session.scalars(service.list_absences(session, actor)).all() == []

    def test_lie_ahead_and_end_after_they_begin(self, office: Office, admin: UUID) -> None:
        with pytest.raises(AbsencePast):
            self.enter(office, admin, first_day=TODAY - 2 * DAY, last_day=TODAY - DAY)
        with pytest.raises(DatesReversed):
            self.enter(office, admin, first_day=TODAY + DAY, last_day=TODAY)
        assert self.enter(office, admin, first_day=TODAY - DAY, last_day=TODAY).last_day == TODAY

    def test_change_and_end(self, office: Office, admin: UUID) -> None:
        absence = self.enter(office, admin)
        with pytest.raises(IdTaken):
            self.enter(office, admin, id=absence.id)
        with office.acting(admin) as (session, actor):
            changes = {"last_day": TODAY + 3 * DAY, "reason": "연차 900101-1234568"}
            found = service.update_absence(session, actor, absence.id, changes, now=NOW)
            assert (found.last_day, "1234568" in str(found.reason)) == (TODAY + 3 * DAY, False)
        with pytest.raises(DatesReversed), office.acting(admin) as (session, actor):
            service.update_absence(session, actor, absence.id, {"last_day": TODAY - DAY}, now=NOW)
        with office.acting(admin) as (session, actor):
            service.delete_absence(session, actor, absence.id, now=NOW)
        with office.acting(admin) as (session, actor), pytest.raises(NotFound):
            service.get_absence(session, actor, absence.id)


class TestHolidays:
    def test_are_the_administrators_and_each_day_once(self, office: Office, admin: UUID) -> None:
        values = {"day": TODAY, "name": "창립기념일"}
        with office.acting(office.hire()) as (session, actor), pytest.raises(Forbidden):
            service.create_holiday(session, actor, values, now=NOW)
        with office.acting(admin) as (session, actor):
            made = service.create_holiday(session, actor, values, now=NOW)
        with office.acting(admin) as (session, actor), pytest.raises(HolidayTaken):
            service.create_holiday(session, actor, values, now=NOW)
        with office.acting(admin) as (session, actor):
            service.delete_holiday(session, actor, made.id, now=NOW)
            service.create_holiday(session, actor, values, now=NOW)
