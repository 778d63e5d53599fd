"""Staying logged in: rotation, lost answers, reuse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.errors import Unauthenticated
from app.identity import service
from app.identity.service.errors import (
    RefreshExpired,
    RefreshInvalid,
    RefreshReused,
    SessionEnded,
)
from app.identity.service.tokens import RefreshToken, read_token, write_token
from tests.identity.conftest import NOW, PASSWORD, Company

QUARTER = timedelta(minutes=15)
GRACE = timedelta(seconds=60)


class TestRefresh:
    def test_gives_another_token_each_time(self, company: Company) -> None:
        first = company.log_in(company.person())
        second = company.refresh(first.refresh_token)
        third = company.refresh(second.refresh_token, after=2 * QUARTER)
        assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
        assert third.device_id == first.device_id

    def test_gives_the_same_successor_to_a_lost_answer(self, company: Company) -> None:
        first = company.log_in(company.person())
        lost = company.refresh(first.refresh_token)
        again = company.refresh(first.refresh_token, after=QUARTER + GRACE)
        assert again == lost

    def test_goes_on_after_a_lost_answer(self, company: Company) -> None:
        first = company.log_in(company.person())
        company.refresh(first.refresh_token)
        again = company.refresh(first.refresh_token, after=QUARTER + GRACE)
        assert company.refresh(again.refresh_token, after=2 * QUARTER).user_id == first.user_id

    def test_ends_the_session_when_a_used_token_comes_late(self, company: Company) -> None:
        first = company.log_in(company.person())
        second = company.refresh(first.refresh_token)
        with pytest.raises(RefreshReused):
            company.refresh(first.refresh_token, after=QUARTER + GRACE + timedelta(seconds=1))
        with pytest.raises(RefreshReused):
            company.refresh(second.refresh_token, after=2 * QUARTER)

    def test_ends_the_session_when_an_older_token_comes(self, company: Company) -> None:
        first = company.log_in(company.person())
        second = company.refresh(first.refresh_token)
        company.refresh(second.refresh_token, after=2 * QUARTER)
        with pytest.raises(RefreshReused):
            company.refresh(first.refresh_token, after=2 * QUARTER)

    def test_ends_the_access_of_a_stolen_session_at_once(self, company: Company) -> None:
        rep = company.person()
        first = company.log_in(rep)
        company.refresh(first.refresh_token)
        with pytest.raises(RefreshReused):
            company.refresh(first.refresh_token, after=2 * QUARTER)
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.actor_of(session, company.id, rep.id, first.device_id, NOW)

    def test_leaves_the_persons_other_phone_alone(self, company: Company) -> None:
        rep = company.person()
        stolen, other = company.log_in(rep), company.log_in(rep)
        company.refresh(stolen.refresh_token)
        with pytest.raises(RefreshReused):
            company.refresh(stolen.refresh_token, after=2 * QUARTER)
        assert company.refresh(other.refresh_token, after=2 * QUARTER).user_id == rep.id

    def test_expires_when_idle_for_too_long(self, company: Company) -> None:
        first = company.log_in(company.person())
        with pytest.raises(RefreshExpired):
            company.refresh(first.refresh_token, after=timedelta(days=180))

    def test_ends_with_logout(self, company: Company) -> None:
        rep = company.person()
        first = company.log_in(rep)
        with company.as_(rep, device_id=first.device_id) as (session, actor):
            service.log_out(session, actor, now=NOW)
        with pytest.raises(SessionEnded):
            company.refresh(first.refresh_token)

    def test_survives_a_restored_database(self, company: Company) -> None:
        first = company.log_in(company.person())
        later = replace(read_token(company.config, first.refresh_token), generation=7)
        renewed = company.refresh(write_token(company.config, later))
        assert read_token(company.config, renewed.refresh_token).generation == 8

    def test_refuses_a_session_that_is_not_known(self, company: Company, other_company: Company) -> None:
        token = read_token(company.config, company.log_in(company.person()).refresh_token)
        elsewhere = write_token(company.config, replace(token, tenant_id=other_company.id))
        with pytest.raises(RefreshInvalid):
            company.refresh(elsewhere)


class TestToken:
    def token(self, company: Company) -> str:
        return write_token(company.config, RefreshToken(company.id, company.id, 3))

    @pytest.mark.parametrize("position", [0, 5, 20, 47, 60, 90, -2])
    def test_is_refused_when_one_letter_differs(self, company: Company, position: int) -> None:
        text = self.token(company)
        letters = list(text)
        letters[position] = "A" if letters[position] != "A" else "B"
        with pytest.raises(RefreshInvalid):
            read_token(company.config, "".join(letters))

    @pytest.mark.parametrize("text", ["", "fmr1.", "fmr1.===", "x" * 10_000, "fmr1." + "é" * 20, "fmr1.\x00"])
    def test_is_refused_when_it_is_something_else(self, company: Company, text: str) -> None:
        with pytest.raises(RefreshInvalid):
            read_token(company.config, text)

    def test_is_refused_under_another_secret(self, company: Company) -> None:
        with pytest.raises(RefreshInvalid):
            read_token(
                replace(company.config, secret_key="another-secret-of-32-bytes-0123456789"),
                self.token(company),
            )


class TestChangePassword:
    def change(self, company: Company, signed_in: service.SignedIn, current: str, new: str) -> None:
        service.change_password(
            company.database,
            tenant_id=company.id,
            user_id=signed_in.user_id,
            device_id=signed_in.device_id,
            current=current,
            new=new,
            ip=None,
            now=NOW,
        )

    def test_ends_all_other_sessions(self, company: Company) -> None:
        rep = company.person()
        here, there = company.log_in(rep), company.log_in(rep)
        self.change(company, here, PASSWORD, "blue tea at nine")
        assert company.refresh(here.refresh_token).user_id == rep.id
        with pytest.raises(SessionEnded):
            company.refresh(there.refresh_token)

    def test_takes_effect(self, company: Company) -> None:
        rep = company.person()
        self.change(company, company.log_in(rep), PASSWORD, "blue tea at nine")
        assert company.log_in(rep, password="blue tea at nine").user_id == rep.id
        with pytest.raises(Unauthenticated):
            company.log_in(rep)

    def test_asks_for_the_present_one(self, company: Company) -> None:
        with pytest.raises(service.PasswordWrong):
            self.change(company, company.log_in(company.person()), "wrong", "blue tea at nine")

    def test_counts_wrong_ones_like_failed_logins(self, company: Company) -> None:
        signed_in = company.log_in(company.person())
        for _ in range(10):
            with pytest.raises(service.PasswordWrong):
                self.change(company, signed_in, "wrong", "blue tea at nine")
        with pytest.raises(service.TooManyLoginTries):
            self.change(company, signed_in, PASSWORD, "blue tea at nine")

    @pytest.mark.parametrize(
        ("new", "rule"),
        [
            ("short", "too_short"),
            ("x" * 201, "too_long"),
            ("ababababababab", "too_simple"),
            ("my login is rep1 yes", "contains_login"),
            (PASSWORD, "same"),
        ],
    )
    def test_refuses_a_weak_one(self, company: Company, new: str, rule: str) -> None:
        with pytest.raises(service.PasswordWeak) as refused:
            self.change(company, company.log_in(company.person(login="rep1")), PASSWORD, new)
        assert refused.value.details["rule"] == rule
