"""The rules by which SQL is broken: a conjunct dropped, a bound moved, an order or a lock left out, a join widened."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.mutation.texts import SqlText, texts_of
from tests.simulator.mutants.planting import Mutant

ENDS = re.compile(
    r"\b(AND|OR|AS|WHERE|GROUP BY|ORDER BY|HAVING|LIMIT|OFFSET|FETCH|FOR|RETURNING|UNION|EXCEPT|INTERSECT"
    r"|ON CONFLICT|DO UPDATE|DO NOTHING|LEFT|RIGHT|FULL|CROSS|INNER|JOIN|WINDOW|THEN|ELSE|END|WHEN|SET"
    r"|(?<!DISTINCT )FROM|USING|SELECT|ROWS|RANGE)\b"
)
CONDITIONS = re.compile(r"\b(WHERE|ON|HAVING)\b(?! CONFLICT)")
ORDER_ENDS = re.compile(
    r"\b(LIMIT|OFFSET|FETCH|FOR|RETURNING|UNION|EXCEPT|INTERSECT|ROWS|RANGE|ON CONFLICT)\b"
)
COMPARISON = re.compile(r"(?<![<>=!@?|&#\-~])(<=|>=|<|>)(?![<>=@|&\-~])")
FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
LOCK = re.compile(r"\s+FOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)( OF \w+)?( SKIP LOCKED| NOWAIT)?")
MODE = re.compile(r"\bIN (ACCESS EXCLUSIVE|EXCLUSIVE|SHARE ROW EXCLUSIVE) MODE\b")
INNER = re.compile(r"(?<!LEFT )(?<!CROSS )(?<!RIGHT )(?<!FULL )(?<!OUTER )\b(?:INNER )?JOIN\b")
LEFT = re.compile(r"\bLEFT (?:OUTER )?JOIN\b")
ISOLATION = re.compile(r"\b(REPEATABLE READ|SERIALIZABLE)\b")


@dataclass(frozen=True)
class Change:
    """Characters ``[begin, end)`` of a text give way to others."""

    rule: str
    begin: int
    end: int
    new: str


def _end_of(hidden: str, begin: int, ends: re.Pattern[str]) -> int:
    """Where an expression that begins at *begin* ends: at a keyword of *ends* or a bracket that is not its own."""
    depth, at, between = 0, begin, False
    while at < len(hidden):
        character = hidden[at]
        if character in "([":
            depth += 1
        elif character in ")]":
            if depth == 0:
                return at
            depth -= 1
        elif character == ";":
            return at
        elif depth == 0 and (at == 0 or not hidden[at - 1].isalnum()):
            if hidden.startswith("BETWEEN", at):
                between = True
            elif (found := ends.match(hidden, at)) is not None:
                if not (found[0] == "AND" and between):
                    return at
                between = False
        at += 1
    return at


def conjuncts(text: SqlText) -> Iterator[Change]:
    """Each condition that stands beside others or alone is held to be true."""
    hidden = text.hidden
    for found in re.finditer(r"\bAND\b", hidden):
        if re.search(r"\bBETWEEN\b[^()]*$", hidden[: found.start()]) and not re.search(
            r"\bBETWEEN\b[^()]*\bAND\b[^()]*$", hidden[: found.start()]
        ):
            continue
        end = _end_of(hidden, found.end(), ENDS)
        if hidden[found.end() : end].strip():
            yield Change("conjunct dropped", found.start(), end, "")
    for found in CONDITIONS.finditer(hidden):
        end = _end_of(hidden, found.end(), ENDS)
        if hidden[found.end() : end].strip() and not hidden[found.end() : end].strip().startswith("("):
            yield Change("condition held true", found.end(), end, " true ")


def comparisons(text: SqlText) -> Iterator[Change]:
    """A bound takes in its edge, or leaves it out."""
    for found in COMPARISON.finditer(text.hidden):
        yield Change(f"{found[0]} becomes {FLIPPED[found[0]]}", found.start(), found.end(), FLIPPED[found[0]])


def orders(text: SqlText) -> Iterator[Change]:
    """No order is asked for."""
    for found in re.finditer(r"\s*\bORDER BY\b", text.hidden):
        end = _end_of(text.hidden, found.end(), ORDER_ENDS)
        yield Change("ORDER BY dropped", found.start(), end, " " if end < len(text.hidden) else "")


def locks(text: SqlText) -> Iterator[Change]:
    """A row or a table is not locked, or a table too weakly."""
    for found in LOCK.finditer(text.hidden):
        yield Change("row lock dropped", found.start(), found.end(), "")
    for found in MODE.finditer(text.hidden):
        yield Change("lock of a table weakened", found.start(), found.end(), "IN ACCESS SHARE MODE")


def joins(text: SqlText) -> Iterator[Change]:
    """A join keeps what has no partner, or loses it."""
    for found in INNER.finditer(text.hidden):
        yield Change("inner join becomes left", found.start(), found.end(), "LEFT JOIN")
    for found in LEFT.finditer(text.hidden):
        yield Change("left join becomes inner", found.start(), found.end(), "JOIN")


def isolation(text: SqlText) -> Iterator[Change]:
    """A transaction sees more than one snapshot."""
    for found in ISOLATION.finditer(text.hidden):
        yield Change("isolation lowered", found.start(), found.end(), "READ COMMITTED")


RULES: tuple[Callable[[SqlText], Iterator[Change]], ...] = (
    conjuncts,
    comparisons,
    orders,
    locks,
    joins,
    isolation,
)


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All mutants of a module's SQL; each text that they change stands in it exactly once."""
    found = []
    for text in texts_of(source):
        for rule in RULES:
            for change in rule(text):
                found.append(_mutant(module, source, text, change))
    return found


def _mutant(module: str, source: str, text: SqlText, change: Change) -> Mutant:
    places = text.places
    gone = set(places[change.begin : change.end])
    first = places[change.begin]
    last = max(gone)
    changed = "".join(
        (change.new if place == first else "") + ("" if place in gone else source[place])
        for place in range(first, last + 1)
    )
    line = source.count("\n", 0, first) + 1
    shown = " ".join(text.sql[change.begin : change.end].split())
    name = f"{module}:{line} {text.within}: {change.rule}: {shown[:90]}"
    begin, end = _widened(source, first, last + 1)
    return Mutant(
        name, module, source[begin:end], source[begin:first] + changed + source[last + 1 : end], "machine"
    )


def _widened(source: str, begin: int, end: int) -> tuple[int, int]:
    """So much more of the source, by whole lines, that it stands there only once."""
    begin = source.rfind("\n", 0, begin) + 1
    end = source.find("\n", end) % (len(source) + 1)
    while source.count(source[begin:end]) > 1:
        begin = source.rfind("\n", 0, begin - 1) + 1
        end = source.find("\n", end + 1) % (len(source) + 1)
    return begin, end
