"""What must be true after the story: each promise with its name."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.demo import library
from app.demo import story as told
from app.demo.office import Desk
from app.demo.story import Handset, Json, Story
from examples.phone import Phone
from examples.phone.search import Search

LISTS: Final = {
    "account": "/accounts",
    "site": "/sites",
    "contact": "/contacts",
    "account_relation": "/relations",
    "account_contact": "/buying-roles",
    "visit": "/visits",
    "activity": "/activities",
    "task": "/tasks",
    "currency": "/currencies",
    "tax_code": "/tax-codes",
    "product": "/products",
    "price_list": "/price-lists",
    "price_list_assignment": "/price-list-assignments",
    "price": "/prices",
    "promotion": "/promotions",
    "promotion_account": "/promotion-accounts",
    "article": "/knowledge/articles",
    "article_version": "/knowledge/versions",
    "article_receipt": "/knowledge/receipts",
    "knowledge_pack": "/knowledge/packs",
    "diagnosis_tree": "/knowledge/trees",
    "tree_version": "/knowledge/tree-versions",
    "diagnosis_run": "/knowledge/runs",
    "article_feedback": "/knowledge/feedback",
    "article_proposal": "/knowledge/proposals",
    "expert_question": "/knowledge/questions",
    "article_use": "/knowledge/uses",
    "order": "/orders",
    "shipment": "/shipments",
    "order_return": "/order-returns",
    "discount_limit": "/discount-limits",
    "warehouse": "/warehouses",
    "approval": "/approvals",
    "notification": "/notifications",
    "invoice": "/invoices",
    "payment": "/payments",
    "account_balance": "/account-balances",
    "synonym_group": "/search/synonyms",
    "conflict": "/conflicts",
    "user": "/users",
    "territory": "/territories",
}
WHOLE_SCOPE: Final = ("account",)
"""What a phone holds wholly; of the rest there are windows."""
IN_STEPS: Final = ("order", "approval")
"""What one command moves by several steps, each of which stands in the history."""


class Broken(Exception):
    """A promise that was not kept; the message says what was found."""


@dataclass(frozen=True, slots=True)
class Result:
    """One promise, and what was found instead where it was not kept."""

    name: str
    found: str | None = None

    @property
    def kept(self) -> bool:
        """Whether it was."""
        return self.found is None


@dataclass
class Evidence:
    """The story, with what the server says of it now."""

    story: Story
    account: Json
    visit: Json
    visits: list[Json]
    conflicts: list[Json]
    history: list[Json]

    @classmethod
    def of(cls, story: Story) -> "Evidence":
        """Ask the server, as the manager."""
        desk, account = story.desk, str(story.account_id)
        return cls(
            story,
            account=desk.get(f"/accounts/{account}"),
            visit=desk.get(f"/visits/{story.visit_id}"),
            visits=list(desk.all(f"/visits?account_id={account}")),
            conflicts=[c for c in desk.all("/conflicts?state=open") if c["record_id"] == account],
            history=list(desk.all(f"/accounts/{account}/history")),
        )

    def on(self, handset: Handset) -> Json:
        """The customer as a phone shows it."""
        return handset.phone.get("account", str(self.story.account_id)) or {}


def checked(story: Story) -> Iterator[Result]:
    """Check every promise, one after the other."""
    evidence = Evidence.of(story)
    for name, check in CHECKS:
        try:
            check(evidence)
        except Broken as broken:
            yield Result(name, str(broken))
        else:
            yield Result(name)


def disjoint_fields(seen: Evidence) -> None:
    wanted = {"phone": told.PHONE_OF_REP, "address": seen.story.address, "opening_hours": told.OPENING_HOURS}
    for field, value in wanted.items():
        expect(field, seen.account[field], value)


def tags(seen: Evidence) -> None:
    expect("tags", set(seen.account["tags"]), told.TAGS_MERGED)


def notes(seen: Evidence) -> None:
    expect("notes", seen.account["notes"], told.NOTES_MERGED)


def late_check_in(seen: Evidence) -> None:
    expect("visits marked missed meanwhile", seen.story.missed >= 1, True)
    expect("the job's mark in the history", "missed" in statuses(seen), True)
    expect("status", seen.visit["status"], "checked_out")
    expect("late", seen.visit["late"], True)


def filled_in(seen: Evidence) -> None:
    expect("tasks done", [task["done"] for task in seen.visit["tasks"]], [True, True])
    expect("report", seen.visit["report"], told.REPORT)


def legal_name_waits(seen: Evidence) -> None:
    expect("legal name", seen.account["legal_name"], told.LEGAL_NAME_OF_OFFICE)
    expect_conflict("the server's inbox", seen.conflicts)


def legal_name_on_phone(seen: Evidence) -> None:
    found = [c for c in seen.story.rep.phone.conflicts() if c["record_id"] == str(seen.story.account_id)]
    expect_conflict("the inbox on the phone", found)


def opening_hours(seen: Evidence) -> None:
    for handset in (seen.story.rep, seen.story.technician):
        expect(handset.phone.name, seen.on(handset).get("opening_hours"), told.OPENING_HOURS)


def credit_terms(seen: Evidence) -> None:
    expect("payment terms", seen.on(seen.story.rep).get("payment_terms"), seen.story.payment_terms)
    expect("credit limit", seen.on(seen.story.rep).get("credit_limit"), f"{told.CREDIT_LIMIT}.0000")


def sent_twice(seen: Evidence) -> None:
    pushes = [
        [mutation["id"] for mutation in json.loads(body)["mutations"]]
        for path, body in seen.story.rep.record.sent
        if path.endswith("/sync")
    ]
    pushes = [push for push in pushes if push]
    expect("answers lost", seen.story.rep.network.lost, 1)
    expect("mutations sent again", pushes[1:2], pushes[0:1])
    expect("replayed", [v["replayed"] for v in seen.story.pushed.verdicts], [True] * len(pushes[0]))


def nothing_doubled(seen: Evidence) -> None:
    expect("visits of the customer", len(seen.visits), 2)
    history = [item for item in seen.history if item["entity"] not in IN_STEPS]
    per_write = Counter(
        (item["mutation_id"], item["record_id"], item.get("part_id"), field["field"])
        for item in history
        if item["mutation_id"]
        for field in item["fields"]
    )
    expect("changes written twice", [key for key, count in per_write.items() if count > 1], [])
    versions = defaultdict(set)
    for item in history:
        if item["mutation_id"] and item["op"] != "lost":
            versions[item["mutation_id"], item["record_id"]].add(item["version"])
    expect("mutations with two versions", [key for key, found in versions.items() if len(found) > 1], [])


def queues_empty(seen: Evidence) -> None:
    for handset in (seen.story.rep, seen.story.technician):
        expect(handset.phone.name, handset.phone.waiting(), 0)


def phones_equal_fresh_ones(seen: Evidence) -> None:
    for login, handset in (("rep", seen.story.rep), ("technician", seen.story.technician)):
        person, world = seen.story.world.people[login], seen.story.world
        fresh = Phone(seen.story.base_url, name="비교용", transport=handset.record)
        try:
            fresh.log_in(world.code, login, person.password)
            fresh.sync()
            same(handset.phone, fresh)
        finally:
            fresh.store.close()


def phones_equal_rest(seen: Evidence) -> None:
    for handset in (seen.story.rep, seen.story.technician):
        desk = Desk(handset.phone)
        for entity in sorted({name for name, _ in handset.phone.store.versions()}):
            server = {item["id"]: item for item in desk.all(LISTS[entity])}
            held = handset.phone.store.records(entity)
            missing = server.keys() - held.keys() if entity in WHOLE_SCOPE else set()
            expect(f"{entity} not on {handset.phone.name}", sorted(missing), [])
            for record_id, body in held.items():
                expect(f"{entity} {record_id} on {handset.phone.name}", body, server.get(record_id))


def history_names(seen: Evidence) -> None:
    people = {p.login: p.name for p in seen.story.world.people.values()}
    by_author = defaultdict(list)
    for item in seen.history:
        by_author[item["actor"]["name"]].append(item)
    for login, handset in (("rep", seen.story.rep), ("technician", seen.story.technician)):
        for item in by_author[people[login]]:
            expect("device", (item["device"] or {}).get("name"), handset.phone.name)
            expect("both times", bool(item["occurred_at"] and item["recorded_at"]), True)
    changed = {
        name: {f["field"] for item in items for f in item["fields"]} for name, items in by_author.items()
    }
    wanted = {
        people["rep"]: {"phone", "tags", "notes", "planned_start"},
        people["technician"]: {"address", "tags", "status", "report"},
        people["manager"]: {"legal_name", "notes"},
        seen.story.world.sql_name: {"opening_hours", "payment_terms"},
    }
    for name, fields in wanted.items():
        expect(f"fields by {name}", sorted(fields - changed.get(name, set())), [])


def wrong_clock(seen: Evidence) -> None:
    began, ended = seen.story.began, seen.story.ended
    at = datetime.fromisoformat(seen.visit["checked_in_at"])
    expect("checked in at a real time", began <= at <= ended, True)
    own = [
        item
        for item in seen.history
        if (item["device"] or {}).get("name") == seen.story.technician.phone.name
    ]
    ahead = [datetime.fromisoformat(item["occurred_at"]) > ended for item in own]
    expect("times of the wrong clock, kept for display", all(ahead) and bool(ahead), True)


def page_corrected(seen: Evidence) -> None:
    """The phone finds the new words, and keeps those that the visit used."""
    phone, page = seen.story.technician.phone, seen.story.page
    found = Search(phone.store).find(library.INITIALS, today=seen.story.ended.date()).hits
    expect("what is found", [hit.id for hit in found][:1], [page.published_id])
    read = phone.get("article_version", page.read_id) or {}
    expect("the version that was read", read.get("status"), "superseded")
    proposal = phone.get("article_proposal", page.proposal_id) or {}
    expect("the proposal", proposal.get("status"), "accepted")


def order_approved(seen: Evidence) -> None:
    """The rep's sum, reckoned on the phone, is the server's; the phone knows that it was approved, and by whom."""
    phone, taken = seen.story.rep.phone, seen.story.order
    order = phone.get("order", taken.order_id) or {}
    expect("total", order.get("total"), taken.total)
    expect("status", order.get("status"), "approved")
    expect("a number", bool(order.get("number")), True)
    (step,) = [s for a in phone.list("approval", document_id=taken.order_id) for s in a["steps"]]
    expect("who approved", step["assignee_id"], str(seen.story.world.user_ids["manager"]))
    moved = [
        field["new"]
        for item in seen.history[::-1]
        if item["record_id"] == taken.order_id
        for field in item["fields"]
        if field["field"] == "status"
    ]
    expect("steps in the history", moved, ["draft", "submitted", "pending_approval", "approved"])


def no_byte(seen: Evidence) -> None:
    """Last, so that everything the technician's devices ever received is in the record."""
    token = seen.story.token
    expect("on the rep's phone", seen.story.rep.record.has_received(token), True)
    for word in (token, told.CREDIT_LIMIT, "payment_terms", "credit_limit"):
        expect(f"{word!r} on the technician's", seen.story.technician.record.has_received(word), False)


