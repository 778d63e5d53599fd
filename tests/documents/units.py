"""The files of deploy/, read as systemd and nginx read them."""

import re
import shlex
from configparser import ConfigParser

from tests.documents.fences import HOUSE

DEPLOY = HOUSE / "deploy"
SERVICES = ("fieldmerge-web", "fieldmerge-events", "fieldmerge-scheduler")


def unit(name: str) -> ConfigParser:
    """A unit whose keys stand once each."""
    found = ConfigParser(interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string((DEPLOY / "systemd" / name).read_text(encoding="utf-8"))
    return found


def started(name: str) -> list[str]:
    """The words behind `python -m flask` that a service starts."""
    words = shlex.split(unit(f"{name}.service")["Service"]["ExecStart"])
    assert words[:3] == ["/opt/fieldmerge/.venv/bin/python", "-m", "flask"]
    return words[3:]


def environment() -> dict[str, str]:
    """What `environment.example` sets."""
    text = (DEPLOY / "systemd" / "environment.example").read_text(encoding="utf-8")
    pairs = (word.partition("=") for word in shlex.split(text, comments=True))
    return {name: value for name, _, value in pairs}


def nginx() -> str:
    """The site of nginx, without comments."""
    text = (DEPLOY / "nginx" / "fieldmerge.conf").read_text(encoding="utf-8")
    return re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
