"""What the commands of the examples say before they play anything."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from examples.node import hindrance, tell


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Some other web server; gives its address."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("example", ["rxdb", "watermelon"])
def test_without_a_server_it_says_how_to_start_one(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(example, ["http://127.0.0.1:9"]) == 1

    told = capsys.readouterr().err
    assert "Nobody answers on http://127.0.0.1:9 (" in told
    assert "make demo" in told


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://"])
def test_what_is_no_address_is_not_asked(url: str) -> None:
    assert "is no address" in str(hindrance(url, None))


@pytest.mark.parametrize("status", [200, 404, 502])
def test_another_server_is_told_from_ours(status: int) -> None:
    with answering(status) as url:
        assert "is no Fieldmerge server" in str(hindrance(url, None))


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert (
        hindrance("http://127.0.0.1:9", tmp_path / "mine.mjs") == f"There is no file {tmp_path / 'mine.mjs'}."
    )


def test_a_server_of_ours_hinders_nothing(served: Flask) -> None:
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert hindrance(f"http://127.0.0.1:{server.port}", None) is None
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
