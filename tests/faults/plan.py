"""Which scenarios are run, how large, and in which order: short for every build, long by hand."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults import kills, machines, partitions
from tests.faults.machines import Missing
from tests.faults.report import Row
from tests.faults.rig import Rig, timed

Work = Callable[[Rig, int], Row | tuple[Row, ...]]
YEARS_S = 10 * 365 * 86_400
SHIFTS = {"+1h": 3_600, "-1h": -3_600, "+10y": YEARS_S, "-10y": -YEARS_S}


@dataclass(frozen=True)
class Scenario:
    """One of the plan.

    Attributes:
        name: Short, for ``--only``.
        row: Its line of the table; the first one, where it makes several.
        work: Runs one segment with a seed.
        target: Rounds in all.
    """

    name: str
    row: str
    work: Work
    target: int = 1


def short() -> list[Scenario]:
    """Some minutes on two cores. What restarts the service stands together."""
    return plan(
        kills_each=10,
        partition_runs=20,
        between=15,
        pause_s=5,
        hold_s=4,
        storm=50,
        shifts={"+10y": YEARS_S, "-10y": -YEARS_S},
        segment=10,
    )


def plan(
    *,
    kills_each: int,
    partition_runs: int,
    between: int,
    pause_s: float,
    hold_s: float,
    storm: int,
    shifts: Mapping[str, int] = SHIFTS,
    segment: int = 10,
) -> list[Scenario]:
    """All scenarios.

    Args:
        kills_each: Of web workers, and as many of PostgreSQL; a fifth of it for the rarer kinds.
        partition_runs: In all: half of them between phones and service.
        between: Acknowledgements between two kills.
        pause_s: How long a worker is paused.
        hold_s: How long a writing transaction stays open.
        storm: Phones in the retry storm.
        shifts: Of the servers' clocks.
        segment: Kills and partition runs of one company.
    """
    few = max(2, kills_each // 5)
    half = partition_runs // 2
    quarter = max(1, partition_runs // 4)

    def part(count: int) -> int:
        return min(segment, count)

    return [
        Scenario(
            "workers",
            "kill -9 of a web worker in mid-push",
            lambda rig, seed: kills.web_workers(rig, seed, part(kills_each), between),
            kills_each,
        ),
        Scenario(
            "postgres",
            "kill -9 of PostgreSQL in mid-push",
            lambda rig, seed: kills.postgres(rig, seed, part(kills_each), between),
            kills_each,
        ),
        Scenario(
            "drain",
            "kill -9 of PostgreSQL in mid-drain",
            lambda rig, seed: kills.postgres_in_a_drain(rig, seed, part(few), between),
            few,
        ),
        Scenario(
            "refresh",
            "kill -9 of PostgreSQL in mid-refresh",
            lambda rig, seed: kills.postgres_in_a_refresh(rig, seed, part(few), 10),
            few,
        ),
        Scenario(
            "backend",
            "kill -9 of one backend of PostgreSQL",
            lambda rig, seed: kills.one_backend(rig, seed, part(few), between),
            few,
        ),
        Scenario(
            "restart",
            "SIGTERM restart under load",
            lambda rig, seed: kills.restarts(rig, seed, 2, between),
            2,
        ),
        Scenario(
            "supervisor",
            "kill -9 of the supervisor",
            lambda rig, seed: kills.supervisors(rig, seed, 1, between),
        ),
        Scenario(
            "pause",
            f"worker paused for {pause_s:.0f} s",
            lambda rig, seed: kills.pauses(rig, seed, 1, pause_s),
        ),
        Scenario(
            "transaction",
            f"writing transaction open for {hold_s:.0f} s",
            lambda rig, seed: partitions.long_transaction(rig, seed, hold_s),
        ),
        Scenario(
            "answers", "answer lost after COMMIT", lambda rig, seed: partitions.lost_answers(rig, seed, 5), 5
        ),
        Scenario(
            "phones",
            "partitions between phones and service",
            lambda rig, seed: partitions.phones_and_service(rig, seed, part(half), 40),
            half,
        ),
        Scenario(
            "handles", "out of file handles", lambda rig, seed: machines.out_of_handles(rig, seed, 2), 2
        ),
        Scenario("temporary", "no temporary space", machines.out_of_temporary_space),
        Scenario("backup", "restored from a base backup", machines.restored),
        Scenario(
            "storm",
            f"retry storm of {storm} phones",
            lambda rig, seed: machines.retry_storm(rig, seed, storm, 4),
        ),
        Scenario(
            "disk",
            "disk full for the log of PostgreSQL",
            lambda rig, seed: machines.out_of_disk_for_the_log(rig, seed, 1),
        ),
        Scenario(
            "database",
            "partitions between service and PostgreSQL",
            lambda rig, seed: partitions.service_and_database(rig, seed, part(quarter), 25),
            quarter,
        ),
        Scenario(
            "everywhere",
            "partitions at both places",
            lambda rig, seed: partitions.everywhere(rig, seed, part(partition_runs - half - quarter), 25),
            partition_runs - half - quarter,
        ),
        Scenario(
            "commit", "connection lost in COMMIT", lambda rig, seed: partitions.lost_commits(rig, seed, 8), 8
        ),
        Scenario("standby", "synchronous standby promoted", machines.standbys),
        Scenario(
            "pgbouncer",
            "PgBouncer in transaction mode, killed",
            lambda rig, seed: machines.pgbouncer(rig, seed, 2),
            2,
        ),
        Scenario(
            "clocks",
            "server clocks wrong by ±1 h and ±10 years",
            lambda rig, seed: machines.clocks(rig, seed, shifts),
            len(shifts),
        ),
    ]


def run(scenario: Scenario, rig: Rig, seed: int) -> list[Row]:
    """One segment; what cannot run here says what is missing."""
    rows: list[Row] = []

    def work() -> Row:
        found = scenario.work(rig, seed)
        rows.extend(found if isinstance(found, tuple) else (found,))
        return rows[0]

    try:
        timed(work)
    except Missing as missing:
        return [Row(scenario.row, str(missing))]
    return rows


def broken(scenario: Scenario, error: Exception) -> Row:
    """What came to no end at all."""
    traceback.print_exception(error)
    said = f"stuck: it came to no end: {type(error).__name__}: {str(error)[:200]}"
    return Row(scenario.row, stuck=1, said=[said])


def segments(plan: list[Scenario], done: Callable[[str], int]) -> Iterator[Scenario]:
    """What is still to be done, in turns, so that whenever it is stopped all have had their share."""
    while left := [one for one in plan if done(one.row) < one.target]:
        yield from left
