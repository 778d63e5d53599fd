"""The examples for app developers, each played by its own command against the product as an operator starts it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Config
from tests.catalog.shop import open_shop
from tests.cli.test_serve import running, wait_for
from tests.world import PASSWORD, World

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 180

pytestmark = pytest.mark.more


@pytest.fixture
def logins(world: World) -> dict[str, str]:
    """A rep and a manager of a company that has a customer and something to sell."""
    rep, manager = world.person("rep", world.north), world.person("manager", world.region)
    world.account(name="가람상사")
    shop = open_shop(world)
    shop.price(shop.product("OIL"), "1000")
    return {
        "TENANT": world.code,
        "REP": rep.login,
        "REP_PASSWORD": PASSWORD,
        "MANAGER": manager.login,
        "MANAGER_PASSWORD": PASSWORD,
    }


@pytest.fixture
def url(migrated: Config, tmp_path: Path) -> Iterator[str]:
    with running(("serve", "--workers", "1"), migrated, tmp_path):
        yield wait_for(r"Serving on (http://\S+)", tmp_path)


@pytest.mark.parametrize("example", ["rxdb", "watermelon"])
def test_the_story_of(example: str, world: World, logins: dict[str, str], url: str) -> None:
    told = played(example, logins, url)

    assert "product: 1" in told
    assert "told by a ping: +8225550100" in told
    assert re.search(r"tags: 신규, 우수, 저유소; legal name: \(주\)\S+홀딩스", told)
    assert re.search(r"before: \S+, the rep: \(주\)\S+그룹, the office: \(주\)\S+홀딩스", told)
    assert re.search(r"the manager decides for the rep, and the phone shows \(주\)\S+그룹", told)
    assert "status approved, total 13200.0000 KRW" in told
    assert world.sql("SELECT count(*) FROM sync_mutations WHERE status = 'rejected'") == [(0,)]


def played(example: str, logins: dict[str, str], url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{example}", url],
        cwd=PROJECT,
        env=os.environ | {"PYTHONUTF8": "1"} | logins,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
