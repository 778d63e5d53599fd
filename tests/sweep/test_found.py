"""What the sweep has found."""

import pytest

from tests.sweep.faults import CONNECT, Mode, Plan
from tests.sweep.flows import Glance
from tests.sweep.sweeping import Service


@pytest.mark.parametrize("mode", [Mode.LOST_BEFORE, Mode.LOST_AFTER])
def test_a_phone_without_news_is_asked_to_wait_while_the_database_is_away(
    service: Service, mode: Mode
) -> None:
    flow = Glance(service)
    service.db.app.dispose()  # as after a restart: there is no connection yet
    service.faults.arm(mode, Plan(1, None))

    delivery = flow.deliver(None)

    service.faults.disarm()
    assert CONNECT in service.faults.met
    assert (delivery.answered, delivery.problems) == (False, [])
