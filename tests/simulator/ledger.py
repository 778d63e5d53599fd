"""The ledger of seeds: which histories were played against which code, and what they met."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import orjson

LEDGER = Path(__file__).parent / "ledger.json"
HOUSE = Path(__file__).parents[2]
PARTS = ("app", "sync", "migrations", "tests/simulator")


def code_version() -> str:
    """Names the code that is tested and the code that tests it: a hash of their files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *PARTS], cwd=HOUSE, capture_output=True, check=True
    ).stdout.decode()
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        path = HOUSE / name
        if path.suffix == ".py" and path.is_file():
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def read() -> list[dict[str, Any]]:
    """The entries, oldest first."""
    return list(orjson.loads(LEDGER.read_bytes())) if LEDGER.exists() else []


def next_seed() -> int:
    """The first seed that nobody has played."""
    return max((entry["to"] for entry in read()), default=0) + 1


def add(first: int, last: int, code: str, counts: dict[str, Any], failures: list[dict[str, Any]]) -> None:
    """Note the seeds *first* to *last*; goes on with an entry of the same code that ends just before."""
    entries = read()
    entry = next((e for e in entries if e["code"] == code and e["to"] == first - 1), None)
    if entry is None:
        entry = {"code": code, "from": first, "to": first - 1, "histories": 0, "counts": {}, "failures": []}
        entries.append(entry)
    entry["to"] = last
    entry["histories"] += last - first + 1
    for name, number in counts.items():
        entry["counts"][name] = entry["counts"].get(name, 0) + number
    entry["failures"] += failures
    LEDGER.write_bytes(orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


def is_done(seed: int, code: str) -> bool:
    """Whether the ledger has a seed under this code."""
    return any(e["code"] == code and e["from"] <= seed <= e["to"] for e in read())
