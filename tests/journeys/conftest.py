"""Real HTTP on loopback, and phones in people's hands."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.config import Config
from app.demo.office import Desk, SqlPerson
from app.demo.world import admit_sql_person, dismiss_sql_person
from examples.phone import HttpTransport, Phone
from examples.phone.testing import LossyTransport, RecordingTransport
from tests.world import PASSWORD, Person, World


@pytest.fixture(scope="session")
def base_url(served: Flask) -> Iterator[str]:
    """The application behind a real socket, a thread for each connection."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def psql() -> Path | None:
    """The machine's psql, if it has one."""
    found = shutil.which("psql")
    return Path(found) if found else None


class InHand:
    """A logged-in phone, whose answers can be lost, and all that it ever received."""

    def __init__(self, base_url: str, world: World, person: Person, name: str) -> None:
        self.record = RecordingTransport(HttpTransport(base_url))
        self.network = LossyTransport(self.record)
        self.phone = Phone(base_url, transport=self.network, name=name, sleep=lambda _: None)
        self.phone.log_in(world.code, person.login, PASSWORD)

    @property
    def desk(self) -> Desk:
        """REST with the phone's own session."""
        return Desk(self.phone)


@pytest.fixture
def hand(base_url: str, world: World) -> Iterator[Callable[..., InHand]]:
    """Hands a person a phone that has made its first sync."""
    given: list[InHand] = []

    def hand(person: Person, name: str = "Galaxy S26") -> InHand:
        one = InHand(base_url, world, person, name)
        given.append(one)
        one.phone.sync()
        return one

    yield hand
    for one in given:
        one.phone.close()


@pytest.fixture
def sql_person(migrated: Config, world: World, psql: Path | None) -> Iterator[SqlPerson]:
    """Somebody of the company who writes SQL by hand."""
    name, url = admit_sql_person(migrated, world.id)
    yield SqlPerson(name, url, psql)
    dismiss_sql_person(migrated, name)
