"""The files of deploy/ say what the code does; what they do on a machine is in test_nginx.py and rehearsal.py."""

import json
import re
from http import HTTPStatus

import click
import pytest
from click.testing import CliRunner

from app.cli.application import COMMANDS
from app.config import Config
from app.core.messages import text_of
from app.events.document import PATH, RXDB_PATH
from app.gunicorn_conf import graceful_timeout
from app.http.strict_json import MAX_BODY_BYTES
from app.serve import DEFAULT_EVENTS_PORT, DEFAULT_PORT
from tests.documents.fences import HOUSE
from tests.documents.units import DEPLOY, SERVICES, environment, nginx, started, unit


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_a_command_that_takes_its_options(name: str) -> None:
    done = CliRunner().invoke(click.Group(commands=list(COMMANDS)), [*started(name), "--help"])

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_started_again_for_ever_and_given_time_to_end(name: str) -> None:
    found = unit(f"{name}.service")

    assert found["Service"]["Restart"] == "always"
    assert found["Unit"]["StartLimitIntervalSec"] == "0"
    if name == "fieldmerge-web":
        assert int(found["Service"]["TimeoutStopSec"]) > graceful_timeout


def test_nginx_sends_requests_and_pings_to_the_ports_of_the_services() -> None:
    web = f"127.0.0.1:{option(started('fieldmerge-web'), '--port')}"
    pings = f"127.0.0.1:{option(started('fieldmerge-events'), '--port')}"

    assert (web, pings) == (f"127.0.0.1:{DEFAULT_PORT}", f"127.0.0.1:{DEFAULT_EVENTS_PORT}")
    assert re.findall(r"upstream (\w+) \{\s+server ([^;]+);", nginx()) == [
        ("fieldmerge_web", web),
        ("fieldmerge_events", pings),
    ]


def test_nginx_knows_both_addresses_of_pings_and_does_not_cut_a_silent_one() -> None:
    held = re.findall(r"location = (/api\S+) \{([^}]*)\}", nginx())

    assert [path for path, _ in held] == [PATH, RXDB_PATH]
    for _, lines in held:
        assert "proxy_buffering off;" in lines
        patience = re.search(r"proxy_read_timeout (\d+)s;", lines)
        assert patience is not None
        assert int(patience[1]) > 2 * Config("", "", "", "").events_heartbeat_s
    assert environment()["FIELDMERGE_EVENTS_URL"] == PATH


def test_nginx_takes_bodies_as_large_as_the_application() -> None:
    mib = MAX_BODY_BYTES // 1024**2

    assert mib * 1024**2 == MAX_BODY_BYTES
    assert f"client_max_body_size {mib}m;" in nginx()


def test_what_nginx_answers_by_itself_is_an_answer_of_the_application() -> None:
    for status, body in re.findall(r"return (\d+) '(.*)';", nginx()):
        told = json.loads(body)

        assert told == {
            "type": f"urn:fieldmerge:problem:{told['code']}",
            "title": HTTPStatus(int(status)).phrase,
            "status": int(status),
            "code": told["code"],
            "detail": text_of(told["code"], "en"),
        }


def test_the_environment_is_complete_and_names_only_settings() -> None:
    variables = environment() | {"FIELDMERGE_SECRET_KEY": "7f3kq9z2m5x8c1v4b6n0a3s5d7f9g2h4j"}
    explained = (HOUSE / "docs" / "operations.md").read_text(encoding="utf-8")

    found = Config.from_env(variables)

    assert found.trusted_proxies == 1
    assert [name for name in variables if f"`{name}`" not in explained] == []


def test_every_file_of_the_deployment_is_named_by_its_page() -> None:
    page = (HOUSE / "docs" / "deployment.md").read_text(encoding="utf-8")
    files = [path.relative_to(HOUSE).as_posix() for path in DEPLOY.rglob("*") if path.is_file()]

    assert [name for name in files if name not in page] == []
