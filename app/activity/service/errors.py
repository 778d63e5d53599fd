"""What can go wrong with activities and tasks."""

from app.core.errors import Forbidden, Reassigned, RuleViolation


class AppendOnly(RuleViolation):
    """Activities are written down once: nobody edits or deletes them."""

    code = "append_only"


class TaskNotYours(Forbidden):
    """The task is another person's, and only managers may act on those."""

    code = "task.not_yours"


class TaskReassigned(Reassigned):
    """The task was the actor's until it was given to somebody else."""

    code = "task.reassigned"


class TaskAssigneeOutOfScope(RuleViolation):
    """The person is not of the actor's team, or does not see the account."""

    code = "task.assignee_out_of_scope"
