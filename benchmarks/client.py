"""A client of bare sockets that stay open, the same for every server, light enough not to be what is measured."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from backports import zstd

TIMEOUT_S = 300
IDLE_S = 60  # less than the servers' keepalive: who asks after a pause connects anew
CHUNK_BYTES = 1 << 20
BOTH = "zstd, gzip"


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a server, the body as it came over the wire."""

    status: int
    head: bytes
    raw: bytes

    def header(self, name: str) -> str:
        """The value of a header, or nothing."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return ""

    @property
    def body(self) -> bytes:
        """Decompressed."""
        encoding = self.header("Content-Encoding")
        if encoding == "gzip":
            return gzip.decompress(self.raw)
        return zstd.decompress(self.raw) if encoding == "zstd" else self.raw

    def json(self) -> Any:
        """Parsed."""
        return json.loads(self.body)


class Connection:
    """One connection that stays open.

    Attributes:
        broken_at: When a server let go of all connections that were open then.
    """

    broken_at: ClassVar[float] = 0.0

    def __init__(self, url: str) -> None:
        """Connect to the host of *url*."""
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self._address = (parts.hostname or "", parts.port or 80)
        self._buffer = bytearray()
        self._used = 0.0
        self.bytes_in = 0
        self._connect()

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        authorization: str = "",
        accept: str = "",
        headers: Sequence[str] = (),
    ) -> bytes:
        """The bytes of a request, to be sent as often as one likes."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *headers]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        if accept:
            lines.append(f"Accept-Encoding: {accept}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(self, request: bytes) -> Answer:
        """Send a request and read the whole answer."""
        if time.monotonic() - self._used > IDLE_S or self._used < Connection.broken_at:
            self.close()
            self._connect()
        self._socket.sendall(request)
        head = bytes(self._until(b"\r\n\r\n"))
        status = int(head[9:12])
        answer = Answer(status, head, b"")
        if answer.header("Transfer-Encoding") == "chunked":
            raw = self._chunks()
        else:
            raw = self._take(int(answer.header("Content-Length") or 0))
        self.bytes_in += len(raw)
        self._used = time.monotonic()
        return Answer(status, head, raw)

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._used = time.monotonic()

    def _until(self, mark: bytes) -> bytearray:
        while (at := self._buffer.find(mark)) < 0:
            self._more()
        found = self._buffer[:at]
        del self._buffer[: at + len(mark)]
        return found

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return found

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n"), 16):
            parts.append(self._take(size))
            self._take(2)
        self._until(b"\r\n")
        return b"".join(parts)

    def _more(self) -> None:
        part = self._socket.recv(CHUNK_BYTES)
        if not part:
            raise ConnectionError("the server ended the connection")
        self._buffer += part


def crowd(works: Sequence[Callable[[], object]]) -> float:
    """Do all at the same time, each in a thread of its own; gives the seconds until the last was done.

    Raises:
        ExceptionGroup: Of those that failed.
    """
    failures: list[Exception] = []
    gate = threading.Barrier(len(works) + 1)

    def one(work: Callable[[], object]) -> None:
        gate.wait()
        try:
            work()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    gate.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise ExceptionGroup("clients failed", failures)
    return time.perf_counter() - started
