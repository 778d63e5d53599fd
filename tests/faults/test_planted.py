"""A harness that cannot fail proves nothing: bugs of a few lines in the service are reported."""

import pytest

from tests.faults import kills, partitions
from tests.faults.plan import Work
from tests.faults.rig import Rig

FOUND_BY: dict[str, tuple[str, Work]] = {
    "a lost COMMIT is answered as done": ("lost", lambda rig, seed: partitions.lost_commits(rig, seed, 4)),
    "verdicts are told before the log is on the disk": (
        "lost",
        lambda rig, seed: kills.postgres(rig, seed, 3, 15),
    ),
    "what was judged before is judged again": (
        "doubled",
        lambda rig, seed: partitions.lost_answers(rig, seed, 3),
    ),
}


@pytest.mark.more
class TestPlantedBugs:
    @pytest.mark.parametrize("mutant", FOUND_BY)
    def test_are_reported(self, rig: Rig, mutant: str) -> None:
        kind, work = FOUND_BY[mutant]
        rig.mutant = mutant
        try:
            row = work(rig, 11)
        finally:
            rig.mutant = None

        assert not isinstance(row, tuple)
        assert getattr(row, kind) > 0, row
