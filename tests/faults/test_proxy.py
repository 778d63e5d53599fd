"""The proxies: what they break is broken, and calm weather passes all on."""

import socket
import threading
from collections.abc import Iterator

import pytest

from examples.phone.transport import HttpTransport
from tests.faults.proxy import HttpProxy, WireProxy


class Echo(threading.Thread):
    """Answers each block with ``INSERT 0 1`` and the block, and counts what it got."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.got: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    self.got.append(data)
                    connection.sendall(self.answer(data))
            except OSError:
                return

    def answer(self, data: bytes) -> bytes:
        if data.startswith(b"POST"):
            body = b'{"verdicts": [{"id": "a", "status": "applied", "replayed": false}]}'
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        return b"INSERT 0 1\x00" + data


@pytest.fixture
def server() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.listener.close()


@pytest.fixture
def wire(server: Echo) -> Iterator[WireProxy]:
    proxy = WireProxy(server.port, 1)
    yield proxy
    proxy.close()


@pytest.fixture
def http(server: Echo) -> Iterator[HttpProxy]:
    proxy = HttpProxy(server.port, 1)
    yield proxy
    proxy.close()


def said(connection: socket.socket, data: bytes) -> bytes:
    connection.settimeout(5)
    try:
        connection.sendall(data)
        return connection.recv(65_536)
    except ConnectionResetError:
        return b""


class TestWireProxy:
    def test_passes_on_in_calm_weather(self, wire: WireProxy) -> None:
        with socket.create_connection(("127.0.0.1", wire.port)) as one:
            assert said(one, b"COMMIT\x00") == b"INSERT 0 1\x00COMMIT\x00"

    @pytest.mark.parametrize("lets_commit", [True, False])
    def test_cuts_the_commit_of_a_transaction_that_wrote(
        self, wire: WireProxy, server: Echo, lets_commit: bool
    ) -> None:
        wire.cut_commits(1, lets_commit=lets_commit)
        with socket.create_connection(("127.0.0.1", wire.port)) as one:
            assert said(one, b"write")
            assert said(one, b"COMMIT\x00") == b""

        assert (b"COMMIT\x00" in server.got) is lets_commit

    def test_lets_a_commit_pass_that_had_nothing_to_write(self, wire: WireProxy) -> None:
        wire.cut_commits(1, lets_commit=True)
        with socket.create_connection(("127.0.0.1", wire.port)) as one:
            assert said(one, b"COMMIT\x00")


class TestHttpProxy:
    def test_loses_an_answer_that_was_given(self, http: HttpProxy, server: Echo) -> None:
        http.only = "answer lost"
        with pytest.raises(OSError, match=r"reset|without response"):
            HttpTransport(f"http://127.0.0.1:{http.port}").send("POST", "/api/v1/sync", {}, b"{}")

        assert len(server.got) == 1

    @pytest.mark.parametrize("fault", ["twice", "twice at once"])
    def test_tells_of_a_mutation_that_was_judged_by_both_of_two_deliveries(
        self, http: HttpProxy, fault: str
    ) -> None:
        http.only = fault
        transport = HttpTransport(f"http://127.0.0.1:{http.port}")
        assert transport.send("POST", "/api/v1/sync", {}, b"{}").status == 200
        transport.close()

        assert http.doubts == ["a was judged by both of two deliveries"]
