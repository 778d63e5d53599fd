"""The states of an article's version and the steps between them."""

import enum

from sync.policy import StateMachine


class VersionStatus(enum.StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


# What readers were given once and may look up again.
READABLE = (VersionStatus.PUBLISHED, VersionStatus.SUPERSEDED)
# Words that a second person has read.
REVIEWED = (
    VersionStatus.APPROVED,
    VersionStatus.PUBLISHED,
    VersionStatus.SUPERSEDED,
    VersionStatus.WITHDRAWN,
)


def _from(*states: VersionStatus) -> frozenset[str]:
    return frozenset(state.value for state in states)


# Only another version's publication makes `superseded`: no person has a command for it.
VERSION_MACHINE = StateMachine(
    field="status",
    steps={
        "submit_for_review": (_from(VersionStatus.DRAFT), VersionStatus.IN_REVIEW.value),
        "approve": (_from(VersionStatus.IN_REVIEW), VersionStatus.APPROVED.value),
        "reject": (_from(VersionStatus.IN_REVIEW, VersionStatus.APPROVED), VersionStatus.DRAFT.value),
        "publish": (_from(VersionStatus.APPROVED), VersionStatus.PUBLISHED.value),
        "withdraw": (
            _from(VersionStatus.APPROVED, VersionStatus.PUBLISHED),
            VersionStatus.WITHDRAWN.value,
        ),
    },
)
