"""What can go wrong with an approval."""

from app.core.errors import Conflict, Forbidden, Reassigned, RuleViolation


class ApprovalOwn(Forbidden):
    """Nobody decides on their own request, neither as approver nor in somebody's name."""

    code = "approval.own"


class ApprovalNotYours(Forbidden):
    """Others are asked: the actor is neither the active approver nor stands in for them."""

    code = "approval.not_yours"


class ApprovalMovedOn(Reassigned):
    """The actor was asked until it went to somebody else. ``details``: ``assignee_id``, null where to nobody yet."""

    code = "approval.moved_on"


class ApproverUnfit(RuleViolation):
    """The person cannot be asked: the requester, not of the office, or absent and nobody stands in."""

    code = "approval.approver_unfit"


class DocumentChanged(Conflict):
    """The decision is of another state of the document.

    ``details``: ``document_hash`` (present; null when it asks for nothing any more), ``request_id`` of the
    request that asks for it, and ``changed``: ``path``, ``old`` and ``new`` of what differs.
    """

    code = "approval.document_changed"


class PolicyInvalid(RuleViolation):
    """A level of the policy names nobody, or it has none. ``details``: ``field``."""

    code = "approval.policy_invalid"


class HolidayTaken(Conflict):
    """The day is a company holiday already."""

    code = "holiday.taken"


class AbsencePast(RuleViolation):
    """An absence cannot be entered or moved into the past."""

    code = "absence.past"