CHECKS: Final[tuple[tuple[str, Callable[[Evidence], None]], ...]] = (
    ("fields that only one of them changed stand side by side", disjoint_fields),
    ("tags are merged one by one", tags),
    ("notes are merged line by line", notes),
    ("the late check-in stands, though the visit was marked missed", late_check_in),
    ("the report and the tasks of the visit arrived", filled_in),
    ("the legal name waits in the inbox with base, mine and theirs", legal_name_waits),
    ("the same stands on the rep's phone", legal_name_on_phone),
    ("the opening hours from SQL are on both phones", opening_hours),
    ("the credit terms from SQL are on the rep's phone", credit_terms),
    ("after the lost answer everything was sent again, and replayed", sent_twice),
    ("nothing is doubled", nothing_doubled),
    ("both queues are empty", queues_empty),
    ("a clock 3 days off changed nothing but the times that are shown", wrong_clock),
    ("the history names author, device and both times", history_names),
    ("both phones equal a fresh phone of the same person", phones_equal_fresh_ones),
    ("both phones equal what REST shows the same person", phones_equal_rest),
    ("the order that was taken offline has the price that the phone told, and was approved", order_approved),
    (
        "the page that was found by initials offline is corrected, and the visit keeps what it used",
        page_corrected,
    ),
    ("no byte of the credit terms reached the technician", no_byte),
)


