"""Small seeded TCP proxies: one that knows HTTP requests, for phones, and one that knows COMMIT, for the database.

The seed chooses what happens to the n-th request and the n-th connection; how requests of several phones interleave is
left to the machine.
"""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

BLOCK = 65_536
CLIENT_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Weather:
    """What one connection, or one request, has to suffer.

    Attributes:
        latency_s: Before each block, each way.
        bytes_per_s: 0 for no limit.
        slice_bytes: No block is larger; 0 for no limit.
        cut_after: So many bytes towards the client pass, then the connection is reset.
        hole_after: So many bytes pass, then all are swallowed and nobody is told.
    """

    latency_s: float = 0.0
    bytes_per_s: int = 0
    slice_bytes: int = 0
    cut_after: int | None = None
    hole_after: int | None = None


CALM = Weather()


class Cut(Exception):
    """The connection ends here."""


class Proxy:
    """Passes bytes on, in a thread of its own."""

    def __init__(self, upstream_port: int, seed: int) -> None:
        """Listen on a free port of 127.0.0.1."""
        self.upstream_port = upstream_port
        self.random = Random(seed)
        self.is_calm = True
        self.met: Counter[str] = Counter()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._guarded, sock=self._listener))
        self._loop.run_forever()

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def heal(self) -> None:
        """From now on nothing goes wrong; broken connections are ended, so that nobody waits in a hole."""
        self.is_calm = True
        self.sever()

    def point_to(self, port: int) -> None:
        """Pass new connections to another server, and end the old ones."""
        self.upstream_port = port
        self.sever()

    def sever(self) -> None:
        """Reset every connection."""

        async def work() -> None:
            for one in list(self._open):
                _reset(one)

        self._ask(work())

    def close(self) -> None:
        """End everything."""

        async def work() -> None:
            self._server.close()
            for one in list(self._open):
                _reset(one)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._ask(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, Cut, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self._open.discard(writer)
            _reset(writer)

    async def _upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream_port, limit=1 << 24)
        self._open.add(writer)
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _pass_on(data: bytes, writer: asyncio.StreamWriter, weather: Weather) -> None:
    step = weather.slice_bytes or BLOCK
    for start in range(0, len(data), step):
        part = data[start : start + step]
        pause = weather.latency_s + (len(part) / weather.bytes_per_s if weather.bytes_per_s else 0.0)
        if pause:
            await asyncio.sleep(pause)
        writer.write(part)
        await writer.drain()


class WireProxy(Proxy):
    """Between the service and PostgreSQL. Knows COMMIT, and which transactions have written.

    Attributes:
        cuts: How many COMMITs of writing transactions are still to be cut.
        lets_commit: Whether PostgreSQL gets the COMMIT before the connection is cut.
        is_hole: Whether everything is swallowed, and nobody is told.
    """

    def __init__(self, upstream_port: int, seed: int) -> None:
        self.cuts = 0
        self.lets_commit = True
        self.is_hole = False
        super().__init__(upstream_port, seed)

    def cut_commits(self, count: int, *, lets_commit: bool) -> None:
        """Cut the next COMMITs of transactions that wrote."""
        self.lets_commit = lets_commit
        self.cuts = count

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.cuts = 0
        self.is_hole = False
        super().heal()

    def _weather(self) -> Weather:
        if self.is_calm:
            return CALM
        kind = self.random.choices(
            ("calm", "slow", "sliced", "thin", "cut", "black hole"), (30, 15, 15, 10, 25, 5)
        )[0]
        self.met[f"database: {kind}"] += 1
        return {
            "calm": CALM,
            "slow": Weather(latency_s=self.random.uniform(0.001, 0.01)),
            "sliced": Weather(slice_bytes=self.random.randint(1, 200)),
            "thin": Weather(bytes_per_s=self.random.randint(50_000, 500_000)),
            "cut": Weather(cut_after=self.random.randint(1_000, 200_000)),
            "black hole": Weather(hole_after=self.random.randint(5_000, 200_000)),
        }[kind]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._upstream()
        wire = _Wire(self, self._weather())
        try:
            both = (
                asyncio.ensure_future(wire.to_server(reader, up_writer)),
                asyncio.ensure_future(wire.to_client(up_reader, writer)),
            )
            _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in pending:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            self._open.discard(up_writer)
            _reset(up_writer)


class _Wire:
    """One connection to PostgreSQL."""

    def __init__(self, proxy: WireProxy, weather: Weather) -> None:
        self.proxy, self.weather = proxy, weather
        self.passed = 0
        self.has_written = False
        self.is_doomed = False

    async def to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(BLOCK):
            if b"COMMIT\x00" in data:
                if self.has_written and self.proxy.cuts > 0:
                    self.proxy.cuts -= 1
                    self.proxy.met[f"COMMIT cut {'after' if self.proxy.lets_commit else 'before'}"] += 1
                    if not self.proxy.lets_commit:
                        return
                    self.is_doomed = True
                self.has_written = False
            if self._swallows(len(data)):
                continue
            await _pass_on(data, writer, self.weather)

    async def to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(BLOCK):
            if self.is_doomed:  # the answer to COMMIT: it is done, and nobody is told
                return
            # CommandComplete of what changes rows; a snapshot that only reads has none of these.
            if b"INSERT 0 " in data or b"UPDATE " in data or b"DELETE " in data:
                self.has_written = True
            if self._swallows(len(data)):
                continue
            if self.weather.cut_after is not None and self.passed > self.weather.cut_after:
                return
            await _pass_on(data, writer, self.weather)

    def _swallows(self, size: int) -> bool:
        self.passed += size
        hole = self.weather.hole_after
        in_hole = hole is not None and self.passed > hole and not self.proxy.is_calm
        return self.proxy.is_hole or in_hole


