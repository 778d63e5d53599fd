"""What phones hold of identity."""

from uuid import UUID

import pytest
from sqlalchemy import text

from app.identity import service
from app.identity.schemas import TerritorySchema, UserSchema
from app.identity.sync import ENTITIES, TERRITORY, USER
from sync.policy import SyncEntity
from tests.identity.conftest import NOW, Company


def buckets(company: Company, entity: SyncEntity, *ids: UUID) -> set[tuple[UUID, str, str]]:
    with company.office() as (session, _):
        rows = session.execute(text(entity.buckets), {"tenant": company.id, "ids": list(ids), "now": NOW})
        return {(row.record_id, row.bucket, row.shape) for row in rows}


class TestUserRule:
    def test_gives_a_person_to_themself_and_their_unit(self, company: Company) -> None:
        unit = company.unit()
        rep = company.user(org_unit_id=unit.id)
        assert buckets(company, USER, rep.id) == {
            (rep.id, f"user:{rep.id}", "all"),
            (rep.id, f"unit:{unit.id}", "all"),
        }

    def test_gives_nobody_of_another_company(self, company: Company, other_company: Company) -> None:
        assert buckets(company, USER, other_company.user().id) == set()


class TestTerritoryRule:
    def test_gives_a_territory_to_its_members(self, company: Company) -> None:
        territory = company.territory()
        assert buckets(company, TERRITORY, territory.id) == {
            (territory.id, f"territory:{territory.id}", "all")
        }

    def test_gives_a_deleted_territory_to_nobody(self, company: Company) -> None:
        territory = company.territory()
        with company.office() as (session, actor):
            service.delete_territory(session, actor, territory.id, now=NOW)
        assert buckets(company, TERRITORY, territory.id) == set()


@pytest.mark.parametrize(("entity", "schema"), [(USER, UserSchema), (TERRITORY, TerritorySchema)])
def test_the_wire_of_rest_and_of_the_feed_name_the_same_fields(entity: SyncEntity, schema: type) -> None:
    assert list(schema().fields) == ["id", "version", *entity.fields]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_phones_only_read(entity: SyncEntity) -> None:
    assert not entity.pushable
    assert {field.merge for field in entity.fields.values()} == {"read_only"}


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_no_secret_is_a_field(entity: SyncEntity) -> None:
    assert not any("password" in name or "hash" in name for name in entity.fields)
