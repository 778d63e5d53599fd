"""How long the request of this thread waited for it."""

import threading

_of_this = threading.local()


def note_wait(waited_s: float) -> None:
    """Told by the web server, in the thread that is about to handle the request.

    Args:
        waited_s: Seconds from its arrival to now.
    """
    _of_this.seconds = waited_s


def take_wait_s() -> float:
    """The same, once; nothing where nobody told."""
    waited_s: float = getattr(_of_this, "seconds", 0.0)
    _of_this.seconds = 0.0
    return waited_s
