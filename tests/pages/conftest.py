"""The web app on a real server in a real browser, and a company whose people use it."""

import logging
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from tests.pages import chromium
from tests.pages.company import Company
from tests.pages.handset import Handset, Site
from tests.world import Person, World


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests in a browser out where that was asked for, and say so; else they fail where there is none."""
    if os.environ.get(chromium.NOT_WANTED) != "1":
        return
    left_out = [one for one in items if "site" in getattr(one, "fixturenames", ())]
    items[:] = [one for one in items if one not in left_out]
    config.hook.pytest_deselected(items=left_out)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if left_out and reporter is not None:
        reporter.write_line(f"{len(left_out)} tests of the web app are left out: {chromium.NOT_WANTED}=1.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each phone has a profile of its own in it."""
    with chromium.browser() as made:
        yield made


@pytest.fixture(scope="session")
def api_url(served: Flask) -> Iterator[str]:
    """The application behind a real socket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def site(api_url: str) -> Iterator[Site]:
    """``python -m examples.pwa`` as a process of its own, so that it can really be gone."""
    made = Site(api_url)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def company(world: World) -> Company:
    """A company that sells oil, with people in the field."""
    return Company(world)


@pytest.fixture
def handset(browser: Browser, site: Site) -> Iterator[Callable[..., Handset]]:
    """Gives a person a phone. Afterwards no page may have complained of anything."""
    given: list[Handset] = []
    site.start()

    def handset(person: Person | None = None, **options: object) -> Handset:
        one = Handset(browser, site, **options)  # type: ignore[arg-type]
        given.append(one)
        one.open()
        if person is not None:
            one.log_in(person)
        return one

    yield handset
    complaints = [complaint for one in given for complaint in one.complaints]
    for one in given:
        one.close()
    site.start()
    assert complaints == []
