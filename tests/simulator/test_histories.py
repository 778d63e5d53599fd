"""Whole histories from fixed seeds, at most 60 s of them here and 90 in the heavier suite; the corpus before them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator import corpus_files, history
from tests.simulator.running import play_seeds
from tests.simulator.server import Server, own_server

FIRST = 1_000_000
"""Seeds of the suite; the ledger's begin at 1."""
SHARDS = 10
SECONDS = 15.0
"""Of each shard."""
OFTEN = 3
"""So many shards are played in every run."""
SHARE = 100_000
HISTORIES = 6
"""At most so many of each shard: what the suite plays was played before, so that it fails for what was changed."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a database of its own."""
    with own_server() as one:
        yield one


@pytest.mark.parametrize("file", corpus_files.files(), ids=lambda path: path.stem)
def test_a_history_that_once_found_something_breaks_nothing(server: Server, file: Path) -> None:
    seed, steps = corpus_files.read(file)

    report = history.play(server, seed, steps)

    assert report.violation is None, f"{report.violation}\n{history.dumps(report.steps)}"


@pytest.mark.parametrize(
    "shard", [pytest.param(n, marks=[pytest.mark.more] if n >= OFTEN else []) for n in range(SHARDS)]
)
def test_histories_break_no_invariant(server: Server, shard: int, capsys: pytest.CaptureFixture[str]) -> None:
    first = FIRST + shard * SHARE

    tally = play_seeds(server, range(first, first + HISTORIES), until=time.monotonic() + SECONDS)

    with capsys.disabled():
        print(f"\nseeds {first}..{first + tally.histories - 1}: {tally.told()}")
    assert tally.failures == [], "python -m tests.simulator shrink SEED makes them small"
    assert tally.histories > 0
