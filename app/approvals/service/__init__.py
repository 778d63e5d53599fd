"""What may be done with approvals; the one way to write them."""

from app.approvals.service.absences import (
    create_absence,
    create_holiday,
    delete_absence,
    delete_holiday,
    get_absence,
    get_holiday,
    list_absences,
    list_holidays,
    update_absence,
)
from app.approvals.service.asking import find_open, granted, request_approval, supersede
from app.approvals.service.deciding import approve, forward, get_locked_request, reject, return_, withdraw
from app.approvals.service.documents import Document, Grant, register
from app.approvals.service.errors import (
    ApprovalMovedOn,
    ApprovalNotYours,
    ApprovalOwn,
    ApproverUnfit,
    DocumentChanged,
)
from app.approvals.service.policies import (
    create_policy,
    delete_policy,
    get_policy,
    list_policies,
    update_policy,
)
from app.approvals.service.requests import get_request, list_request_ids, list_requests
from app.approvals.service.waiting import list_to_move, move_on

# By the names that phones send.
COMMANDS = {
    "approve": approve,
    "reject": reject,
    "return": return_,
    "forward": forward,
    "withdraw": withdraw,
}

__all__ = [
    "COMMANDS",
    "ApprovalMovedOn",
    "ApprovalNotYours",
    "ApprovalOwn",
    "ApproverUnfit",
    "Document",
    "DocumentChanged",
    "Grant",
    "approve",
    "create_absence",
    "create_holiday",
    "create_policy",
    "delete_absence",
    "delete_holiday",
    "delete_policy",
    "find_open",
    "forward",
    "get_absence",
    "get_holiday",
    "get_locked_request",
    "get_policy",
    "get_request",
    "granted",
    "list_absences",
    "list_holidays",
    "list_policies",
    "list_request_ids",
    "list_requests",
    "list_to_move",
    "move_on",
    "register",
    "reject",
    "request_approval",
    "return_",
    "supersede",
    "update_absence",
    "update_policy",
    "withdraw",
]
