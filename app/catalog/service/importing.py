"""Thousands of prices at once: by the keys of other systems, set by set, safe to send again."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.catalog.service.records import WRITERS
from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor

AT_ONCE: Final = 10_000


class Outcome(enum.StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One step of a price, by the keys of the system that it comes from.

    ``floor_price`` is left as it is where ``keeps_floor``.
    """

    list_code: str
    sku: str
    unit: str
    min_quantity: Decimal
    valid_from: date
    valid_to: date | None
    price: Decimal
    floor_price: Decimal | None = None
    keeps_floor: bool = True

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same step."""
        return self.list_code, self.sku, self.valid_from, self.unit, self.min_quantity


@dataclass(frozen=True, slots=True)
class PriceTaken:
    """What became of a row, in the order of the rows."""

    outcome: Outcome
    price_id: UUID | None = None
    code: str | None = None


# The rows that can be taken, with the ids of what they name and what is there already; and why not the others.
_LOOK: Final = text("""
    SELECT r.n, l.id AS list_id, p.id AS product_id, h.id AS price_id, i.id AS item_id,
           i.price AS price, h.valid_to AS valid_to, i.floor_price AS floor_price,
           r.unit = p.base_unit OR EXISTS (
               SELECT FROM product_units u
               WHERE u.tenant_id = :tenant AND u.product_id = p.id AND u.unit = r.unit) AS unit_known
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
         (n integer, list_code text, sku text, unit text, min_quantity numeric, valid_from date)
    LEFT JOIN price_lists l ON l.tenant_id = :tenant AND l.code = r.list_code AND l.deleted_at IS NULL
    LEFT JOIN products p ON p.tenant_id = :tenant AND p.sku = r.sku AND p.deleted_at IS NULL
    LEFT JOIN prices h ON h.tenant_id = :tenant AND h.price_list_id = l.id AND h.product_id = p.id
          AND h.valid_from = r.valid_from AND h.deleted_at IS NULL
    LEFT JOIN price_items i ON i.tenant_id = :tenant AND i.price_id = h.id AND i.unit = r.unit
          AND i.min_quantity = r.min_quantity
    ORDER BY r.n
""")
# One writer at a time: two imports of the same new step would both find it missing.
_HOLD: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('catalog.prices:' || CAST(:tenant AS text), 0))"
)
_NEW_PRICES: Final = text("""
    INSERT INTO prices (tenant_id, id, price_list_id, product_id, valid_from, valid_to)
    SELECT :tenant, r.id, r.list_id, r.product_id, r.valid_from, r.valid_to
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
         (id uuid, list_id uuid, product_id uuid, valid_from date, valid_to date)
""")
_NEW_ITEMS: Final = text("""
    INSERT INTO price_items (tenant_id, id, price_id, unit, min_quantity, price, floor_price)
    SELECT :tenant, r.id, r.price_id, r.unit, r.min_quantity, r.price, r.floor_price
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
         (id uuid, price_id uuid, unit text, min_quantity numeric, price numeric, floor_price numeric)
""")
_CHANGED_ITEMS: Final = text("""
    UPDATE price_items i SET price = r.price, floor_price = r.floor_price
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, price numeric, floor_price numeric)
    WHERE i.tenant_id = :tenant AND i.id = r.id
""")
_CHANGED_DAYS: Final = text("""
    UPDATE prices p SET valid_to = r.valid_to
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, valid_to date)
    WHERE p.tenant_id = :tenant AND p.id = r.id AND p.valid_to IS DISTINCT FROM r.valid_to
""")
# A price without an end takes the place of the one without an end before it.
_END_THOSE_BEFORE: Final = text("""
    UPDATE prices p SET valid_to = r.valid_from - 1
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (list_id uuid, product_id uuid, valid_from date)
    WHERE p.tenant_id = :tenant AND p.price_list_id = r.list_id AND p.product_id = r.product_id
      AND p.valid_to IS NULL AND p.valid_from < r.valid_from AND p.deleted_at IS NULL
      AND NOT EXISTS (SELECT FROM prices later
                      WHERE later.tenant_id = p.tenant_id AND later.price_list_id = p.price_list_id
                        AND later.product_id = p.product_id AND later.deleted_at IS NULL AND later.valid_to IS NULL
                        AND later.valid_from > p.valid_from AND later.valid_from < r.valid_from)
