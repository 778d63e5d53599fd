"""The feed renders bodies in SQL, REST by schemas: the bytes are the same."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
from flask import Flask

from app.core.db import Base, Database
from app.core.ids import new_id
from app.http.shapes import schema_for
from app.sync_api.registry import BY_NAME, REGISTRY, SYNCED
from sync.policy import ALL_CLASSES, Kind, SyncEntity, last_write
from sync.render import body_sql
from tests.sync import odd_knowledge, odd_orders, odd_records
from tests.sync.odd_records import Records
from tests.world import World


@pytest.fixture(scope="module")
def records(served: Flask, pools: Database) -> Records:
    """All of them, in the feed."""
    records = Records(World(served, pools))
    who = odd_records.people(records)
    odd_records.territories(records)
    account = odd_records.accounts(records, who["rep"])
    odd_records.children(records, account, who["rep"])
    odd_records.visits(records, account, who)
    odd_records.activities(records, account, who["rep"])
    odd_records.receivables(records, account, who["rep"])
    odd_records.conflicts(records, account, who)
    odd_orders.catalogue(records, account)
    odd_orders.notifications(records, who["rep"])
    odd_orders.approvals(records, account, who)
    odd_orders.orders(records, account, who["rep"])
    odd_knowledge.knowledge(records, who, account)
    drained = records.world.drain()
    assert drained is not None
    assert drained.quarantined == ()
    return records


def bodies(records: Records, entity: str) -> dict[tuple[UUID, str], set[str]]:
    """What the feed holds of an entity, by record and shape."""
    rows = records.world.engine_sql(
        "SELECT record_id, shape, body FROM sync_feed WHERE tenant_id = :tenant AND entity = :entity",
        entity=entity,
    )
    found: dict[tuple[UUID, str], set[str]] = {}
    for record_id, shape, body in rows:
        found.setdefault((record_id, shape), set()).add(body)
    return found


@pytest.mark.parametrize("entity", [one.policy.name for one in SYNCED])
def test_bodies_of_the_feed_are_the_bytes_of_rest(records: Records, entity: str) -> None:
    one = BY_NAME[entity]
    model = next(m.class_ for m in Base.registry.mappers if m.local_table.name == one.policy.table)
    compared = 0
    with records.world.session() as session:
        for (record_id, shape), found in bodies(records, entity).items():
            record = session.get(model, (records.world.id, record_id))
            for shape_class in (c for c in ALL_CLASSES if one.policy.shape_for(c) == shape):
                rest = orjson.dumps(schema_for(one.policy, one.schema, shape_class).dump(record)).decode()
                assert found == {rest}, (record_id, shape)
                compared += 1
    assert compared >= len(records.ids[entity])


def test_every_shape_of_every_entity_was_compared(records: Records) -> None:
    compared = {
        (entity.name, shape) for entity in REGISTRY.entities for _, shape in bodies(records, entity.name)
    }

    assert compared == {(entity.name, shape) for entity in REGISTRY.entities for shape in entity.shapes}


def test_every_record_is_in_the_feed(records: Records) -> None:
    for entity, ids in records.ids.items():
        assert {record_id for record_id, _ in bodies(records, entity)} >= set(ids), entity


def columns(records: Records, entity: SyncEntity) -> Iterator[tuple[str, str, str, list[Any]]]:
    """Each field of records and of their parts: its name, table and column, and what the feed has of it."""
    parsed = [orjson.loads(body) for found in bodies(records, entity.name).values() for body in found]
    for name, one in entity.fields.items():
        values = [body[name] for body in parsed if name in body]
        yield f"{entity.name}.{name}", entity.table, one.column or name, values
        for cell, inner in one.rows.items():
            cells = [part[cell] for parts in values for part in parts]
            yield f"{entity.name}.{name}.{cell}", one.table, inner.column or cell, cells


def test_every_field_was_null_once_where_it_may_be_and_full_once(records: Records) -> None:
    """So that nothing above was compared only in its easy form."""
    never_full, never_null = set(), set()
    for entity in REGISTRY.entities:
        for name, table, column, values in columns(records, entity):
            if all(value in (None, [], {}) for value in values):
                never_full.add(name)
            nullable = records.world.sql(
                "SELECT is_nullable FROM information_schema.columns WHERE table_name = :t AND column_name = :c",
                t=table,
                c=column,
            )
            if nullable == [("YES",)] and None not in values:
                never_null.add(name)
    assert never_full == set()
    # People of the test all have a unit, and phones are given only words and trees that were published.
    assert never_null == {"user.org_unit_id", "article_version.published_at", "tree_version.published_at"}


def test_a_sql_null_in_a_json_column_and_a_json_null_look_the_same(records: Records) -> None:
    rows = records.world.sql(
        "SELECT id, theirs IS NULL FROM conflicts WHERE theirs IS NULL OR theirs::text = 'null'"
    )
    by_record = {record_id: found for (record_id, _), found in bodies(records, "conflict").items()}

    assert {is_sql_null for _, is_sql_null in rows} == {True, False}
    assert all('"theirs":null' in body for record_id, _ in rows for body in by_record[record_id])


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("1.5", '"1.500000"'), ("-0.0000004", '"0.000000"'), ("12", '"12.000000"'), (None, "null")],
)
def test_a_quantity_has_six_decimals(world: World, stored: str | None, shown: str) -> None:
    """Whatever the column behind it keeps."""
    entity = SyncEntity("stock", "stocks", fields={"amount": last_write(Kind.QUANTITY)}, buckets="")
    record_id = new_id()

    ((body,),) = world.engine_sql(
        f"SELECT {body_sql(entity, 'all')} FROM"
        " (SELECT CAST(:id AS uuid) AS id, 1 AS version, CAST(:amount AS numeric) AS amount) t",
        id=record_id,
        amount=stored,
    )

    assert body == f'{{"id":"{record_id}","version":1,"amount":{shown}}}'
