"""What examples say where a field has none of its own: one story, told by the names of the fields.

Kim Minji of Hanbit Energy visits a customer in Seoul on 20 November 2026, takes an order of drums of lubricant, and
the customer pays a part of it. The same noun has the same id in every example, so that they fit together.
"""

import hashlib
import re
from typing import Any

PEOPLE = {
    "acted_by", "actor_id", "assignee_id", "author_id", "by_id", "collected_by", "created_by", "delegated_from",
    "editor_id", "from_user_id", "manager_id", "owner_id", "requester_id", "reviewer_id", "submitted_by",
    "to_user_id", "user_id", "verified_by", "for_user_id",
}  # fmt: skip
MINJI = {
    "acted_by", "assignee_id", "author_id", "collected_by", "created_by", "owner_id", "requester_id", "submitted_by",
    "user_id",
}  # fmt: skip
# Whom an optional reference names in an example; the others are null there.
SHOWN = {
    "account_id", "article_id", "assignee_id", "contact_id", "device_id", "invoice_id", "order_id", "org_unit_id",
    "owner_id", "payment_id", "price_list_id", "product_id", "record_id", "site_id", "submitted_by", "territory_id",
    "user_id", "version_id", "visit_id", "warehouse_id",
}  # fmt: skip
NOUNS = {"to_account_id": "other account", "from_territory_id": "other territory", "new_id": "new record"}
SELF = {"NewUser": "user", "User": "user", "Login": "user"}

MONEY: dict[str, Any] = {
    "net": "1250000.0000",
    "tax": "125000.0000",
    "total": "1375000.0000",
    "payable": "1375000.0000",
    "base_total": "1375000.0000",
    "amount": "1375000.0000",
    "base_amount": "1375000.0000",
    "open_amount": "875000.0000",
    "base_open_amount": "875000.0000",
    "open_receivables": "875000.0000",
    "overdue_amount": "0.0000",
    "base_overdue_amount": "0.0000",
    "unapplied": "0.0000",
    "unapplied_amount": "0.0000",
    "base_unapplied": "0.0000",
    "not_due": "875000.0000",
    "days_1_30": "0.0000",
    "days_31_60": "0.0000",
    "days_61_90": "0.0000",
    "days_over_90": "0.0000",
    "committed": "1375000.0000",
    "exposure": "2250000.0000",
    "available": "7750000.0000",
    "limit": "10000000.0000",
    "credit_limit": "10000000.0000",
    "credited": "125000.0000",
    "estimated_wallet": "48000000.0000",
    "price": "125000.0000",
    "old_price": "119000.0000",
    "new_price": "125000.0000",
    "floor_price": "112500.0000",
    "cost": "98000.0000",
    "min_amount": "1000000.0000",
    "minimum_order": "300000.0000",
    "discount_percent": "5.0000",
    "margin_percent": "21.6000",
}
QUANTITIES: dict[str, Any] = {"quantity": "10.000000", "accepted": "9.000000", "min_quantity": "10.000000"}

