"""The states of a task."""

import enum

from sync.policy import StateMachine


class TaskStatus(enum.StrEnum):
    """Where a task stands."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


TASK_MACHINE = StateMachine(
    field="status",
    steps={
        "complete": (frozenset({TaskStatus.OPEN.value}), TaskStatus.DONE.value),
        "cancel": (frozenset({TaskStatus.OPEN.value}), TaskStatus.CANCELLED.value),
        "reopen": (
            frozenset({TaskStatus.DONE.value, TaskStatus.CANCELLED.value}),
            TaskStatus.OPEN.value,
        ),
    },
)
