"""Diagnosis trees as plain values: whether one is sound, and whether a path through it is possible."""

import enum
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MAX_NODES: Final = 2_000
MAX_DEPTH: Final = 50  # nodes on the longest way from the root to a leaf
MAX_NAMED: Final = 20  # problems told of one tree, and nodes named in one of them
MIN_RUNS: Final = 5  # below it a share says nothing
STEPS: Final = 4


class NodeKind(enum.StrEnum):
    """What stands at a node: it begins with the symptom, and ends in a remedy or with somebody else."""

    SYMPTOM = "symptom"
    QUESTION = "question"
    CAUSE = "cause"
    REMEDY = "remedy"
    ESCALATE = "escalate"


LEAVES: Final = (NodeKind.REMEDY, NodeKind.ESCALATE)


class ProblemCode(enum.StrEnum):
    """What can be wrong with a tree."""

    EMPTY = "empty"
    TOO_MANY_NODES = "too_many_nodes"
    NODE_TWICE = "node_twice"
    ANSWER_TWICE = "answer_twice"
    NEXT_UNKNOWN = "next_unknown"
    ROOT_MISSING = "root_missing"
    SEVERAL_ROOTS = "several_roots"
    ROOT_NO_SYMPTOM = "root_no_symptom"
    SYMPTOM_INSIDE = "symptom_inside"
    CYCLE = "cycle"
    UNREACHABLE = "unreachable"
    DEAD_END = "dead_end"
    LEAF_GOES_ON = "leaf_goes_on"
    PARTS_WITHOUT_REMEDY = "parts_without_remedy"
    TOO_DEEP = "too_deep"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: node ids in the order of the tree, a cycle in the order of its steps."""

    code: ProblemCode
    nodes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As it goes over the wire."""
        return {"code": str(self.code), "nodes": list(self.nodes)}


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        id: Unique in the tree; the same id in the next version means the same thing.
        kind: What stands there.
        answers: Id of each answer and the node that it leads to.
        has_parts: Whether spare parts are named.
    """

    id: str
    kind: NodeKind
    answers: tuple[tuple[str, str], ...] = ()
    has_parts: bool = False

    @property
    def next(self) -> tuple[str, ...]:
        """Where it goes on, each once."""
        return tuple(dict.fromkeys(target for _, target in self.answers))


def read_nodes(rows: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Nodes of the JSON that is stored: ``id, kind, answers[{id, next}], parts``."""
    return [
        Node(
            row["id"],
            NodeKind(row["kind"]),
            tuple((answer["id"], answer["next"]) for answer in row.get("answers") or ()),
            bool(row.get("parts")),
        )
        for row in rows
    ]


def problems_of(nodes: Sequence[Node]) -> list[Problem]:
    """Everything that keeps a tree from being published; empty for a sound one.

    A node may be reached in several ways (two questions may lead to one remedy), but no way leads back. What
    cannot be judged before something else is mended is left out: ways are followed only where ids are unique.

    Args:
        nodes: In any order.

    Returns:
        At most ``MAX_NAMED`` problems, each naming at most as many nodes.
    """
    if not nodes:
        return [Problem(ProblemCode.EMPTY)]
    if len(nodes) > MAX_NODES:
        return [Problem(ProblemCode.TOO_MANY_NODES)]
    twice = [name for name, count in Counter(node.id for node in nodes).items() if count > 1]
    if twice:
        return [_problem(ProblemCode.NODE_TWICE, twice)]
    return [*_problems_of_nodes(nodes), *_problems_of_ways(nodes)][:MAX_NAMED]


def _problem(code: ProblemCode, nodes: Iterable[str]) -> Problem:
    return Problem(code, tuple(nodes)[:MAX_NAMED])


def _problems_of_nodes(nodes: Sequence[Node]) -> list[Problem]:
    """What each node shows by itself."""
    known = {node.id for node in nodes}
    found: dict[ProblemCode, list[str]] = {
        ProblemCode.ANSWER_TWICE: [
            node.id for node in nodes if len({name for name, _ in node.answers}) < len(node.answers)
        ],
        ProblemCode.NEXT_UNKNOWN: [node.id for node in nodes if not known.issuperset(node.next)],
        ProblemCode.DEAD_END: [node.id for node in nodes if node.kind not in LEAVES and not node.answers],
        ProblemCode.LEAF_GOES_ON: [node.id for node in nodes if node.kind in LEAVES and node.answers],
        ProblemCode.PARTS_WITHOUT_REMEDY: [
            node.id for node in nodes if node.has_parts and node.kind is not NodeKind.REMEDY
        ],
    }
    return [_problem(code, named) for code, named in found.items() if named]


