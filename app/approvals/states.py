"""The states of a request for approval and of its steps."""

import enum


class ApprovalStatus(enum.StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


class StepStatus(enum.StrEnum):
    """Where one step stands: at most one of a request is active."""

    WAITING = "waiting"
    ACTIVE = "active"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    DELEGATED = "delegated"
    SKIPPED = "skipped"
    EXPIRED = "expired"
