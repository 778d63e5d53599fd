"""What phones hold of accounts: the declaration fits the schemas, and no bucket is wider than its account."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.models import Account, AccountContact, AccountRelation, Contact, Site
from app.accounts.schemas import (
    AccountContactSchema,
    AccountRelationSchema,
    AccountSchema,
    ContactSchema,
    SiteSchema,
)
from app.accounts.service.records import TECHNICIAN_WRITES
from app.accounts.service.rules import SALES_ONLY
from app.accounts.sync import ACCOUNT, ACCOUNT_CONTACT, ACCOUNT_RELATION, CONTACT, ENTITIES, SITE
from app.core.ids import new_id
from app.core.scope import Role
from app.identity.models import MemberKind
from sync.policy import Merge, SyncEntity
from tests.world import World

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SALES, SERVICE = "manager+partner+sales", "service"

DECLARED = [
    (ACCOUNT, AccountSchema, Account),
    (SITE, SiteSchema, Site),
    (CONTACT, ContactSchema, Contact),
    (ACCOUNT_RELATION, AccountRelationSchema, AccountRelation),
    (ACCOUNT_CONTACT, AccountContactSchema, AccountContact),
]


def buckets(world: World, entity: SyncEntity, *ids: UUID) -> set[tuple[str, str]]:
    with world.db.engine.connect() as connection:
        rows = connection.execute(text(entity.buckets), {"ids": list(ids), "tenant": world.id, "now": NOW})
        found = [(row.bucket, row.shape) for row in rows]
    assert len(found) == len(set(found)) * max(1, len(ids)) or len(ids) > 1
    return set(found)


def child(world: World, table: str, **values: Any) -> UUID:
    record_id = new_id()
    world.insert(table, id=record_id, **values)
    return record_id


def visit(world: World, account_id: UUID, assignee_id: UUID, days: float) -> UUID:
    return child(
        world,
        "visits",
        account_id=account_id,
        assignee_id=assignee_id,
        planned_start=NOW + timedelta(days=days),
    )


class TestDeclarations:
    @pytest.mark.parametrize(("entity", "schema", "model"), DECLARED)
    def test_have_the_fields_of_the_schema_in_its_order(
        self, entity: SyncEntity, schema: Any, model: Any
    ) -> None:
        assert list(schema().fields) == ["id", "version", *entity.fields]

    @pytest.mark.parametrize(("entity", "schema", "model"), DECLARED)
    def test_have_a_column_for_each_field(self, entity: SyncEntity, schema: Any, model: Any) -> None:
        assert set(entity.fields) <= set(model.__table__.columns.keys())
        assert entity.table == model.__tablename__

    @pytest.mark.parametrize(("entity", "schema", "model"), DECLARED)
    def test_let_the_server_own_what_the_schema_only_dumps(
        self, entity: SyncEntity, schema: Any, model: Any
    ) -> None:
        owned = {name for name, field in entity.fields.items() if field.merge is Merge.READ_ONLY}

        assert {name for name, field in schema().fields.items() if field.dump_only} == {
            "id",
            "version",
            *owned,
        }

    @pytest.mark.parametrize("entity", [ACCOUNT, SITE, CONTACT])
    def test_hide_from_technicians_what_the_service_refuses_them(self, entity: SyncEntity) -> None:
        hidden = entity.fields_of(SALES).keys() - entity.fields_of(SERVICE).keys()

        assert hidden == SALES_ONLY & entity.fields.keys()

    @pytest.mark.parametrize(("entity", "model"), [(ACCOUNT, Account), (SITE, Site), (CONTACT, Contact)])
    def test_show_technicians_what_they_may_write(self, entity: SyncEntity, model: type[Any]) -> None:
        assert TECHNICIAN_WRITES[model] <= entity.fields_of(SERVICE).keys()

    def test_ask_a_person_about_names_numbers_and_credit(self) -> None:
        asked = {name for name, field in ACCOUNT.fields.items() if field.merge is Merge.ASK}

        assert asked == {"legal_name", "business_number", "credit_limit", "credit_currency", "payment_terms"}

    def test_name_only_children_that_exist(self, world: World) -> None:
        for entity in ENTITIES:
            for sql in entity.children.values():
                with world.db.engine.connect() as connection:
                    connection.execute(text(sql), {"ids": [new_id()], "tenant": world.id, "now": NOW})


class TestAccountBuckets:
    def test_are_the_territory_for_all_and_the_owner_for_sales(self, world: World) -> None:
        owner = world.person(Role.REP)

        found = buckets(world, ACCOUNT, world.account(owner_id=owner.id))

        assert found == {
            (f"territory:{world.north}", SALES),
            (f"territory:{world.north}", SERVICE),
            (f"user:{owner.id}", SALES),
        }

    @pytest.mark.parametrize(
        ("days", "held"), [(-3.1, False), (-3, True), (0, True), (13.9, True), (14, False)]
    )
    def test_are_the_technicians_while_the_visit_is_in_the_window(
        self, world: World, days: float, held: bool
    ) -> None:
        technician = world.person(Role.TECHNICIAN)
        account_id = world.account()
        visit(world, account_id, technician.id, days)
        visit(world, account_id, technician.id, days)

        assert ((f"user:{technician.id}", SERVICE) in buckets(world, ACCOUNT, account_id)) is held

    def test_are_not_those_of_other_visitors(self, world: World) -> None:
        rep, account_id = world.person(Role.REP), world.account()
        visit(world, account_id, rep.id, 1)

        assert not any(bucket.startswith("user:") for bucket, _ in buckets(world, ACCOUNT, account_id))

    def test_are_none_when_deleted(self, world: World) -> None:
        assert buckets(world, ACCOUNT, world.account(deleted_at=NOW)) == set()

    def test_are_none_for_another_tenant(self, world: World) -> None:
        other = World(world.app, world.db)

        assert buckets(world, ACCOUNT, other.account()) == set()


class TestChildBuckets:
    @pytest.mark.parametrize("entity", [SITE, CONTACT])
    def test_are_those_of_the_account(self, world: World, entity: SyncEntity) -> None:
        owner, technician = world.person(Role.REP), world.person(Role.TECHNICIAN)
        account_id = world.account(owner_id=owner.id)
        visit(world, account_id, technician.id, 1)
        record_id = child(world, entity.table, account_id=account_id, name="이름")

        assert buckets(world, entity, record_id) == buckets(world, ACCOUNT, account_id)

    @pytest.mark.parametrize("entity", [SITE, CONTACT])
    def test_give_a_technician_nothing_of_an_account_they_only_own(
        self, world: World, entity: SyncEntity
    ) -> None:
        technician = world.person(Role.TECHNICIAN)
        account_id = world.account(owner_id=technician.id)
        record_id = child(world, entity.table, account_id=account_id, name="이름")

        assert (f"user:{technician.id}", SERVICE) not in buckets(world, entity, record_id)

    @pytest.mark.parametrize("entity", [SITE, CONTACT])
    def test_are_none_when_the_account_is_deleted(self, world: World, entity: SyncEntity) -> None:
        record_id = child(world, entity.table, account_id=world.account(deleted_at=NOW), name="이름")

        assert buckets(world, entity, record_id) == set()


class TestBucketsOfTwoAccounts:
    def relation(self, world: World, one: UUID, other: UUID) -> UUID:
        return child(world, "account_relations", account_id=one, to_account_id=other, kind="supplies")

    def role(self, world: World, one: UUID, other: UUID) -> UUID:
        contact_id = child(world, "contacts", account_id=other, name="이보람")
        return child(world, "account_contacts", account_id=one, contact_id=contact_id, role="approver")

    @pytest.mark.parametrize(("entity", "make"), [(ACCOUNT_RELATION, "relation"), (ACCOUNT_CONTACT, "role")])
    def test_are_those_that_hold_both(self, world: World, entity: SyncEntity, make: str) -> None:
        owner, other_owner = world.person(Role.REP), world.person(Role.REP)
        one, other = world.account(owner_id=owner.id), world.account(owner_id=other_owner.id)

        found = buckets(world, entity, getattr(self, make)(world, one, other))

        assert found == {(f"territory:{world.north}", SALES)}

    @pytest.mark.parametrize(("entity", "make"), [(ACCOUNT_RELATION, "relation"), (ACCOUNT_CONTACT, "role")])
    def test_are_none_across_territories(self, world: World, entity: SyncEntity, make: str) -> None:
        record_id = getattr(self, make)(world, world.account(), world.account(world.south))

        assert buckets(world, entity, record_id) == set()

    def test_follow_when_either_account_moves(self, world: World) -> None:
        one, other = world.account(), world.account()
        made = {
            "account_relation": self.relation(world, one, other),
            "account_contact": self.role(world, one, other),
        }

        for moved in (one, other):
            for entity, record_id in made.items():
                with world.db.engine.connect() as connection:
                    rows = connection.execute(
                        text(ACCOUNT.children[entity]), {"ids": [moved], "tenant": world.id, "now": NOW}
                    )
                    assert [row.id for row in rows] == [record_id]


class TestPhones:
    def test_an_import_by_sql_reaches_a_phone_in_its_shape(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        technician = world.person(Role.TECHNICIAN, world.north, kind=MemberKind.OVERLAY)
        account_id = world.account(credit_limit=5, credit_currency="KRW", payment_terms="30일")

        rep.sync()
        technician.sync()

        whole, part = rep.held("account", account_id), technician.held("account", account_id)
        assert whole is not None
        assert part is not None
        assert whole["credit_limit"] == "5.0000"
        assert "credit_limit" not in part
        assert whole == rep.call("GET", f"/api/v1/accounts/{account_id}").json
        assert part == technician.call("GET", f"/api/v1/accounts/{account_id}").json

    def test_a_move_takes_everything_along(self, world: World) -> None:
        rep, other = world.person(Role.REP, world.north), world.person(Role.REP, world.south)
        account_id = world.account()
        held: Mapping[str, UUID] = {
            "site": child(world, "sites", account_id=account_id, name="공장"),
            "contact": child(world, "contacts", account_id=account_id, name="이보람"),
        }
        rep.sync()
        assert all(rep.held(entity, record_id) for entity, record_id in held.items())

        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.south,
            id=account_id,
        )
        rep.sync()
        other.sync()

        assert not any(rep.held(entity, record_id) for entity, record_id in held.items())
        assert all(other.held(entity, record_id) for entity, record_id in held.items())

    def test_a_phone_may_create_an_account_with_its_people(self, world: World) -> None:
        rep = world.person(Role.REP, world.north)
        rep.sync()
        account_id, contact_id = new_id(), new_id()

        verdicts = rep.sync(
            rep.mutation(
                "create", "account", account_id, fields={"name": "새가람", "notes": "900101-1234567"}
            ),
            rep.mutation(
                "create", "contact", contact_id, fields={"account_id": str(account_id), "name": "이보람"}
            ),
        )

        assert [verdict["status"] for verdict in verdicts] == ["merged", "applied"]
        assert verdicts[0]["fields"]["notes"]["outcome"] == "masked"
        assert rep.held("contact", contact_id)
