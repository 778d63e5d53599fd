"""The SDKs, generated once for all tests, and a server that they talk to."""

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.core.scope import Role
from sdk.__main__ import main
from tests.world import PASSWORD, World

DOCUMENT = Path(__file__).parents[2] / "docs" / "sdk.md"


@pytest.fixture(scope="session")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``make sdk`` writes."""
    folder = tmp_path_factory.mktemp("sdk")
    assert main(["--out", str(folder), "typescript", "python", "kotlin", "swift"]) == 0
    return folder


@pytest.fixture
def environment(served: Flask, world: World) -> Iterator[dict[str, str]]:
    """What the code of docs/sdk.md asks for: a real server, and somebody who may log in."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    person = world.person(Role.REP)
    for name in ("서울냉동", "부산물류", "대구펌프"):
        assert (
            person.call("POST", "/api/v1/accounts", {"name": name, "kinds": ["customer"]}).status_code == 201
        )
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {
        "FIELDMERGE_ORIGIN": f"http://127.0.0.1:{server.port}",
        "TENANT": world.code,
        "LOGIN": person.login,
        "PASSWORD": PASSWORD,
    }
    server.shutdown()
    thread.join()
    server.server_close()


def block(language: str) -> str:
    """The program in *language* that docs/sdk.md shows."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
    return str(found)
