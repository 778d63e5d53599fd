"""The short form: whatever happens to processes, networks and disks, the service keeps its promises."""

import pytest

from tests.faults import plan
from tests.faults.plan import Scenario
from tests.faults.report import Table
from tests.faults.rig import Rig

SEED = 4


@pytest.mark.more
@pytest.mark.alone
@pytest.mark.parametrize("scenario", plan.short(), ids=lambda one: one.name)
def test_nothing_is_lost_doubled_stuck_unequal_or_leaked(scenario: Scenario, rig: Rig, table: Table) -> None:
    try:
        rows = plan.run(scenario, rig, SEED)
    except Exception:
        rig.keep_logs()
        raise
    for row in rows:
        table.add(row)
    if any(not row.is_clean for row in rows):
        rig.keep_logs()

    assert [row.said for row in rows if not row.is_clean] == []
