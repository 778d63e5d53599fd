"""The kinds of steps: how each is drawn from a seed, and what each does. To add a kind: a ``do_…`` and a draw."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.simulator import device as devices
from tests.simulator.chance import id_of, stream, wire
from tests.simulator.company import TERRITORIES
from tests.simulator.device import Json, Key, Phone
from tests.simulator.history import STAFF, History, Step

Doing = Callable[[History, Step], None]
Drawing = Callable[["Draw"], Step]

DO: dict[str, Doing] = {}
DRAWN: dict[str, tuple[int, Drawing]] = {}

FAULTS = ("lost_request", "lost_answer", "cut", "double", "late", "in_flight", "crash", "session")
SKEWS = (0.0, 0.0, 37.5, -95.25, 3600.0 * 5, -86_400.0 * 3652, 86_400.0 * 3652)
TEXTS = {
    "account": ("name", "legal_name", "address", "opening_hours", "tier", "code"),
    "contact": ("name", "job_title"),
    "site": ("name", "address"),
    "visit": ("outcome", "next_step"),
    "task": ("title",),
}
BY_LINE = {"account": "notes", "visit": "instructions", "task": "body"}
TAGGED = ("account", "visit")
TAGS = ("red", "blue", "green", "old", "new")
COMMANDS = {
    "visit": (
        "start_travel",
        "check_in",
        "check_out",
        "complete",
        "cancel",
        "reschedule",
        "verify",
        "flag",
        "reassign",
    ),
    "task": ("complete", "cancel", "reopen"),
}


class Draw:
    """The random choices of one step."""

    def __init__(self, seed: int, setup: Step) -> None:
        self.chance: random.Random = stream(seed, "steps")
        self.faults: random.Random = stream(seed, "faults")
        self.phones = list(setup["phones"])
        self.size: int = setup["size"]
        self.companies: list[str] = setup["companies"]
        self.users = {name: one["user"] for name, one in setup["phones"].items() if name[0] == "p"}
        self.serial = 0

    def phone(self) -> str:
        """One of the phones, or one that a step made."""
        return self.chance.choice(self.phones)

    def company(self) -> str:
        """One of the companies, the first mostly."""
        return "A" if len(self.companies) == 1 or self.chance.random() < 0.75 else "B"

    def account(self) -> str:
        """An account of the first stock."""
        return f"a{self.chance.randrange(self.size)}"

    def fresh(self, what: str) -> str:
        """A new symbol."""
        self.serial += 1
        return f"{what}{self.serial}"


def setup_of(seed: int) -> Step:
    """Who takes part in the history of *seed*."""
    chance, clocks = stream(seed, "setup"), stream(seed, "clocks")
    users = ["u1", "u2", "u3", "u4", chance.choice(["u1", "u5"]), chance.choice(["u2", "u3", "u5"])]
    users = users[: chance.choice([4, 5, 5, 6])]
    companies = ["A", "B"] if chance.random() < 0.2 else ["A"]
    phones: dict[str, Json] = {}
    for number, user in enumerate(users):
        phones[f"p{number}"] = {
            "user": user,
            "skew": clocks.choice(SKEWS),
            "drift": clocks.choice([0.0, 0.0, 0.01, -0.02]),
            "limit": chance.choice([2_000, 2_000, 2_000, 50, 20, 20, 7]),
            "push_limit": chance.choice([500, 500, 2, 1]),
        }
    if len(companies) == 2:
        phones["q0"] = {"user": "u1", "company": "B"}
        phones["q1"] = {"user": "u3", "company": "B", "limit": 5}
    return {"do": "setup", "size": chance.choice([4, 6, 8]), "phones": phones, "companies": companies}


def generate(seed: int, size: int = 40) -> list[Step]:
    """The steps of a seed."""
    setup = setup_of(seed)
    draw = Draw(seed, setup)
    kinds, weights = list(DRAWN), [w for w, _ in DRAWN.values()]
    timing = stream(seed, "time")
    steps: list[Step] = [setup]
    # Everybody has seen something before things happen to it.
    steps += [{"do": "sync", "phone": name} for name in setup["phones"]]
    for _ in range(size - len(steps)):
        if draw.chance.random() < 0.13:
            act = draw.chance.choice(ACTS)(draw)
            steps += [{"dt": timing.choice([0.5, 1, 20])} | one for one in act]
            continue
        kind = draw.chance.choices(kinds, weights)[0]
        # Work without a network costs nothing: where one edits, others do, too.
        for _ in range(draw.chance.choice([1, 2, 3]) if kind == "edit" else 1):
            step = {"do": kind, "dt": timing.choice([0.5, 1, 1, 3, 20, 61, 600])} | DRAWN[kind][1](draw)
            steps.append(step)
    if draw.faults.random() < 0.2:  # a backup, and a restore some time later
        first, second = sorted(draw.faults.sample(range(len(setup["phones"]) + 1, len(steps)), 2))
        if draw.faults.random() < 0.5:
            steps.insert(second, {"do": "restore"})
            steps.insert(first, {"do": "backup"})
        else:
            steps[first:first] = scene_of_a_restore(draw)
    return steps


def scene_of_a_restore(draw: Draw) -> list[Step]:
    """Little is lost, and others work on before the phones come back: the database is as far as they are.

    Some phones have been given what was lost, some had only work refused.
    """
    phones = list(draw.users)
    refused = {
        "do": "command",
        "entity": "visit",
        "name": "complete",
        "straight": False,
        "which": 0.0,
        "new": "",
    }
    edits = [
        {"do": "sql_edit", "account": f"a{n}", "field": "name", "as": "import:erp"} for n in range(draw.size)
    ]
    given = draw.faults.random() < 0.5
    return [
        *({"do": "sync", "phone": phone} for phone in phones),
        {"do": "backup"},
        *(
            edits[:2]
            if given
            else [refused | {"phone": phone, "pick": draw.faults.random()} for phone in phones]
        ),
        {"do": "drain"},
        *({"do": "sync", "phone": phone} for phone in phones),
        {"do": "restore"},
        *edits,
        {"do": "drain"},
    ]


# -- acts: short scenes in which people get in each other's way; each a list of steps like any other


def act_leaving_unseen(draw: Draw) -> list[Step]:
    """Somebody leaves a territory whose news they have not fetched, and no drain has seen that they left."""
    phone = draw.chance.choice(list(draw.users))
    lands = STAFF[draw.users[phone]][1] or ("tn",)
    return [
        *(
            {"do": "sql_edit", "account": f"a{n}", "field": "name", "as": "import:erp"}
            for n in range(draw.size)
        ),
        {"do": "drain"},
        {"do": "hold", "on": True},
        *({"do": "member", "user": draw.users[phone], "land": land, "how": "leave"} for land in lands),
        {"do": "sync", "phone": phone},
        {"do": "hold", "on": False},
    ]


def act_joining_unseen(draw: Draw) -> list[Step]:
    """Somebody gets a territory, and no drain has seen it yet."""
    phone = draw.chance.choice(list(draw.users))
    user = draw.users[phone]
    land = draw.chance.choice([one for one in ("tn", "ts", "te", "tr") if one not in STAFF[user][1]])
    return [
        {"do": "drain"},
        {"do": "hold", "on": True},
        {"do": "member", "user": user, "land": land, "how": "join"},
        {"do": "sync", "phone": phone},
        {"do": "hold", "on": False},
        {"do": "sync", "phone": phone},
    ]


def act_left_behind(draw: Draw) -> list[Step]:
    """Somebody has left a territory, and others' accounts come into it before their phone hears of that."""
    phone = draw.chance.choice(list(draw.users))
    user = draw.users[phone]
    lands = STAFF[user][1] or ("te",)
    return [
        {"do": "sync", "phone": phone},
        *({"do": "member", "user": user, "land": land, "how": "leave"} for land in lands),
        *(
            {"do": "move", "account": f"a{n}", "to": draw.chance.choice(lands), "owner": None}
            for n in draw.chance.sample(range(draw.size), 2)
        ),
        {"do": "sync", "phone": phone},
    ]


