"""A harness that cannot fail proves nothing: bugs of a few lines in the service are reported."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults import kills, partitions
from tests.faults.machines import RENEW
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

    def test_verdicts_that_are_told_before_the_log_is_on_the_disk_are_reported(self, rig: Rig) -> None:
        rig.serve()  # which would refuse to start on what follows
        with lossy(rig):
            row = kills.postgres(rig, 11, 2, 15)

        assert row.lost > 0, row


@contextmanager
def lossy(rig: Rig) -> Iterator[None]:
    """PostgreSQL says that it has committed, and writes it down some seconds later."""
    roles = [rig.postgres.users[role] for role in ("app", "engine")]
    late = {"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
    rig.postgres.administer(*(f"ALTER ROLE {role} SET synchronous_commit = off" for role in roles))
    rig.postgres.administer(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in late.items()))
    rig.postgres.administer("SELECT pg_reload_conf()", RENEW)
    try:
        yield
    finally:
        rig.postgres.administer(*(f"ALTER ROLE {role} RESET synchronous_commit" for role in roles))
        rig.postgres.administer(*(f"ALTER SYSTEM RESET {name}" for name in late))
        rig.postgres.administer("SELECT pg_reload_conf()", RENEW)
