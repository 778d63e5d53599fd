"""The rules by which SQL is broken, and that each mutant can be planted."""

import pytest

from tests.mutation.operators import mutants_of
from tests.mutation.running import HOUSE, mutants_in
from tests.mutation.texts import texts_of
from tests.simulator.mutants.planting import mutated

FUNCTION = '''
def read(connection):
    """SELECT of nothing: a docstring."""
    return connection.execute(text({sql}))
'''


def broken(sql: str) -> list[str]:
    """The texts that come of *sql*, by the database's reading."""
    source = FUNCTION.format(sql=sql)
    changed = (mutated(mutant, source) for mutant in mutants_of("m", source))
    return [" ".join(next(texts_of(one)).sql.split()) for one in changed]


class TestConjuncts:
    def test_are_dropped_one_by_one(self) -> None:
        assert broken('"SELECT 1 FROM t WHERE a = :a AND b = 2 AND c"') == [
            "SELECT 1 FROM t WHERE a = :a AND c",
            "SELECT 1 FROM t WHERE a = :a AND b = 2",
            "SELECT 1 FROM t WHERE true AND b = 2 AND c",
        ]

    def test_reach_over_the_end_of_a_literal(self) -> None:
        assert "DELETE FROM t WHERE a = 1 RETURNING id" in broken(
            '"DELETE FROM t WHERE a = 1"\n        " AND b = ANY(:b) RETURNING id"'
        )

    def test_end_with_their_brackets(self) -> None:
        assert "SELECT (SELECT 1 FROM t WHERE a ) FROM u" in broken(
            '"SELECT (SELECT 1 FROM t WHERE a AND (b OR c)) FROM u"'
        )

    def test_hold_a_between_together(self) -> None:
        assert broken('"SELECT 1 FROM t WHERE a BETWEEN 1 AND 2"') == ["SELECT 1 FROM t WHERE true"]

    def test_hold_distinct_from_together(self) -> None:
        assert "SELECT 1 FROM t WHERE a" in broken('"SELECT 1 FROM t WHERE a AND b IS DISTINCT FROM c"')

    def test_are_not_looked_for_in_values(self) -> None:
        assert broken("\"SELECT 'a AND b' FROM t\"") == []


class TestOtherRules:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT 1 FROM t WHERE a < b", "SELECT 1 FROM t WHERE a <= b"),
            ("SELECT 1 FROM t WHERE a >= b", "SELECT 1 FROM t WHERE a > b"),
            ("SELECT a FROM t ORDER BY a, b LIMIT 1", "SELECT a FROM t LIMIT 1"),
            ("SELECT row_number() OVER (ORDER BY a) FROM t", "SELECT row_number() OVER ( ) FROM t"),
            ("SELECT a FROM t FOR UPDATE SKIP LOCKED", "SELECT a FROM t"),
            ("LOCK TABLE t IN EXCLUSIVE MODE", "LOCK TABLE t IN ACCESS SHARE MODE"),
            ("SELECT 1 FROM t JOIN u ON a = b", "SELECT 1 FROM t LEFT JOIN u ON a = b"),
            ("SELECT 1 FROM t LEFT JOIN u ON a = b", "SELECT 1 FROM t JOIN u ON a = b"),
            ("REPEATABLE READ", "READ COMMITTED"),
        ],
    )
    def test_change_one_thing(self, sql: str, expected: str) -> None:
        assert expected in broken(f'"{sql}"')

    @pytest.mark.parametrize(
        "sql", ["SELECT a ->> 'b', c @> d FROM t", "SELECT a <> b, x => 1, c || d FROM t"]
    )
    def test_leave_other_operators_alone(self, sql: str) -> None:
        assert broken(f'"{sql}"') == []


class TestMutants:
    @pytest.mark.parametrize(
        "module", ["sync.stores.push", "sync.stores.feed", "sync.stores.glance", "sync.stores.sequencer"]
    )
    def test_of_the_engine_can_all_be_planted_and_compiled(self, module: str) -> None:
        source = (HOUSE / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        mutants = mutants_in([module])

        for mutant in mutants:
            compile(mutated(mutant, source), module, "exec")
        assert mutants

    def test_stand_where_their_names_say(self) -> None:
        (mutant, *_) = mutants_of("m", FUNCTION.format(sql='"SELECT 1 FROM t WHERE a AND b"'))

        assert mutant.name == "m:4 read: conjunct dropped: AND b"
        assert (mutant.by, mutant.function) == ("machine", None)
