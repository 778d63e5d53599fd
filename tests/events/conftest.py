"""One process of live pings on the tests' database."""

from collections.abc import Iterator

import pytest

from app.config import Config
from tests.events.streams import Service, running


@pytest.fixture(scope="session")
def shared(migrated: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The process, for tests that leave it as it was."""
    with running(migrated, tmp_path_factory.mktemp("events"), FIELDMERGE_EVENTS_HEARTBEAT_S="1") as service:
        yield service


@pytest.fixture
def service(shared: Service) -> Iterator[Service]:
    """It, with nobody connected before and after."""
    shared.until(lambda: shared.streams == 0)
    yield shared
    for phone in list(shared.phones):
        if phone.closed:
            shared.phones.remove(phone)
        else:
            shared.close(phone)
