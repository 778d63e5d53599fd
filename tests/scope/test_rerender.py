"""Rows are rendered again without a storm."""

from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs import rerender
from app.jobs.rerender import mark_for_rendering, rerendering
from app.sync_api.registry import REGISTRY
from tests.world import World


@pytest.fixture
def accounts(world: World, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Five of them, drained; at most two are marked in a run while fewer than four marks wait."""
    found = [world.account() for _ in range(5)]
    world.drain()
    monkeypatch.setattr(rerender, "ROWS", 2)
    monkeypatch.setattr(rerender, "WAITING", 4)
    return found


def ask(world: World, entity: str) -> None:
    world.engine_sql(
        "INSERT INTO sync_rerenders (tenant_id, entity) VALUES (:tenant, :entity)", entity=entity
    )


def run(world: World) -> int:
    return mark_for_rendering(world.db, world.id, utc_now(), registry=REGISTRY)


def marked(world: World) -> list[UUID]:
    rows = world.engine_sql(
        "SELECT record_id FROM sync_pending WHERE tenant_id = :tenant AND NOT weak ORDER BY id"
    )
    return [row[0] for row in rows]


def test_marks_a_few_rows_a_run_until_all_were(world: World, accounts: list[UUID]) -> None:
    ask(world, "account")
    seen = []
    for _ in range(5):
        run(world)
        seen += [sorted(marked(world))]
        world.drain()

    assert [len(batch) for batch in seen] == [2, 2, 1, 0, 0]
    assert sorted(record_id for batch in seen for record_id in batch) == sorted(accounts)


def test_waits_while_many_marks_wait(world: World, accounts: list[UUID]) -> None:
    ask(world, "account")
    counts = [run(world) for _ in range(4)]
    world.drain()

    assert (counts, run(world)) == ([2, 2, 0, 0], 1)


def test_renders_every_body_anew_under_its_version(world: World, accounts: list[UUID]) -> None:
    rep = world.person("rep", world.north)
    rep.sync()
    before = dict(rep.records)
    world.engine_sql(
        "UPDATE sync_feed SET body = '{}' WHERE tenant_id = :tenant AND entity = 'account' AND gone IS NULL"
    )
    ask(world, "account")
    while run(world):
        world.drain()
    rep.sync()

    assert rep.records == before


def test_takes_one_entity_after_the_other(world: World, accounts: list[UUID]) -> None:
    contact = new_id()
    world.insert("contacts", id=contact, account_id=accounts[0], name="김")
    world.drain()
    ask(world, "contact")
    ask(world, "account")
    total = 0
    while done := rerendering(REGISTRY)(world.db, world.id, utc_now()):
        total += done
        world.drain()

    rows = world.engine_sql(
        "SELECT count(*) FROM sync_rerenders WHERE tenant_id = :tenant AND done_at IS NULL"
    )
    assert (total, rows[0][0]) == (6, 0)


def test_an_entity_that_is_no_more_is_done(world: World) -> None:
    ask(world, "nothing")

    assert run(world) == 0
    rows = world.engine_sql("SELECT done_at IS NOT NULL FROM sync_rerenders WHERE tenant_id = :tenant")
    assert [row[0] for row in rows] == [True]