def act_last_day(draw: Draw) -> list[Step]:
    """A membership ends with the day."""
    phone = draw.chance.choice(list(draw.users))
    lands = STAFF[draw.users[phone]][1] or ("te",)
    return [
        {"do": "member", "user": draw.users[phone], "land": draw.chance.choice(lands), "how": "until"},
        {"do": "tick", "hours": draw.chance.choice([25, 49])},
        {"do": "sync", "phone": phone},
    ]


def act_pages_of_a_gain(draw: Draw) -> list[Step]:
    """A territory is gained page by page, while its accounts change and move."""
    phone = draw.chance.choice(list(draw.users))
    user, land = draw.users[phone], draw.chance.choice(["tn", "ts", "te"])
    found: list[Step] = [
        {"do": "page", "phone": phone, "limit": draw.chance.choice([1, 2, 3])},
        {"do": "member", "user": user, "land": land, "how": "join"},
    ]
    for _ in range(draw.chance.choice([2, 3, 4])):
        found.append({"do": "sync", "phone": phone, "rounds": draw.chance.choice([1, 2])})
        found.append(
            draw.chance.choice(
                [
                    {"do": "move", "account": draw.account(), "to": land, "owner": "keep"},
                    {"do": "move", "account": draw.account(), "to": "tr", "owner": "keep"},
                    {"do": "sql_edit", "account": draw.account(), "field": "name", "as": "import:erp"},
                    {"do": "sql_delete", "account": draw.account(), "what": "contacts", "how": "delete"},
                    {"do": "member", "user": user, "land": land, "how": "leave"},
                    {"do": "move", "account": draw.account(), "to": land, "owner": user},
                ]
            )
        )
    return [*found, {"do": "sync", "phone": phone}, {"do": "audit", "phone": phone}]


def act_two_of_a_mind(draw: Draw) -> list[Step]:
    """Two phones change one field on one base; they come home in either order."""
    one, two = draw.chance.sample(list(draw.users), 2)
    pick, which = draw.chance.random() * 0.4, draw.chance.random()
    how = draw.chance.choice(["text", "text", "lines", "tags", "rows", "time"])
    entity = draw.chance.choice(["account", "account", "visit", "contact"])
    edit = {"do": "edit", "entity": entity, "how": how, "which": which, "pick": pick, "two": False}
    order = [one, two] if draw.chance.random() < 0.5 else [two, one]
    return [
        {"do": "sync", "phone": one},
        {"do": "sync", "phone": two},
        edit | {"phone": one},
        edit | {"phone": two, "dt": 20},
        *({"do": "sync", "phone": phone} for phone in order),
        {"do": "sync", "phone": one},
    ]


def act_asked_and_gone(draw: Draw) -> list[Step]:
    """A legal name is in dispute, and the account goes to another territory before anybody decides."""
    phone = draw.chance.choice(list(draw.users))
    account = draw.account()
    edit = {"do": "edit", "entity": "account", "how": "text", "which": 0.2, "pick": 0.0, "two": False}
    return [
        {"do": "sync", "phone": phone},
        edit | {"phone": phone, "on": str(id_of(account))},
        {"do": "sql_edit", "account": account, "field": "legal_name", "as": "import:erp"},
        {"do": "sync", "phone": phone},
        {"do": "move", "account": account, "to": draw.chance.choice(["te", "ts", "tn", None]), "owner": None},
        {"do": "sync", "phone": phone},
        {"do": "sql_edit", "account": account, "field": "legal_name", "as": "import:erp"},
        {"do": "sync", "phone": phone},
    ]


def act_owned_elsewhere(draw: Draw) -> list[Step]:
    """An account is in the phone's scope in two ways, and loses one of them."""
    phone = draw.chance.choice(list(draw.users))
    user = draw.users[phone]
    land = draw.chance.choice(STAFF[user][1] or ("te",))
    account = draw.account()
    return [
        {"do": "move", "account": account, "to": land, "owner": user},
        {"do": "sync", "phone": phone},
        draw.chance.choice(
            [
                {"do": "move", "account": account, "to": "tr", "owner": user},
                {"do": "move", "account": account, "to": land, "owner": None},
                {"do": "member", "user": user, "land": land, "how": "leave"},
            ]
        ),
        {"do": "sync", "phone": phone},
    ]


