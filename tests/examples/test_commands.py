"""tests/commands.py."""

import time
from pathlib import Path

import pytest

from tests.commands import ended


def test_a_command_that_does_not_end_takes_what_it_started_with_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"did not end within 0\.5 s") as told:
        ended(["sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!; wait"], tmp_path, {}, patience_s=0.5)

    grandchild = Path("/proc") / str(told.value).split()[-1]
    until = time.monotonic() + 10  # a busy machine lets the killed one run once more, to its end
    while _runs(grandchild) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(grandchild)


def _runs(process: Path) -> bool:
    try:
        return "(sleep) Z" not in (process / "stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
