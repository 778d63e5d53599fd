"""What can go wrong in the business. No status codes here: see app.http.errors."""

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every expected failure.

    ``code`` is a stable, documented slug that clients may branch on; the message is for people,
    is looked up by code in ``app.core.messages`` and may change. ``details`` are JSON values that
    help a client to go on (the allowed steps, the limit, the field).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or self.code)
        self.details: Mapping[str, Any] = details


class Unauthenticated(DomainError):
    """Nobody, or nobody any more: log in again."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """Known, and not allowed; the person may know that the thing exists."""

    code = "forbidden"


class NotFound(DomainError):
    """The thing named does not exist, or the actor may not know that it does."""

    code = "not_found"


class ReferenceNotFound(DomainError):
    """A field names a record that does not exist or that the actor may not know of."""

    code = "reference_not_found"


class Conflict(DomainError):
    """True of the request, false of the present state; a re-read may cure it."""

    code = "conflict"


class IdTaken(Conflict):
    """The id of a new record is in use already."""

    code = "id_taken"


class Reassigned(Conflict):
    """The record was the actor's until it was given to somebody else."""

    code = "reassigned"


class Disputed(Conflict):
    """Two sides reckoned differently, and a person has to say which holds.

    A phone's command goes to its author's inbox with the ``details`` beside it; nothing was written.
    """

    code = "disputed"


class TransitionNotAllowed(Conflict):
    """The state machine has no such step from the record's present state.

    ``details``: ``status`` (present), ``allowed`` (commands legal now).
    """

    code = "transition_not_allowed"


class HasDependants(Conflict):
    """The record cannot be deleted while live records hang on it."""

    code = "has_dependants"


class Stale(DomainError):
    """The version given is not the present one: somebody changed the record since it was read."""

    code = "version_stale"


class RuleViolation(DomainError):
    """Well-formed, understood, and not allowed by a business rule; a retry is useless."""

    code = "rule_violation"


class TooManyRequests(DomainError):
    """Slow down. ``details``: ``retry_after_s``."""

    code = "too_many_requests"


class Unavailable(DomainError):
    """Something that we depend on is down or busy; retry later. ``details``: ``retry_after_s``."""

    code = "unavailable"
