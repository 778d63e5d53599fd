"""``python -m sdk.stores``: write the definitions of an app's store."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sdk.stores import document, rxdb, watermelon
from sdk.stores.document import SHAPES, Catalogue, DocumentUnfit
from sdk.stores.kept import FILE, Kept, TypeChanged

STORES = {"watermelon": watermelon.write, "rxdb": rxdb.write}


def main(arguments: Sequence[str]) -> int:
    """Write them; 1 where that cannot be done, and stderr says why."""
    asked = _parser().parse_args(arguments)
    try:
        catalogue = Catalogue.of(document.read(asked.source, asked.shape or SHAPES))
        catalogue = catalogue.only(asked.only.split(",")) if asked.only else catalogue
        written = generate(catalogue, asked.out, asked.stores or list(STORES))
    except (DocumentUnfit, TypeChanged) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in written:
        sys.stdout.write(f"{path}\n")
    return 0


def generate(catalogue: Catalogue, folder: Path, stores: Sequence[str]) -> list[Path]:
    """Write the definitions of *stores* into *folder*, and the file that remembers their versions."""
    kept = Kept(folder)
    written = [path for name in stores for path in STORES[name](catalogue, folder, kept)]
    kept.write()
    return [*written, kept.path]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sdk.stores", description=__doc__)
    parser.add_argument("stores", nargs="*", choices=[*STORES, []], help="which (both, when left out)")
    parser.add_argument(
        "--out", type=Path, required=True, help=f"folder of the app; keep its {FILE} in your repository"
    )
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="URL|FILE",
        help=f"a server (access token in ${document.TOKEN}) or a kept document; this code, when left out",
    )
    parser.add_argument("--shape", action="append", choices=SHAPES, help="of whom, with this version (all)")
    parser.add_argument("--only", default="", metavar="account,visit", help="these entities only")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
