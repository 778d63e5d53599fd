"""The environment of the generators: Python packages of ``requirements/sdk.lock``, apart from everybody's own."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".fieldmerge" / "sdk-tools"
PYTHON = TOOLS / "bin" / "python"
OLDEST_JAVA = 11


class ToolsMissing(Exception):
    """The environment was not made yet; says how."""


class ToolFailed(Exception):
    """A generator ended badly; says what it printed."""


def python() -> Path:
    """The interpreter of the environment.

    Raises:
        ToolsMissing: There is none.
    """
    if not PYTHON.exists():
        raise ToolsMissing(f"The generators are not installed: make {TOOLS.relative_to(ROOT)}/.ready")
    return PYTHON


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program printed.

    Raises:
        ToolFailed: It ended with another status than 0.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise ToolFailed(
            f"{' '.join(map(str, command[:4]))} … failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "JAVA_OPTS": "-Xmx1g", "PYTHONUTF8": "1"}


def emptied(folder: Path) -> Path:
    """*folder*, with nothing in it of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
