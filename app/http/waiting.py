"""The end of patience with requests that waited too long for a thread."""

import random

from flask import request

from app.core.errors import Unavailable
from app.core.waits import take_wait_s
from app.http.services import services

BACK_AFTER_S = (1, 5)
"""Short: who comes back too early costs a millisecond, and a thread without work costs what it would have done."""

_NEVER_SHED = frozenset({"healthz", "readyz", "metrics"})


def refuse_what_waited_too_long() -> None:
    """Send away what waited so long that its phone may have given up.

    Were it answered, each request behind it would wait as long: after an outage, when all phones come at once, the
    server would work on nothing but answers that nobody waits for any more.

    Raises:
        Unavailable: It waited longer than ``longest_wait_s``; nothing was read and nothing done.
    """
    if take_wait_s() > services().config.longest_wait_s and request.endpoint not in _NEVER_SHED:
        raise Unavailable("Too many requests wait.", retry_after_s=random.randint(*BACK_AFTER_S))  # noqa: S311
