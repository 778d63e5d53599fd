"""`python -m tests.documents.rehearsal`: plays deployment and restore in a copy of this machine with its own systemd.

As root, on Debian with the packages that the page names. The copy is an overlay in memory, in namespaces of its
own and without a network; it is gone with the command. What needs the network is given: packages by `pip download`,
the repository as a clone of what is committed here. Of the pages only that address is replaced, and
`apt-get` left out.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.documents.fences import HOUSE, Fence, fences

PAGES = {"docs/deployment.md": "", "docs/operations.md": "## Backup and restore"}
HOST = Path(__file__).with_name("rehearsal_host.sh")
SHARED = "/run/rehearsal"
SYSTEMD = "/lib/systemd/systemd"
NEEDED = (SYSTEMD, "unshare", "nsenter", "nginx", "pg_createcluster", "runuser", "git", "curl", "openssl")
SPACES = ("--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup", "--kill-child")
NOT_HERE = os.EX_TEMPFAIL
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",  # of the copy
    "LANG": "C.UTF-8",
    "PIP_QUIET": "1",
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": f"{SHARED}/packages",
}
BOOT_S = 60
REPLACED = {
    "https://git.example.com/fieldmerge.git": f"{SHARED}/fieldmerge.git",
    "apt-get ": "true apt-get ",
}


def main() -> int:
    """Play it; the status of the first block that fails, with what it said. NOT_HERE where it cannot be played."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() == 0 and missing:
        print(
            f"On a Debian the packages of docs/deployment.md, and systemd, bring what is missing: {missing}"
        )
        return 2
    if why := "it has to be root's" if os.geteuid() != 0 else refused():
        print(f"NOT RUN: {why}")
        return NOT_HERE
    with tempfile.TemporaryDirectory(prefix="fm-rehearsal-") as place, host(Path(place)) as init:
        for page, part in PAGES.items():
            blocks = list(played(page, part))
            script = "set -eu\n" + "".join(f"echo '== {one.place}' >&2\n{one.text}\n" for one in blocks)
            for word, other in REPLACED.items():
                script = script.replace(word, other)
            began = time.monotonic()
            status = inside(init, script)
            if status:
                inside(init, "journalctl --no-pager --lines 40 --priority warning")
                return status
            print(f"{page}: {len(blocks)} blocks, {time.monotonic() - began:.0f} s")
    return 0


def refused() -> str:
    """Why no copy of this machine can be booted by this user; empty where one can."""
    tried = subprocess.run(["unshare", *SPACES, "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "no namespaces" if tried.returncode else ""


def played(page: str, part: str) -> Iterator[Fence]:
    """The blocks for a root shell in one part of a page; without *part*, in all of it."""
    lines = (HOUSE / page).read_text(encoding="utf-8").splitlines()
    first = lines.index(part) if part else 0
    ends = (at for at in range(first + 1, len(lines)) if part and lines[at].startswith("## "))
    last = next(ends, len(lines))
    return (one for one in fences(HOUSE / page) if one.language == "sh" and first < one.line <= last)


@contextlib.contextmanager
def host(place: Path) -> Iterator[int]:
    """A booted copy of this machine; gives the process id of its systemd."""
    copy, shared = place / "copy", place / "shared"
    copy.mkdir()
    shared.mkdir()
    provide(shared)
    with subprocess.Popen(["unshare", *SPACES, "sh", HOST, copy, shared]) as outer:
        try:
            yield booted(outer)
        finally:
            outer.send_signal(signal.SIGKILL)


def provide(shared: Path) -> None:
    """What the copy, which has no network, is given: the repository and the packages."""
    subprocess.run(["git", "clone", "--quiet", "--bare", HOUSE, shared / "fieldmerge.git"], check=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
    lock = ["-r", str(HOUSE / "requirements.lock"), "-d", str(shared / "packages")]
    subprocess.run([*download, *lock], check=True)


def booted(outer: "subprocess.Popen[bytes]") -> int:
    """Wait until the copy's systemd has started what starts with a machine."""
    deadline = time.monotonic() + BOOT_S
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while time.monotonic() < deadline and outer.poll() is None:
        for init in children.read_text(encoding="ascii").split():
            if b"systemd" in Path(f"/proc/{init}/cmdline").read_bytes().split(b"\0")[0]:
                wait = "systemctl is-system-running --wait"
                if inside(int(init), f"{wait} > /dev/null || systemctl --no-pager --failed", quiet=True) == 0:
                    return int(init)
        time.sleep(0.5)
    raise SystemExit("The copy of the machine did not boot.")


def inside(init: int, script: str, *, quiet: bool = False) -> int:
    """Run a script as the copy's root; gives its status."""
    words = ["nsenter", "--target", str(init), "--all", "--root", "sh", "-c", f"cd /\n{script}"]
    lost = subprocess.DEVNULL if quiet else None
    done = subprocess.run(words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=lost, check=False)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
