"""A node process that is asked by lines of JSON, with many devices in it."""

import json
import tempfile
from itertools import count
from typing import Any

from tests.doors import clients
from tests.doors.door import Lost


class NodeFailed(Exception):
    """The client threw, or the process is gone."""


class Node:
    """One process of a script beside this file; started when it is asked first."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.names = count(1)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self._process: Any = None

    def ask(self, verb: str, **parts: Any) -> Any:
        """Ask, and wait.

        Raises:
            Lost: The network failed, as it was told to.
            NodeFailed: Anything else.
        """
        if self._process is None:
            self._process = clients.start(self.script, self._errors)
        self._process.stdin.write(json.dumps({"verb": verb, **parts}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise NodeFailed(self._errors.read().decode())
        answer = json.loads(line)
        if "lost" in answer:
            raise Lost(answer["lost"])
        if "failed" in answer:
            raise NodeFailed(answer["failed"])
        return answer["told"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(10)
            self._process.stdout.close()
        self._errors.close()
