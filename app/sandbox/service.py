"""Keeping the state of a sandbox, going back to it, and taking the whole of it away.

The database does it, and only for companies that were opened as sandboxes: see migration 0030. Here stands when,
how often it is tried, and what is said when it cannot be.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.db import Database
from app.core.errors import Conflict, NotFound, RuleViolation
from app.sandbox.models import Sandbox

TRIES: Final = 5
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=366)
LOCK_WAIT: Final = text("SET LOCAL lock_timeout = '5s'")

# What passes when phones push meanwhile: deadlock, serialization, a record that hangs on one that goes.
PASSES: Final = ("40P01", "40001", "23503", "23505")
LOCKED: Final = "55P03"
IS_NONE: Final = ("42501", "P0002")


T = TypeVar("T")


class NoSandbox(NotFound):
    """The company is a real one: nothing of it is ever taken back."""

    code = "sandbox.none"


class SandboxBusy(Conflict):
    """Another reset is under way, or phones wrote without a pause; a later one will do."""

    code = "sandbox.busy"


class RhythmInvalid(RuleViolation):
    """A sandbox resets itself at most once a minute and at least once a year."""

    code = "sandbox.rhythm"


def get_sandbox(session: Session, tenant_id: UUID) -> Sandbox:
    """What is known of the sandbox of the session.

    Raises:
        NoSandbox: The company is none.
    """
    found = session.get(Sandbox, tenant_id)
    if found is None:
        raise NoSandbox("This company is no sandbox.")
    return found


def keep(session: Session, tenant_id: UUID) -> int:
    """Take the present state as the one to go back to; gives the number of rows.

    Raises:
        NoSandbox: The company is none.
    """
    try:
        kept: int = session.execute(text("SELECT sandbox_keep(:tenant)"), {"tenant": tenant_id}).scalar_one()
    except DBAPIError as error:
        raise _said(error) from error
    session.expire_all()
    return kept


def check_rhythm(every: timedelta | None) -> None:
    """Look whether a sandbox may reset itself that often; None for never.

    Raises:
        RhythmInvalid: More often than once a minute, or hardly ever.
    """
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise RhythmInvalid("A sandbox resets itself at most once a minute and at least once a year.")


def set_rhythm(session: Session, tenant_id: UUID, every: timedelta | None, *, now: datetime) -> None:
    """Say how often the sandbox goes back by itself; None for never.

    Raises:
        NoSandbox: The company is none.
        RhythmInvalid: More often than once a minute, or hardly ever.
    """
    check_rhythm(every)
    found = get_sandbox(session, tenant_id)
    found.every_s = None if every is None else int(every.total_seconds())
    found.next_reset_at = None if every is None else now + every


def reset(db: Database, tenant_id: UUID, *, actor: str = "job:sandbox", user_id: UUID | None = None) -> int:
    """Go back to the kept state, in one transaction of its own; gives how many rows were put right.

    A phone that pushes meanwhile is judged before it or after it. What it wrote in between may stand in the way of
    a row that goes: then all is tried again.

    Args:
        db: Pools.
        tenant_id: Of the sandbox.
        actor: Who the ledger names, where no person asked.
        user_id: The person who asked.

    Raises:
        NoSandbox: The company is none.
        SandboxBusy: Another reset is under way, or every try met a push.
    """

    def once() -> int:
        with db.session(tenant_id, actor=actor, user_id=user_id) as session:
            session.execute(LOCK_WAIT)
            done: int = session.execute(
                text("SELECT sandbox_reset(:tenant)"), {"tenant": tenant_id}
            ).scalar_one()
        return done

    return _tried(once)


def drop(db: Database, tenant_id: UUID) -> None:
    """Take the whole sandbox away, with its people and its history.

    Raises:
        NoSandbox: The company is none.
        SandboxBusy: It is being reset, or every try met a push.
    """

    def once() -> None:
        with db.engine.begin() as connection:
            connection.execute(LOCK_WAIT)
            connection.execute(text("SELECT sandbox_drop(:tenant)"), {"tenant": tenant_id})

    _tried(once)


def _tried(once: Callable[[], T]) -> T:
    for left in reversed(range(TRIES)):
        try:
            return once()
        except DBAPIError as error:
            if not left or _state(error) not in PASSES:
                raise _said(error) from error
    raise AssertionError("the last try answers")


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")


def _said(error: DBAPIError) -> Exception:
    """What the database refused, in words of the business."""
    state = _state(error)
    if state in IS_NONE:
        return NoSandbox("This company is no sandbox.")
    if state == LOCKED or state in PASSES:
        return SandboxBusy("Another reset is under way; try again in a moment.")
    return error
