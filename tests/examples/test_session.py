"""The login of a device as the examples keep it."""

import subprocess
from pathlib import Path

from localnode import NODE


def test_the_session_of_the_examples_renews_its_tokens() -> None:
    script = Path(__file__).parent / "session.mjs"
    done = subprocess.run([NODE, "--test", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "pass 4" in done.stdout
