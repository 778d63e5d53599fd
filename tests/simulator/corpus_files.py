"""Histories that once found something: kept as data and replayed by the suite for ever."""

import re
from pathlib import Path
from typing import Any

import orjson

CORPUS = Path(__file__).parent / "corpus"


def write(name: str, seed: int, invariant: str | None, what: str, steps: list[dict[str, Any]]) -> str:
    """Put a history into the corpus; gives the file's name."""
    path = CORPUS / (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] + ".json")
    CORPUS.mkdir(exist_ok=True)
    # What an error says may hold ids of a run; the invariant is what counts.
    head = {"name": name, "seed": seed, "invariant": invariant, "said": what[:200]}
    lines = [orjson.dumps(step, option=orjson.OPT_SORT_KEYS).decode() for step in steps]
    body = ",\n    ".join(lines)
    path.write_text(
        "{\n"
        + "".join(f'  "{k}": {orjson.dumps(v).decode()},\n' for k, v in head.items())
        + f'  "steps": [\n    {body}\n  ]\n}}\n',
        encoding="utf-8",
    )
    return path.name


def read(path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Seed and steps of a file."""
    found = orjson.loads(path.read_bytes())
    return found["seed"], found["steps"]


def files() -> list[Path]:
    """All of them."""
    return sorted(CORPUS.glob("*.json"))
