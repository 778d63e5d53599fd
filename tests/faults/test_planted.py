"""A harness that cannot fail proves nothing: bugs of a few lines in the service are reported."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import kills, partitions
from tests.faults.machines import RENEW
from tests.faults.plan import Work
from tests.faults.planted import MUTANTS
from tests.faults.report import Row
from tests.faults.rig import Rig
from tests.simulator.mutants.planting import Mutant

FOUND_BY: dict[str, tuple[str, Work]] = {
    "a lost COMMIT is answered as done": ("lost", lambda rig, seed: partitions.lost_commits(rig, seed, 4)),
    "what was judged before is judged again": (
        "doubled",
        lambda rig, seed: partitions.lost_answers(rig, seed, 3),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_fits_the_code_as_it_is(mutant: Mutant) -> None:
    """Else the service would not even start, an hour later."""
    module = importlib.util.find_spec(mutant.where)
    assert module is not None
    assert module.origin is not None
    assert Path(module.origin).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.name in FOUND_BY


@pytest.mark.more
@pytest.mark.alone
class TestPlantedBugs:
    @pytest.mark.parametrize("mutant", FOUND_BY)
    def test_are_reported(self, rig: Rig, mutant: str) -> None:
        kind, work = FOUND_BY[mutant]
        rig.mutant = mutant
        try:
            row = reported(kind, lambda seed: work(rig, seed))
        finally:
            rig.mutant = None

        assert getattr(row, kind) > 0, row

    def test_verdicts_that_are_told_before_the_log_is_on_the_disk_are_reported(self, rig: Rig) -> None:
        rig.serve()  # which would refuse to start on what follows
        try:
            row = reported(
                "lost", lambda seed: kills.postgres(rig, seed, 2, 15, prepare=lambda: be_lossy(rig))
            )
        finally:
            be_durable(rig)

        assert row.lost > 0, row


def reported(kind: str, work: Callable[[int], Row | tuple[Row, ...]]) -> Row:
    """The first of three runs that reports the bug, else the last: a fault strikes at a moment, which may be idle."""
    for seed in (11, 12, 13):
        row = work(seed)
        assert isinstance(row, Row)
        if getattr(row, kind) > 0:
            break
    return row


LATE = {"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}


def be_lossy(rig: Rig) -> None:
    """PostgreSQL says that it has committed, and writes it down some seconds later."""
    for role in ("app", "engine"):
        rig.postgres.administer(f"ALTER ROLE {rig.postgres.users[role]} SET synchronous_commit = off")
    rig.postgres.administer(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in LATE.items()))
    rig.postgres.administer("SELECT pg_reload_conf()", "CHECKPOINT", RENEW)


def be_durable(rig: Rig) -> None:
    """As it was."""
    for role in ("app", "engine"):
        rig.postgres.administer(f"ALTER ROLE {rig.postgres.users[role]} RESET synchronous_commit")
    rig.postgres.administer(
        *(f"ALTER SYSTEM RESET {name}" for name in LATE), "SELECT pg_reload_conf()", RENEW
    )
