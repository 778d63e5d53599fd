"""Each planted bug can still be planted: the text that it changes stands where it says, once."""

import pytest

from app.config import Config
from tests.doors.planted import PLANTED
from tests.faults.planted import MUTANTS as IN_FAULTS
from tests.servers import admin_of
from tests.simulator.mutants.catalogue import MUTANTS
from tests.simulator.mutants.planting import Mutant, StaleMutant, mutated, source_of

EVERY = (*MUTANTS, *IN_FAULTS, *(planted.mutant for planted in PLANTED))


@pytest.mark.parametrize("mutant", [one for one in EVERY if one.function is None], ids=lambda one: one.name)
def test_a_bug_of_a_module_finds_its_line(mutant: Mutant) -> None:
    source = source_of(mutant, None)
    assert mutated(mutant, source) != source


def test_bugs_of_the_database_find_their_lines(migrated: Config) -> None:
    with admin_of(migrated) as owner:
        stale = []
        for mutant in EVERY:
            if mutant.function is None:
                continue
            try:
                mutated(mutant, source_of(mutant, owner))
            except StaleMutant as why:
                stale.append(str(why))
    assert stale == []


def test_a_bug_whose_line_was_rewritten_says_so(migrated: Config) -> None:
    for mutant in (
        Mutant("gone", "sync.pull", "no such line", ""),
        Mutant("gone", "sync.no_such_module", "", ""),
    ):
        with pytest.raises(StaleMutant, match="gone: "):
            mutated(mutant, source_of(mutant, None))
    with admin_of(migrated) as owner, pytest.raises(StaleMutant, match="no function"):
        source_of(Mutant("gone", "sql:no_such_function", "", ""), owner)