def act_moved_between_two_pages(draw: Draw) -> list[Step]:
    """Somebody has two territories; an account goes from one to the other, and its news come one at a time."""
    phone = draw.chance.choice([name for name, user in draw.users.items() if user in ("u1", "u2", "u5")])
    user, one, other = draw.users[phone], *draw.chance.sample(["tn", "ts", "te"], 2)
    moved = {"do": "move", "account": draw.account(), "owner": None}
    return [
        *({"do": "member", "user": user, "land": land, "how": "join"} for land in (one, other)),
        moved | {"to": one},
        {"do": "sync", "phone": phone},
        {"do": "page", "phone": phone, "limit": 1},
        moved | {"to": other},
        {"do": "sync", "phone": phone, "rounds": draw.chance.randint(1, 6)},
        {"do": "member", "user": user, "land": other, "how": "leave"},
        {"do": "sync", "phone": phone},
        {"do": "page", "phone": phone, "limit": 50},
        {"do": "audit", "phone": phone},
    ]


def act_gained_with_much_to_send(draw: Draw) -> list[Step]:
    """A territory is gained that an account has just left, while the phone has more to send than one request takes."""
    phone = draw.chance.choice(list(draw.users))
    user, account = draw.users[phone], draw.account()
    land = draw.chance.choice([one for one in ("tn", "ts", "te") if one not in STAFF[user][1]])
    edit = {"do": "edit", "phone": phone, "entity": "account", "how": "text", "two": False}
    return [
        {"do": "move", "account": account, "to": land, "owner": None},
        {"do": "sync", "phone": phone},
        {"do": "page", "phone": phone, "push": 1},
        *(edit | {"which": draw.chance.random(), "pick": draw.chance.random()} for _ in range(3)),
        {"do": "move", "account": account, "to": "tr", "owner": None},
        {"do": "drain"},
        {"do": "member", "user": user, "land": land, "how": "join"},
        {"do": "sync", "phone": phone},
        {"do": "page", "phone": phone, "push": 500},
    ]


def act_joined_duplicates(draw: Draw) -> list[Step]:
    """SQL hangs somebody's visit, which alone brought them a customer, on another customer."""
    phone = draw.chance.choice(list(draw.users))
    visit, first, second = draw.fresh("w"), *draw.chance.sample(range(draw.size), 2)
    return [
        {"do": "sql_visit", "account": f"a{first}", "user": draw.users[phone], "hours": 5, "new": visit}
        | {"status": "planned", "company": "A"},
        {"do": "sync", "phone": phone},
        {"do": "sql_relink", "visit": visit, "account": f"a{second}"},
        {"do": "sync", "phone": phone},
        {"do": "audit", "phone": phone},
    ]


ACTS: tuple[Callable[[Draw], list[Step]], ...] = (
    act_moved_between_two_pages,
    act_gained_with_much_to_send,
    act_joined_duplicates,
    act_leaving_unseen,
    act_joining_unseen,
    act_left_behind,
    act_last_day,
    act_pages_of_a_gain,
    act_two_of_a_mind,
    act_asked_and_gone,
    act_owned_elsewhere,
)


def step(weight: int, drawing: Drawing) -> Callable[[Doing], Doing]:
    """Make a function the step that its name says, drawn with *weight*."""

    def remember(doing: Doing) -> Doing:
        name = doing.__name__.removeprefix("do_")
        DO[name] = doing
        if weight:
            DRAWN[name] = (weight, drawing)
        return doing

    return remember


# -- phones


def phone_of(history: History, step: Step) -> Phone | None:
    """The phone that a step names, if it is there and its user has not lost it."""
    phone = history.phones.get(step.get("phone", ""))
    return None if phone is None or phone.locked_out or phone.wiped else phone


def target(phone: Phone, step: Step, entity: str) -> Key | None:
    """The record that a step is about: the one it names, or else one drawn, which it names from then on."""
    if "on" in step:
        key = entity, step["on"]
        return key if phone.seen(key) is not None else None
    known = sorted({k for k in phone.state.records if k[0] == entity})
    known += sorted(
        {
            (q.body["entity"], q.body["record_id"])
            for q in phone.state.queue
            if q.body["op"] == "create" and q.verdict is None and q.body["entity"] == entity
        }
    )
    known = [k for k in known if phone.seen(k) is not None]
    if not known:
        return None
    # Few records get most of the work, so that people meet.
    key = known[int(step["pick"] ** 1.7 * len(known))]
    step["on"] = key[1]
    return key


def mutation_id(history: History, phone: Phone) -> str:
    """The id of the next mutation of a phone."""
    return str(id_of(f"{history.seed}/{phone.name}/{history.next('m')}"))


def write_down(
    history: History, phone: Phone, key: Key, op: str, fields: Json, base: Json | None = None
) -> Json:
    """Put a mutation into the phone's queue."""
    held = phone.state.records.get(key)
    parts: Json = {"entity": key[0], "record_id": key[1], "op": op, "fields": fields}
    if held is not None and not held.stale:
        parts["base_version"] = held.version
    if base is not None:
        parts["base"] = base
    return phone.enqueue(history.now, mutation_id(history, phone), parts)


def draw_edit(draw: Draw) -> Step:
    entity = draw.chance.choice(
        ["account", "account", "account", "visit", "visit", "contact", "site", "task"]
    )
    how = draw.chance.choice(["text", "text", "text", "lines", "tags", "rows", "time", "clear"])
    return {
        "phone": draw.phone(),
        "entity": entity,
        "pick": draw.chance.random(),
        "how": how,
        "which": draw.chance.random(),
        "two": draw.chance.random() < 0.3,
        "then": draw.chance.choice([None, None, "sync"]),
    }


