"""A command that a test runs, with all that the command itself starts."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def ended(
    command: Sequence[str | Path], place: Path, environ: Mapping[str, str], *, patience_s: float
) -> "subprocess.CompletedProcess[str]":
    """Run a command in *place* to its end, with *environ* over this process's own environment.

    Raises:
        AssertionError: it took longer; it and every process of its session, a Node say, are killed, and what was
            printed is told.
    """
    with subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {"PYTHONUTF8": "1"} | dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            told, complained = running.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            told, complained = running.communicate()
            raise AssertionError(
                f"{command} did not end within {patience_s} s:\n{told}{complained}"
            ) from None
    return subprocess.CompletedProcess(running.args, running.returncode, told, complained)
