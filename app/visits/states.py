"""The states of a visit and the steps between them."""

import enum

from sync.policy import StateMachine


class VisitStatus(enum.StrEnum):
    """Where a visit stands."""

    PLANNED = "planned"
    EN_ROUTE = "en_route"
    CHECKED_IN = "checked_in"
    CHECKED_OUT = "checked_out"
    COMPLETED = "completed"
    VERIFIED = "verified"
    FLAGGED = "flagged"
    MISSED = "missed"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"


# Visits that took place: they count as an account's history.
MADE = (VisitStatus.CHECKED_OUT, VisitStatus.COMPLETED, VisitStatus.VERIFIED, VisitStatus.FLAGGED)

# Only the clock makes `missed`, and only from here: no person has a command for it.
MISSED_FROM = VisitStatus.PLANNED


def _from(*states: VisitStatus) -> frozenset[str]:
    return frozenset(state.value for state in states)


VISIT_MACHINE = StateMachine(
    field="status",
    steps={
        "start_travel": (_from(VisitStatus.PLANNED), VisitStatus.EN_ROUTE.value),
        "check_in": (_from(VisitStatus.PLANNED, VisitStatus.EN_ROUTE), VisitStatus.CHECKED_IN.value),
        "check_out": (_from(VisitStatus.CHECKED_IN), VisitStatus.CHECKED_OUT.value),
        "complete": (_from(VisitStatus.CHECKED_OUT), VisitStatus.COMPLETED.value),
        "verify": (_from(VisitStatus.COMPLETED), VisitStatus.VERIFIED.value),
        "flag": (_from(VisitStatus.COMPLETED), VisitStatus.FLAGGED.value),
        "cancel": (_from(VisitStatus.PLANNED, VisitStatus.EN_ROUTE), VisitStatus.CANCELLED.value),
        "reschedule": (_from(VisitStatus.PLANNED, VisitStatus.MISSED), VisitStatus.RESCHEDULED.value),
    },
    clock_states={VisitStatus.MISSED.value: _from(MISSED_FROM, VisitStatus.EN_ROUTE)},
    frozen_states=_from(
        VisitStatus.CANCELLED, VisitStatus.RESCHEDULED, VisitStatus.VERIFIED, VisitStatus.FLAGGED
    ),
)
