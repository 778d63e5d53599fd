"""Logging in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.core.scope import Role
from app.identity import service
from app.identity.models import Device
from app.identity.service.errors import (
    LoginFailed,
    PasswordChangeDue,
    SessionEnded,
    TooManyLoginTries,
    UserDisabled,
)
from app.identity.service.passwords import PasswordHashes, in_use
from tests.identity.conftest import NOW, PASSWORD, Company

OFFICE_IP = "203.0.113.9"


def fail(company: Company, login: str, times: int, ip: str | None = None, **more: object) -> None:
    for number in range(times):
        with pytest.raises(LoginFailed):
            service.log_in(
                company.database,
                company.config,
                tenant_code=company.code,
                login=login,
                password="wrong",
                device=service.DeviceInfo("phone", "android"),
                ip=ip or f"198.51.100.{number}",
                now=NOW,
            )


class TestLogIn:
    def test_registers_the_device(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.as_(rep, device_id=signed_in.device_id) as (session, actor):
            (device,) = session.scalars(service.list_devices(session, actor))
        assert (device.id, device.user_id, device.platform) == (signed_in.device_id, rep.id, "android")

    def test_takes_the_login_in_any_case(self, company: Company) -> None:
        rep = company.person(login="Kim.MinJi")
        assert company.log_in(rep, login=" KIM.minji ").user_id == rep.id

    def test_refuses_a_wrong_password(self, company: Company) -> None:
        with pytest.raises(LoginFailed):
            company.log_in(company.person(), password="wrong")

    def test_refuses_a_person_of_another_company(self, company: Company, other_company: Company) -> None:
        with pytest.raises(LoginFailed):
            company.log_in(company.person(), tenant_code=other_company.code)

    def test_refuses_an_unknown_company(self, company: Company) -> None:
        with pytest.raises(LoginFailed):
            company.log_in(company.person(), tenant_code="no-such-company")

    def test_refuses_a_person_without_a_password(self, company: Company) -> None:
        with pytest.raises(LoginFailed):
            company.log_in(company.user(), password="")

    def test_tells_a_disabled_person_only_after_the_right_password(self, company: Company) -> None:
        rep = company.person()
        with company.office() as (session, actor):
            service.disable_user(session, actor, rep.id, now=NOW)
        with pytest.raises(LoginFailed):
            company.log_in(rep, password="wrong")
        with pytest.raises(UserDisabled):
            company.log_in(rep)

    def test_hashes_for_unknown_people_too(self, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[str | None] = []

        class Watched(PasswordHashes):
            def verify(self, stored: str | None, password: str) -> bool:
                compared.append(stored)
                return super().verify(stored, password)

        monkeypatch.setattr(in_use, "hashes", Watched(time_cost=1, memory_kib=8))
        fail(company, "nobody", 1)
        assert compared == [None]

    def test_keeps_the_device_that_the_app_names(self, company: Company) -> None:
        rep = company.person()
        first = company.log_in(rep)
        again = company.log_in(rep, device=service.DeviceInfo("phone", "android", "2.0", first.device_id))
        assert again.device_id == first.device_id

    def test_ends_the_session_that_the_device_had(self, company: Company) -> None:
        rep = company.person()
        first = company.log_in(rep)
        company.log_in(rep, device=service.DeviceInfo("phone", "android", "2.0", first.device_id))
        with pytest.raises(SessionEnded):
            company.refresh(first.refresh_token)

    def test_never_takes_over_another_persons_device(self, company: Company) -> None:
        theirs = company.log_in(company.person())
        mine = company.log_in(
            company.person(), device=service.DeviceInfo("phone", "android", "1.0", theirs.device_id)
        )
        assert mine.device_id != theirs.device_id

    def test_gives_a_revoked_device_a_new_id(self, company: Company) -> None:
        rep = company.person()
        first = company.log_in(rep)
        with company.office() as (session, actor):
            service.revoke_device(session, actor, first.device_id, now=NOW)
        again = company.log_in(rep, device=service.DeviceInfo("phone", "android", "1.0", first.device_id))
        assert again.device_id != first.device_id

    def test_does_not_write_the_password_into_the_ledger(self, company: Company) -> None:
        rep = company.person()
        with company.office() as (session, _):
            rows = session.connection().exec_driver_sql(
                "SELECT old::text || new::text FROM changes WHERE record_id = %s", (rep.id,)
            )
            text = "".join(str(row[0]) for row in rows)
        assert "password" not in text


class TestTries:
    def test_locks_a_login_after_ten(self, company: Company) -> None:
        rep = company.person()
        fail(company, rep.login, 10)
        with pytest.raises(TooManyLoginTries) as refused:
            company.log_in(rep)
        assert 0 < refused.value.details["retry_after_s"] <= 15 * 60

    def test_locks_an_unknown_login_in_the_same_way(self, company: Company) -> None:
        fail(company, "nobody", 10)
        with pytest.raises(TooManyLoginTries):
            fail(company, "nobody", 1)

    def test_locks_an_address_after_ten(self, company: Company) -> None:
        for number in range(10):
            fail(company, f"guess{number}", 1, ip=OFFICE_IP)
        with pytest.raises(TooManyLoginTries):
            company.log_in(company.person(), ip=OFFICE_IP)

    def test_counts_no_success_against_an_address(self, company: Company) -> None:
        people = [company.person() for _ in range(12)]
        with ThreadPoolExecutor(4) as threads:
            signed_in = list(threads.map(lambda person: company.log_in(person, ip=OFFICE_IP), people))
        assert len(signed_in) == 12

    def test_lets_at_most_ten_through_at_one_moment(self, company: Company) -> None:
        rep = company.person()

        def guess(number: int) -> str:
            try:
                company.log_in(rep, password="wrong", ip=f"198.51.100.{number}")
            except (LoginFailed, TooManyLoginTries) as error:
                return error.code
            return "in"

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(guess, range(16)))
        assert answers.count("auth.login_failed") == 10

    def test_opens_again_after_fifteen_minutes(self, company: Company) -> None:
        rep = company.person()
        fail(company, rep.login, 10)
        assert company.log_in(rep, now=NOW + timedelta(minutes=15, seconds=1)).user_id == rep.id

    def test_forgets_a_logins_failures_when_it_succeeds(self, company: Company) -> None:
        rep = company.person()
        fail(company, rep.login, 9)
        company.log_in(rep)
        fail(company, rep.login, 9)


class TestOneTimePassword:
    def issue(self, company: Company, role: Role = Role.REP) -> service.OneTimePassword:
        with company.office() as (session, actor):
            user = service.create_user(
                session, actor, {"login": f"new-{role}", "name": "New", "role": role}, now=NOW
            )
            return service.issue_one_time_password(session, actor, user.id, now=NOW)

    def log_in(self, company: Company, issued: service.OneTimePassword, **more: object) -> service.SignedIn:
        return service.log_in(
            company.database,
            company.config,
            tenant_code=company.code,
            login=issued.login,
            password=issued.password,
            device=service.DeviceInfo("phone", "ios"),
            ip=OFFICE_IP,
            now=more.get("now", NOW),  # type: ignore[arg-type]
        )

    def test_buys_one_login(self, company: Company) -> None:
        issued = self.issue(company)
        assert self.log_in(company, issued).must_change_password
        with pytest.raises(LoginFailed):
            self.log_in(company, issued)

    def test_runs_out(self, company: Company) -> None:
        issued = self.issue(company)
        with pytest.raises(LoginFailed):
            self.log_in(company, issued, now=issued.expires_at + timedelta(seconds=1))

    def test_lets_nothing_be_done_before_a_password_is_chosen(self, company: Company) -> None:
        issued = self.issue(company)
        signed_in = self.log_in(company, issued)
        with company.database.session(company.id) as session, pytest.raises(PasswordChangeDue):
            service.actor_of(session, company.id, issued.user_id, signed_in.device_id, NOW)

    def test_ends_when_a_password_is_chosen(self, company: Company) -> None:
        issued = self.issue(company)
        signed_in = self.log_in(company, issued)
        service.change_password(
            company.database,
            tenant_id=company.id,
            user_id=issued.user_id,
            device_id=signed_in.device_id,
            current=issued.password,
            new=PASSWORD,
            ip=OFFICE_IP,
            now=NOW,
        )
        with company.database.session(company.id) as session:
            actor = service.actor_of(session, company.id, issued.user_id, signed_in.device_id, NOW)
        assert actor.role is Role.REP

    def test_replaces_the_password_that_was_forgotten(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.office() as (session, actor):
            service.issue_one_time_password(session, actor, rep.id, now=NOW)
        with pytest.raises(LoginFailed):
            company.log_in(rep)
        with pytest.raises(SessionEnded):
            company.refresh(signed_in.refresh_token)


class TestFirstAdmin:
    def test_is_made_once(self, company: Company) -> None:
        with company.office() as (session, actor):
            made = service.ensure_first_admin(session, actor, login="root", name="Root", now=NOW)
            again = service.ensure_first_admin(session, actor, login="root2", name="Root", now=NOW)
        assert made is not None
        assert again is None


def test_last_seen_is_the_login(company: Company) -> None:
    rep = company.person()
    company.log_in(rep)
    with company.office() as (session, _):
        device = session.scalars(select(Device).where(Device.user_id == rep.id)).one()
    assert device.last_seen_at == NOW
