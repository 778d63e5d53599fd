"""An application of its own for the sweep, whose statements can be made to fail."""

from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import pytest

from app.config import Config
from app.factory import create_app
from app.http.services import services
from sync import sequencer
from tests.sweep.faults import every_cursor
from tests.sweep.sweeping import Service


@pytest.fixture(scope="package")
def service(migrated: Config) -> Iterator[Service]:
    """The real application on its own pools."""
    app = create_app(replace(migrated, log_level="CRITICAL"))
    # The pause between two drains protects the database from phones, and would be most of the sweep.
    with mock.patch.object(sequencer, "MIN_INTERVAL_S", 0.0), every_cursor():
        service = Service(app, services(app).db)
        yield service
    service.close()
