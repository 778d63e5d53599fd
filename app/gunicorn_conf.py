"""Settings of gunicorn; address, workers and threads come on the command line of app/serve.py."""

import os
import time
from typing import Any

from gunicorn.http import wsgi  # type: ignore[import-untyped] # ships no types
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]
from prometheus_client import multiprocess

from app.core.supervised import end_with_supervisor
from app.core.waits import note_wait

# Read by the master, before it has any worker.
end_with_supervisor()


class PunctualWorker(ThreadWorker):  # type: ignore[misc]
    """Threads, and requests that know how long they waited for one."""

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection with a request to the threads."""
        conn.arrived = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Answer it, in one of them."""
        note_wait(time.monotonic() - conn.arrived)
        return super().handle(conn)


worker_class = PunctualWorker
workers = 2
threads = 32

# A cursor and filters fit by far; whoever sends more gets 414 or 431 before any code of ours runs.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Longer than the 60 s after which common reverse proxies close an idle connection, so that they close first.
keepalive = 75
# A worker whose main thread is silent for this long is replaced; requests run in other threads.
timeout = 60
# Requests under way may end; what lasts longer is cut off and sent again by the phone.
graceful_timeout = 30

# Heartbeats are files; on a slow disk they would stop workers.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a tmpfs, mkstemp inside

# Requests are logged by the application, as structured lines without personal data.
accesslog = None
errorlog = "-"
loglevel = "warning"

# No second way to control the server; app/serve.py is the one.
control_socket_disable = True


def child_exit(_server: Any, worker: Any) -> None:
    """Let go of a dead worker's live gauges; its counters stay in the sum."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus types it partly


def _headers_without_server(response: Any) -> list[str]:
    return [header for header in _all_headers(response) if not header.startswith("Server:")]


# Which server this is helps nobody but an attacker; gunicorn has no setting for it.
_all_headers = wsgi.Response.default_headers
wsgi.Response.default_headers = _headers_without_server
