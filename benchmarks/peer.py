"""A server to compare with, behind gunicorn with the workers and threads that the product has."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.serve import listen, wait_ready

WORKERS = 2
THREADS = 32
CONF = Path(__file__).parent / "gunicorn_conf.py"
FIRST_PORT = 18_000
GRACE_S = 40


@dataclass(frozen=True, slots=True)
class Web:
    """A running web server: where it is, and the master of its workers."""

    url: str
    pid: int


@contextmanager
def peer(
    python: str, application: Sequence[str], env: Mapping[str, str], log: Path, ready: str
) -> Iterator[Web]:
    """Serve *application* (words for gunicorn) by the given Python, until *ready* answers; stopped at the end."""
    with listen("127.0.0.1", FIRST_PORT, 100) as listener, log.open("ab") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        options = [
            "--bind",
            f"fd://{listener.fileno()}",
            "--workers",
            str(WORKERS),
            "--threads",
            str(THREADS),
        ]
        process = subprocess.Popen(
            [python, "-m", "gunicorn", "--config", str(CONF), *options, *application],
            env=os.environ | dict(env),
            cwd=CONF.parents[1],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
        )
    try:
        wait_ready(url + ready, 60, still_alive=lambda: process.poll() is None)
        yield Web(url, process.pid)
    finally:
        process.terminate()
        deadline = time.monotonic() + GRACE_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
        process.wait()
