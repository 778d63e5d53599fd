"""A state directory of its own for each module, and nothing left behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import localpg


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """An empty state directory; whatever was started in it is stopped and deleted."""
    directory = Path(tempfile.mkdtemp(prefix="localpg-test-"))
    directory.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDMERGE_STATE", str(directory))
        yield directory
        for name in os.listdir(directory):
            localpg.reset(name)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[localpg.Server]:
    """A running server, not durable."""
    started = localpg.start("shared", durable=False)
    yield started
    started.stop()
