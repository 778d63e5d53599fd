"""The same of what is sold: the catalogue, approvals, and orders with what becomes of them."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.sync.odd_records import FIRST, LAST, LONG, MOST, NASTY, POINTS, VALUES, Records

MOST_GOODS = Decimal("999999999999.999999")
LEAST_GOODS = "0.000001"
MOST_WHOLE = 2**31 - 1
ALWAYS = {"valid_from": date(1900, 1, 1), "valid_to": date(9999, 12, 31)}
TEXTS = ["가", NASTY, '"', "\\", "", "NULL", "{}"]
JSON = orjson.dumps(VALUES).decode()


def catalogue(records: Records, account: UUID) -> None:
    records.add("currency", code="KRW", line_unit=1, tax_unit=10)
    records.add(
        "currency",
        code="USD",
        line_unit="0.0001",
        line_mode="half_even",
        tax_unit=MOST,
        tax_mode="down",
        tax_inclusive=True,
    )
    records.add("tax_code", code="", percent=0)
    records.add("tax_code", code=NASTY, name=LONG, percent="99.99995")
    products(records)
    prices(records, account)
    promotions(records, account)


def products(records: Records) -> None:
    records.add("product", sku="", name="", base_unit="")
    full = records.add(
        "product",
        **dict.fromkeys(("sku", "name", "name_en", "base_unit", "tax_code"), NASTY),
        categories=TEXTS,
        serial_tracked=True,
        warranty_months=MOST_WHOLE,
        status="discontinued",
        substitutes=TEXTS,
    )
    records.add_parts(
        "product",
        "units",
        full,
        {"unit": NASTY, "factor": MOST_GOODS, "barcode": NASTY},
        {"unit": "", "factor": LEAST_GOODS},
        {"unit": "x", "factor": "1E+2", "barcode": ""},
    )


def prices(records: Records, account: UUID) -> None:
    empty, product = records.ids["product"]
    open_list = records.add("price_list", code="", name="", currency="KRW")
    full = records.add("price_list", code=NASTY, name=LONG, kind="contract", currency="USD", **ALWAYS)
    records.add("price_list_assignment", price_list_id=open_list, everybody=True)
    for rank, whose in (
        (MOST_WHOLE, {"account_id": account}),
        (-MOST_WHOLE, {"territory_id": records.world.north}),
    ):
        records.add("price_list_assignment", price_list_id=full, rank=rank, **whose)
    records.add("price", price_list_id=open_list, product_id=empty, valid_from=utc_now().date())
    price = records.add("price", price_list_id=full, product_id=product, **ALWAYS)
    records.add_parts(
        "price",
        "items",
        price,
        {"unit": NASTY, "min_quantity": MOST_GOODS, "price": MOST, "floor_price": MOST},
        {"unit": "", "price": 0},
        {"unit": "", "min_quantity": LEAST_GOODS, "price": "0.00004"},
    )


def promotions(records: Records, account: UUID) -> None:
    records.add("promotion", code="", name="", benefit="percent", value="0.0000004")
    full = records.add(
        "promotion",
        **dict.fromkeys(("code", "name", "name_en", "stacking_group", "unit", "free_unit"), NASTY),
        **dict.fromkeys(("products", "categories", "tiers", "kinds"), TEXTS),
        **dict.fromkeys(("exclusive", "repeats", "for_accounts"), True),
        benefit="free_goods",
        value=MOST_GOODS,
        priority=-MOST_WHOLE,
        currency="USD",
        min_quantity=-MOST_GOODS,
        min_amount=-MOST,
        free_product_id=records.ids["product"][0],
        budget_left=MOST_GOODS,
        **ALWAYS,
    )
    records.add("promotion_account", promotion_id=full, account_id=account)


def notifications(records: Records, owner: UUID) -> None:
    texts = dict.fromkeys(("title_code", "title_ko", "title_en"), "")
    place = {"user_id": owner, "record_id": new_id()}
    records.add("notification", **place, **texts, kind="", entity="", details="null", notified_at=utc_now())
    records.add(
        "notification",
        **place,
        **dict.fromkeys(texts, NASTY),
        kind=NASTY[:40],
        entity=NASTY[:40],
        details=JSON,
        notified_at=LAST,
        read_at=FIRST,
    )


def approvals(records: Records, account: UUID, people: dict[str, UUID]) -> None:
    """Of each person one that they asked for, and one that they are asked to decide."""
    for requester, assignee in _pairs(people.values()):
        values = {"requester_id": requester, "plan": "[]"}
        records.add(
            "approval",
            **values,
            document_kind="",
            document_id=new_id(),
            level=0,
            levels=0,
            requested_at=utc_now(),
            document_hash="",
            title="",
            **dict.fromkeys(("snapshot", "metrics", "triggered"), "null"),
        )
        full = records.add(
            "approval",
            **values,
            document_kind=NASTY[:40],
            document_id=new_id(),
            level=-MOST_WHOLE,
            levels=MOST_WHOLE,
            requested_at=FIRST,
            document_hash=NASTY,
            title=LONG,
            account_id=account,
            territory_id=records.world.north,
            reasons=TEXTS,
            **dict.fromkeys(("snapshot", "metrics", "triggered"), JSON),
            status="superseded",
            decided_at=LAST,
        )
        step = {
            **dict.fromkeys(("assignee_id", "acted_by", "delegated_from"), assignee),
            **dict.fromkeys(("active_at", "due_at"), FIRST),
            "decided_at": LAST,
        }
        records.add_parts(
            "approval",
            "steps",
            full,
            {"position": MOST_WHOLE, "level": MOST_WHOLE, "status": "delegated", "comment": NASTY} | step,
            {"position": -1, "level": 0},
            {"position": -1, "level": 0, "comment": ""},
        )


def _pairs(people: Iterable[UUID]) -> list[tuple[UUID, UUID]]:
    """Each with the next one, the last with the first."""
    circle = list(people)
    return list(zip(circle, circle[1:] + circle[:1], strict=True))


def synonyms(records: Records) -> None:
    everybody = ["sales", "service", "manager", "partner"]
    records.add("synonym_group", words=["", ""], audience=everybody)
    records.add("synonym_group", words=[NASTY, LONG], audience=["partner", "partner", "manager"])


def orders(records: Records, account: UUID, owner: UUID) -> None:
    synonyms(records)
    records.add("warehouse", code="", name="")
    records.add("warehouse", code=NASTY, name=LONG, org_unit_id=records.world.unit_id)
    records.add("discount_limit", user_id=owner, percent="0.00004")
    records.add("discount_limit", role="rep", percent=100)
    values = {"account_id": account, "owner_id": owner}
    records.add("order", **values, currency="KRW", taken_at=utc_now())
    json_null = dict.fromkeys(("findings", "priced", "fulfilment"), "null")
    records.add("order", **values, **json_null, currency="KRW", taken_at=utc_now())
    full = full_order(records, values)
    shipments(records, account, full)
    returns(records, account, full)


def full_order(records: Records, values: dict[str, Any]) -> UUID:
    order = records.add(
        "order",
        **values,
        site_id=records.ids["site"][1],
        warehouse_id=records.ids["warehouse"][1],
        currency="USD",
        requested_on=date(1900, 1, 1),
        **dict.fromkeys(("customer_reference", "number", "cancel_reason", "document_hash"), NASTY),
        terms_days=3650,
        prepaid=True,
        manual_percent="99.99995",
        note=LONG,
        status="on_hold",
        revision=MOST_WHOLE,
        taken_at=FIRST,
        **dict.fromkeys(("submitted_at", "approved_at", "confirmed_at"), LAST),
        submitted_by=values["owner_id"],
        hold_reasons=TEXTS,
        **dict.fromkeys(("findings", "priced", "fulfilment"), JSON),
        priced_on=date(9999, 12, 31),
        **dict.fromkeys(("net", "total", "base_total"), MOST),
        **dict.fromkeys(("discount_percent", "tax", "payable"), -MOST),
        base_currency="KRW",
        approval_id=records.ids["approval"][0],
        **dict.fromkeys(("cost", "margin_percent"), MOST),
        facts=JSON,
    )
    line = {"product_id": records.ids["product"][1]}
    records.add_parts(
        "order",
        "lines",
        order,
        {"unit": NASTY, "quantity": MOST_GOODS, "position": MOST_WHOLE, "note": LONG}
        | {"manual_kind": "unit_price", "manual_value": -MOST}
        | line,
        {"unit": "", "quantity": "-0.0000004", "position": -1} | line,
        {"unit": "", "quantity": LEAST_GOODS, "position": -1, "note": ""} | line,
    )
    return order


def shipments(records: Records, account: UUID, order: UUID) -> None:
    values = {"order_id": order, "account_id": account}
    records.add("shipment", **values)
    texts = ("carrier", "tracking_number", "signed_by", "signature_sha256", "photo_sha256")
    for point in POINTS:
        full = records.add(
            "shipment",
            **values,
            **dict.fromkeys(texts, NASTY),
            warehouse_id=records.ids["warehouse"][0],
            status="delivered",
            shipped_at=FIRST,
            delivered_at=LAST,
            delivered_location=point,
        )
    records.add_parts(
        "shipment",
        "lines",
        full,
        {"item": NASTY, "quantity": MOST_GOODS},
        {"item": "", "quantity": LEAST_GOODS},
    )


def returns(records: Records, account: UUID, order: UUID) -> None:
    values = {"order_id": order, "account_id": account}
    records.add("order_return", **values, reason="")
    full = records.add(
        "order_return",
        **values,
        reason=LONG,
        status="rejected",
        decision=NASTY,
        credited=-MOST,
        currency="USD",
    )
    records.add_parts(
        "order_return",
        "lines",
        full,
        {"item": NASTY, "quantity": MOST_GOODS, "accepted": MOST_GOODS},
        {"item": "", "quantity": LEAST_GOODS},
        {"item": "x", "quantity": 1, "accepted": 0},
    )