@dataclass
class Request:
    """One HTTP request, whole."""

    path: str
    content: bytes

    @property
    def is_sync(self) -> bool:
        """Whether it is a round trip of the sync."""
        return self.path.endswith("/sync")


FAULTS = {
    "none": 40,
    "slow": 6,
    "sliced": 5,
    "thin": 4,
    "request lost": 6,
    "request cut": 5,
    "answer lost": 10,
    "answer cut": 6,
    "black hole": 2,
    "twice": 6,
    "twice at once": 5,
    "late": 5,
}


class HttpProxy(Proxy):
    """Between phones and the service.

    Attributes:
        doubts: What was wrong with the answers to requests that were delivered twice.
        only: When set, every sync request meets this.
    """

    def __init__(self, upstream_port: int, seed: int) -> None:
        self.doubts: list[str] = []
        self.only: str | None = None
        super().__init__(upstream_port, seed)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.only = None
        super().heal()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read_request(reader)
            fault = self._fault(request)
            if fault != "none":
                self.met[fault] += 1
            await self._meet(fault, request, writer)

    def _fault(self, request: Request) -> str:
        if self.only is not None:
            return self.only if request.is_sync else "none"
        if self.is_calm:
            return "none"
        fault = self.random.choices(tuple(FAULTS), tuple(FAULTS.values()))[0]
        # An older refresh token that comes late is what a thief would send: that session ends by design.
        return "none" if fault == "late" and not request.is_sync else fault

    async def _meet(self, fault: str, request: Request, writer: asyncio.StreamWriter) -> None:
        random = self.random
        if fault == "request lost":
            raise Cut
        if fault == "request cut":
            await self._exchange(request.content[: random.randint(1, len(request.content))], cut=True)
            raise Cut
        if fault == "late":
            # The phone gives up; a copy comes out of the network after its next request.
            task = asyncio.ensure_future(self._later(request.content, random.uniform(0.1, 1.5)))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise Cut
        weather = {
            "slow": Weather(latency_s=random.uniform(0.05, 0.5)),
            "sliced": Weather(slice_bytes=random.randint(1, 7) * 100, latency_s=0.001),
            "thin": Weather(bytes_per_s=random.randint(20_000, 200_000)),
        }.get(fault, CALM)
        if fault == "twice at once":
            answers = await asyncio.gather(self._exchange(request.content), self._exchange(request.content))
            self._compare(request, *answers)
            answer = answers[random.randint(0, 1)]
        else:
            answer = await self._exchange(request.content, weather)
            if fault == "twice":
                again = await self._exchange(request.content)
                self._compare(request, answer, again)
                answer = again if random.random() < 0.5 else answer
        if fault == "answer lost":
            raise Cut
        if fault == "black hole":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(CLIENT_PATIENCE_S), CLIENT_PATIENCE_S)
            raise Cut
        if fault == "answer cut":
            await _pass_on(answer[: random.randint(1, len(answer))], writer, CALM)
            raise Cut
        await _pass_on(answer, writer, weather)

    async def _later(self, content: bytes, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self.met["late copies delivered"] += 1
        with contextlib.suppress(OSError, Cut, asyncio.IncompleteReadError):
            await self._exchange(content)

    async def _exchange(self, content: bytes, weather: Weather = CALM, *, cut: bool = False) -> bytes:
        """Deliver a request on a connection of its own, and give the answer."""
        reader, writer = await self._upstream()
        try:
            await _pass_on(content, writer, weather)
            if cut:
                return b""
            return await _read_answer(reader)
        finally:
            self._open.discard(writer)
            _reset(writer)

    def _compare(self, request: Request, one: bytes, other: bytes) -> None:
        """Of two deliveries at most one judges a mutation, and both tell the same."""
        verdicts = [_verdicts(answer) for answer in (one, other)]
        if not request.is_sync or None in verdicts:
            return
        first, second = ({v["id"]: v for v in found} for found in verdicts if found is not None)
        for mutation_id in first.keys() & second.keys():
            pair = first[mutation_id], second[mutation_id]
            if not any(v["replayed"] for v in pair):
                self.doubts.append(f"{mutation_id} was judged by both of two deliveries")
            if pair[0]["status"] != pair[1]["status"]:
                self.doubts.append(f"{mutation_id}: {pair[0]['status']} and {pair[1]['status']}")


def _verdicts(answer: bytes) -> list[dict[str, Any]] | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
        return None
    if b"content-encoding: gzip" in head.lower():
        body = gzip.decompress(body)
    found = json.loads(body).get("verdicts")
    return found if isinstance(found, list) else None


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ", 2)[1].decode("ascii", "replace").partition("?")[0]
    return Request(path, head + await reader.readexactly(_length_of(head)))


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(_length_of(head))


def _length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
