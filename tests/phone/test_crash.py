"""The phone dies between any two writes: no edit is lost, no page is taken half, nothing is sent otherwise."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from examples.phone import Phone
from tests.phone.small_server import SmallServer

MOST_WRITES = 400


def play(path: Path, done: Callable[[str], None], die_at: int | None) -> int:
    """A day of a phone; it kills itself before its write number *die_at*. Gives how many writes there were."""
    server = SmallServer(path / "server.json")
    phone = Phone("http://stub", str(path / "phone.db"), transport=server, sleep=lambda _: None)
    writes = 0

    def count(statement: str) -> None:
        nonlocal writes
        if not statement.startswith(("SELECT", "PRAGMA")):
            writes += 1
            if writes == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    phone.store._db.execute(
        "PRAGMA synchronous = OFF"
    )  # for speed: a kill takes nothing from the disk's cache
    phone.store._db.set_trace_callback(count)
    for number in range(3):
        phone.create("account", name=f"{number}")
        done(f"{number}")
    phone.sync()
    first = phone.list("account")[0]["id"]
    phone.edit("account", first, notes="edited")
    done("edited")
    with phone.group():
        phone.create("account", name="of a group")
        phone.create("account", name="of the same group")
    done("of a group")
    backup = json.loads(json.dumps(server.state))
    phone.sync()
    server.restore(backup)
    phone.sync()
    phone.store._db.set_trace_callback(None)
    phone.close()
    return writes


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A logged-in phone, and four accounts of others."""
    path = tmp_path_factory.mktemp("begun")
    server = SmallServer(path / "server.json")
    for number in range(4):
        server.write(f"01930000-0000-7000-8000-00000000000{number}", {"name": f"of others {number}"})
    phone = Phone("http://stub", str(path / "phone.db"), transport=server, sleep=lambda _: None)
    phone.log_in("demo", "rep", "pw")
    phone.sync()
    phone.close()
    return path


class TestKilled:
    @pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.more)])
    def test_before_any_write_the_phone_loses_nothing(self, begun: Path, tmp_path: Path, every: int) -> None:
        ordinary = copytree(begun, tmp_path / "ordinary")
        writes = play(ordinary, lambda _: None, None)
        assert 60 < writes < MOST_WRITES
        for die_at in range(1, writes + 1, every):
            path = copytree(begun, tmp_path / str(die_at))
            told = killed(path, die_at)

            server = SmallServer(path / "server.json")
            phone = Phone("http://stub", str(path / "phone.db"), transport=server, sleep=lambda _: None)
            phone.sync()

            texts = [r.get(f) for r in server.state["records"].values() for f in ("name", "notes")]
            assert [texts.count(edit) for edit in told] == [1] * len(told), die_at
            assert texts.count("of a group") == texts.count("of the same group"), die_at
            assert phone.store.records("account") == server.state["records"], die_at
            assert phone.waiting() == 0, die_at
            phone.close()


def killed(path: Path, die_at: int) -> list[str]:
    """Play in a child that dies by SIGKILL; gives the edits that it was told were written down."""
    told = os.open(path / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child = os.fork()
    if child == 0:
        try:
            play(path, lambda edit: (os.write(told, f"{edit}\n".encode()), None)[1], die_at)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    os.close(told)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return (path / "told").read_text().split("\n")[:-1]
