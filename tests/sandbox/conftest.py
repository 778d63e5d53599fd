"""A filled sandbox, made once for all tests, and its people with phones."""

import logging
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.core.clock import utc_now
from app.core.db import Database
from app.demo.sandbox import Filled, fill
from app.sandbox import service
from examples.phone import HttpTransport, Phone

PASSWORD = "green tea at seven"


@pytest.fixture(scope="session")
def box(served: Flask, pools: Database) -> Filled:
    """A sandbox as `flask sandbox create` makes it."""
    made = fill(
        served, pools, code=f"box-{uuid4().hex[:8]}", name="시험 샌드박스", password=PASSWORD, now=utc_now()
    )
    with pools.session(made.tenant_id, actor="cli:sandbox") as session:
        service.keep(session, made.tenant_id)
    return made


@pytest.fixture
def fresh(box: Filled, pools: Database) -> Iterator[Filled]:
    """The sandbox in its kept state."""
    service.reset(pools, box.tenant_id)
    yield box
    service.reset(pools, box.tenant_id)


@pytest.fixture(scope="session")
def base_url(served: Flask) -> Iterator[str]:
    """The application behind a real socket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def phone(fresh: Filled, base_url: str) -> Iterator[Callable[[str], Phone]]:
    """Hands a person of the sandbox a phone that has made its first sync."""
    given: list[Phone] = []

    def phone(login: str) -> Phone:
        one = Phone(base_url, transport=HttpTransport(base_url), sleep=lambda _: None)
        given.append(one)
        one.log_in(fresh.code, login, PASSWORD)
        one.sync()
        return one

    yield phone
    for one in given:
        one.close()
