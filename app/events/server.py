"""The web server of the process that pings: gevent for the connections, one thread for the database.

Nothing is monkey-patched: greenlets only wait on gevent's own sockets and events, and the database's
thread is a real one that never touches either.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import threading
from typing import Any, Final

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer
from prometheus_client import multiprocess

from app.config import Config
from app.events.application import create_app
from app.events.desk import Desk
from app.events.lobby import SOCKET, Lobby
from app.events.metrics import DROPPED
from app.http.logs import configure_logs

READ_S: Final = 10.0
WRITE_S: Final = 10.0
GRACE_S: Final = 5.0
SEND_BUFFER_BYTES: Final = 8_192  # pings are small, and phones many
SPARE_CONNECTIONS: Final = 200  # that are about to be refused, or ask for health and metrics
SPARE_FILES: Final = 100

log = structlog.get_logger(__name__)


class Handler(WSGIHandler):  # type: ignore[misc]  # gevent ships no types
    """A connection that may neither send slowly nor read slowly."""

    ignored_socket_errors = (*WSGIHandler.ignored_socket_errors, errno.ETIMEDOUT)

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        super().__init__(sock, address, server)

    def read_requestline(self) -> Any:
        """The first line; a connection that does not send one in time is closed."""
        with gevent.Timeout(READ_S, _timed_out()):
            return super().read_requestline()

    def read_request(self, raw_requestline: Any) -> Any:
        """The headers, in time and with no body to come: nothing here takes one."""
        with gevent.Timeout(READ_S, ValueError("the headers came too slowly")):
            understood = super().read_request(raw_requestline)
        if self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0") != "0":
            raise ValueError("a body where none is taken")
        return understood

    def get_environ(self) -> Any:
        """The environment, with the socket by which a stream sees that the phone has gone."""
        return super().get_environ() | {SOCKET: self.socket}

    def _sendall(self, data: Any) -> None:
        """Write; who does not read in time is dropped."""
        try:
            with gevent.Timeout(WRITE_S, _timed_out()):
                super()._sendall(data)
        except TimeoutError:
            DROPPED.labels("slow").inc()
            raise


def _timed_out() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "timed out")


def serve_events(config: Config, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then send everybody away and return.

    Args:
        config: Settings; ``listen_url`` must not be empty.
        listener: A listening socket, which is closed afterwards.
    """
    configure_logs(config.log_level)
    connections = config.events_max + SPARE_CONNECTIONS
    _allow_files(connections + SPARE_FILES)
    desk = Desk(config.listen_url)
    lobby = Lobby(config, desk)
    pool = Pool(connections)
    server = WSGIServer(
        as_green(listener), create_app(config, lobby), spawn=pool, log=None, handler_class=Handler
    )
    thread = threading.Thread(target=desk.run, name="desk")
    thread.start()
    try:
        server.start()
        _until_signal()
        server.close()
        lobby.close()
        pool.join(GRACE_S)
        server.stop(timeout=0.1)
    finally:
        desk.stop()
        thread.join()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
    log.info("events.ended")


def as_green(listener: socket.socket) -> Any:
    """The same socket, as gevent's."""
    return gevent.socket.socket(listener.family, listener.type, listener.proto, fileno=listener.detach())


def _until_signal() -> None:
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, over.set)
    over.wait()


def _allow_files(wanted: int) -> None:
    """Let the process have a file for each connection, as far as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("events.few_files", allowed=most, wanted=wanted)
