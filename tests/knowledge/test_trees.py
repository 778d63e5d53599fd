"""Trees and paths as plain values."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.trees import (
    MAX_DEPTH,
    MAX_NAMED,
    MAX_NODES,
    Node,
    NodeKind,
    PathCode,
    Problem,
    ProblemCode,
    Taken,
    Tree,
    problems_of,
    read_nodes,
    success_step,
)

SYMPTOM, QUESTION, CAUSE = NodeKind.SYMPTOM, NodeKind.QUESTION, NodeKind.CAUSE
REMEDY, ESCALATE = NodeKind.REMEDY, NodeKind.ESCALATE


def node(name: str, kind: NodeKind, *targets: str, has_parts: bool = False) -> Node:
    answers = tuple((f"a{n}", target) for n, target in enumerate(targets))
    return Node(name, kind, answers, has_parts)


# 펌프에서 소음 → 흡입 압력이 낮은가? → 캐비테이션 → 스트레이너 청소 | 전문가에게
NOISE = [
    node("noise", SYMPTOM, "suction"),
    node("suction", QUESTION, "cavitation", "expert"),
    node("cavitation", CAUSE, "clean", "seal"),
    node("clean", REMEDY),
    node("seal", REMEDY, has_parts=True),
    node("expert", ESCALATE),
]


def codes(nodes: Sequence[Node]) -> list[ProblemCode]:
    return [problem.code for problem in problems_of(nodes)]


class TestProblems:
    def test_are_none_in_a_sound_tree(self) -> None:
        assert problems_of(NOISE) == []

    def test_allow_two_ways_to_one_remedy(self) -> None:
        assert problems_of([*NOISE[:1], node("suction", QUESTION, "clean", "cavitation"), *NOISE[2:-1]]) == []

    def test_name_a_cycle_in_the_order_of_its_steps(self) -> None:
        nodes = [
            node("root", SYMPTOM, "a"),
            node("a", QUESTION, "b", "end"),
            node("b", QUESTION, "c"),
            node("c", QUESTION, "a"),
            node("end", REMEDY),
        ]
        (problem,) = problems_of(nodes)
        assert problem.code is ProblemCode.CYCLE
        turns = {problem.nodes[n:] + problem.nodes[:n] for n in range(3)}
        assert ("a", "b", "c") in turns

    def test_name_a_node_that_leads_to_itself(self) -> None:
        nodes = [node("root", SYMPTOM, "again"), node("again", QUESTION, "again", "end"), node("end", REMEDY)]
        assert problems_of(nodes) == [Problem(ProblemCode.CYCLE, ("again",))]

    def test_tell_a_cycle_apart_from_what_only_stands_behind_it(self) -> None:
        nodes = [
            node("root", SYMPTOM, "a"),
            node("a", QUESTION, "b"),
            node("b", QUESTION, "a", "behind"),
            node("behind", REMEDY),
        ]
        (problem,) = problems_of(nodes)
        assert set(problem.nodes) == {"a", "b"}

    def test_miss_the_root_of_a_tree_that_is_nothing_but_a_circle(self) -> None:
        nodes = [node("a", SYMPTOM, "b"), node("b", QUESTION, "a")]
        assert codes(nodes) == [ProblemCode.ROOT_MISSING, ProblemCode.SYMPTOM_INSIDE, ProblemCode.CYCLE]

    def test_name_several_roots(self) -> None:
        nodes = [*NOISE, node("smell", SYMPTOM, "seal")]
        assert problems_of(nodes) == [Problem(ProblemCode.SEVERAL_ROOTS, ("noise", "smell"))]

    def test_name_a_circle_beside_the_tree_as_unreachable(self) -> None:
        nodes = [*NOISE, node("x", QUESTION, "y"), node("y", QUESTION, "x")]
        found = {problem.code: set(problem.nodes) for problem in problems_of(nodes)}
        assert found == {ProblemCode.CYCLE: {"x", "y"}, ProblemCode.UNREACHABLE: {"x", "y"}}

    def test_name_a_leaf_that_helps_nobody(self) -> None:
        nodes = [node("root", SYMPTOM, "cause"), node("cause", CAUSE)]
        assert problems_of(nodes) == [Problem(ProblemCode.DEAD_END, ("cause",))]

    def test_name_a_remedy_that_goes_on(self) -> None:
        nodes = [node("root", SYMPTOM, "fix"), node("fix", REMEDY, "more"), node("more", REMEDY)]
        assert problems_of(nodes) == [Problem(ProblemCode.LEAF_GOES_ON, ("fix",))]

    def test_name_an_answer_that_leads_nowhere(self) -> None:
        nodes = [node("root", SYMPTOM, "gone", "fix"), node("fix", REMEDY)]
        assert problems_of(nodes) == [Problem(ProblemCode.NEXT_UNKNOWN, ("root",))]

    def test_name_ids_that_stand_twice_and_follow_no_way(self) -> None:
        assert problems_of([*NOISE, node("clean", REMEDY)]) == [Problem(ProblemCode.NODE_TWICE, ("clean",))]
        twice = [Node("root", SYMPTOM, (("yes", "fix"), ("yes", "fix"))), node("fix", REMEDY)]
        assert codes(twice) == [ProblemCode.ANSWER_TWICE]

    def test_want_the_symptom_first_and_only_there(self) -> None:
        assert codes([node("root", QUESTION, "fix"), node("fix", REMEDY)]) == [ProblemCode.ROOT_NO_SYMPTOM]
        inside = [node("root", SYMPTOM, "other"), node("other", SYMPTOM, "fix"), node("fix", REMEDY)]
        assert codes(inside) == [ProblemCode.SYMPTOM_INSIDE]

    def test_want_parts_at_remedies_only(self) -> None:
        nodes = [node("root", SYMPTOM, "fix", has_parts=True), node("fix", REMEDY, has_parts=True)]
        assert problems_of(nodes) == [Problem(ProblemCode.PARTS_WITHOUT_REMEDY, ("root",))]

    def test_stop_at_nothing_and_at_too_much(self) -> None:
        assert codes([]) == [ProblemCode.EMPTY]
        assert codes([node(str(n), QUESTION) for n in range(MAX_NODES + 1)]) == [ProblemCode.TOO_MANY_NODES]

    def test_take_as_many_nodes_as_allowed(self) -> None:
        leaves = [f"leaf{n}" for n in range(MAX_NODES - 1)]
        assert problems_of([node("root", SYMPTOM, *leaves), *(node(name, REMEDY) for name in leaves)]) == []

    def test_find_one_chain_of_all_nodes_too_deep_without_falling_over(self) -> None:
        def chain(length: int) -> list[Node]:
            inner = [node(f"n{n}", QUESTION, f"n{n + 1}") for n in range(1, length - 1)]
            return [node("n0", SYMPTOM, "n1"), *inner, node(f"n{length - 1}", REMEDY)]

        assert problems_of(chain(MAX_DEPTH)) == []
        assert problems_of(chain(MAX_DEPTH + 1)) == [Problem(ProblemCode.TOO_DEEP, (f"n{MAX_DEPTH}",))]
        (problem,) = problems_of(chain(MAX_NODES))
        assert (problem.code, len(problem.nodes)) == (ProblemCode.TOO_DEEP, MAX_NAMED)

    def test_count_the_longest_way_to_a_node(self) -> None:
        shortcut = [f"n{n}" for n in range(MAX_DEPTH + 1)]
        nodes = [node("n0", SYMPTOM, "n1", shortcut[-1])]
        nodes += [node(name, QUESTION, f"n{n}") for n, name in enumerate(shortcut[1:-1], start=2)]
        assert codes([*nodes, node(shortcut[-1], REMEDY)]) == [ProblemCode.TOO_DEEP]

    def test_are_told_as_plain_values(self) -> None:
        assert Problem(ProblemCode.CYCLE, ("a", "b")).plain() == {"code": "cycle", "nodes": ["a", "b"]}

    @given(
        st.lists(
            st.tuples(st.sampled_from(NodeKind), st.lists(st.integers(min_value=0, max_value=9), max_size=4)),
            max_size=9,
        )
    )
    def test_in_any_drawn_graph_are_found_without_error_and_none_means_that_every_walk_ends(
        self, drawn: list[tuple[NodeKind, list[int]]]
    ) -> None:
        nodes = [
            node(str(n), kind, *(str(target) for target in targets))
            for n, (kind, targets) in enumerate(drawn)
        ]
        problems = problems_of(nodes)
        by_id = {one.id: one for one in nodes}
        assert all(name in by_id for problem in problems for name in problem.nodes), (
            "a problem names nodes of the tree"
        )
        for cycle in (problem.nodes for problem in problems if problem.code is ProblemCode.CYCLE):
            following = zip(cycle, (*cycle[1:], cycle[0]), strict=True)
            assert all(target in by_id[name].next for name, target in following)
        if problems:
            return
        tree = Tree.of(nodes)
        ways = [[Taken(tree.root)]]
        met = set()
        while ways:
            way = ways.pop()
            end = tree.walk(way).end
            assert end is not None
            assert len(way) <= MAX_DEPTH
            met.add(end.id)
            assert bool(end.answers) == (end.kind not in (REMEDY, ESCALATE))
            ways += [[*way[:-1], Taken(end.id, answer), Taken(target)] for answer, target in end.answers]
        assert met == set(by_id)


class TestWalk:
    tree = Tree.of(NOISE)

    def test_ends_at_the_remedy(self) -> None:
        walk = self.tree.walk(
            [Taken("noise", "a0"), Taken("suction", "a0"), Taken("cavitation", "a1"), Taken("seal")]
        )
        assert (walk.remedy, walk.problem) == ("seal", None)

    def test_takes_the_last_answer_also_where_the_end_is_not_named(self) -> None:
        walk = self.tree.walk([Taken("noise", "a0"), Taken("suction", "a0"), Taken("cavitation", "a1")])
        assert walk.remedy == "seal"

    def test_has_no_remedy_where_somebody_stopped_or_escalated(self) -> None:
        stopped = self.tree.walk([Taken("noise", "a0"), Taken("suction")])
        assert (stopped.problem, stopped.remedy) == (None, None)
        escalated = self.tree.walk([Taken("noise", "a0"), Taken("suction", "a1"), Taken("expert")])
        assert escalated.end == NOISE[-1]
        assert escalated.remedy is None

    def test_is_impossible_where_it_says_so(self) -> None:
        impossible = [
            ([], PathCode.EMPTY, 0),
            ([Taken("suction", "a0")], PathCode.NOT_FROM_ROOT, 0),
            ([Taken("noise", "a0"), Taken("nowhere")], PathCode.NODE_UNKNOWN, 1),
            ([Taken("noise", "a7")], PathCode.ANSWER_UNKNOWN, 0),
            ([Taken("noise", "a0"), Taken("clean")], PathCode.NEXT_WRONG, 1),
            ([Taken("noise"), Taken("suction")], PathCode.ANSWER_MISSING, 0),
            (
                [Taken("noise", "a0"), Taken("suction", "a1"), Taken("expert", "a0")],
                PathCode.ANSWER_UNKNOWN,
                2,
            ),
        ]
        for path, problem, step in impossible:
            walk = self.tree.walk(path)
            assert (walk.end, walk.problem, walk.step) == (None, problem, step)

    def test_cannot_go_on_behind_a_leaf(self) -> None:
        path = [Taken("noise", "a0"), Taken("suction", "a1"), Taken("expert"), Taken("noise")]
        assert self.tree.walk(path).problem is PathCode.ANSWER_MISSING


class TestStoredNodes:
    def test_are_read_from_json(self) -> None:
        rows = [
            {"id": "noise", "kind": "symptom", "answers": [{"id": "go", "next": "seal"}]},
            {"id": "seal", "kind": "remedy", "parts": [{"product_id": "x", "quantity": "1"}]},
        ]
        assert read_nodes(rows) == [
            Node("noise", SYMPTOM, (("go", "seal"),)),
            Node("seal", REMEDY, (), has_parts=True),
        ]


class TestSuccessStep:
    def test_says_nothing_of_a_few_runs(self) -> None:
        assert success_step(4, 4) is None

    def test_is_the_nearest_quarter_half_up(self) -> None:
        assert [success_step(solved, 8) for solved in range(9)] == [0, 1, 1, 2, 2, 3, 3, 4, 4]
