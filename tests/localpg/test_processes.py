"""Processes are recognised by more than their PID."""

import os
import subprocess
import sys
import time

from localpg.processes import _from_ps, find_process


class TestFindProcess:
    def test_finds_a_live_one_with_its_command(self) -> None:
        process = find_process(os.getpid())
        assert process is not None
        assert "python" in process.command
        assert process == find_process(os.getpid())

    def test_a_zombie_has_ended(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        found = find_process(child.pid)
        child.wait()
        assert found is None

    def test_one_that_was_started_this_moment_is_the_same_a_moment_later(self) -> None:
        for _ in range(50):
            with subprocess.Popen(["sleep", "60"]) as child:
                at_once = find_process(child.pid)
                time.sleep(0.01)
                later = find_process(child.pid)
                child.kill()
            assert at_once is not None
            assert at_once == later

    def test_no_process_has_pid_zero(self) -> None:
        assert find_process(0) is None

    def test_ps_tells_the_same_command(self) -> None:
        if os.path.exists("/bin/ps"):
            process, expected = _from_ps(os.getpid()), find_process(os.getpid())
            assert process is not None
            assert expected is not None
            assert process.command == expected.command
