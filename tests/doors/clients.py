"""Node.js and the published clients of the doors, as the lock file names them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from localnode import NODE
from localnode import installed as packages

HERE = Path(__file__).parent


def installed() -> Path:
    """The folder with ``node_modules``."""
    return packages(HERE)


def start(script: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A node process of one of this folder's scripts, beside ``node_modules``; *errors* takes its stderr."""
    home = installed()
    here, copied = home / f"{script}.mjs", home / f"{script}.{os.getpid()}"
    shutil.copyfile(HERE / f"{script}.mjs", copied)
    copied.replace(here)
    return subprocess.Popen(
        [NODE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=home
    )
