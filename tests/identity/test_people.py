"""People and their devices."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from app.core.errors import Forbidden, NotFound, ReferenceNotFound
from app.core.scope import Role
from app.identity import service
from app.identity.models import Device, User, UserStatus
from app.identity.service.errors import LastAdmin, LoginInvalid, LoginTaken, ManagerLoop
from tests.identity.conftest import NOW, Company

STAFF = """login,name,role,org_unit,manager,territories
boss,김부장,manager,{unit},,
rep1,이대리,rep,{unit},boss,{territory}
"""


class TestUsers:
    def test_are_made_by_administrators_only(self, company: Company) -> None:
        with company.as_(company.user(Role.MANAGER)) as (session, actor), pytest.raises(Forbidden):
            service.create_user(session, actor, {"login": "x", "name": "X", "role": Role.REP}, now=NOW)

    def test_have_unique_logins_in_any_case(self, company: Company) -> None:
        company.user(login="Kim")
        with pytest.raises(LoginTaken):
            company.user(login=" kIM")

    def test_may_share_a_login_across_companies(self, company: Company, other_company: Company) -> None:
        assert company.user(login="kim").login == other_company.user(login="kim").login

    def test_have_a_login_without_white_space(self, company: Company) -> None:
        with pytest.raises(LoginInvalid):
            company.user(login="kim min")

    def test_refer_to_their_own_company_only(self, company: Company, other_company: Company) -> None:
        with pytest.raises(ReferenceNotFound):
            company.user(manager_id=other_company.user().id)
        with pytest.raises(ReferenceNotFound):
            company.user(org_unit_id=other_company.unit().id)

    def test_know_their_unit_only(self, company: Company) -> None:
        unit = company.unit()
        me, colleague = company.user(org_unit_id=unit.id), company.user(org_unit_id=unit.id)
        stranger = company.user()
        with company.as_(me) as (session, actor):
            assert set(session.scalars(service.list_users(session, actor).with_only_columns(User.id))) == {
                me.id,
                colleague.id,
            }
            for user_id in (stranger.id, uuid4()):
                with pytest.raises(NotFound, match="No such user"):
                    service.get_user(session, actor, user_id)

    def test_know_their_team_as_managers(self, company: Company) -> None:
        top = company.user(Role.MANAGER)
        middle = company.user(Role.MANAGER, manager_id=top.id)
        rep = company.user(manager_id=middle.id)
        company.user()
        with company.as_(top) as (session, actor):
            assert set(session.scalars(service.list_users(session, actor).with_only_columns(User.id))) == {
                top.id,
                middle.id,
                rep.id,
            }
            assert service.is_in_team(session, company.id, top.id, rep.id)
            assert not service.is_in_team(session, company.id, rep.id, top.id)

    def test_set_their_own_language(self, company: Company) -> None:
        rep = company.user()
        with company.as_(rep) as (session, actor):
            changed = service.update_user(session, actor, rep.id, {"locale": "en"}, now=NOW)
        assert (changed.locale, changed.version) == ("en", 2)

    def test_do_not_promote_themselves(self, company: Company) -> None:
        rep = company.user()
        with company.as_(rep) as (session, actor), pytest.raises(Forbidden):
            service.update_user(session, actor, rep.id, {"locale": "en", "role": Role.ADMIN}, now=NOW)

    def test_are_not_their_own_managers_manager(self, company: Company) -> None:
        boss = company.user(Role.MANAGER)
        rep = company.user(manager_id=boss.id)
        with company.office() as (session, actor), pytest.raises(ManagerLoop):
            service.update_user(session, actor, boss.id, {"manager_id": rep.id}, now=NOW)

    @pytest.mark.parametrize("changes", [{"status": UserStatus.DISABLED}, {"role": Role.REP}])
    def test_leave_an_administrator(self, company: Company, changes: dict[str, object]) -> None:
        admin = company.user(Role.ADMIN)
        with company.as_(admin) as (session, actor), pytest.raises(LastAdmin):
            service.update_user(session, actor, admin.id, changes, now=NOW)

    def test_leave_an_administrator_when_two_disable_each_other(self, company: Company) -> None:
        admins = [company.user(Role.ADMIN), company.user(Role.ADMIN)]

        def disable(pair: tuple[User, User]) -> bool:
            by, whom = pair
            try:
                with company.as_(by) as (session, actor):
                    service.disable_user(session, actor, whom.id, now=NOW)
            except Exception:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(disable, [(admins[0], admins[1]), (admins[1], admins[0])]))
        with company.office() as (session, _):
            active = session.scalars(
                select(User).where(User.tenant_id == company.id, User.status == UserStatus.ACTIVE)
            ).all()
        assert len(active) == 1

    def test_do_not_extend_their_own_permissions(self, company: Company) -> None:
        admin = company.user(Role.ADMIN)
        with company.as_(admin) as (session, actor), pytest.raises(Forbidden):
            service.set_permissions(session, actor, admin.id, [])


class TestReferenceUser:
    def test_finds_a_colleague(self, company: Company) -> None:
        rep, other = company.user(), company.user()
        with company.as_(rep) as (session, actor):
            assert service.reference_user(session, actor, other.id, "owner_id").id == other.id

    def test_refuses_strangers_the_disabled_and_the_unknown_alike(
        self, company: Company, other_company: Company
    ) -> None:
        gone = company.user()
        with company.office() as (session, office):
            service.disable_user(session, office, gone.id, now=NOW)
        with company.as_(company.user()) as (session, actor):
            for user_id in (gone.id, other_company.user().id, uuid4()):
                with pytest.raises(ReferenceNotFound) as refused:
                    service.reference_user(session, actor, user_id, "owner_id")
                assert refused.value.details == {"field": "owner_id"}


class TestDevices:
    def test_are_seen_by_their_user_their_manager_and_administrators(self, company: Company) -> None:
        manager, admin, stranger = company.user(Role.MANAGER), company.user(Role.ADMIN), company.user()
        rep = company.person(manager_id=manager.id)
        device_id = company.log_in(rep).device_id
        for person in (rep, manager, admin):
            with company.as_(person) as (session, actor):
                assert service.get_device(session, actor, device_id).user_id == rep.id
        with company.as_(stranger) as (session, actor), pytest.raises(NotFound):
            service.get_device(session, actor, device_id)

    def test_are_locked_by_the_manager_of_the_team(self, company: Company) -> None:
        manager = company.user(Role.MANAGER)
        signed_in = company.log_in(company.person(manager_id=manager.id))
        with company.as_(manager) as (session, actor):
            device = service.revoke_device(session, actor, signed_in.device_id, now=NOW)
        assert (device.revoked_at, device.revoked_by) == (NOW, manager.id)

    def test_of_others_are_not_locked(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        with company.as_(company.user(Role.MANAGER)) as (session, actor), pytest.raises(NotFound):
            service.revoke_device(session, actor, signed_in.device_id, now=NOW)

    def test_are_never_deleted_by_the_application(self, company: Company) -> None:
        company.log_in(company.person())
        with company.office() as (session, _), pytest.raises(Exception, match="permission denied"):
            session.execute(text("DELETE FROM devices"))


class TestStaffList:
    def rows(self, company: Company, staff: str = STAFF) -> list[tuple[int, dict[str, str]]]:
        unit, territory = company.unit(), company.territory()
        return list(
            service.read_staff_list(staff.format(unit=unit.code, territory=territory.code).splitlines())
        )

    def test_takes_people_in_with_unit_manager_and_territory(self, company: Company) -> None:
        rows = self.rows(company)
        with company.office() as (session, actor):
            done = service.import_users(session, actor, rows, now=NOW, with_passwords=True)
        assert (done.created, done.rejected, len(done.passwords)) == (2, [], 2)
        with company.office() as (session, _):
            boss, rep = session.scalars(select(User).where(User.tenant_id == company.id).order_by(User.login))
        assert (rep.manager_id, rep.name) == (boss.id, "이대리")
        with company.database.session(company.id) as session:
            scope = service.actor_of(session, company.id, boss.id, None, NOW, password_may_be_due=True).scope
            assert len(scope.unit_ids) == 1
            scope = service.actor_of(session, company.id, rep.id, None, NOW, password_may_be_due=True).scope
            assert len(scope.territory_ids) == 1

    def test_changes_nothing_the_second_time(self, company: Company) -> None:
        rows = self.rows(company)
        for _ in range(2):
            with company.office() as (session, actor):
                done = service.import_users(session, actor, rows, now=NOW)
        assert (done.created, done.updated, done.unchanged) == (0, 0, 2)

    def test_refuses_a_row_without_losing_the_others(self, company: Company) -> None:
        staff = "login,name,role\na,A,rep\nb,B,pirate\nc,,rep\nd d,D,rep\ne,E,admin\n"
        with company.office() as (session, actor):
            done = service.import_users(session, actor, self.rows(company, staff), now=NOW)
        assert done.created == 2
        assert [(line, code) for line, code, _ in done.rejected] == [
            (3, "staff_list.row_invalid"),
            (4, "staff_list.row_invalid"),
            (5, "user.login_invalid"),
        ]

    def test_refuses_unknown_columns(self) -> None:
        with pytest.raises(service.ColumnsUnknown) as refused:
            list(service.read_staff_list(["login,name,salary", "a,A,1"]))
        assert refused.value.details == {"missing": ["role"], "unknown": ["salary"]}


def test_names_are_found_for_people_who_left(company: Company) -> None:
    gone = company.user(name="Gone")
    with company.office() as (session, actor):
        service.disable_user(session, actor, gone.id, now=NOW)
        assert service.user_names(session, company.id, [gone.id]) == {gone.id: "Gone"}


def test_a_device_is_registered_once_for_each_login_without_an_id(company: Company) -> None:
    rep = company.person()
    company.log_in(rep)
    company.log_in(rep)
    with company.office() as (session, _):
        assert len(session.scalars(select(Device).where(Device.user_id == rep.id)).all()) == 2
