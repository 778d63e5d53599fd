"""Runs the blocks of a page one after the other, as a reader would, and compares what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.documents.fences import HOUSE, Fence

SERVER = "http://127.0.0.1:8000"
EXPECTED = re.compile(r"^# → (.*)$", re.MULTILINE)
PATIENCE_S = 60


def differences(
    blocks: Sequence[Fence], language: str, url: str, environ: Mapping[str, str], place: Path
) -> list[str]:
    """Run the blocks in one process that is at *url*'s server; ``…`` in an expected line stands for anything.

    Returns:
        For each block that printed something else than its ``# →`` lines, where it is and both sides.
    """
    if language == "python":
        program = [f"print('=== {at}', flush=True)\n{block.text}" for at, block in enumerate(blocks)]
        command = [sys.executable, "-c", "\n".join(program).replace(SERVER, url)]
    else:
        program = [f"echo '=== {at}'\n{block.text}" for at, block in enumerate(blocks)]
        command = ["sh", "-euc", "\n".join(program).replace(SERVER, url)]
    done = subprocess.run(
        command,
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(HOUSE), "PYTHONUTF8": "1"} | dict(environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    printed = re.split(r"^=== \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    if done.returncode:
        at = blocks[len(printed) - 1] if printed else blocks[0]
        return [f"{at.place} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}"]
    return [
        f"{block.place} says {wanted}, and it is {told.splitlines()}"
        for block, told in zip(blocks, printed, strict=True)
        if (wanted := EXPECTED.findall(block.text)) and not same(wanted, told.splitlines())
    ]


def same(wanted: Sequence[str], told: Sequence[str]) -> bool:
    patterns = [".*".join(re.escape(part) for part in line.split("…")) for line in wanted]
    return len(wanted) == len(told) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, told, strict=True)
    )
