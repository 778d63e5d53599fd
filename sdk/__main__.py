"""``python -m sdk``: generate the SDKs from ``openapi/openapi.json``."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from localnode import NodeFailed
from sdk.languages import languages
from sdk.tools import ROOT, ToolFailed, ToolsMissing, emptied

AT_ONCE = 2
WHAT = {
    "typescript": "types and a fetch client, compiled in strict mode",
    "python": "a package for Python 3.10 and newer",
    "kotlin": "OkHttp, Moshi and coroutines; not compiled here",
    "swift": "a Swift package with async calls; not compiled here",
    "stores": "WatermelonDB schema with models, and RxDB collections",
}


def main(arguments: Sequence[str]) -> int:
    """Generate, saying what is being made; 1 where a generator failed."""
    known = languages()
    parser = argparse.ArgumentParser(prog="python -m sdk", description=__doc__)
    parser.add_argument(
        "only", nargs="*", metavar="LANGUAGE", help=f"of {', '.join(known)}; all, when left out"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / ".fieldmerge" / "sdk", help="folder (.fieldmerge/sdk)"
    )
    asked = parser.parse_args(arguments)
    unknown = set(asked.only) - known.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    wanted = [name for name in known if not asked.only or name in asked.only]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {pool.submit(_timed, known[name], asked.out.resolve() / name): name for name in wanted}
        sys.stdout.write(f"Making {', '.join(wanted)} ...\n")
        sys.stdout.flush()
        failed = 0
        for run in as_completed(runs):
            try:
                sys.stdout.write(f"  {runs[run]}: {run.result():.0f} s\n")
            except (ToolFailed, ToolsMissing, NodeFailed, OSError) as error:
                failed += 1
                sys.stderr.write(f"  {runs[run]} failed: {error}\n")
            sys.stdout.flush()
    if failed:
        return 1
    sys.stdout.write("\n")
    for name in wanted:
        sys.stdout.write(f"{asked.out / name}: {WHAT[name]}\n")
    return 0


def _timed(write: Callable[[Path], None], folder: Path) -> float:
    """Write it beside *folder* and then into its place: what fails leaves that of an earlier run as it was."""
    began = time.monotonic()
    fresh = emptied(folder.with_name(f".{folder.name}"))
    write(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
