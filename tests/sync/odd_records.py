"""Records as full, as empty and as odd as their columns allow, of what hangs on customers."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.registry import BY_NAME
from tests.world import World

NASTY = '한글 "따옴표" \'x\' \\ / \b\f\n\r\t \u0001\u001f\u007f \u2028\u2029 é e\u0301 😀 </script> {"a":[1]} %s :x'
LONG = '가나다 \\" ' * 500
MOST = Decimal("99999999999999.9999")
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
POINTS = (
    [37.5665, 126.978],
    [37.0, 127.0],
    [-90.0, -180.0],
    [-33.0000001, 0.1],
    [0.0, -0.0],
    [0.0001, 0.00001],
    [1e-7, -2.5e-9],
    [5e-324, 2.2250738585072014e-308],
    [89.99999999999999, 179.99999999999997],
    [1 / 3, 100 / 7],
    [0.000012345, -0.000012345],
    [0.00012345, 1e-10],
)
VALUES = {"a": [1, -2.5, 1e-7, 1e22, True, None, NASTY], "나": {}, "": [[]]}


@dataclass
class Records:
    """One company with records of every entity, as full, as empty and as odd as their columns allow."""

    world: World
    ids: dict[str, list[UUID]] = field(default_factory=dict)

    def add(self, entity: str, /, **values: Any) -> UUID:
        record_id = new_id()
        self.world.insert(BY_NAME[entity].policy.table, id=record_id, **values)
        self.ids.setdefault(entity, []).append(record_id)
        return record_id

    def add_parts(self, entity: str, name: str, record_id: UUID, *parts: dict[str, Any]) -> None:
        """Rows of a record, in the field *name* of it."""
        rows = BY_NAME[entity].policy.fields[name]
        for part in parts:
            self.world.insert(rows.table, id=new_id(), **{rows.root: record_id}, **part)


def people(records: Records) -> dict[str, UUID]:
    world = records.world
    rep = world.person("rep", world.north, name=NASTY)
    others = {role: world.person(role, world.north) for role in ("technician", "manager", "partner")}
    world.sql(
        "UPDATE users SET manager_id = :m, locale = 'en' WHERE id = :id", m=others["manager"].id, id=rep.id
    )
    found = {"rep": rep.id} | {role: person.id for role, person in others.items()}
    records.ids["user"] = list(found.values())
    return found


def territories(records: Records) -> None:
    world = records.world
    records.ids["territory"] = [world.north, world.south]
    records.add("territory", code="빈", name=NASTY, parent_id=world.north)
    records.add("territory", code="x", name="x", valid_from=date(1900, 1, 1), valid_to=date(9999, 12, 31))


def accounts(records: Records, owner: UUID) -> UUID:
    world = records.world
    empty = records.add("account", name="빈 거래처", territory_id=world.north, owner_id=owner)
    texts = (
        "code legal_name business_number subtype tier lifecycle_stage phone email website postcode sido sigungu"
        " address opening_hours payment_terms risk_class notes"
    )
    records.add("account", name="무소속", owner_id=owner)
    full = records.add(
        "account",
        **{name: f"{NASTY} {name}" for name in texts.split()},
        name=LONG,
        kinds=["customer", "prospect"],
        tags=["단골", NASTY, '"', "\\", ""],
        parent_id=empty,
        owner_id=owner,
        territory_id=world.north,
        location=POINTS[0],
        credit_limit=MOST,
        credit_currency="KRW",
        estimated_wallet=-MOST,
        estimated_wallet_currency="USD",
        last_visited_at=LAST,
    )
    amounts = ("0", "0.0001", "-0.0001", "1200.5", "1E+5", "0.00004")
    for n, point in enumerate(POINTS):
        records.add(
            "account",
            name=f"점 {n}",
            territory_id=world.north,
            location=point,
            credit_limit=Decimal(amounts[n % len(amounts)]),
            last_visited_at=FIRST + timedelta(microseconds=n),
            credit_currency="K" if n else None,
        )
    return full


def children(records: Records, account: UUID, owner: UUID) -> None:
    empty = records.ids["account"][0]
    records.add("site", account_id=account, name="빈 곳")
    records.add(
        "site",
        account_id=account,
        **dict.fromkeys(("name", "postcode", "sido", "sigungu", "address", "opening_hours"), NASTY),
        location=POINTS[3],
        radius_m=10_000,
    )
    contact = records.add("contact", account_id=account, name="빈 사람")
    records.add(
        "contact", account_id=account, **dict.fromkeys(("name", "job_title", "phone", "email"), NASTY)
    )
    records.add("account_relation", account_id=account, to_account_id=empty, kind="supplies")
    records.add("account_contact", account_id=account, contact_id=contact, role="user")
    records.add(
        "account_contact",
        account_id=account,
        contact_id=contact,
        role="approver",
        stance="opponent",
        influence=100,
        valid_from=date(1900, 1, 1),
        valid_to=date(9999, 12, 31),
    )
    records.add("task", assignee_id=owner, title="빈 일")
    records.add(
        "task",
        assignee_id=owner,
        account_id=account,
        title=NASTY,
        body=LONG,
        priority="urgent",
        due_on=date(2026, 2, 28),
        status="done",
        closed_at=LAST,
    )


def visits(records: Records, account: UUID, assignees: dict[str, UUID]) -> None:
    site, contact = records.ids["site"][1], records.ids["contact"][1]
    for role, assignee in assignees.items():
        records.add("visit", account_id=account, assignee_id=assignee, planned_start=utc_now())
        full = records.add(
            "visit",
            account_id=account,
            site_id=site,
            contact_id=contact,
            assignee_id=assignee,
            unplanned=True,
            purpose="complaint",
            priority="urgent",
            planned_start=utc_now(),
            planned_end=LAST,
            **dict.fromkeys(
                [
                    "instructions",
                    "outcome",
                    "next_step",
                    "report",
                    "cancel_reason",
                    "geo_reason",
                    "review_note",
                ],
                f"{NASTY} {role}",
            ),
            tags=[NASTY, "b"],
            status="verified",
            checked_in_at=FIRST,
            checked_in_location=POINTS[1],
            checked_in_accuracy_m=12,
            checked_in_mock=True,
            checked_out_at=LAST,
            checked_out_location=POINTS[6],
            distance_m=0,
            geo_verdict="suspect",
            duration_min=2**31 - 1,
            late=True,
            rescheduled_to_id=records.ids["visit"][0],
            verified_by=assignee,
        )
        for position in (2, 1, 1):
            records.world.insert("visit_tasks", id=new_id(), visit_id=full, title=NASTY, position=position)
        records.world.insert(
            "visit_tasks",
            id=new_id(),
            visit_id=full,
            kind="survey",
            title="x",
            required=True,
            done=True,
            done_at=FIRST,
            result=LONG,
        )


def activities(records: Records, account: UUID, author: UUID) -> None:
    values = {"account_id": account, "author_id": author, "kind": "note", "happened_at": FIRST}
    records.add("activity", **values)
    records.add(
        "activity",
        **values,
        contact_id=records.ids["contact"][0],
        visit_id=records.ids["visit"][0],
        direction="in",
        value="customer",
        subject=NASTY,
        body=LONG,
        private=True,
    )


def conflicts(records: Records, account: UUID, authors: dict[str, UUID]) -> None:
    json_text = orjson.dumps(VALUES).decode()
    for role, author in authors.items():
        values = {
            "kind": "field",
            "entity": "account",
            "record_id": account,
            "record_version": 1,
            "author_id": author,
            "happened_at": FIRST,
            "account_id": account,
        }
        records.add("conflict", **values | {"account_id": None})
        records.add(
            "conflict",
            **values,
            field=f"legal_name{author}",
            row_id=new_id(),
            code="x",
            base=json_text,
            mine=orjson.dumps(NASTY).decode(),
            theirs="null" if role == "rep" else json_text,
            device_id=new_id(),
            mutation_id=new_id(),
            occurred_at=LAST,
            losers=orjson.dumps([VALUES]).decode(),
            choice="value",
            resolution=json_text,
            reason=NASTY,
            resolved_by=author,
            assignee_id=author,
            resolved_at=LAST,
        )


def receivables(records: Records, account: UUID, owner: UUID) -> None:
    world = records.world
    least = {"currency": "KRW", "amount": "0.0001", "base_amount": "0.0001", "rate": "0.000000000001"}
    most = {"currency": "USD", "amount": MOST, "base_amount": MOST, "rate": "1400.5"}
    day = {"rate_date": date(1900, 1, 1)}
    first, last = date(1900, 1, 1), date(9999, 12, 31)
    records.add(
        "invoice",
        account_id=account,
        number="빈",
        issued_on=first,
        due_on=first,
        open_amount=0,
        **least | day,
    )
    invoice = records.add(
        "invoice",
        account_id=account,
        order_id=new_id(),
        number=NASTY,
        issued_on=last,
        due_on=last,
        open_amount=MOST,
        settled_at=LAST,
        **most | day,
    )
    received = {"received_at": LAST, "received_on": last}
    records.add("payment", account_id=account, method="cash", unapplied_amount=0, **least | day | received)
    payment = records.add(
        "payment",
        account_id=account,
        visit_id=records.ids["visit"][0],
        collected_by=owner,
        receipt_number=NASTY,
        method="credit_note",
        unapplied_amount=MOST,
        status="bounced",
        decided_at=FIRST,
        reason=NASTY,
        note=LONG,
        **most | day | received,
    )
    world.insert("payment_allocations", id=new_id(), payment_id=payment, invoice_id=invoice, amount="0.0001")
    records.add("account_balance", account_id=records.ids["account"][0], currency="KRW")
    amounts = ("open_receivables", "committed", "unapplied", "overdue_amount", "not_due")
    ages = ("days_1_30", "days_31_60", "days_61_90", "days_over_90")
    records.add(
        "account_balance",
        account_id=account,
        currency="USD",
        exposure=-MOST,
        oldest_due_on=last,
        on_hold=True,
        hold_reason=NASTY,
        **dict.fromkeys(amounts + ages, MOST),
    )
