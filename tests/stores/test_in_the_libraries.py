"""The published clients take the generated definitions, and what they hold survives a newer app."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.core.scope import Role
from localnode import run
from sdk.stores.__main__ import generate
from sdk.stores.document import Catalogue, own
from tests.doors import clients
from tests.stores.test_generating import Json, with_field, without
from tests.world import World

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def apps() -> Iterator[tuple[Path, Path]]:
    """An app and its next version, where the clients are found: it knows an entity and a field more."""
    home = clients.installed() / f"stores-{uuid4().hex[:8]}"
    older, newer = home / "older", home / "newer"
    documents = own()
    generate(Catalogue.of(without(documents, "shipment")), older, ["watermelon", "rxdb"])
    shutil.copytree(older, newer)
    grown = with_field(documents, "account", "nickname")
    for document in grown:
        entity = document["entities"]["account"]
        entity["mutations"]["update"]["properties"]["nickname"] = {"type": ["string", "null"]}
    generate(Catalogue.of(grown), newer, ["watermelon", "rxdb"])
    for folder in (home, older, newer):
        (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    yield older, newer
    shutil.rmtree(home)


def asked(script: str, apps: tuple[Path, Path], *words: str) -> Json:
    place = apps[0].parent / script
    shutil.copyfile(HERE / script, place)
    told: Json = json.loads(run(place, *map(str, apps), *words, cwd=place.parent).splitlines()[-1])
    return told


class TestWatermelon:
    def test_opens_writes_and_migrates(self, apps: tuple[Path, Path]) -> None:
        told = asked("watermelon.mjs", apps)

        assert told["tables"] >= 40
        assert told["tags"] == ["겨울", "저유소"]
        assert told["raw"]["tags"] == '["겨울","저유소"]'
        assert (told["parent"], told["children"], told["isDated"]) == ("가람상사", 1, True)
        assert "readonly" in told["owned"]
        assert told["after"] == ["가람상사", "가람", 0]
        assert told["waits"]
        assert told["pushed"] == ["account", "visit"]
        assert told["complaints"] == []


class TestRxdb:
    def test_checks_opens_fills_and_migrates_every_collection(
        self, apps: tuple[Path, Path], world: World
    ) -> None:
        world.account(name="가람상사", tags=["겨울"], location=[37.5, 127.0])
        rep = world.person(Role.REP, world.north)
        rep.sync()
        account = next(body for (entity, _), body in rep.records.items() if entity == "account")

        told = asked("rxdb.mjs", apps, json.dumps({"account": account}))

        assert told["collections"] >= 41
        assert told["held"] == told["parent"] == "가람상사"
        assert (told["children"], told["refused"]) == (1, "VD2")
        assert told["moved"] == ["가람상사", "가람"]
        assert told["identifiers"] == ["fieldmerge-1", "fieldmerge-0", "fieldmerge-0"]
        assert "error" not in told
