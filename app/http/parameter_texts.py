"""What the API document says of parameters whose room says nothing: the same words for the same name."""

import re

from app.http.operation_ids import API

TEXTS = {
    "account_id": "Of this account",
    "article_id": "Of this article",
    "asset_model": "About this model of a machine",
    "assignee_id": "Assigned to this person",
    "author_id": "Written by this person",
    "code": "With this code",
    "currency": "In this currency (ISO 4217)",
    "device_id": "Of this device",
    "document_id": "About this document",
    "document_kind": "About documents of this kind",
    "due_before": "Due before this day",
    "editor_id": "Kept by this editor",
    "endpoint_id": "Of this endpoint",
    "entity": "Name of an entity, as `GET /api/v1/sync/schema` lists them",
    "event_id": "Of this event",
    "for_customers": "Only what customers may be shown, or only what they may not",
    "happened_from": "Happened at or after this time",
    "has_error": "Only those whose last sync ended in an error, or only the others",
    "has_pending": "Only those with unsent edits, or only the others",
    "id": "Id of the record",
    "kind": "Of this kind",
    "kinds": "Of these kinds; repeat the parameter for several",
    "language": "In this language",
    "last_pulled_at": "As the client keeps it: the `timestamp` of its last pull",
    "limit": "The most items of one page",
    "manager_id": "Led by this person",
    "must_read": "Only what has to be acknowledged, or only the rest",
    "offset": "How many hits to pass over",
    "order_id": "Of this order",
    "org_unit_id": "Of this org unit",
    "outcome": "With this outcome",
    "overdue": "Only those with something overdue, or only the others",
    "owner_id": "Owned by this person",
    "parent_id": "Directly below this one",
    "planned_from": "Planned at or after this time",
    "price_list_id": "Of this price list",
    "product_id": "Of this product",
    "promotion_id": "Of this promotion",
    "received_from": "Received at or after this time",
    "requester_id": "Asked for by this person",
    "role": "With this role",
    "since": "From this day on",
    "since_id": "The earlier version to compare with; the one before, when left out",
    "sku": "With this stock keeping unit",
    "slug": "With this slug",
    "state": "In this state",
    "status": "In this status",
    "taken_from": "Taken at or after this time",
    "tier": "Of this tier",
    "tree_id": "Of this diagnosis tree",
    "unread": "Only what was not read, or only what was",
    "updated_since": "Changed at or after this time",
    "user_id": "Of this person",
    "version_id": "Of this version",
    "visit_id": "Of this visit",
    "warehouse_id": "Of this warehouse",
}


def text_of_parameter(name: str, place: str, path: str) -> str:
    """A line about a parameter; of a path, what it is the id of."""
    if place == "path" and name.endswith("_id"):
        before = path.removeprefix(API).split("/{" + name)[0].split("/")[-1]
        return f"Id of one of the {before.replace('-', ' ')}"
    return TEXTS.get(name) or f"Filters by {re.sub('_', ' ', name)}"
