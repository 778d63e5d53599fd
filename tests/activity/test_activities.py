"""Contacts with an account, written down once."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.activity import service
from app.activity.models import Activity
from app.activity.service.errors import AppendOnly
from app.activity.sync import ACTIVITY
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Role
from tests.visits.company import DAY, NOW, Company

SALES, SERVICE = "manager+sales", "service"


@pytest.fixture
def rep(company: Company) -> UUID:
    rep = company.user(Role.REP, company.north)
    company.subscribe(rep, company.north)
    return rep


@pytest.fixture
def colleague(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account()


def note(company: Company, author: UUID, account: UUID, **values: Any) -> Activity:
    values = {"account_id": account, "kind": "call", **values}
    with company.as_(author) as (session, actor):
        return service.create_activity(session, actor, values, now=NOW)


def seen_by(company: Company, user_id: UUID) -> list[UUID]:
    with company.as_(user_id) as (session, actor):
        return [one.id for one in session.scalars(service.list_activities(session, actor))]


class TestCreateActivity:
    def test_names_its_author_and_time(self, company: Company, rep: UUID, account: UUID) -> None:
        activity = note(company, rep, account)
        assert (activity.author_id, activity.happened_at, activity.version) == (rep, NOW, 1)

    def test_refuses_an_account_outside_the_scope(self, company: Company, rep: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            note(company, rep, company.account(company.south))

    def test_refuses_another_accounts_contact(self, company: Company, rep: UUID, account: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            note(company, rep, account, contact_id=company.contact(company.account()))

    def test_refuses_another_accounts_visit(self, company: Company, rep: UUID, account: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            note(company, rep, account, visit_id=company.visit(company.account(), rep))

    def test_refuses_an_id_in_use(self, company: Company, rep: UUID, account: UUID) -> None:
        with pytest.raises(IdTaken):
            note(company, rep, account, id=note(company, rep, account).id)

    def test_masks_national_id_numbers(self, company: Company, rep: UUID, account: UUID) -> None:
        assert note(company, rep, account, body="900101-1234567").body == "900101-*******"

    def test_is_not_for_partners(self, company: Company, account: UUID) -> None:
        with pytest.raises(Forbidden):
            note(company, company.user(Role.PARTNER, company.north), account)


class TestAppendOnly:
    def test_refuses_an_edit(self, company: Company, rep: UUID, account: UUID) -> None:
        activity = note(company, rep, account)
        with company.as_(rep) as (session, actor), pytest.raises(AppendOnly):
            service.update_activity(session, actor, activity.id, {"body": "x"}, now=NOW)

    def test_refuses_a_delete(self, company: Company, rep: UUID, account: UUID) -> None:
        activity = note(company, rep, account)
        with company.as_(rep) as (session, actor), pytest.raises(AppendOnly):
            service.delete_activity(session, actor, activity.id, now=NOW)

    def test_does_not_tell_whether_a_foreign_activity_exists(self, company: Company, rep: UUID) -> None:
        foreign = note(company, company.user(Role.REP, company.south), company.account(company.south)).id
        for unknown in (foreign, new_id()):
            with company.as_(rep) as (session, actor), pytest.raises(NotFound):
                service.update_activity(session, actor, unknown, {"body": "x"}, now=NOW)

    def test_holds_in_the_database_too(self, company: Company, rep: UUID, account: UUID) -> None:
        note(company, rep, account)
        with pytest.raises(ProgrammingError), company.database.session(company.id) as session:
            session.execute(text("UPDATE activities SET body = 'x'"))


class TestPrivate:
    def test_is_seen_by_its_author_alone(
        self, company: Company, rep: UUID, colleague: UUID, account: UUID
    ) -> None:
        private = note(company, rep, account, private=True)
        admin = company.user(Role.ADMIN)
        assert seen_by(company, rep) == [private.id]
        assert seen_by(company, colleague) == seen_by(company, admin) == []

    def test_is_like_unknown_to_others(
        self, company: Company, rep: UUID, colleague: UUID, account: UUID
    ) -> None:
        private = note(company, rep, account, private=True)
        with company.as_(colleague) as (session, actor), pytest.raises(NotFound):
            service.get_activity(session, actor, private.id)

    def test_is_held_by_its_authors_phones_alone(self, company: Company, rep: UUID, account: UUID) -> None:
        private = note(company, rep, account, private=True)
        assert company.buckets(ACTIVITY, private.id) == {(f"user:{rep}", SALES)}

    def test_is_held_by_nobody_when_the_author_lost_the_account(
        self, company: Company, colleague: UUID, account: UUID
    ) -> None:
        private = note(company, colleague, account, private=True)  # not subscribed
        assert company.buckets(ACTIVITY, private.id) == set()

    def test_stays_with_a_technician_as_long_as_the_visit(self, company: Company, account: UUID) -> None:
        technician = company.user(Role.TECHNICIAN)
        company.visit(account, technician)
        private = note(company, technician, account, private=True)
        assert company.buckets(ACTIVITY, private.id) == {(f"user:{technician}", SERVICE)}
        assert company.buckets(ACTIVITY, private.id, NOW + 4 * DAY) == set()


class TestBuckets:
    def test_are_those_of_the_account(self, company: Company, rep: UUID, colleague: UUID) -> None:
        account = company.account(owner_id=colleague)
        technician = company.user(Role.TECHNICIAN)
        company.visit(account, technician)
        activity = note(company, rep, account)
        assert company.buckets(ACTIVITY, activity.id) == {
            (f"territory:{company.north}", SALES),
            (f"territory:{company.north}", SERVICE),
            (f"user:{colleague}", SALES),
            (f"user:{technician}", SERVICE),
        }

    def test_are_none_when_the_account_is_deleted(self, company: Company, rep: UUID) -> None:
        account = company.account()
        activity = note(company, rep, account)
        with company.database.session(company.id) as session:
            session.execute(text("UPDATE accounts SET deleted_at = now() WHERE id = :id"), {"id": account})
        assert company.buckets(ACTIVITY, activity.id) == set()

    def test_give_partners_nothing(self) -> None:
        assert ACTIVITY.shape_for("partner") is None
