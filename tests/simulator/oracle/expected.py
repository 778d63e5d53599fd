"""What the specification lets the server answer to one mutation, freedoms included."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from datetime import datetime
from itertools import islice, product
from typing import Any

from tests.simulator.oracle.merging import Option

Mutation = Mapping[str, Any]
Verdict = Mapping[str, Any]
Effect = Callable[[Verdict], list[str]]


@dataclass(frozen=True, slots=True)
class Context:
    """What the harness knows of a mutation and the specification of sync does not.

    Attributes:
        permitted: Whether the room lets this person do it; None where the harness does not know.
        valid: Whether it keeps the room's rules; None where the harness does not know.
        codes: Codes that such a refusal may have; None for any.
        base_known: False where its ``epoch`` is neither the present one nor carried on for the device.
        epoch_started_at: Beginning of the present epoch if it is not the first.
        failed: The harness planted a failure of the server in it.
        dependants: Overrides the count of the records that hang on a deleted one.
    """

    permitted: bool | None = True
    valid: bool | None = True
    codes: frozenset[str] | None = None
    base_known: bool = True
    epoch_started_at: datetime | None = None
    failed: bool = False
    dependants: bool | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One legal end of a mutation.

    Attributes:
        status: Of the verdict; "" where it follows from the outcomes of the fields.
        codes: Legal codes; None for any.
        why: The rule that decides.
        effect: Writes it into the model; gives what does not fit in the verdict's details.
        options: For a merged update or create: the legal ends of each field.
        elsewhere: Whether others had changed other fields.
        inbox: Kind of the inbox item that holds the whole mutation.
        first: It is decided before the form of the fields is looked at.
        never: Codes that it has not, where any other will do.
    """

    status: str
    codes: frozenset[str | None] | None
    why: str
    effect: Effect
    options: Mapping[str, tuple[Option, ...]] = member(default_factory=dict)
    elsewhere: bool = False
    inbox: str | None = None
    first: bool = False
    never: frozenset[str] = frozenset()

    @property
    def stops_group(self) -> bool:
        """§4: a group falls when one "would be `rejected`, or its whole record would go to the inbox"."""
        return self.status == "rejected" or self.inbox is not None

    def statuses(self) -> frozenset[str]:
        """All statuses that this end may have."""
        if self.status:
            return frozenset(self.status.split("|"))
        choices = [
            sorted({word for option in options for word in option.outcomes})
            for options in self.options.values()
        ]
        return frozenset().union(
            *(statuses_of(words, self.elsewhere) for words in islice(product(*choices), 500))
        )

    def fits(self, verdict: Verdict) -> bool:
        """Whether a verdict is this end."""
        if self.codes is not None and verdict.get("code") not in self.codes:
            return False
        if verdict.get("code") in self.never:
            return False
        if self.status:
            return verdict["status"] in self.status.split("|")
        words = outcomes_of(verdict)
        if any(
            name not in words or not any(words[name] in option.outcomes for option in options)
            for name, options in self.options.items()
        ):
            return False
        return verdict["status"] in statuses_of(words.values(), self.elsewhere)


def outcomes_of(verdict: Verdict) -> dict[str, str]:
    """The outcome word of each field of a verdict."""
    return {name: each["outcome"] for name, each in (verdict.get("fields") or {}).items()}


def statuses_of(outcomes: Any, elsewhere: bool) -> frozenset[str]:
    """§4 "Verdicts, a closed set, the first that fits of", for a mutation that was merged.

    What is ``equal`` was taken as sent: the record holds it.
    """
    words = set(outcomes)
    if "conflict" in words:
        return frozenset({"conflict"})
    if words == {"superseded"}:
        return frozenset({"superseded"})
    return frozenset({"merged" if elsewhere or words - {"applied", "equal"} else "applied"})


@dataclass(slots=True)
class Expected:
    """All legal answers to one mutation.

    Attributes:
        alternatives: Legal ends, the likeliest first.
        first: For a replay the first verdict.
        clone: A ``reauth`` directive is due: a new id with an ``n`` that was judged already (§4).
    """

    user: str
    device: str
    mutation: Mutation
    alternatives: tuple[Alternative, ...]
    first: Verdict | None = None
    clone: bool = False
    reused: bool = False
    settled: bool = False

    @property
    def replayed(self) -> bool:
        """Whether it is a known mutation."""
        return self.first is not None

    @property
    def statuses(self) -> frozenset[str]:
        """Legal statuses."""
        if self.first is not None:
            return frozenset({self.first["status"]})
        return frozenset().union(*(each.statuses() for each in self.alternatives))

    @property
    def codes(self) -> frozenset[str | None] | None:
        """Legal codes; None for any."""
        known = [each.codes for each in self.alternatives]
        return None if None in known else frozenset().union(*(codes or () for codes in known))

    @property
    def outcomes(self) -> dict[str, frozenset[str]] | None:
        """Legal outcome words of each field; None where the fields are not merged."""
        found: dict[str, frozenset[str]] = {}
        for alternative in self.alternatives:
            for name, options in alternative.options.items():
                words = frozenset().union(*(option.outcomes for option in options))
                found[name] = found.get(name, frozenset()) | words
        return found or None

    @property
    def inbox(self) -> list[tuple[str, str | None]]:
        """Inbox items (kind, field) that the likeliest end opens or joins; field None for a whole mutation."""
        first = self.alternatives[0] if self.alternatives else None
        if first is None:
            return []
        whole = [(first.inbox, None)] if first.inbox else []
        return whole + [
            (options[0].inbox, name) for name, options in first.options.items() if options[0].inbox
        ]

    @property
    def why(self) -> str:
        """The rules that decide, for a failure's text."""
        if self.first is not None:
            return "§4 a replay gives the first verdict"
        return " / ".join(dict.fromkeys(each.why for each in self.alternatives))

    def __str__(self) -> str:
        codes = "any" if self.codes is None else sorted(map(str, self.codes))
        outcomes = {name: sorted(words) for name, words in (self.outcomes or {}).items()}
        return f"{sorted(self.statuses)} code {codes} fields {outcomes} ({self.why})"


@dataclass(slots=True)
class GroupExpected:
    """A group on its way: judged when its verdicts are known."""

    user: str
    device: str
    mutations: tuple[Mutation, ...]
    sent_at: datetime
    now: datetime
    contexts: tuple[Context, ...]
