"""How a scenario ends, where it does not simply pass."""

from typing import Any


class Broken(Exception):
    """The server did not keep what it promises."""

    def __init__(self, promise: str, **found: Any) -> None:
        """Say what should have been true, and what was found."""
        told = "; ".join(f"{name} = {value!r}"[:600] for name, value in found.items())
        super().__init__(f"{promise}: {told}" if told else promise)


class NotProvable(Exception):
    """On this server, with these logins, nobody can tell; it says why."""


class NoServer(Exception):
    """There was no answer, or it is not one of this protocol's servers."""


class NoLogin(Exception):
    """The server does not let somebody in whose login was given."""


def expect(kept: object, promise: str, **found: Any) -> None:
    """Go on if the promise was kept.

    Raises:
        Broken: It was not.
    """
    if not kept:
        raise Broken(promise, **found)
