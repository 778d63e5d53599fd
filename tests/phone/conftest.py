"""A phone that talks to a scripted server."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from examples.phone import Clock, Phone
from tests.phone.scripted import ACCOUNT, VISIT, ScriptedServer, change, page


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def waits() -> list[float]:
    """How long phones waited between tries."""
    return []


@pytest.fixture
def make_phone(server: ScriptedServer, waits: list[float]) -> Iterator[Callable[..., Phone]]:
    phones: list[Phone] = []

    def make(path: str = ":memory:", skew: timedelta = timedelta(0), **options: Any) -> Phone:
        phone = Phone("http://stub", path, clock=Clock(skew), transport=server, sleep=waits.append, **options)
        phones.append(phone)
        return phone

    yield make
    for phone in phones:
        phone.close()


@pytest.fixture
def phone(make_phone: Callable[..., Phone], server: ScriptedServer) -> Phone:
    """Logged in, with one account and one visit, and an empty queue."""
    phone = make_phone()
    phone.log_in("demo", "rep", "pw")
    server.script.append(
        page(
            changes=[
                change(ACCOUNT, 3, name="하늘 상사", phone="02-1", tags=["a", "b"], notes="one\ntwo\nthree"),
                change(VISIT, 1, entity="visit", status="planned", tasks=[{"id": "t1", "done": False}]),
            ]
        )
    )
    phone.sync()
    return phone