def statuses(seen: Evidence) -> set[Any]:
    """Every status that the technician's visit ever had."""
    own = (item for item in seen.history if item["record_id"] == seen.story.visit_id)
    return {f["new"] for item in own for f in item["fields"] if f["field"] == "status"}


def same(one: Phone, other: Phone) -> None:
    """Whether two phones hold the same versions and the same bodies."""
    ours, theirs = one.store.versions(), other.store.versions()
    expect(f"only on {one.name}", sorted(ours.keys() - theirs.keys()), [])
    expect(f"missing on {one.name}", sorted(theirs.keys() - ours.keys()), [])
    expect("versions", {k: v for k, v in ours.items() if theirs[k] != v}, {})
    for entity in sorted({name for name, _ in ours}):
        bodies = other.store.records(entity)
        for record_id, body in one.store.records(entity).items():
            expect(f"{entity} {record_id}", body, bodies[record_id])


def expect_conflict(where: str, found: list[Json]) -> None:
    """Exactly one item, with the three values."""
    expect(f"items in {where}", len(found), 1)
    item = found[0]
    expect(f"field in {where}", item["field"], "legal_name")
    values = (item["base"], item["mine"], item["theirs"])
    expect(
        f"base, mine and theirs in {where}",
        values,
        (told.LEGAL_NAME, told.LEGAL_NAME_OF_REP, told.LEGAL_NAME_OF_OFFICE),
    )


def expect(what: str, found: Any, wanted: Any) -> None:
    """Raise Broken unless the two are equal."""
    if found != wanted:
        raise Broken(f"{what}: found {_short(found)}, expected {_short(wanted)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + " …"
