"""Sites, contacts, buying roles and relations: what may be done, and by whom."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from app.accounts import service
from app.accounts.service.errors import AccountInvalid, FieldNotYours, RelationTaken, RelationToItself
from app.core.clock import utc_now
from app.core.errors import Forbidden, HasDependants, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Role
from app.identity.models import MemberKind
from tests.world import Person, World


def do(person: Person, verb: str, *args: Any) -> Any:
    with person.world.acting(person) as (session, actor):
        return getattr(service, verb)(session, actor, *args, now=utc_now())


def contact(world: World, account_id: UUID) -> UUID:
    contact_id = new_id()
    world.insert("contacts", id=contact_id, account_id=account_id, name="이보람")
    return contact_id


class TestSites:
    def test_hang_on_an_account_of_the_scope(self, world: World) -> None:
        account_id = world.account()

        site = do(
            world.person(Role.REP, world.north), "create_site", {"account_id": account_id, "name": "공장"}
        )

        assert (site.account_id, site.radius_m) == (account_id, 100)

    def test_hang_on_no_foreign_account(self, world: World) -> None:
        with pytest.raises(ReferenceNotFound):
            do(
                world.person(Role.REP, world.north),
                "create_site",
                {"account_id": world.account(world.south), "name": "공장"},
            )

    def test_move_to_no_foreign_account(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        site = do(rep, "create_site", {"account_id": world.account(), "name": "공장"})

        with pytest.raises(ReferenceNotFound):
            do(rep, "update_site", site.id, {"account_id": world.account(world.south)})

    def test_are_corrected_by_technicians(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        technician = world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)
        site = do(rep, "create_site", {"account_id": world.account(), "name": "공장"})

        assert do(technician, "update_site", site.id, {"location": [37.5, 127.0]}).location == [37.5, 127.0]
        with pytest.raises(FieldNotYours):
            do(technician, "update_site", site.id, {"name": "창고"})

    def test_are_kept_while_visited(self, world: World) -> None:
        rep, account_id = world.person(Role.REP, world.north), world.account()
        site = do(rep, "create_site", {"account_id": account_id, "name": "공장"})
        world.insert(
            "visits",
            id=new_id(),
            account_id=account_id,
            site_id=site.id,
            assignee_id=rep.id,
            planned_start=utc_now(),
        )

        with pytest.raises(HasDependants):
            do(rep, "delete_site", site.id)


class TestContacts:
    def test_are_unknown_outside_the_scope(self, world: World) -> None:
        contact_id = contact(world, world.account(world.south))

        with pytest.raises(NotFound):
            do(world.person(Role.REP, world.north), "update_contact", contact_id, {"name": "이"})

    def test_hide_their_email_from_technicians_who_guess(self, world: World) -> None:
        contact_id = contact(world, world.account())
        technician = world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)

        with pytest.raises(FieldNotYours):
            do(technician, "update_contact", contact_id, {"email": None})

    def test_are_not_made_by_technicians(self, world: World) -> None:
        technician = world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)

        with pytest.raises(Forbidden):
            do(technician, "create_contact", {"account_id": world.account(), "name": "이보람"})

    def test_are_kept_while_they_have_a_buying_role(self, world: World) -> None:
        rep, account_id = world.person(Role.REP, world.north), world.account()
        contact_id = contact(world, account_id)
        do(
            rep,
            "create_account_contact",
            {"account_id": account_id, "contact_id": contact_id, "role": "approver"},
        )

        with pytest.raises(HasDependants):
            do(rep, "delete_contact", contact_id)


class TestBuyingRoles:
    def test_need_account_and_person_in_the_scope(self, world: World) -> None:
        ours, theirs = world.account(), world.account(world.south)
        foreign_person = contact(world, theirs)
        rep = world.person(Role.REP, world.north)

        with pytest.raises(ReferenceNotFound):
            do(
                rep,
                "create_account_contact",
                {"account_id": ours, "contact_id": foreign_person, "role": "approver"},
            )

    def test_are_hidden_when_the_person_is_out_of_scope(self, world: World) -> None:
        account_contact_id = new_id()
        world.insert(
            "account_contacts",
            id=account_contact_id,
            account_id=world.account(),
            contact_id=contact(world, world.account(world.south)),
            role="influencer",
        )

        with pytest.raises(NotFound):
            do(world.person(Role.REP, world.north), "delete_account_contact", account_contact_id)

    def test_end_after_they_begin(self, world: World) -> None:
        account_id = world.account()
        values = {
            "account_id": account_id,
            "contact_id": contact(world, account_id),
            "role": "user",
            "valid_from": date(2026, 2, 1),
            "valid_to": date(2026, 1, 1),
        }

        with pytest.raises(AccountInvalid):
            do(world.person(Role.REP, world.north), "create_account_contact", values)


class TestRelations:
    def test_need_both_accounts_in_the_scope(self, world: World) -> None:
        values = {
            "account_id": world.account(),
            "to_account_id": world.account(world.south),
            "kind": "supplies",
        }

        with pytest.raises(ReferenceNotFound):
            do(world.person(Role.REP, world.north), "create_account_relation", values)

    def test_are_made_once(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        values = {"account_id": world.account(), "to_account_id": world.account(), "kind": "supplies"}
        do(rep, "create_account_relation", values)

        with pytest.raises(RelationTaken):
            do(rep, "create_account_relation", values)

    def test_have_two_ends(self, world: World) -> None:
        account_id = world.account()

        with pytest.raises(RelationToItself):
            do(
                world.person(Role.ADMIN),
                "create_account_relation",
                {"account_id": account_id, "to_account_id": account_id, "kind": "owns"},
            )
