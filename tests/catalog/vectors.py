"""The published test vectors of pricing: ``python -m tests.catalog.vectors`` writes them anew."""

import json
from pathlib import Path

from app.catalog.pricing.engine import price_order
from app.catalog.pricing.wire import book_of, draft_of, priced_json
from tests.catalog.grid import Json, vectors

PLACE = Path(__file__).parents[2] / "openapi" / "vectors" / "pricing.json"
ABOUT = (
    "Price `draft` by `book` and compare with `expected`, to the last digit, steps included. Decimals are strings."
    " docs/pricing.md says what the rules are; examples/phone/pricing.py is one port of them."
)


def found() -> list[Json]:
    """All vectors with what the engine makes of them."""
    return [
        {"name": name, "draft": draft, "book": book}
        | {"expected": priced_json(price_order(draft_of(draft), book_of(book)))}
        for name, draft, book in vectors()
    ]


def written() -> str:
    """As the file has them: one to a line."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in found())
    return f'{{"about": {json.dumps(ABOUT)},\n"vectors": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(written(), encoding="utf-8")
