"""The import contracts, checked by import-linter: ``python -m tests.imports``.

Once on a build machine the linter never came to an end: it stood still between its graph and its first contract. What
it was waiting for is not known, so it gets a limit here, shows where each thread stands when it passes it, and is
asked once more; a second time without an end is a failure.
"""

import os
import subprocess
import sys

LIMIT_S = 120
INSIDE = f"""
import faulthandler, sys
faulthandler.dump_traceback_later({LIMIT_S})
sys.argv = ["lint-imports", "--no-logo"]
from importlinter.cli import lint_imports_command
lint_imports_command()
"""


def check() -> int | None:
    """Its exit status, 0 when every contract is kept; None when it did not end."""
    # One thread is enough for a graph this small, and has nobody to wait for.
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, "-c", INSIDE]
    try:
        return subprocess.run(command, check=False, timeout=LIMIT_S + 10, env=environment).returncode
    except subprocess.TimeoutExpired:
        return None


def main() -> int:
    """Check, at most twice."""
    for attempt in ("first", "second"):
        status = check()
        if status is not None:
            return status
        print(f"import-linter did not end in {LIMIT_S} s ({attempt} attempt)", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
