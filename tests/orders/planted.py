"""Orders, shipments and returns as hand-written SQL would leave them."""

from itertools import count
from typing import Any
from uuid import UUID

from app.core.db import compact_json
from app.core.ids import new_id
from tests.world import World

_numbers = count(1)


def plant_orders(
    world: World, account_id: UUID, owner_id: UUID, *, words: str = "메모", **values: Any
) -> dict[str, UUID]:
    """A confirmed order with a line, a shipment and a return of it; their ids by entity."""
    number = next(_numbers)
    order, line, shipment, back, product = (new_id() for _ in range(5))
    world.insert("products", id=product, sku=f"planted-{number}", name="윤활유", base_unit="EA")
    world.insert(
        "orders",
        **{
            "id": order,
            "account_id": account_id,
            "owner_id": owner_id,
            "currency": "KRW",
            "status": "draft",
            "number": f"P-{words}-{number}",
            "taken_at": world.sql("SELECT now()")[0][0],
            "note": words,
            "customer_reference": words,
            "findings": compact_json([]),
            "priced": compact_json({"currency": "KRW", "lines": [], "free_goods": []}),
            "fulfilment": compact_json([]),
            "total": 1100,
            "payable": 1100,
        }
        | values,
    )
    world.insert(
        "order_lines", id=line, order_id=order, product_id=product, unit="EA", quantity=1, note=words
    )
    world.insert("shipments", id=shipment, order_id=order, account_id=account_id, carrier=words)
    world.insert("shipment_lines", id=new_id(), shipment_id=shipment, item=str(line), quantity=1)
    world.insert("order_returns", id=back, order_id=order, account_id=account_id, reason=words)
    world.insert("return_lines", id=new_id(), return_id=back, item=str(line), quantity=1)
    return {"order": order, "shipment": shipment, "order_return": back}


def plant_terms(world: World, **whose: Any) -> dict[str, UUID]:
    """A warehouse with something in it, and a limit of discounts: of admins, unless it is said of whom."""
    number = next(_numbers)
    warehouse, limit, product = new_id(), new_id(), new_id()
    world.insert("warehouses", id=warehouse, code=f"W{number}", name="인천 물류센터")
    world.insert("products", id=product, sku=f"counted-{number}", name="윤활유", base_unit="EA")
    world.insert(
        "stock_snapshots",
        id=new_id(),
        warehouse_id=warehouse,
        product_id=product,
        quantity=3,
        taken_at=world.sql("SELECT now()")[0][0],
    )
    world.insert("discount_limits", id=limit, percent=5, **(whose or {"role": "admin"}))
    return {"warehouse": warehouse, "discount_limit": limit}
