"""How long a request waited for a thread, and the end of patience with it."""

import random
import threading

from flask import request

from app.core.errors import Unavailable
from app.http.services import services

BACK_AFTER_S = (3, 15)
"""A crowd that was sent away comes back over this time."""

_NEVER_SHED = frozenset({"healthz", "readyz", "metrics"})
_waited = threading.local()


def note_wait(waited_s: float) -> None:
    """Told by the web server, in the thread that is about to handle the request.

    Args:
        waited_s: Seconds from its arrival to now.
    """
    _waited.seconds = waited_s


def refuse_what_waited_too_long() -> None:
    """Send away what waited so long that its phone may have given up.

    Were it answered, each request behind it would wait as long: after an outage, when all phones come at once, the
    server would work on nothing but answers that nobody waits for any more.

    Raises:
        Unavailable: It waited longer than ``longest_wait_s``; nothing was read and nothing done.
    """
    waited_s = getattr(_waited, "seconds", 0.0)
    _waited.seconds = 0.0
    if waited_s > services().config.longest_wait_s and request.endpoint not in _NEVER_SHED:
        raise Unavailable("Too many requests wait.", retry_after_s=random.randint(*BACK_AFTER_S))  # noqa: S311
