"""A mutant comes into modules that stand imported."""

import os
import subprocess
import sys

from tests.mutation.running import COLLECTED, HOUSE

PLANTS_ALL = """
import gc, sys
from tests.mutation.nursery import change
from tests.mutation.running import mutants_in
import sync.stores.feed
gc.freeze()  # as the tests do with all that they have imported
for mutant in mutants_in(["sync.stores.feed"]):
    change(mutant)
    print("in", mutant.name)
"""


def test_functions_and_constants_are_changed_also_where_the_collector_leaves_them_alone() -> None:
    environment = {name: value for name, value in os.environ.items() if name != COLLECTED}
    run = subprocess.run(
        [sys.executable, "-c", PLANTS_ALL],
        cwd=HOUSE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert {"SHEAF", "FeedReader.walk", "FeedReader.__init__"} <= {
        line.split(" ", 2)[2].split(":")[0] for line in run.stdout.splitlines()
    }
