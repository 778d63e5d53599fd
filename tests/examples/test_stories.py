"""The examples for app developers, each played by its own command against the product as an operator starts it.

What docs/quickstart.md, examples/rxdb/README.md and examples/watermelon/README.md say.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import localnode
from app.config import Config
from tests.catalog.shop import open_shop
from tests.cli.test_serve import running, wait_for
from tests.commands import ended
from tests.documents.fences import the_fence
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


@pytest.fixture(scope="module")
def url(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("serve")
    with running(("serve", "--workers", "1"), migrated, place):
        yield wait_for(r"Serving on (http://\S+)", place)


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


@pytest.mark.parametrize("example", ["rxdb", "watermelon"])
def test_the_same_by_hand(
    example: str, world: World, logins: dict[str, str], url: str, tmp_path: Path
) -> None:
    lines = the_fence(f"examples/{example}/README.md", "npm ci").typed
    for word, other in {
        "REP_PASSWORD=… MANAGER_PASSWORD=… ": "",
        "http://127.0.0.1:8000": url,
        ".venv/bin/python": sys.executable,
    }.items():
        assert word in lines
        lines = lines.replace(word, other)
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    (tmp_path / "npm").write_text(
        f'#!/bin/sh\nexec "{localnode.NODE}" "{localnode.NPM}" "$@"\n', encoding="utf-8"
    )
    (tmp_path / "npm").chmod(0o755)

    environ = logins | {
        "PATH": f"{tmp_path}:{localnode.NODE.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "NODE_OPTIONS": "--use-system-ca",
        "npm_config_prefer_offline": "true",
        "npm_config_audit": "false",
    }
    done = ended(["sh", "-euc", lines], tmp_path, environ, patience_s=PATIENCE_S)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "status approved" in done.stdout


def test_the_record_of_the_quick_start(logins: dict[str, str], url: str, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    found = re.search(r"^cat > mine.mjs <<'END'\n(.*?)^END$", page, re.MULTILINE | re.DOTALL)
    assert found
    app = tmp_path / "mine.mjs"
    app.write_text(found[1], encoding="utf-8")

    told = played("rxdb", logins, url, "--app", str(app))

    assert "on the phone: 나의 첫 거래처" in told
    assert re.search(r"in the central history: rep p\d+ 나의 첫 거래처 20\d\d-", told)


def test_the_files_of_the_quick_start_are_an_app_whose_parts_find_each_other(tmp_path: Path) -> None:
    block = the_fence("docs/quickstart.md", "python -m sdk.stores")
    (tmp_path / "examples").symlink_to(PROJECT / "examples")
    (tmp_path / "my-app").mkdir()
    packages = localnode.installed(PROJECT / "examples" / "rxdb") / "node_modules"
    (tmp_path / "my-app" / "node_modules").symlink_to(packages)
    loaded = "".join(
        f"await import('./my-app/{name}.mjs');" for name in ("session", "database", "replication")
    )
    lines = f'{block.typed}"{localnode.NODE}" --input-type=module -e "{loaded} process.exit(0)"'
    command = ["sh", "-euc", lines.replace(".venv/bin/python", sys.executable)]
    done = ended(command, tmp_path, {"PYTHONPATH": str(PROJECT)}, patience_s=PATIENCE_S)

    assert done.returncode == 0, done.stderr


def played(example: str, logins: dict[str, str], url: str, *words: str) -> str:
    command = [sys.executable, "-m", f"examples.{example}", url, *words]
    done = ended(command, PROJECT, logins, patience_s=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
