"""A sandbox is filled whole or not at all, whatever the server's own drains do meanwhile."""

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.db import Database
from app.core.errors import Unavailable
from app.demo import sandbox as filling
from app.demo import settling
from app.sandbox import service
from sync.stores.sequencer import lock_table
from tests.sandbox.conftest import PASSWORD

pytestmark = pytest.mark.more
# A request of a phone waits a fifth of it.
DRAIN_S = 1.0


def tenant_of(pools: Database, code: str) -> UUID | None:
    with pools.engine.connect() as connection:
        found: UUID | None = connection.scalar(
            text("SELECT id FROM tenants WHERE code = :code"), {"code": code}
        )
        return found


@pytest.fixture
def code(pools: Database) -> Iterator[str]:
    """Of a sandbox that is taken away afterwards."""
    made = f"box-{uuid4().hex[:8]}"
    yield made
    if (tenant_id := tenant_of(pools, made)) is not None:
        service.drop(pools, tenant_id)


@pytest.fixture
def drained_elsewhere(pools: Database, code: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scheduler has served what the rep subscribes to, and is in the middle of serving the customers."""
    begun, others = threading.Event(), list[threading.Thread]()
    customers, visits = filling._customers, filling._visits

    def drain() -> None:
        tenant_id = tenant_of(pools, code)
        assert tenant_id is not None
        with pools.engine.begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {lock_table(tenant_id)} IN EXCLUSIVE MODE")
            begun.set()
            threading.Event().wait(DRAIN_S)

    def after_the_people(db: Database, tenant_id: UUID, *args: Any) -> int:
        settling.settle(db, tenant_id)
        return customers(db, tenant_id, *args)

    def the_last_of_the_office(*args: Any) -> None:
        visits(*args)
        others.append(threading.Thread(target=drain))
        others[0].start()
        assert begun.wait(10)

    monkeypatch.setattr(filling, "_customers", after_the_people)
    monkeypatch.setattr(filling, "_visits", the_last_of_the_office)
    yield
    for other in others:
        other.join(10)


@pytest.mark.usefixtures("drained_elsewhere")
class TestDrainOfAnother:
    def test_is_waited_for_before_the_rep_takes_an_order(
        self, served: Flask, pools: Database, code: str
    ) -> None:
        made = filling.fill(served, pools, code=code, name="시험", password=PASSWORD, now=utc_now())

        with pools.session(made.tenant_id, actor="test") as session:
            assert session.scalar(text("SELECT count(*) FROM orders")) == 1

    def test_that_does_not_end_leaves_no_half_of_a_sandbox(
        self, served: Flask, pools: Database, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filling, "settle", partial(settling.settle, within_s=0.1))

        with pytest.raises(Unavailable):
            filling.fill(served, pools, code=code, name="시험", password=PASSWORD, now=utc_now())

        assert tenant_of(pools, code) is None
