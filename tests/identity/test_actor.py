"""Who asks: role and scope as the database has them at this moment."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.core.scope import Actor, Role
from app.identity import service
from app.identity.models import User
from app.identity.queries import SUBSCRIPTIONS_SQL
from app.identity.service.errors import DeviceRevoked, SessionEnded, UserDisabled
from tests.identity.conftest import NOW, TODAY, Company, open_company

DAY = timedelta(days=1)


def actor(company: Company, user: User, now: datetime = NOW) -> Actor:
    with company.as_(user, now) as (_, found):
        return found


def subscriptions(company: Company, *users: User, today: date = TODAY) -> set[tuple[str, str, str]]:
    with company.office() as (session, _):
        rows = session.execute(
            text(SUBSCRIPTIONS_SQL),
            {"tenant": company.id, "users": [user.id for user in users], "today": today},
        )
        return {(str(row.user_id), row.role, row.bucket) for row in rows}


class TestActorOf:
    def test_refuses_an_unknown_user(self, company: Company) -> None:
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.actor_of(session, company.id, uuid4(), None, NOW)

    def test_refuses_a_disabled_user(self, company: Company) -> None:
        rep = company.user()
        with company.office() as (session, office):
            service.disable_user(session, office, rep.id, now=NOW)
        with company.database.session(company.id) as session, pytest.raises(UserDisabled):
            service.actor_of(session, company.id, rep.id, None, NOW)

    def test_refuses_a_revoked_device(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.office() as (session, office):
            service.revoke_device(session, office, signed_in.device_id, now=NOW)
        with company.database.session(company.id) as session, pytest.raises(DeviceRevoked):
            service.actor_of(session, company.id, rep.id, signed_in.device_id, NOW)

    def test_refuses_a_device_that_logged_out(self, company: Company) -> None:
        rep = company.person()
        signed_in = company.log_in(rep)
        with company.as_(rep, device_id=signed_in.device_id) as (session, found):
            service.log_out(session, found, now=NOW)
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.actor_of(session, company.id, rep.id, signed_in.device_id, NOW)

    def test_refuses_another_persons_device(self, company: Company) -> None:
        theirs = company.log_in(company.person())
        with company.database.session(company.id) as session, pytest.raises(SessionEnded):
            service.actor_of(session, company.id, company.user().id, theirs.device_id, NOW)

    def test_knows_a_demotion_at_the_next_request(self, company: Company) -> None:
        manager = company.user(Role.MANAGER)
        below = company.territory(company.territory())
        company.member(service_parent(company, below), manager)
        assert below.id in actor(company, manager).scope.territory_ids
        with company.office() as (session, office):
            service.update_user(session, office, manager.id, {"role": Role.REP}, now=NOW)
        demoted = actor(company, manager)
        assert demoted.role is Role.REP
        assert below.id not in demoted.scope.territory_ids

    def test_holds_the_permission_sets(self, company: Company) -> None:
        rep = company.user()
        with company.office() as (session, office):
            service.ensure_permission_sets(
                session, office, {"dispatch": "Dispatch", "marketing": "Marketing"}
            )
            service.set_permissions(session, office, rep.id, ["dispatch"])
        assert actor(company, rep).permissions == {"dispatch"}


class TestTerritoryScope:
    @pytest.mark.parametrize(
        ("first", "last", "holds"),
        [
            (TODAY, None, True),
            (TODAY, TODAY, True),
            (TODAY - 9 * DAY, TODAY - DAY, False),
            (TODAY + DAY, None, False),
        ],
    )
    def test_follows_the_days_of_the_membership(
        self, company: Company, first: date, last: date | None, holds: bool
    ) -> None:
        rep, territory = company.user(), company.territory()
        company.member(territory, rep, first, last)
        assert (territory.id in actor(company, rep).scope.territory_ids) is holds

    def test_changes_at_midnight_of_the_company(self, company: Company) -> None:
        rep, territory = company.user(), company.territory()
        company.member(territory, rep, TODAY)
        midnight_in_seoul = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
        assert not actor(company, rep, midnight_in_seoul - timedelta(seconds=1)).scope.territory_ids
        assert actor(company, rep, midnight_in_seoul).scope.territory_ids == {territory.id}

    def test_changes_at_another_midnight_elsewhere(self, company: Company) -> None:
        elsewhere = open_company(company.database, company.config, time_zone="America/New_York")
        rep, territory = elsewhere.user(), elsewhere.territory()
        elsewhere.member(territory, rep, TODAY)
        assert not actor(elsewhere, rep, NOW).scope.territory_ids

    def test_is_a_reps_own_territory_without_those_below(self, company: Company) -> None:
        rep, top = company.user(), company.territory()
        company.territory(top)
        company.member(top, rep)
        assert actor(company, rep).scope.territory_ids == {top.id}

    def test_is_all_below_for_a_manager(self, company: Company) -> None:
        manager, top = company.user(Role.MANAGER), company.territory()
        middle = company.territory(top)
        bottom, beside = company.territory(middle), company.territory()
        company.member(middle, manager)
        assert actor(company, manager).scope.territory_ids == {middle.id, bottom.id}
        assert beside.id not in actor(company, manager).scope.territory_ids

    def test_leaves_out_territories_that_ended(self, company: Company) -> None:
        rep, ended = company.user(), company.territory(valid_to=TODAY - DAY)
        company.member(ended, rep)
        assert not actor(company, rep).scope.territory_ids

    def test_ends_in_a_circle_made_by_hand(self, company: Company) -> None:
        manager, top = company.user(Role.MANAGER), company.territory()
        below = company.territory(top)
        company.member(top, manager)
        with company.office() as (session, _):
            session.execute(
                text("UPDATE territories SET parent_id = :below WHERE id = :top"),
                {"below": below.id, "top": top.id},
            )
        assert actor(company, manager).scope.territory_ids == {top.id, below.id}


class TestUnitScope:
    def test_is_a_reps_own_unit(self, company: Company) -> None:
        region = company.unit()
        company.unit(region)
        rep = company.user(org_unit_id=region.id)
        assert actor(company, rep).scope.unit_ids == {region.id}

    def test_is_all_below_for_a_manager(self, company: Company) -> None:
        region = company.unit()
        branch = company.unit(region)
        manager = company.user(Role.MANAGER, org_unit_id=region.id)
        assert actor(company, manager).scope.unit_ids == {region.id, branch.id}


class TestSubscriptions:
    def test_name_the_buckets_of_a_rep(self, company: Company) -> None:
        unit, territory = company.unit(), company.territory()
        rep = company.user(org_unit_id=unit.id)
        company.member(territory, rep)
        assert {bucket for _, _, bucket in subscriptions(company, rep)} == {
            f"user:{rep.id}",
            "audience:rep",
            "tenant",
            f"unit:{unit.id}",
            f"territory:{territory.id}",
        }

    def test_are_none_for_disabled_people(self, company: Company) -> None:
        rep = company.user()
        with company.office() as (session, office):
            service.disable_user(session, office, rep.id, now=NOW)
        assert subscriptions(company, rep) == set()

    def test_agree_with_the_scope_of_requests(self, company: Company) -> None:
        top = company.territory()
        middle = company.territory(top)
        company.territory(middle)
        region = company.unit()
        company.unit(region)
        people = [
            company.user(role, org_unit_id=region.id)
            for role in (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.PARTNER)
        ]
        for person in people:
            company.member(top, person, TODAY - 9 * DAY, TODAY - DAY)
            company.member(middle, person)
        given = subscriptions(company, *people)
        for person in people:
            scope = actor(company, person).scope
            buckets = {bucket for user, _, bucket in given if user == str(person.id)}
            assert {f"territory:{t}" for t in scope.territory_ids} | {
                f"unit:{u}" for u in scope.unit_ids
            } == {bucket for bucket in buckets if bucket.startswith(("territory:", "unit:"))}

    def test_stay_in_the_company(self, company: Company, other_company: Company) -> None:
        assert subscriptions(company, other_company.user()) == set()


def service_parent(company: Company, territory: object) -> object:
    with company.office() as (session, office):
        return service.get_territory(session, office, territory.parent_id)  # type: ignore[attr-defined]
