"""What support reads of a record in the tables, whoever asks."""

from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync.stores.support import SupportReader
from tests.world import World


def account_of(world: World, entity: str, record_id: UUID) -> Any:
    with world.session() as session:
        return SupportReader(session.connection(), world.id).account_of(REGISTRY.get(entity), record_id)


def test_the_account_of_a_child_is_the_one_that_it_hangs_on(world: World) -> None:
    account, site = world.account(), new_id()
    world.insert("sites", id=site, account_id=account, name="공장")

    assert account_of(world, "site", site) == account


def test_the_account_of_an_account_is_itself(world: World) -> None:
    account = world.account()

    assert account_of(world, "account", account) == account


@pytest.mark.parametrize("entity", ["user", "territory"])
def test_what_hangs_on_no_account_has_none(world: World, entity: str) -> None:
    record_id = {"user": world.person("rep", world.north).id, "territory": world.north}[entity]

    assert account_of(world, entity, record_id) is None


def test_a_record_that_nobody_has_has_no_account(world: World) -> None:
    assert account_of(world, "site", new_id()) is None
