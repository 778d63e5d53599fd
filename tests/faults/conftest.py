"""One installation for the short form; what came out is shown at the end of the tests."""

from collections.abc import Iterator

import pytest

from tests.faults.report import Table
from tests.faults.rig import Rig

TABLE = Table()


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """PostgreSQL, the service and the proxies, for all scenarios one after the other."""
    with Rig(20_261_122) as rig:
        yield rig


@pytest.fixture(scope="session")
def table() -> Table:
    """What came out so far."""
    return TABLE


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, with what was missing here: a scenario that did not run is never silent."""
    if TABLE.rows:
        terminalreporter.section("faults")
        terminalreporter.write(TABLE.markdown())
