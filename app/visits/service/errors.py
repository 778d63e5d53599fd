"""What can go wrong with a visit."""

from app.core.errors import Conflict, Forbidden, Reassigned, RuleViolation


class VisitNotYours(Forbidden):
    """The visit is another person's, and only managers may act on those."""

    code = "visit.not_yours"


class VisitReassigned(Reassigned):
    """The visit was the actor's until a manager gave it to somebody else."""

    code = "visit.reassigned"


class AssigneeOutOfScope(RuleViolation):
    """The person is not of the actor's team, or does not see the account."""

    code = "visit.assignee_out_of_scope"


class AssignmentNotAllowed(Forbidden):
    """Only managers and dispatchers plan work for others."""

    code = "assignment_not_allowed"


class RecordFrozen(Conflict):
    """The visit is closed: its fields take no edits any more. ``details``: ``status``."""

    code = "record_frozen"


class FieldNotEditable(RuleViolation):
    """A field that is set when the visit is made, and never afterwards. ``details``: ``field``."""

    code = "read_only_field"


class VisitEndsBeforeStart(RuleViolation):
    """The planned end lies before the planned start."""

    code = "visit.ends_before_start"


class VisitTasksOpen(RuleViolation):
    """Required tasks are not done. ``details``: ``tasks`` (their ids)."""

    code = "visit.tasks_open"


class VisitAlreadyMade(Conflict):
    """Somebody has been there: the visit belongs to the account's history and cannot be deleted."""

    code = "visit.already_made"


class VisitReviewOwn(Forbidden):
    """Nobody verifies or flags a visit of their own."""

    code = "visit.review_own"


class TaskListedTwice(RuleViolation):
    """A task's id stands twice in the list of the visit's tasks."""

    code = "duplicate_item"
