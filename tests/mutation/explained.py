"""Why mutants of SQL survive, where that is as it should be."""

import re

EXPLAINED: tuple[tuple[str, str], ...] = (
    (
        r"tenants_with_marks: condition held true: EXISTS",
        "tenants without marks are drained too, and a drain without marks does nothing",
    ),
    (r"tenants_with_marks: ORDER BY dropped", "in which order tenants are drained is of no matter"),
    (
        r"FeedStore\.marks: ORDER BY dropped|ORDER BY dropped: ORDER BY bucket, shape|ORDER BY c\.bucket, c\.shape",
        "the order is for plans and against deadlocks; the outcome is the same in any",
    ),
    (
        r"(conjunct dropped|condition held true): (AND )?tenant_id = :tenant AND record_id",
        "ids of records are unique among all companies",
    ),
)
"""Part of a mutant's name, without its line, and the reason."""


def reason_of(name: str) -> str | None:
    """Why the mutant of that name may survive; None when nobody has said."""
    return next((reason for part, reason in EXPLAINED if re.search(part, name)), None)