@step(64, draw_edit)
def do_edit(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is None:
        return
    key = target(phone, step, step["entity"])
    if key is None:
        return
    seen = phone.seen(key) or {}
    fields = edited(history, phone, key, seen, step)
    if fields:
        write_down(history, phone, key, "update", fields, {name: seen.get(name) for name in fields})
    if step.get("then") == "sync" and not phone.offline:
        history.sync(phone)


def edited(history: History, phone: Phone, key: Key, seen: Json, step: Step) -> Json:
    """New values of a record's fields."""
    entity, which = key[0], step["which"]
    token = lambda: history.company_of(phone).token(key[1], history.user_id(phone))  # noqa: E731
    names = TEXTS[entity]
    first = names[int(which * len(names))]
    fields: Json = {first: token()}
    match step["how"]:
        case "lines" if entity in BY_LINE:
            name = BY_LINE[entity]
            lines = (seen.get(name) or "first\nsecond\nthird").split("\n")
            lines[int(which * len(lines))] = token()
            fields = {name: "\n".join(lines)}
        case "tags" if entity in TAGGED:
            tags = set(seen.get("tags") or [])
            fields = {"tags": sorted(tags ^ {TAGS[int(which * len(TAGS))]})}
        case "rows" if entity == "visit" and seen.get("tasks"):
            fields = {"tasks": edited_rows(history, phone, seen["tasks"], which, token)}
        case "time" if entity == "account":
            fields = {"last_visited_at": wire(history.now - timedelta(hours=int(which * 50)))}
        case "time" if entity == "visit":
            fields = {"planned_start": wire(history.now + timedelta(hours=int(which * 400) - 60))}
        case "clear" if first not in ("name", "title"):
            fields = {first: None}
    if step["two"]:
        fields |= {names[-1]: token()}
    return {name: value for name, value in fields.items() if seen.get(name) != value}


def edited_rows(
    history: History, phone: Phone, rows: list[Json], which: float, token: Callable[[], str]
) -> list[Json]:
    """The tasks of a visit with one edited, moved, added or left out."""
    rows = [dict(row) for row in rows]
    number = int(which * len(rows))
    match int(which * 1000) % 4:
        case 0:
            rows[number]["title"] = token()
        case 1:
            rows[number]["done"] = not rows[number].get("done")
        case 2:
            rows.append(whole_row(str(id_of(history.next(f"{phone.name}row"))), token(), len(rows) + 1))
        case _:
            rows.pop(number)
    return rows


def whole_row(row_id: str, title: str, position: int) -> Json:
    """A task of a visit with every cell, as the server stores it."""
    return {
        "id": row_id,
        "kind": "other",
        "title": title,
        "required": False,
        "position": position,
        "done": False,
        "done_at": None,
        "result": None,
    }


def draw_create(draw: Draw) -> Step:
    return {
        "phone": draw.phone(),
        "entity": draw.chance.choice(
            [
                "account",
                "contact",
                "site",
                "visit",
                "visit",
                "activity",
                "task",
                "account_relation",
                "account_contact",
            ]
        ),
        "new": draw.fresh("n"),
        "pick": draw.chance.random(),
        "which": draw.chance.random(),
        "private": draw.chance.random() < 0.3,
    }


@step(12, draw_create)
def do_create(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is None:
        return
    company, user = history.company_of(phone), history.user_id(phone)
    record = str(id_of(step["new"]))
    token = lambda: company.token(record, user)  # noqa: E731
    account = target(phone, step, "account")
    hours = int(step["which"] * 420) - 70
    start = wire(history.now + timedelta(hours=hours))
    fields: Json
    match step["entity"]:
        case "account":
            land = list(TERRITORIES)[int(step["which"] * len(TERRITORIES))]
            fields = {"name": token(), "address": token(), "tags": ["new"]}
            if step["which"] < 0.7:
                fields["territory_id"] = str(id_of(land))
        case "task":
            # Said in full: what the room fills in is not known to the oracle within the same request.
            fields = {"title": token(), "body": token(), "assignee_id": user, "account_id": None}
            if account is not None and step["which"] < 0.6:
                fields["account_id"] = account[1]
        case _ if account is None:
            return
        case "contact" | "site":
            fields = {"account_id": account[1], "name": token()}
        case "visit":
            fields = {
                "account_id": account[1],
                "assignee_id": user,
                "planned_start": start,
                "instructions": token(),
            }
            fields["tasks"] = [whole_row(str(id_of(step["new"] + ".1")), token(), 1)]
        case "activity":
            fields = {"account_id": account[1], "kind": "note", "body": token(), "private": step["private"]}
        case "account_relation":
            others = sorted(k[1] for k in phone.state.records if k[0] == "account" and k != account)
            if not others:
                return
            fields = {
                "account_id": account[1],
                "to_account_id": others[int(step["which"] * len(others))],
                "kind": "supplies",
            }
        case _:
            people = sorted(k[1] for k in phone.state.records if k[0] == "contact")
            if not people:
                return
            fields = {
                "account_id": account[1],
                "contact_id": people[int(step["which"] * len(people))],
                "role": "user",
            }
    write_down(history, phone, (step["entity"], record), "create", fields)


def draw_delete(draw: Draw) -> Step:
    return {
        "phone": draw.phone(),
        "entity": draw.chance.choice(["contact", "site", "visit", "task", "account", "account_relation"]),
        "pick": draw.chance.random(),
    }


@step(4, draw_delete)
def do_delete(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    key = phone and target(phone, step, step["entity"])
    if phone is None or key is None:
        return
    history.deleted.add(key[1])
    write_down(history, phone, key, "delete", {})


def draw_command(draw: Draw) -> Step:
    entity = draw.chance.choice(["visit", "visit", "visit", "task"])
    return {
        "phone": draw.phone(),
        "entity": entity,
        "pick": draw.chance.random(),
        "name": draw.chance.choice(COMMANDS[entity]),
        "straight": draw.chance.random() < 0.6,
        "which": draw.chance.random(),
        "new": draw.fresh("r"),
    }


NEXT = {"planned": "check_in", "en_route": "check_in", "checked_in": "check_out", "checked_out": "complete"}


@step(18, draw_command)
def do_command(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    key = phone and target(phone, step, step["entity"])
    if phone is None or key is None:
        return
    seen = phone.seen(key) or {}
    name = step["name"]
    if step["straight"] and step["entity"] == "visit":
        name = NEXT.get(seen.get("status", ""), name)
    company, user = history.company_of(phone), history.user_id(phone)
    fields: Json = {}
    match name:
        case "check_in" | "check_out":
            fields = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12.0}}
        case "cancel" if step["entity"] == "visit":
            fields = {"reason": company.token(key[1], user)}
        case "flag":
            fields = {"note": company.token(key[1], user)}
        case "reschedule":
            later = history.now + timedelta(hours=5 + int(step["which"] * 400))
            fields = {"planned_start": wire(later), "new_id": str(id_of(step["new"]))}
        case "reassign":
            people = [p for p in company.people.values() if p != seen.get("assignee_id")]
            fields = {"assignee_id": people[int(step["which"] * len(people))]}
    write_down(history, phone, key, name, fields)


@step(
    6,
    lambda draw: {
        "phone": draw.phone(),
        "pick": draw.chance.random(),
        "choice": draw.chance.choice(["mine", "theirs", "base", "apply", "discard"]),
    },
)
def do_resolve(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is None:
        return
    open_ones = sorted(
        (h.record.get("field") or "", h.record["record_id"], k[1])
        for k, h in phone.state.records.items()
        if k[0] == "conflict" and h.record["state"] == "open"
    )
    if not open_ones:
        return
    chosen = open_ones[int(step["pick"] * len(open_ones))]
    key = "conflict", chosen[2]
    record = phone.state.records[key].record
    choice = step["choice"]
    if record["kind"] not in ("field", "row", "text"):
        choice = "mine" if choice in ("mine", "apply", "base") else "theirs"
    elif choice in ("apply", "discard"):
        choice = "theirs"
    write_down(history, phone, key, "resolve", {"choice": choice, "record_version": record["record_version"]})


def draw_group(draw: Draw) -> Step:
    return {
        "phone": draw.phone(),
        "pick": draw.chance.random(),
        "which": draw.chance.random(),
        "new": draw.fresh("g"),
        "spoilt": draw.chance.random() < 0.25,
    }


@step(7, draw_group)
def do_group(history: History, step: Step) -> None:
    """An edit, a new contact and a new visit of one account: all or none."""
    phone = phone_of(history, step)
    account = phone and target(phone, step, "account")
    if phone is None or account is None:
        return
    company, user = history.company_of(phone), history.user_id(phone)
    group = str(id_of(f"group/{step['new']}/{phone.name}"))
    contact, visit = ((kind, str(id_of(f"{step['new']}.{kind}"))) for kind in ("contact", "visit"))
    words = company.token(account[1], user)
    hours = int(step["which"] * 200)
    parts: list[tuple[Key, str, Json, Json | None]] = [
        (account, "update", {"address": words}, {"address": (phone.seen(account) or {}).get("address")}),
        (contact, "create", {"account_id": account[1], "name": company.token(contact[1], user)}, None),
        (
            visit,
            "create",
            {
                "account_id": account[1],
                "contact_id": contact[1],
                "assignee_id": user,
                "planned_start": wire(history.now + timedelta(hours=hours)),
                "instructions": company.token(visit[1], user),
            },
            None,
        ),
    ]
    if step["spoilt"]:
        parts.append((("task", str(id_of(f"{step['new']}.task"))), "create", {"title": ""}, None))
    history.groups[company.mark, user, group] = []
    for key, op, fields, base in parts:
        body = write_down(history, phone, key, op, fields, base)
        body["group"] = group
        history.groups[company.mark, user, group].append(body["id"])
    phone.flush_queue()


# -- the network


def draw_sync(draw: Draw) -> Step:
    fault = draw.faults.choice([None, None, None, *FAULTS])
    found: Step = {"phone": draw.phone()}
    if fault:
        found |= {"fault": fault, "at": draw.faults.choice([0, 0, 1, 2])}
    if draw.faults.random() < 0.2:
        found["rounds"] = draw.faults.choice([1, 1, 2, 3])
    if draw.faults.random() < 0.3:
        found["unsaved"] = True
    return found


@step(26, draw_sync)
def do_sync(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is None or phone.offline:
        return
    history.sync(phone, step.get("rounds", 400), step.get("fault"), step.get("at", 0))
    if not step.get("unsaved"):
        phone.flush()


@step(3, lambda draw: {"phone": draw.phone()})
def do_crash(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is not None:
        phone.crash()


@step(3, lambda draw: {"phone": draw.phone(), "off": draw.chance.random() < 0.5})
def do_network(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is not None:
        phone.offline = step["off"]


@step(
    3,
    lambda draw: {
        "phone": draw.phone(),
        "skew": draw.faults.choice(SKEWS),
        "boot": draw.faults.random() < 0.4,
    },
)
def do_clock(history: History, step: Step) -> None:
    phone = phone_of(history, step)
    if phone is not None:
        phone.clock.skew_s = step["skew"]
        phone.clock.boot += bool(step["boot"])


def draw_reinstall(draw: Draw) -> Step:
    return {"phone": draw.phone(), "acknowledged": draw.faults.random() < 0.5}


@step(2, draw_reinstall)
def do_reinstall(history: History, step: Step) -> None:
    """The app is installed anew: another device, an empty store, the queue from a backup."""
    phone = phone_of(history, step)
    if phone is None:
        return
    company = history.company_of(phone)
    phone.device_id = str(id_of(f"device/{company.mark}/{history.next(phone.name)}"))
    company.device(phone.name, phone.user, phone.device_id, history.now)
    kept = sorted(phone.durable.queue, key=lambda q: q.body["n"])
    phone.state = devices.State()
    for queued in kept:
        if queued.verdict is None or step["acknowledged"]:
            queued.body = queued.body | {"n": phone.state.next_n}
            queued.resend = queued.verdict is not None
            phone.state.queue.append(queued)
            phone.state.next_n += 1
    phone.token_at = None
    phone.sent = []
    phone.flush()


@step(2, lambda draw: {"phone": draw.phone(), "new": draw.fresh("c")})
def do_clone(history: History, step: Step) -> None:
    """A backup of the phone is put on another one: both are one device from now on."""
    phone = phone_of(history, step)
    if phone is None or step["new"] in history.phones or phone.cloned:
        return
    phone.flush()
    other = Phone(step["new"], phone.user, phone.device_id, limit=phone.limit, push_limit=phone.push_limit)
    other.clock.skew_s = phone.clock.skew_s + 11.0
    other.clock.since = history.now
    other.clock.boot = phone.clock.boot + 1_000
    other.state = devices.copy.deepcopy(phone.state)
    other.flush()
    phone.cloned = other.cloned = True
    history.phones[other.name] = other
    history.home[other.name] = history.company_of(phone)


@step(3, lambda draw: {"phone": draw.phone()})
def do_late(history: History, step: Step) -> None:
    """A copy of an older request arrives only now."""
    phone = phone_of(history, step)
    if phone is not None and phone.sent:
        history.send(phone, phone.sent[0][0], trace=False)


@step(3, lambda draw: {"phone": draw.phone()})
def do_audit(history: History, step: Step) -> None:
    """Sync, and compare with the first sync of another phone."""
    from tests.simulator import invariants

    phone = phone_of(history, step)
    if phone is None or phone.offline or history.hold_drains:
        return
    if history.sync(phone) != "checkpoint":
        return
    other = history.fresh(phone)
    if other is not None:
        invariants.compare(phone.name, phone.view(), other.view())


@step(0, lambda draw: {})
def do_page(history: History, step: Step) -> None:
    """The phone asks for smaller pages, or sends less at once."""
    phone = phone_of(history, step)
    if phone is not None:
        phone.limit = step.get("limit", phone.limit)
        phone.push_limit = step.get("push", phone.push_limit)


# -- the office, imports, SQL by hand


def company_in(history: History, step: Step) -> Any:
    """The company that a step names."""
    return history.companies.get(step.get("company", "A"))


@step(
    10,
    lambda draw: {
        "company": draw.company(),
        "account": draw.account(),
        "field": draw.chance.choice(
            ["name", "legal_name", "notes", "address", "opening_hours", "tier", "email"]
        ),
        "as": draw.chance.choice(["import:erp", "cli:office"]),
    },
)
def do_sql_edit(history: History, step: Step) -> None:
    company = company_in(history, step)
    if company is None:
        return
    secret = step["field"] == "email"
    value = company.token(step["account"], secret=secret)
    if step["field"] == "notes":
        value = f"first\nsecond {value}\nthird"
    with company.writing(step["as"]) as session:
        session.execute(
            text(f"UPDATE accounts SET {step['field']} = :v WHERE tenant_id = :t AND id = :a"),
            {"v": value, "t": company.id, "a": id_of(step["account"])},
        )


@step(
    4,
    lambda draw: {
        "company": draw.company(),
        "pair": draw.chance.random(),
        "move": draw.chance.random() < 0.5,
    },
)
def do_transaction(history: History, step: Step) -> None:
    """One SQL transaction over a pair of accounts and what hangs on them."""
    company = company_in(history, step)
    if company is None or not history.pairs:
        return
    pair = history.pairs[int(step["pair"] * len(history.pairs))]
    words = history.next("tx")
    land = id_of(("tn", "ts", "te")[history.serial % 3]) if step["move"] else None
    with company.writing("import:erp") as session:
        for symbol in pair:
            values = {
                "t": company.id,
                "a": id_of(symbol),
                "w": words,
                "land": land,
                "n": company.token(symbol),
            }
            session.execute(
                text(
                    "UPDATE accounts SET subtype = :w, territory_id = coalesce(:land, territory_id)"
                    " WHERE tenant_id = :t AND id = :a"
                ),
                values,
            )
            session.execute(
                text("UPDATE contacts SET job_title = :n WHERE tenant_id = :t AND account_id = :a"),
                values | {"n": company.token(f"{symbol}.c")},
            )


def draw_move(draw: Draw) -> Step:
    return {
        "company": draw.company(),
        "account": draw.account(),
        "to": draw.chance.choice(["tn", "ts", "te", "tr", None]),
        "owner": draw.chance.choice([None, None, "u1", "u2", "u4", "keep"]),
    }


@step(8, draw_move)
def do_move(history: History, step: Step) -> None:
    """An account, and a pair with it, goes to another territory or owner."""
    company = company_in(history, step)
    if company is None:
        return
    symbols = next((pair for pair in history.pairs if step["account"] in pair), (step["account"],))
    with company.writing("cli:office") as session:
        for symbol in symbols:
            session.execute(
                text(
                    "UPDATE accounts SET territory_id = :to,"
                    " owner_id = CASE WHEN :keep THEN owner_id ELSE CAST(:owner AS uuid) END"
                    " WHERE tenant_id = :t AND id = :a"
                ),
                {
                    "t": company.id,
                    "a": id_of(symbol),
                    "to": step["to"] and id_of(step["to"]),
                    "keep": step["owner"] == "keep",
                    "owner": (step["owner"] and step["owner"] != "keep" and id_of(step["owner"])) or None,
                },
            )


def draw_member(draw: Draw) -> Step:
    return {
        "company": draw.company(),
        "user": draw.chance.choice(list(STAFF)),
        "land": draw.chance.choice(list(TERRITORIES)),
        "how": draw.chance.choice(["join", "leave", "leave", "until", "from"]),
    }


@step(6, draw_member)
def do_member(history: History, step: Step) -> None:
    """Somebody joins or leaves a territory, now or on a date."""
    company = company_in(history, step)
    if company is None:
        return
    values = {
        "t": company.id,
        "u": id_of(step["user"]),
        "l": id_of(step["land"]),
        "id": id_of(history.next("mem")),
    }
    day = history.now.date()
    with company.writing("cli:office") as session:
        run = lambda sql, **more: session.execute(text(sql), values | more)  # noqa: E731
        kind = "overlay" if STAFF[step["user"]][0] == "technician" else "owner"
        where = " WHERE tenant_id = :t AND user_id = :u AND territory_id = :l AND deleted_at IS NULL"
        match step["how"]:
            case "join":
                run(
                    "INSERT INTO territory_members (tenant_id, id, territory_id, user_id, kind, valid_from)"
                    f" SELECT :t, :id, :l, :u, '{kind}', '2021-01-01' WHERE NOT EXISTS"
                    f" (SELECT 1 FROM territory_members {where})"
                )
            case "from":
                run(
                    "INSERT INTO territory_members (tenant_id, id, territory_id, user_id, kind, valid_from)"
                    f" SELECT :t, :id, :l, :u, '{kind}', CAST(:day AS date) WHERE NOT EXISTS"
                    f" (SELECT 1 FROM territory_members {where})",
                    day=day + timedelta(days=1),
                )
            case "until":
                run(f"UPDATE territory_members SET valid_to = :day {where} AND valid_from <= :day", day=day)
            case _:
                run(f"UPDATE territory_members SET deleted_at = :now {where}", now=history.now)


@step(
    2,
    lambda draw: {
        "company": draw.company(),
        "user": draw.chance.choice(["u1", "u2", "u4", "u5"]),
        "role": draw.chance.choice(["rep", "technician", "manager"]),
    },
)
def do_role(history: History, step: Step) -> None:
    company = company_in(history, step)
    if company is not None:
        company.sql(
            "UPDATE users SET role = :r WHERE tenant_id = :t AND id = :u",
            r=step["role"],
            u=id_of(step["user"]),
        )


@step(1, lambda draw: {"company": draw.company(), "user": draw.chance.choice(["u1", "u2", "u5"])})
def do_dismiss(history: History, step: Step) -> None:
    company = company_in(history, step)
    if company is not None:
        company.sql(
            "UPDATE users SET status = 'disabled' WHERE tenant_id = :t AND id = :u", u=id_of(step["user"])
        )


@step(
    1,
    lambda draw: {
        "company": draw.company(),
        "land": draw.chance.choice(["tn", "ts"]),
        "to": draw.chance.choice(["tr", "te", None]),
    },
)
def do_territory(history: History, step: Step) -> None:
    """A territory goes below another."""
    company = company_in(history, step)
    if company is not None:
        company.sql(
            "UPDATE territories SET parent_id = :to WHERE tenant_id = :t AND id = :l",
            l=id_of(step["land"]),
            to=step["to"] and id_of(step["to"]),
        )


@step(
    5,
    lambda draw: {
        "company": draw.company(),
        "account": draw.account(),
        "what": draw.chance.choice(["contacts", "sites", "visits", "tasks"]),
        "how": draw.chance.choice(["delete", "delete", "restore", "erase"]),
    },
)
def do_sql_delete(history: History, step: Step) -> None:
    """Rows of an account are deleted, restored or erased by SQL."""
    company = company_in(history, step)
    if company is None:
        return
    where = f"FROM {step['what']} WHERE tenant_id = :t AND account_id = :a"
    ids = [row[0] for row in company.look(f"SELECT id {where} ORDER BY id", a=id_of(step["account"]))][:1]
    if not ids:
        return
    history.deleted.add(str(ids[0]))
    with company.writing("cli:sim") as session:
        values = {"t": company.id, "id": ids[0], "now": history.now}
        if step["how"] == "erase":
            if step["what"] in ("contacts", "visits", "sites") and _is_referred(company, ids[0]):
                return
            if step["what"] == "visits":
                session.execute(
                    text("DELETE FROM visit_tasks WHERE tenant_id = :t AND visit_id = :id"), values
                )
            history.erased.add(str(ids[0]))
            session.execute(text(f"DELETE FROM {step['what']} WHERE tenant_id = :t AND id = :id"), values)
        else:
            moment = ":now" if step["how"] == "delete" else "NULL"
            session.execute(
                text(f"UPDATE {step['what']} SET deleted_at = {moment} WHERE tenant_id = :t AND id = :id"),
                values,
            )


def _is_referred(company: Any, record: UUID) -> bool:
    rows = company.look(
        "SELECT 1 FROM visits WHERE tenant_id = :t AND (contact_id = :r OR site_id = :r OR rescheduled_to_id = :r)"
        " UNION ALL SELECT 1 FROM activities WHERE tenant_id = :t AND (contact_id = :r OR visit_id = :r)"
        " UNION ALL SELECT 1 FROM account_contacts WHERE tenant_id = :t AND contact_id = :r",
        r=record,
    )
    return bool(rows)


def draw_sql_visit(draw: Draw) -> Step:
    return {
        "company": draw.company(),
        "account": draw.account(),
        "user": draw.chance.choice(["u1", "u2", "u4", "u5"]),
        "hours": draw.chance.choice([-80, -70, -20, 1, 5, 40, 330, 350]),
        "new": draw.fresh("w"),
        "status": draw.chance.choice(["planned", "planned", "completed"]),
    }


@step(4, draw_sql_visit)
def do_sql_visit(history: History, step: Step) -> None:
    company = company_in(history, step)
    if company is not None and not company.look(
        "SELECT 1 FROM visits WHERE tenant_id = :t AND id = :v", v=id_of(step["new"])
    ):
        start = history.now + timedelta(hours=step["hours"])
        company.add_visit(step["new"], step["account"], step["user"], start, step["status"])


@step(0, lambda draw: {})
def do_sql_relink(history: History, step: Step) -> None:
    """SQL hangs a visit on another account."""
    company = company_in(history, step)
    if company is not None:
        company.sql(
            "UPDATE visits SET account_id = :a WHERE tenant_id = :t AND id = :v",
            a=id_of(step["account"]),
            v=id_of(step["visit"]),
        )


@step(
    2,
    lambda draw: {
        "company": draw.company(),
        "new": draw.fresh("b"),
        "land": draw.chance.choice(["tn", "ts", "te", None]),
        "owner": draw.chance.choice([None, "u1", "u3"]),
    },
)
def do_sql_account(history: History, step: Step) -> None:
    company = company_in(history, step)
    if company is not None and step["new"] not in company.accounts:
        company.add_account(step["new"], step["land"], step["owner"])


BAD = {
    "visit": ("visits", "planned_end = 'infinity'", "planned_end = NULL"),
    "account": ("accounts", "estimated_wallet = 'NaN'", "estimated_wallet = NULL"),
    "tags": ("accounts", "tags = ARRAY['x', NULL]", "tags = '{}'"),
}


@step(
    2,
    lambda draw: {
        "company": draw.company(),
        "account": draw.account(),
        "what": draw.chance.choice(list(BAD)),
        "mend": draw.chance.random() < 0.4,
    },
)
def do_sql_bad(history: History, step: Step) -> None:
    """SQL by hand writes what no phone can be shown, or mends it."""
    company = company_in(history, step)
    if company is None:
        return
    table, bad, good = BAD[step["what"]]
    column = "account_id" if table == "visits" else "id"
    ids = company.look(
        f"SELECT id FROM {table} WHERE tenant_id = :t AND {column} = :a ORDER BY id LIMIT 1",
        a=id_of(step["account"]),
    )
    for (record,) in ids:
        company.sql(
            f"UPDATE {table} SET {good if step['mend'] else bad} WHERE tenant_id = :t AND id = :r", r=record
        )
        if step["mend"]:
            history.poisoned.discard(str(record))
        else:
            history.poisoned.add(str(record))
            history.spoilt = True


@step(
    5,
    lambda draw: {
        "phone": draw.phone(),
        "entity": draw.chance.choice(["account", "visit", "visit", "task", "contact"]),
        "pick": draw.chance.random(),
        "which": draw.chance.random(),
        "cancel": draw.chance.random() < 0.6,
    },
)
def do_rest(history: History, step: Step) -> None:
    """The phone's user edits by REST, from the office."""
    phone = phone_of(history, step)
    key = phone and target(phone, step, step["entity"])
    if phone is None or key is None or phone.token_at is None:
        return
    company, user = history.company_of(phone), history.user_id(phone)
    plural = {"account": "accounts", "visit": "visits", "task": "tasks", "contact": "contacts"}[key[0]]
    path = f"/api/v1/{plural}/{key[1]}"
    answer = history.server.call("GET", path, phone.token)
    if answer.status != 200:
        return
    etag = answer.headers.get("ETag", "")
    value = company.token(key[1], user)
    name = TEXTS[key[0]][int(step["which"] * len(TEXTS[key[0]]))]
    if key[0] == "visit" and step["cancel"]:
        verb = ("cancel", "start-travel", "complete", "cancel")[int(step["which"] * 4)]
        body = {"reason": value} if verb == "cancel" else {}
        history.server.call("POST", f"{path}/{verb}", phone.token, body, **{"If-Match": etag})
    else:
        history.server.call("PATCH", path, phone.token, {name: value}, **{"If-Match": etag})


def draw_delegation(draw: Draw) -> Step:
    people = list(STAFF)
    return {
        "company": draw.company(),
        "from": draw.chance.choice(people),
        "to": draw.chance.choice(people),
        "days": draw.chance.choice([None, 0, 1]),
        "end": draw.chance.random() < 0.3,
    }


@step(4, draw_delegation)
def do_delegation(history: History, step: Step) -> None:
    """Somebody stands in for another, or does so no more."""
    company = company_in(history, step)
    if company is None or step["from"] == step["to"]:
        return
    day = history.now.date()
    values = {"t": company.id, "f": id_of(step["from"]), "u": id_of(step["to"]), "now": history.now}
    with company.writing("cli:office") as session:
        if step["end"]:
            session.execute(
                text("UPDATE delegations SET deleted_at = :now WHERE tenant_id = :t AND to_user_id = :u"),
                values,
            )
            return
        session.execute(
            text(
                "INSERT INTO delegations (tenant_id, id, from_user_id, to_user_id, work, valid_from, valid_to)"
                " VALUES (:t, :id, :f, :u, 'territories', :day, :until)"
            ),
            values
            | {
                "id": id_of(history.next("delegation")),
                "day": day - timedelta(days=1),
                "until": None if step["days"] is None else day + timedelta(days=step["days"]),
            },
        )


@step(1, lambda draw: {"phone": draw.phone()})
def do_revoke(history: History, step: Step) -> None:
    """The office locks a device out."""
    phone = phone_of(history, step)
    if phone is not None and not phone.cloned:
        history.company_of(phone).sql(
            "UPDATE devices SET revoked_at = :now WHERE tenant_id = :t AND id = :d",
            d=UUID(phone.device_id),
            now=history.now,
        )


@step(0, lambda draw: {})
def do_backup(history: History, step: Step) -> None:
    history.server.back_up()


@step(0, lambda draw: {})
def do_restore(history: History, step: Step) -> None:
    if history.server.has_backup:
        history.restore()
        history.server.has_backup = False


# -- time


@step(6, lambda draw: {"hours": draw.chance.choice([1, 7, 25, 25, 73, 120])})
def do_tick(history: History, step: Step) -> None:
    """Time passes, and the scheduler with it."""
    history.now += timedelta(hours=step["hours"])
    history.server.set_clock(history.now)
    from app.core.clock import clock_at

    with clock_at(history.now):
        if not step.get("idle"):
            for company in history.companies.values():
                company.jobs(history.now)


@step(3, lambda draw: {})
def do_drain(history: History, step: Step) -> None:
    for company in history.companies.values():
        company.drain(history.now)


@step(2, lambda draw: {"on": draw.chance.random() < 0.4})
def do_hold(history: History, step: Step) -> None:
    """No request gets to drain any more, until the drains run again."""
    history.hold_drains = step["on"]
