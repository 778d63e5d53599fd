"""The states of what the field says: proposals and questions."""

import enum

from sync.policy import StateMachine


class ProposalStatus(enum.StrEnum):
    """Where a proposed correction stands. A ``duplicate`` said what another one of its author says."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    DUPLICATE = "duplicate"


class QuestionStatus(enum.StrEnum):
    """Where a question to the experts stands."""

    ASKED = "asked"
    ANSWERED = "answered"
    PUBLISHED = "published"


def _from(*states: enum.StrEnum) -> frozenset[str]:
    return frozenset(state.value for state in states)


PROPOSAL_MACHINE = StateMachine(
    field="status",
    steps={
        "accept": (_from(ProposalStatus.OPEN), ProposalStatus.ACCEPTED.value),
        "decline": (_from(ProposalStatus.OPEN), ProposalStatus.DECLINED.value),
    },
)

# An answer may be bettered until it is an article; the article is corrected like any other.
QUESTION_MACHINE = StateMachine(
    field="status",
    steps={
        "answer": (_from(QuestionStatus.ASKED, QuestionStatus.ANSWERED), QuestionStatus.ANSWERED.value),
        "publish": (_from(QuestionStatus.ANSWERED), QuestionStatus.PUBLISHED.value),
    },
)
