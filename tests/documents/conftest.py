"""A served company for the pages whose code is run."""

from collections.abc import Iterator

import pytest

from app.config import Config
from app.core.scope import Role
from tests.catalog.shop import open_shop
from tests.cli.test_serve import running, wait_for
from tests.knowledge.clinic import NOISE, Clinic
from tests.knowledge.library import Library
from tests.world import PASSWORD, World


@pytest.fixture(scope="module")
def url(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("serve")
    with running(("serve", "--workers", "1"), migrated, place):
        yield wait_for(r"Serving on (http://\S+)", place)


@pytest.fixture
def logins(world: World) -> dict[str, str]:
    """A company like the demo's: something to sell, pages to find, a tree to walk, a visit of today."""
    people = {name: world.person(name, world.north) for name in ("rep", "technician")}
    people["manager"] = world.person("manager", world.region)
    shop = open_shop(world)
    shop.price(shop.product("OIL"), "1000")
    library = Library(world)
    clinic = Clinic(library)
    page = library.article(Role.TECHNICIAN, slug="strainer-cleaning")
    library.published(page, title="펌프 스트레이너 청소 절차", summary="", body="청소", keywords=["소음"])
    clinic.publish(clinic.draft(clinic.tree(Role.TECHNICIAN), NOISE))
    clinic.visit(people["technician"], world.account(name="한빛에너지"))
    passwords = {f"{name.upper()}_PASSWORD": PASSWORD for name in people}
    return {"TENANT": world.code} | passwords | {n.upper(): one.login for n, one in people.items()}
