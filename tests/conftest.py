"""One migrated database per test process; one tenant per test."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings

from app.config import Config
from app.core.db import Database
from app.factory import create_app
from app.http.services import services
from tests.refusals import UNDOCUMENTED, watch_refusals
from tests.servers import migrated_database
from tests.world import World

# mutmut runs the tests several times in one process, each time with other instances of their classes.
again = [HealthCheck.differing_executors] if "MUTANT_UNDER_TEST" in os.environ else []
settings.register_profile(
    "suite", deadline=None, derandomize=True, print_blob=True, suppress_health_check=again
)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Make the process a good place for ten thousand tests."""
    # They and what they import stay to the end: the collector need not look at them again and again.
    gc.disable()
    # A suite in the background of a script was told to ignore Ctrl-C, and would hand that on to what it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What the tests themselves make is another matter."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def migrated() -> Iterator[Config]:
    """Settings of a database that this process shares among its tests."""
    with migrated_database() as config:
        yield config


@pytest.fixture(scope="session")
def served(migrated: Config) -> Iterator[Flask]:
    """The real application on that database."""
    app = create_app(migrated)
    watch_refusals(app)
    yield app
    services(app).db.dispose()


@pytest.fixture(scope="session")
def pools(served: Flask) -> Database:
    """Its pools."""
    return services(served).db


@pytest.fixture(autouse=True)
def every_refusal_is_documented() -> Iterator[None]:
    """Whatever a test provokes: the API document lists its code beside the operation."""
    UNDOCUMENTED.clear()
    yield
    assert not UNDOCUMENTED, "answered, and not in the API document"


@pytest.fixture
def world(served: Flask, pools: Database) -> World:
    """A company of the test's own."""
    return World(served, pools)