def _problems_of_ways(nodes: Sequence[Node]) -> list[Problem]:
    """What shows only when the ways are followed. No recursion: a bad tree may be one chain of all its nodes."""
    by_id = {node.id: node for node in nodes}
    entered = Counter(target for node in nodes for target in node.next if target in by_id)
    roots = [node.id for node in nodes if not entered[node.id]]
    found = []
    if not roots:
        found.append(Problem(ProblemCode.ROOT_MISSING))
    elif len(roots) > 1:
        found.append(_problem(ProblemCode.SEVERAL_ROOTS, roots))
    elif by_id[roots[0]].kind is not NodeKind.SYMPTOM:
        found.append(_problem(ProblemCode.ROOT_NO_SYMPTOM, roots))
    inside = [node.id for node in nodes if node.kind is NodeKind.SYMPTOM and entered[node.id]]
    if inside:
        found.append(_problem(ProblemCode.SYMPTOM_INSIDE, inside))
    depths, left = _depths(by_id, roots, entered)
    if left:
        found.append(_problem(ProblemCode.CYCLE, _a_cycle(by_id, left)))
    if len(roots) == 1 and (lost := _unreachable(by_id, roots[0])):
        found.append(_problem(ProblemCode.UNREACHABLE, lost))
    if too_deep := [name for name in by_id if depths.get(name, 0) > MAX_DEPTH]:
        found.append(_problem(ProblemCode.TOO_DEEP, too_deep))
    return found


def _depths(
    by_id: Mapping[str, Node], roots: Iterable[str], entered: Counter[str]
) -> tuple[dict[str, int], list[str]]:
    """Longest way to each node that no cycle holds up, counted in nodes; and the others (Kahn 1962)."""
    depths = dict.fromkeys(roots, 1)
    waiting, ready, done = Counter(entered), deque(depths), set()
    while ready:
        name = ready.popleft()
        done.add(name)
        for target in by_id[name].next:
            if target not in by_id:
                continue
            depths[target] = max(depths.get(target, 0), depths[name] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    left = [name for name in by_id if name not in done]
    return {name: depth for name, depth in depths.items() if name in done}, left


def _a_cycle(by_id: Mapping[str, Node], left: Sequence[str]) -> list[str]:
    """One of the cycles among *left*: each of them is entered from one of them, so going back must meet itself."""
    held = set(left)
    before = {target: name for name in left for target in by_id[name].next if target in held}
    seen: dict[str, int] = {}
    way: list[str] = []
    name = left[0]
    while name not in seen:
        seen[name] = len(way)
        way.append(name)
        name = before[name]
    return way[seen[name] :][::-1]


def _unreachable(by_id: Mapping[str, Node], root: str) -> list[str]:
    reached, ahead = {root}, deque([root])
    while ahead:
        for target in by_id[ahead.popleft()].next:
            if target in by_id and target not in reached:
                reached.add(target)
                ahead.append(target)
    return [name for name in by_id if name not in reached]


# -- paths


class PathCode(enum.StrEnum):
    """Why a path cannot have been taken in a tree."""

    EMPTY = "path_empty"
    NOT_FROM_ROOT = "not_from_root"
    NODE_UNKNOWN = "node_unknown"
    ANSWER_UNKNOWN = "answer_unknown"
    ANSWER_MISSING = "answer_missing"
    NEXT_WRONG = "next_wrong"


@dataclass(frozen=True, slots=True)
class Taken:
    """One step of a path: at a node this was answered; nothing where it ended."""

    node: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What following a path gave.

    Attributes:
        end: The last node, None where the path is impossible.
        problem: Why it is.
        step: At which step, counted from 0.
    """

    end: Node | None = None
    problem: PathCode | None = None
    step: int = 0

    @property
    def remedy(self) -> str | None:
        """The remedy at its end, if it got that far."""
        return self.end.id if self.end is not None and self.end.kind is NodeKind.REMEDY else None


@dataclass(frozen=True, slots=True)
class Tree:
    """A sound tree, to walk in."""

    nodes: Mapping[str, Node]
    root: str
    remedies: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "Tree":
        """The tree of nodes in which ``problems_of`` found nothing."""
        entered = {target for node in nodes for target in node.next}
        return cls(
            {node.id: node for node in nodes},
            next(node.id for node in nodes if node.id not in entered),
            frozenset(node.id for node in nodes if node.kind is NodeKind.REMEDY),
        )

    def walk(self, path: Sequence[Taken]) -> Walk:
        """Follow a path from the root. It may stop anywhere: whoever was called away has no remedy.

        The last step has an answer only where somebody answered and went no further; it is taken then.
        """
        if not path:
            return Walk(problem=PathCode.EMPTY)
        expected: str | None = self.root
        for place, step in enumerate(path):
            node = self.nodes.get(step.node)
            if node is None:
                return Walk(problem=PathCode.NODE_UNKNOWN, step=place)
            if node.id != expected:
                wrong = PathCode.NEXT_WRONG if place else PathCode.NOT_FROM_ROOT
                return Walk(problem=wrong, step=place)
            if step.answer is None:
                if place < len(path) - 1:
                    return Walk(problem=PathCode.ANSWER_MISSING, step=place)
                return Walk(end=node)
            expected = dict(node.answers).get(step.answer)
            if expected is None:
                return Walk(problem=PathCode.ANSWER_UNKNOWN, step=place)
        return Walk(end=self.nodes[expected or self.root])


# -- what came of it


def success_step(solved: int, runs: int) -> int | None:
    """The share of runs that a remedy solved, in steps of a quarter (half up); None while there are too few.

    Phones hold the step and not the share, so that not every run writes the tree anew for all of them.
    """
    return None if runs < MIN_RUNS else (solved * STEPS * 2 + runs) // (runs * 2)
