"""Children of a supervisor end with it, also when it is killed."""

import ctypes
import os
import signal
import sys

SUPERVISED_BY = "SUPERVISED_BY"
"""Tells children which process is their supervisor; of no meaning to people."""

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_supervisor() -> None:
    """Called by a child of a supervisor: be terminated when that one is killed and can no longer do it itself.

    Only Linux knows how; elsewhere the next start, or ``make stop``, ends what is left. gunicorn's workers see by
    themselves that their master has gone.
    """
    expected = os.environ.get(SUPERVISED_BY)
    if expected != str(os.getppid()) or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if expected != str(os.getppid()):  # it went in this very moment
        os.kill(os.getpid(), signal.SIGTERM)
