"""The account of a record, as support and as push read it: whoever asks."""

from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync.stores.push import PushStore
from sync.stores.support import SupportReader
from tests.world import World


def account_of(world: World, entity: str, record_id: UUID) -> Any:
    """What both say."""
    policy = REGISTRY.get(entity)
    with world.session() as session:
        connection = session.connection()
        reader = SupportReader(connection, world.id)
        store = PushStore(connection, world.id, new_id(), new_id(), session.begin_nested)
        (found,) = {reader.account_of(policy, record_id), store.account_of(policy, record_id)}
    return found


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
