"""tests/commands.py."""

from pathlib import Path

import pytest

from tests.commands import ended


def test_a_command_that_does_not_end_takes_what_it_started_with_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"did not end within 0\.5 s") as told:
        ended(["sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!; wait"], tmp_path, {}, patience_s=0.5)

    grandchild = Path("/proc") / str(told.value).split()[-1]
    assert not grandchild.exists() or "(sleep) Z" in (grandchild / "stat").read_text(encoding="ascii")
