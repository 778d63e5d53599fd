"""What the demo company sells, and an order that is taken where there is no network."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.demo.office import Desk
from examples.phone import Phone
from examples.phone.clock import new_id
from examples.phone.price_book import PriceBook

Json = dict[str, Any]

SEOUL: Final = ZoneInfo("Asia/Seoul")
SINCE: Final = "2026-01-01"
LIST: Final = "STD-2026"
# SKU, name, name in English, price of a piece in won
GOODS: Final = (
    ("OIL-5W30-4L", "합성 엔진오일 5W30 4L", "Synthetic engine oil 5W30 4L", "38000.0000"),
    ("GREASE-2-15K", "다목적 그리스 2호 15kg", "Multi-purpose grease no. 2, 15 kg", "92000.0000"),
    ("COOL-EG-4L", "부동액 4L", "Antifreeze 4L", "14500.0000"),
)
LIMIT: Final = "5.0000"
DISCOUNT: Final = "12.0000"


def open_shop(desk: Desk) -> None:
    """Goods, a price list for everybody, and who may grant how much; what is there already stays."""
    if any(one["code"] == LIST for one in desk.all("/price-lists")):
        return
    desk.post("/tax-codes", {"code": "standard", "name": "부가가치세", "percent": "10.0000"})
    listed = desk.post(
        "/price-lists", {"code": LIST, "name": "표준 단가표 2026", "kind": "list", "currency": "KRW"}
    )
    desk.post("/price-list-assignments", {"price_list_id": listed["id"], "everybody": True})
    for sku, name, english, price in GOODS:
        units = [{"unit": "EA", "factor": "1.000000"}, {"unit": "BOX", "factor": "4.000000"}]
        product = desk.post(
            "/products",
            {
                "sku": sku,
                "name": name,
                "name_en": english,
                "base_unit": "EA",
                "units": units,
                "tax_code": "standard",
            },
        )
        desk.post(
            "/prices",
            {
                "price_list_id": listed["id"],
                "product_id": product["id"],
                "valid_from": SINCE,
                "items": [{"unit": "EA", "min_quantity": "0.000000", "price": price}],
            },
        )
    desk.post("/discount-limits", {"role": "rep", "percent": LIMIT})
    desk.post(
        "/approval-policies",
        {
            "name": "할인 5% 초과",
            "document_kind": "order",
            "metric": "discount_percent",
            "threshold": LIMIT,
            "levels": [{"approver": "manager", "escalate_after_h": 9}],
        },
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """An order as the phone took it: its id, and what the phone told the customer that it costs."""

    order_id: str
    total: str


def take_order(phone: Phone, account_id: str) -> Taken:
    """Two lines, one with more of a discount than a rep may grant; priced and submitted, all without a network."""
    product = {one["sku"]: one["id"] for one in phone.list("product")}
    lines = [
        _line(phone, product["OIL-5W30-4L"], "12.000000", 0),
        _line(phone, product["GREASE-2-15K"], "2.000000", 1)
        | {"manual_kind": "percent", "manual_value": DISCOUNT},
    ]
    day = phone.clock.now().astimezone(SEOUL).date().isoformat()
    price = PriceBook(phone.store.records).price(account_id, "KRW", day, [_to_price(one) for one in lines])
    order_id = phone.create(
        "order", account_id=account_id, currency="KRW", lines=lines, note="화요일 오전 배송"
    )
    shown = [{"id": one["id"], "total": one["total"]} for one in price["lines"]]
    phone.command(
        "order",
        order_id,
        "submit",
        price={"currency": "KRW", "priced_on": day, "lines": shown, "total": price["total"]},
    )
    return Taken(order_id, price["total"])


def approve_order(desk: Desk, order_id: str) -> None:
    """The manager looks at the whole document and agrees to exactly that."""
    waiting = {one["document_id"]: one for one in desk.all("/approvals?status=pending")}
    request = waiting[order_id]
    desk.command(
        f"/approvals/{request['id']}",
        "approve",
        {"document_hash": request["document_hash"], "comment": "확인"},
    )


def in_won(total: str) -> str:
    """Money for people."""
    return f"{Decimal(total):,.0f}원"


def _line(phone: Phone, product_id: str, quantity: str, position: int) -> Json:
    return {
        "id": new_id(phone.clock),
        "product_id": product_id,
        "unit": "EA",
        "quantity": quantity,
        "position": position,
    }


def _to_price(line: Json) -> Json:
    manual = {"kind": line["manual_kind"], "value": line["manual_value"]} if "manual_kind" in line else None
    return {name: line[name] for name in ("id", "product_id", "unit", "quantity")} | {"manual": manual}
