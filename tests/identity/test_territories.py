"""Territories, their members, and org units."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.core.errors import Forbidden, HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.scope import Role
from app.identity import service
from app.identity.models import MemberKind
from app.identity.service.errors import CodeTaken, DatesReversed, MembershipTaken, TreeLoop, ZoneUnknown
from tests.identity.conftest import NOW, TODAY, Company

DAY = timedelta(days=1)


class TestTerritories:
    def test_are_made_by_administrators_only(self, company: Company) -> None:
        with company.as_(company.user(Role.MANAGER)) as (session, actor), pytest.raises(Forbidden):
            service.create_territory(session, actor, {"code": "X", "name": "X"}, now=NOW)

    def test_are_listed_within_the_scope(self, company: Company) -> None:
        rep, mine = company.user(), company.territory()
        company.territory()
        company.member(mine, rep)
        with company.as_(rep) as (session, actor):
            assert [t.id for t in session.scalars(service.list_territories(session, actor))] == [mine.id]

    def test_of_others_answer_as_unknown_ones(self, company: Company) -> None:
        rep, theirs = company.user(), company.territory()
        with company.as_(rep) as (session, actor):
            for territory_id in (theirs.id, uuid4()):
                with pytest.raises(NotFound, match="No such territory"):
                    service.get_territory(session, actor, territory_id)

    def test_have_unique_codes(self, company: Company) -> None:
        taken = company.territory().code
        with pytest.raises(CodeTaken):
            company.territory(code=taken)

    def test_free_their_code_when_given_up(self, company: Company) -> None:
        old = company.territory()
        with company.office() as (session, actor):
            service.delete_territory(session, actor, old.id, now=NOW)
        assert company.territory(code=old.code).id != old.id

    def test_cannot_take_an_id_in_use(self, company: Company) -> None:
        with pytest.raises(IdTaken):
            company.territory(id=company.territory().id)

    def test_cannot_lie_below_themselves(self, company: Company) -> None:
        top = company.territory()
        bottom = company.territory(company.territory(top))
        with company.office() as (session, actor), pytest.raises(TreeLoop):
            service.update_territory(session, actor, top.id, {"parent_id": bottom.id}, now=NOW)

    def test_cannot_lie_below_another_companys(self, company: Company, other_company: Company) -> None:
        with pytest.raises(ReferenceNotFound):
            company.territory(parent_id=other_company.territory().id)

    def test_cannot_end_before_they_begin(self, company: Company) -> None:
        with pytest.raises(DatesReversed):
            company.territory(valid_from=TODAY, valid_to=TODAY - DAY)

    def test_stay_while_something_hangs_on_them(self, company: Company) -> None:
        parent, worked = company.territory(), company.territory()
        company.territory(parent)
        company.member(worked, company.user())
        for territory in (parent, worked):
            with company.office() as (session, actor), pytest.raises(HasDependants):
                service.delete_territory(session, actor, territory.id, now=NOW)

    def test_mark_the_change_for_the_phones(self, company: Company) -> None:
        territory = company.territory()
        with company.office() as (session, _):
            marks = session.execute(
                text("SELECT entity FROM sync_pending WHERE record_id = :id"), {"id": territory.id}
            )
            assert set(marks.scalars()) == {"territory"}


class TestMembers:
    @pytest.mark.parametrize(
        ("first", "last", "clashes"),
        [
            (TODAY, None, True),
            (TODAY + 5 * DAY, None, True),
            (TODAY - 9 * DAY, TODAY, True),
            (TODAY - 9 * DAY, TODAY - DAY, False),
            (TODAY + 11 * DAY, None, False),
        ],
    )
    def test_are_not_the_same_kind_twice_at_a_time(
        self, company: Company, first: object, last: object, clashes: bool
    ) -> None:
        rep, territory = company.user(), company.territory()
        company.member(territory, rep, TODAY, TODAY + 10 * DAY)
        if clashes:
            with pytest.raises(MembershipTaken):
                company.member(territory, rep, first, last)  # type: ignore[arg-type]
        else:
            assert company.member(territory, rep, first, last).version == 1  # type: ignore[arg-type]

    def test_may_be_of_two_kinds(self, company: Company) -> None:
        rep, territory = company.user(), company.territory()
        company.member(territory, rep)
        assert company.member(territory, rep, kind=MemberKind.BACKUP).kind is MemberKind.BACKUP

    def test_are_people_of_the_company(self, company: Company, other_company: Company) -> None:
        with pytest.raises(ReferenceNotFound):
            company.member(company.territory(), other_company.user())

    def test_end_by_their_last_day(self, company: Company) -> None:
        rep, territory = company.user(), company.territory()
        member = company.member(territory, rep, TODAY - 9 * DAY)
        with company.office() as (session, actor):
            changes = {"valid_to": TODAY - DAY}
            service.update_member(session, actor, territory.id, member.id, changes, now=NOW)
        with company.as_(rep) as (_, actor):
            assert not actor.scope.territory_ids

    def test_mark_their_person_for_the_sequencer(self, company: Company) -> None:
        rep = company.user()
        with company.office() as (session, _):
            session.execute(text("SELECT 1"))
        company.member(company.territory(), rep)
        with company.office() as (session, _):
            weak = session.execute(
                text("SELECT weak FROM sync_pending WHERE entity = 'user' AND record_id = :id"),
                {"id": rep.id},
            )
            assert True in set(weak.scalars())

    def test_are_kept_in_the_ledger(self, company: Company) -> None:
        member = company.member(company.territory(), company.user())
        with company.office() as (session, actor):
            service.remove_member(session, actor, member.territory_id, member.id, now=NOW)
        with company.office() as (session, _):
            ops = session.execute(
                text(
                    "SELECT op FROM changes WHERE entity = 'territory_member' AND record_id = :id ORDER BY id"
                ),
                {"id": member.id},
            )
            assert list(ops.scalars()) == ["insert", "delete"]


class TestOrgUnits:
    def test_cannot_lie_below_themselves(self, company: Company) -> None:
        top = company.unit()
        below = company.unit(top)
        with company.office() as (session, actor), pytest.raises(TreeLoop):
            service.update_org_unit(session, actor, top.id, {"parent_id": below.id}, now=NOW)

    def test_stay_while_people_work_there(self, company: Company) -> None:
        unit = company.unit()
        company.user(org_unit_id=unit.id)
        with company.office() as (session, actor), pytest.raises(HasDependants):
            service.delete_org_unit(session, actor, unit.id, now=NOW)

    def test_have_a_real_time_zone(self, company: Company) -> None:
        with company.office() as (session, actor), pytest.raises(ZoneUnknown):
            service.update_org_unit(session, actor, company.unit().id, {"time_zone": "Mars/Base"}, now=NOW)

    def test_of_others_answer_as_unknown_ones(self, company: Company) -> None:
        rep, theirs = company.user(), company.unit()
        with company.as_(rep) as (session, actor), pytest.raises(NotFound):
            service.get_org_unit(session, actor, theirs.id)