""")


def import_prices(session: Session, actor: Actor, rows: Sequence[PriceRow]) -> list[PriceTaken]:
    """Write steps of prices by (list, product, unit, minimum quantity, first day).

    A row that is refused leaves the others alone; one that says what is there already changes nothing, so that
    an import whose answer was lost is simply sent again. Rows of one price say the same last day, or the later
    row's counts. A new price without a last day ends the one before it that has none either.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator or an integration.
        rows: At most ``AT_ONCE``.

    Returns:
        What became of each, in the same order.

    Raises:
        Forbidden: Others do not keep prices.
    """
    if actor.role not in WRITERS:
        raise Forbidden
    session.execute(_HOLD, {"tenant": actor.tenant_id})
    found = _send(session, actor, _LOOK, [_asked(n, row) for n, row in enumerate(rows)])
    run = _Run(rows, found)
    run.sort_out()
    for statement, values in (
        (_NEW_PRICES, run.new_prices),
        (_NEW_ITEMS, run.new_items),
        (_CHANGED_ITEMS, run.changed_items),
        (_CHANGED_DAYS, [{"id": one, "valid_to": day} for one, day in run.days.items()]),
        (_END_THOSE_BEFORE, run.endless),
    ):
        if values:
            _send(session, actor, statement, values)
    session.expire_all()
    return run.taken


def _asked(n: int, row: PriceRow) -> dict[str, Any]:
    key = {"list_code": row.list_code, "sku": row.sku, "unit": row.unit}
    return {"n": n, **key, "min_quantity": row.min_quantity, "valid_from": row.valid_from}


def _send(
    session: Session, actor: Actor, statement: TextClause, rows: Sequence[Mapping[str, Any]]
) -> Sequence[Any]:
    sent = orjson.dumps(rows, default=str).decode()
    result = session.execute(statement, {"tenant": actor.tenant_id, "rows": sent})
    return result.all() if result.returns_rows else ()  # type: ignore[attr-defined]  # of the driver


class _Run:
    """One import: what is to be written, and what became of each row."""

    def __init__(self, rows: Sequence[PriceRow], found: Sequence[Any]) -> None:
        self.rows, self.found = rows, found
        self.taken: list[PriceTaken] = []
        self.new_prices: list[dict[str, Any]] = []
        self.new_items: list[dict[str, Any]] = []
        self.changed_items: list[dict[str, Any]] = []
        self.days: dict[UUID, date | None] = {}
        self.endless: list[dict[str, Any]] = []
        self._made: dict[tuple[UUID, UUID, date], dict[str, Any]] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def sort_out(self) -> None:
        """Decide what becomes of each row."""
        for row, found in zip(self.rows, self.found, strict=True):
            code = self._why_not(row, found)
            taken = PriceTaken(Outcome.REJECTED, code=code) if code else self._take(row, found)
            self.taken.append(taken)
        self.new_prices = list(self._made.values())
        self.endless = [
            {name: one[name] for name in ("list_id", "product_id", "valid_from")}
            for one in self.new_prices
            if one["valid_to"] is None
        ]

    def _why_not(self, row: PriceRow, found: Any) -> str | None:
        if found.list_id is None or found.product_id is None:
            return "reference_not_found"
        if not found.unit_known:
            return "choice_unknown"
        if row.valid_to is not None and row.valid_to < row.valid_from:
            return "value_out_of_range"
        if row.key in self._seen:
            return "duplicate_item"
        self._seen.add(row.key)
        return None

    def _take(self, row: PriceRow, found: Any) -> PriceTaken:
        floor = found.floor_price if row.keeps_floor else row.floor_price
        if found.item_id is not None:
            moves = found.valid_to != row.valid_to
            if moves:
                self.days[found.price_id] = row.valid_to
            changes = (found.price, found.floor_price) != (row.price, floor)
            if changes:
                self.changed_items.append({"id": found.item_id, "price": row.price, "floor_price": floor})
            outcome = Outcome.UPDATED if moves or changes else Outcome.UNCHANGED
            return PriceTaken(outcome, found.price_id)
        price_id = found.price_id
        if price_id is None:
            key = (found.list_id, found.product_id, row.valid_from)
            names = dict(zip(("list_id", "product_id", "valid_from"), key, strict=True))
            price = self._made.setdefault(key, {"id": new_id(), **names})
            price["valid_to"] = row.valid_to
            price_id = price["id"]
        elif found.valid_to != row.valid_to:
            self.days[price_id] = row.valid_to
        step = {"unit": row.unit, "min_quantity": row.min_quantity, "price": row.price}
        self.new_items.append({"id": new_id(), "price_id": price_id, **step, "floor_price": floor})
        return PriceTaken(Outcome.CREATED, price_id)