TIMES: dict[str, Any] = {
    "planned_start": "2026-11-20T01:00:00.000000Z",
    "planned_end": "2026-11-20T02:00:00.000000Z",
    "checked_in_at": "2026-11-20T01:04:12.000000Z",
    "checked_out_at": "2026-11-20T01:46:30.000000Z",
    "last_visited_at": "2026-11-20T01:46:30.000000Z",
    "occurred_at": "2026-11-20T01:20:00.000000Z",
    "happened_at": "2026-11-20T01:20:00.000000Z",
    "taken_at": "2026-11-20T01:30:00.000000Z",
    "submitted_at": "2026-11-20T01:40:00.000000Z",
    "approved_at": "2026-11-20T02:15:00.000000Z",
    "confirmed_at": "2026-11-20T04:00:00.000000Z",
    "shipped_at": "2026-11-22T23:30:00.000000Z",
    "delivered_at": "2026-11-23T02:10:00.000000Z",
    "happened_from": "2026-11-20T00:00:00.000000Z",
    "happened_to": "2026-11-21T00:00:00.000000Z",
    "publish_at": "2026-12-01T00:00:00.000000Z",
    "withdraw_at": "2027-12-01T00:00:00.000000Z",
    "due_at": "2026-11-23T09:00:00.000000Z",
    "expires_at": "2026-11-24T09:00:00.000000Z",
    "refresh_expires_at": "2027-01-19T09:00:00.000000Z",
    "started_at": "2026-10-01T00:00:00.000000Z",
    "registered_at": "2026-10-05T08:30:00.000000Z",
    "since": "2026-11-20T00:00:00.000000Z",
    "until": "2026-11-21T00:00:00.000000Z",
}
DAYS: dict[str, Any] = {
    "valid_from": "2026-01-01",
    "valid_to": "2026-12-31",
    "effective_from": "2026-12-01",
    "effective_to": None,
    "issued_on": "2026-11-23",
    "due_on": "2026-12-31",
    "oldest_due_on": "2026-12-31",
    "requested_on": "2026-11-23",
    "priced_on": "2026-11-20",
    "received_on": "2026-11-27",
    "next_review_on": "2027-06-30",
    "since": "2026-11-01",
    "until": "2026-11-30",
}
OTHERS: dict[str, Any] = {
    "version": 7,
    "record_version": 7,
    "n": 41,
    "rank": 1,
    "priority": 10,
    "taken_over": 1,
    "overdue_days": 0,
    "attempts": 1,
    "total": 1,
    "searches": 12,
    "found_nothing": 3,
    "start": 0,
    "end": 4,
    "query": "펌프 소음",
    "did_you_mean": "순환펌프",
    "title": "순환펌프 소음 점검",
    "snippet": "순환펌프에서 소음이 날 때는 스트레이너부터 청소한다",
    "remedy": "clean",
    "tier": "A",
    "nodes": ["noise"],
    "tags": ["대리점", "동절기"],
    "categories": ["윤활유"],
    "products": ["HB-LUB-200"],
    "below_floor": [],
    "replayed": False,
    "has_more": False,
    "on_hold": False,
}
BY_KIND: dict[str, dict[str, Any]] = {"Money": MONEY, "Quantity": QUANTITIES, "Time": TIMES, "Day": DAYS}
# What one field of one schema says, whatever its own example: the story again.
STORY: dict[str, Any] = {
    "MutationSchema.record_id": "account",
    "MutationSchema.base_version": 6,
    "MutationSchema.group": None,
    "ChangeSchema.id": "account",
    "RemovedSchema.id": "visit",
    "VerdictSchema.id": "mutation",
    "VerdictSchema.record": None,
    "VerdictSchema.status": "applied",
    "MutationSchema.id": "mutation",
    "OrderSchema.status": "confirmed",
    "PaymentSchema.received_at": "2026-11-27T05:00:00.000000Z",
    "PaymentSchema.status": "confirmed",
    "VisitSchema.status": "completed",
}


def id_of(noun: str) -> str:
    """The id that *noun* has in every example: a version 7 UUID of no meaning."""
    found = hashlib.sha256(noun.encode()).hexdigest()
    return f"01932c5e-8f{found[:2]}-7{found[2:5]}-9{found[5:8]}-{found[8:20]}"


def example_id(name: str, schema: str) -> str:
    """The id in a field *name* of *schema*: ``account_id``, or ``id`` of an ``AccountPatch``."""
    if name in PEOPLE:
        return id_of("user" if name in MINJI else "manager")
    if name != "id":
        return id_of(NOUNS.get(name, name.removesuffix("_id").replace("_", " ")))
    noun = re.sub(
        "(?<=[a-z])(?=[A-Z])", " ", re.sub("(Create|Patch|Change|Write|Schema)+$", "", schema)
    ).lower()
    return id_of(SELF.get(schema, noun))


def known_example(kind: str, name: str, schema: str) -> Any:
    """What the story says of a field.

    Args:
        kind: Class of the field, as ``Money``.
        name: Of the field.
        schema: Class of its schema.

    Returns:
        The value; ``...`` where the story says nothing, and the field has to speak for itself.
    """
    special = STORY.get(f"{schema}.{name}", ...)
    if special is not ...:
        return id_of(special) if kind == "Id" and special else special
    if kind == "Id":
        return example_id(name, schema)
    table: dict[str, Any] = {"Money": MONEY, "Quantity": QUANTITIES, "Time": TIMES, "Day": DAYS}.get(
        kind, OTHERS
    )
    return table.get(name, ...)
