"""Why mutants of SQL survive, where that is as it should be."""

import re

EXPLAINED: tuple[tuple[str, str], ...] = (
    (r"tenants_with_marks: ORDER BY dropped", "in which order tenants are drained is of no matter"),
    (
        r"FeedStore\.marks: ORDER BY dropped|withdraw: ORDER BY dropped|_count: ORDER BY dropped",
        "the order is for plans and against deadlocks; the outcome is the same in any",
    ),
    (
        r"refresh_subscriptions: condition held true: tenant_id = :tenant$",
        "people of other companies are asked about too: what is wanted and what is dropped is of this one anyway",
    ),
    (
        r"write: condition held true: EXISTS \(SELECT 1 FROM left_behind\)",
        "the rule is not asked where nothing left: what it says is only compared with what did",
    ),
    (
        r"FeedStore\.write: inner join becomes left: JOIN",
        "what is desired was joined to its record before",
    ),
    (
        r"PushStore\.lock: condition held true: tenant_id",
        "the app role locks no row of another company: row-level security hides it",
    ),
    (
        r"FeedStore\.finish: conjunct dropped: AND id = ANY",
        "a repeatable-read transaction sees no other marks than those that it read",
    ),
    (
        r"FeedStore\.finish: condition held true: tenant_id = :tenant$",
        "marks of all companies are numbered by one sequence; the head, in the other statement, is found by a test",
    ),
    (
        r"_desired: (conjunct dropped|condition held true|inner join)",
        "each declared rule asks for living records of the company itself; the join is for one that forgets it",
    ),
    (r"_count: condition held true: sum", "nothing is added where nothing changed: it saves the write"),
    (r"PROOFS: ORDER BY dropped: ORDER BY r\.place", "unnest gives its rows in their order"),
    (
        r"ORDER BY dropped: ORDER BY (e\.)?generation DESC",
        "one epoch is open at a time; the order is for the moment when a restored database has two",
    ),
    (
        r"(head|GLANCE|STANDING): inner join becomes left: JOIN",
        "each head has its drain, written in the same transaction",
    ),
    (
        r"(waiting_marks|GLANCE|MARKS): ORDER BY dropped: ORDER BY (p\.)?id",
        "whichever marks are counted, they are as many: the order is for the plan",
    ),
    (
        r"are_drains: conjunct dropped: AND position = ANY",
        "more drains are read than those that are compared",
    ),
    (
        r"GLANCE:.*(> becomes >=: >|ORDER BY dropped: ORDER BY f\.position)",
        "no row lies above the head, and whether there is one is all that is asked",
    ),
    (
        r"CLAIM: ORDER BY dropped|PushStore\.(records|lock): ORDER BY dropped",
        "two pushes lock in one order, so that they never wait for each other; what comes out is the same in any",
    ),
    (
        r"ANSWER: conjunct dropped: AND m\.id = ANY",
        "the rows to which it is joined have these ids; it is for the plan",
    ),
    (
        r"_row_stamps: (conjunct dropped: AND \{root\}|condition held true: tenant_id)",
        "stamps of other records' parts are read too and not looked at",
    ),
    (
        r"held: inner join becomes left: JOIN",
        "what has no row in the feed has no channel in the join behind it",
    ),
)
"""Part of a mutant's name, without its line, and the reason."""


def reason_of(name: str) -> str | None:
    """Why the mutant of that name may survive; None when nobody has said."""
    return next((reason for part, reason in EXPLAINED if re.search(part, name)), None)
