"""The benchmarks work: they read answers as they come, count rightly, and say truly what is met."""

import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from backports import zstd

from benchmarks import __main__ as benchmarks
from benchmarks import growth, mixed, plot, processes, report
from benchmarks.client import Connection, crowd
from benchmarks.measuring import Figure, Figures, measure
from benchmarks.phone import Phone, count_records
from benchmarks.rows import KINTO, OURS, ROWS, Row, Side
from benchmarks.wanted import WANTED, Wanted

OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b'{"changes":[{"entity":"account","id":"1"}],"removed":[],"epoch":"e","cursor":"%s","has_more":%s}'


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives these answers on one connection, byte by byte where that hurts most."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                connection.recv(65_536)
                for start in range(0, len(answer), 7):
                    connection.sendall(answer[start : start + 7])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)
        assert not thread.is_alive()


def whole(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return OK + f"Content-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def chunked(*parts: bytes) -> bytes:
    written = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + written + b"0\r\n\r\n"


def figure(*seconds: float, work: int = 1, **told: float) -> Figure:
    made = Figure(list(seconds), work=work)
    made.told.update({name.replace("_", " "): value for name, value in told.items()})
    return made


def test_answers_are_read_whole_and_in_order_however_they_are_cut() -> None:
    squeezed = (
        whole(gzip.compress(b"small"), "Content-Encoding: gzip"),
        whole(zstd.compress(b"a") + zstd.compress(b"b"), "content-encoding: zstd"),
    )
    with answering(whole(b"one"), chunked(b"two", b"-", b"three"), *squeezed, whole(b"")) as url:
        connection = Connection(url)
        request = connection.request("GET", "/")
        found = [connection.ask(request).body for _ in range(5)]
        connection.close()

    assert found == [b"one", b"two-three", b"small", b"ab", b""]


def test_a_server_that_hangs_up_in_an_answer_is_a_failure() -> None:
    with answering(OK + b"Content-Length: 10\r\n\r\nhalf") as url:
        connection = Connection(url)
        with pytest.raises(ConnectionError):
            connection.ask(connection.request("GET", "/"))
        connection.close()


def test_a_phone_follows_the_cursor_until_there_is_no_more() -> None:
    with answering(whole(PAGE % (b"first", b"true")), whole(PAGE % (b"second", b"false"))) as url:
        phone = Phone(url, "token")
        pages = phone.first_sync()
        phone.connection.close()

    assert (count_records(pages), phone.cursor) == (2, "second")


def test_one_failed_client_of_a_crowd_is_not_overlooked() -> None:
    def fails() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ExceptionGroup):
        crowd([lambda: None, fails])


def test_sides_take_turns_and_each_is_charged_its_own_work() -> None:
    order: list[str] = []

    def side(name: str) -> Side:
        def run() -> dict[str, float]:
            order.append(name)
            return {"bytes": 10}

        return Side(run, parts=2)

    row = Row(
        "row", "a row", "records", 5, {"a": side("a"), "b": side("b")}, begin=lambda: order.append("begin")
    )
    figures = measure([row], rounds=2, database=os.getpid(), tell=lambda _: None)

    assert order == ["begin", "a", "begin", "b", "begin", "a", "b", "begin", "b", "a"]
    assert (figures["row"]["a"].work, figures["row"]["b"].each("bytes")) == (20, 10)


def test_the_table_says_no_where_a_ratio_is_missed_and_leaves_out_who_did_not_run() -> None:
    row = Row("first", "first sync", "records", 1_000, {})
    sides = {OURS: figure(0.3, 0.2, 0.4, work=3_000, bytes=60), "COPY": figure(0.1, work=1_000)}
    figures: Figures = {"first": sides}
    wanted, took = report.wanted_table([row], figures), report.figures_table([row], figures)

    assert wanted[2:] == ["| first sync | share of COPY's rate | 0.33 | ≥ 0.5 | no |"]
    assert "| first sync, records | Fieldmerge | 300.0 ms (200.0 ms to 400.0 ms) |" in took[2]


def test_rates_are_told_from_the_slowest_to_the_fastest() -> None:
    row = Row("push", "a push", "edits", 100, {}, rate=True)
    took = report.figures_table([row], {"push": {OURS: figure(1.0, 0.5, 2.0, told_to_retry=3)}})

    assert "100/s (50 to 200)" in took[2]
    assert took[2].endswith("| 1.0 told to retry |")


@pytest.mark.parametrize(
    ("one", "met", "missed"),
    [
        (Wanted("r", "", lambda _: 0, least=3), 3.0, 2.99),
        (Wanted("r", "", lambda _: 0, most=1.5), 1.5, 1.51),
        (Wanted("r", "", lambda _: 0, least=0.8, most=1.2), 1.0, 0.7),
    ],
)
def test_a_bound_is_met_at_its_edge_and_not_beyond(one: Wanted, met: float, missed: float) -> None:
    assert one.is_met(met)
    assert not one.is_met(missed)


def test_every_wanted_ratio_is_of_a_row_that_there_is_and_of_kinto_where_it_says_so() -> None:
    figures: Figures = {
        row: {
            side: figure(1.0, bytes=1, told_to_retry=0)
            for side in (
                OURS,
                f"{OURS}, gzip",
                KINTO,
                "COPY",
                "Flask + JWT + query",
                "direct query + Flask + JWT",
            )
        }
        for row in ROWS
    }

    assert {one.row for one in WANTED} == set(ROWS)
    assert all(one.ratio(figures) in (0.0, 1.0) for one in WANTED)


@pytest.mark.parametrize(
    ("power", "found"), [(lambda n: 5.0, 0.0), (lambda n: 3.0 * n, 1.0), (lambda n: n**2, 2.0)]
)
def test_the_exponent_of_growth_is_that_of_the_power(power: Callable[[float], float], found: float) -> None:
    sizes = [10.0, 100.0, 1_000.0]

    assert growth.exponent(sizes, [power(size) for size in sizes]) == pytest.approx(found)


def test_a_diagram_is_drawn_of_a_single_point_too() -> None:
    drawn = plot.svg([plot.Panel("records & more", {"flat": [(1_000, 0.005)]})])

    assert drawn.startswith("<svg")
    assert "records &amp; more" in drawn


def test_cpu_seconds_of_a_process_grow_with_its_work() -> None:
    before = processes.cpu_s(os.getpid())
    while processes.cpu_s(os.getpid()) < before + 0.02:
        sum(range(10_000))

    assert processes.memory_mb(os.getppid()) > 0


def test_a_mixed_load_with_an_error_or_growing_memory_is_not_met() -> None:
    load = mixed.Load(memory_mb=[100.0] * 5 + [150.0] * 5, errors=["pull: gone"], late=[0.0], seconds=60)
    load.waits["pull"] = [0.1] * 94 + [0.5] * 6
    asked = mixed._parser().parse_args([])
    lines = [line for line in mixed._report(load, asked, None) if line.endswith(("| no |", "| yes |"))]

    assert [line.rpartition("| ")[2] for line in lines] == ["no |", "no |", "no |"]


def test_an_unknown_row_is_refused_before_anything_is_started() -> None:
    with pytest.raises(SystemExit):
        benchmarks.main(["--rows", "first,nothing"])
