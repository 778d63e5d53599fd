"""What the declarations of an application are refused for, before any phone meets them."""

from dataclasses import replace

import pytest

from sync.policy import SyncEntity, last_write, reference
from sync.registry import Registry, RegistryInvalid

STOCK = SyncEntity("stock", "stocks", fields={"name": last_write()}, buckets="")


def test_two_entities_of_one_name_are_refused() -> None:
    with pytest.raises(RegistryInvalid, match="two entities are named stock"):
        Registry.of([STOCK, replace(STOCK, table="others")], "")


@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param(("manager+sales", "sales+service"), id="a class that is in two shapes"),
        pytest.param(("sales", "sales"), id="one shape twice"),
        pytest.param(("sales", "director"), id="a class that nobody has"),
        pytest.param(("all", "sales"), id="all beside another"),
    ],
)
def test_shapes_that_give_a_phone_a_record_twice_or_never_are_refused(shapes: tuple[str, ...]) -> None:
    with pytest.raises(RegistryInvalid, match="the shapes of stock do not partition"):
        Registry.of([replace(STOCK, shapes=shapes)], "")


def test_a_field_that_refers_to_an_unknown_entity_is_refused() -> None:
    with pytest.raises(RegistryInvalid, match="stock refers to shelf"):
        Registry.of([replace(STOCK, fields={"shelf_id": reference("shelf")})], "")


def test_shapes_need_not_be_for_every_class() -> None:
    registry = Registry.of([replace(STOCK, shapes=("manager+sales", "service"))], "")

    assert registry.shapes_of("sales") == ("manager+sales",)
    assert registry.shapes_of("partner") == ()
