"""What is swept: pushes, pulls, drains, refreshes and decisions, each with what must be true of it afterwards."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.clock import utc_now
from app.core.ids import new_id
from app.sync_api.registry import REGISTRY
from sync.digest import Digest
from sync.sequencer import drain
from tests.sweep.sweeping import Delivery, Service
from tests.world import PASSWORD, Person, World

Json = dict[str, Any]

UNAVAILABLE = {"unavailable", "outcome_unknown"}
HERE = {"location": {"lat": 37.5, "lon": 127.0, "accuracy_m": 12}}
BLOCK = 12
"""Cases that are prepared at once."""
EVERY = 16
"""Cases between two looks at the whole feed."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)")


def plain(value: Any, names: Mapping[str, str]) -> Any:
    """*value* with ids by their *names* and without times, so that two cases can be compared."""
    if isinstance(value, Mapping):
        return {plain(key, names): plain(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, names) for one in value]
    if isinstance(value, UUID):
        value = str(value)
    if isinstance(value, str):
        return _TIME.sub("<time>", _ID.sub(lambda found: names.get(found[0], "<id>"), value))
    return value


def answered(response: Any, *also: int) -> Delivery:
    """What an answer over HTTP came to: it is well, or it says that it may be asked for again."""
    status, words = response.status_code, response.get_data(as_text=True)[:400]
    if status == 200 or status in also:
        return Delivery(True)
    if status != 503:
        return Delivery(False, [f"answered {status}"], words)
    problems = []
    if response.mimetype != "application/problem+json" or response.json["code"] not in UNAVAILABLE:
        problems.append("503 is no problem+json of its kind")
    if not 1 <= int(response.headers.get("Retry-After", "0")) <= 60:
        problems.append("503 without Retry-After")
    return Delivery(False, problems, words)


def digest_of(person: Person) -> dict[str, Any]:
    """The digest that the phone computes of what it holds."""
    held: dict[str, list[tuple[UUID, int]]] = {}
    for (entity, record_id), record in person.records.items():
        held.setdefault(entity, []).append((UUID(record_id), record["version"]))
    return {entity: Digest.of(records).to_wire() for entity, records in held.items()}


def unequal(person: Person) -> list[str]:
    """Where a phone at its checkpoint differs from the server (I2)."""
    answer = person.call("GET", f"/api/v1/sync/digest?cursor={person.cursor}")
    if answer.status_code != 200:
        return [f"no digest at a checkpoint: {answer.text}"]
    told = {name: one for name, one in answer.json["entities"].items() if one["count"]}
    held = digest_of(person)
    return [] if told == held else [f"I2: the phone holds {held}, the server tells {told}"]


def unlike_a_new_phone(person: Person) -> list[str]:
    """Where a phone differs from one that has just been taken into use (I2, I5)."""
    fresh = person.world.second_phone(person)
    fresh.sync()
    keys = fresh.records.keys() | person.records.keys()
    odd = [key for key in keys if fresh.records.get(key) != person.records.get(key)]
    return [f"I2: the phone and a new one differ in {odd[:3]}"] if odd else []


def feed_of(world: World) -> set[tuple[Any, ...]]:
    """What lies in the feed, wherever it lies."""
    rows = world.engine_sql(
        "SELECT bucket, shape, entity, record_id, version, body, gone FROM sync_feed WHERE tenant_id = :tenant"
    )
    return {tuple(row) for row in rows}


def unlike_its_tables(world: World) -> list[str]:
    """Where the feed is not what a drain of everything makes of the tables (I5, I17)."""
    before = feed_of(world)
    every = " UNION ALL ".join(
        f"SELECT tenant_id, '{one.name}', id FROM {one.table} WHERE tenant_id = :tenant"
        for one in REGISTRY.entities
    )
    world.engine_sql(f"INSERT INTO sync_pending (tenant_id, entity, record_id) {every}")
    world.drain()
    odd = before ^ feed_of(world)
    return [f"I5: the feed is not what its tables say: {sorted(map(str, odd))[:2]}"] if odd else []


def account_row(territory: UUID, name: str) -> Json:
    return {
        "id": new_id(),
        "name": name,
        "legal_name": f"{name} 주식회사",
        "territory_id": territory,
        "phone": "+82255500001",
        "tier": "B",
        "notes": "출입: 정문",
    }


def insert(world: World, table: str, rows: Sequence[Json]) -> None:
    """Rows of one kind in one transaction."""
    names = ", ".join(rows[0])
    marks = ", ".join(f":{name}" for name in rows[0])
    with world.session() as session:
        session.execute(
            text(f"INSERT INTO {table} (tenant_id, {names}) VALUES (:tenant, {marks})"),
            [{"tenant": world.id} | row for row in rows],
        )


# -- push


@dataclass
class Batch:
    """What a phone pushes at once."""

    mutations: list[Json]
    records: list[str]
    verdicts: list[Json] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = {one["id"]: f"mutation {n}" for n, one in enumerate(self.mutations)}
        self.names |= {one: f"record {n}" for n, one in enumerate(self.records)}


class Push:
    """A phone pushes a batch of everything: edits that win, merge, lose and ask, creates, a group, a command."""

    name = "push"

    def __init__(self, service: Service, *, rich: bool = True) -> None:
        self.world = service.world()
        self.rich = rich
        self.rep = self.world.person("rep", self.world.north)
        self.rep.sync()
        self.waiting: list[Batch] = []
        self.expected: Json | None = None

    def case(self) -> Batch:
        if not self.waiting:
            self.waiting = self._prepared()
        return self.waiting.pop(0)

    def deliver(self, batch: Batch) -> Delivery:
        response = self.rep.post_sync(mutations=batch.mutations)
        found = answered(response)
        if response.status_code == 200:
            answer = response.json
            if [v["id"] for v in answer["verdicts"]] != [m["id"] for m in batch.mutations]:
                found.problems.append("the verdicts are not those of the mutations")
            if answer["directives"]:
                found.problems.append(f"told to {answer['directives']}")
            batch.verdicts = answer["verdicts"]
            self.rep.take(answer)
        return found

    def unanswered(self, batch: Batch) -> list[str]:
        """I15: what is known by its verdict is done, and nothing is done of what is not."""
        if self.expected is None:
            return []
        judged = {
            str(row[0])
            for row in self.world.sql(
                "SELECT id FROM sync_mutations WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
                " AND status IS NOT NULL",
                ids=[m["id"] for m in batch.mutations],
            )
        }
        wanted = [row for row in self.expected["ledger"] if row[-1] in {batch.names[one] for one in judged}]
        found = [row for row in self._effects(batch)["ledger"] if row[-1] is not None]
        return [] if found == wanted else [f"I15: judged {len(judged)}, done {found}, not {wanted}"]

    def check(self, batch: Batch) -> list[str]:
        self.rep.sync()
        found = self._effects(batch) | {
            "verdicts": [
                plain({k: v for k, v in one.items() if k not in ("id", "replayed")}, batch.names)
                for one in batch.verdicts
            ],
            "held": [plain(self._held(one), batch.names) for one in batch.records],
        }
        if self.expected is None:
            self.expected = found
        odd = [
            f"I1, I3: {part} are {_only(found[part], wanted)}, not {_only(wanted, found[part])}"
            for part, wanted in self.expected.items()
            if found[part] != wanted
        ]
        return odd + unequal(self.rep)

    def end(self) -> list[str]:
        return unlike_a_new_phone(self.rep) + unlike_its_tables(self.world)

    def _held(self, record_id: str) -> Any:
        return [record for (_, one), record in sorted(self.rep.records.items()) if one == record_id]

    def _effects(self, batch: Batch) -> Json:
        """The ledger of the batch, and what it put into the inbox."""
        ids = [m["id"] for m in batch.mutations]
        rows = self.world.sql(
            "SELECT entity, record_id, op, version, coalesce(part, ''), winner IS NOT NULL,"
            " ARRAY(SELECT k FROM jsonb_object_keys(coalesce(new, '{}')) AS k ORDER BY k), mutation_id"
            " FROM changes WHERE tenant_id = :tenant AND (mutation_id = ANY(CAST(:ids AS uuid[]))"
            " OR record_id = ANY(CAST(:records AS uuid[])))",
            ids=ids,
            records=batch.records,
        )
        items = self.world.sql(
            "SELECT kind, entity, record_id, coalesce(field, ''), state, json_array_length(losers) FROM conflicts"
            " WHERE tenant_id = :tenant AND mutation_id = ANY(CAST(:ids AS uuid[]))",
            ids=ids,
        )
        return {
            "ledger": sorted((plain(list(row), batch.names) for row in rows), key=str),
            "items": sorted((plain(list(row), batch.names) for row in items), key=str),
        }

    def _prepared(self) -> list[Batch]:
        """Batches, made on the phone before others change the same records."""
        accounts = [[account_row(self.world.north, f"고객{n}") for n in range(4)] for _ in range(BLOCK)]
        insert(self.world, "accounts", [row for four in accounts for row in four])
        visits = [
            {
                "id": new_id(),
                "account_id": four[0]["id"],
                "assignee_id": self.rep.id,
                "planned_start": utc_now(),
            }
            for four in accounts
        ]
        contacts = [{"id": new_id(), "account_id": four[3]["id"], "name": "김담당"} for four in accounts]
        insert(self.world, "visits", visits)
        insert(self.world, "contacts", contacts)
        self.rep.sync()
        batches = [
            self._batch([str(row["id"]) for row in four], str(visit["id"]), str(contact["id"]))
            for four, visit, contact in zip(accounts, visits, contacts, strict=True)
        ]
        for position, change in enumerate(
            ("tier = 'A'", "legal_name = '본사가 정한 이름'", "phone = '+82255500009'")
        ):
            self.world.sql(
                f"UPDATE accounts SET {change} WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))",
                ids=[str(four[position]["id"]) for four in accounts],
            )
        self.rep.sync()
        return batches

    def _batch(self, accounts: Sequence[str], visit: str, contact: str) -> Batch:
        rep, group = self.rep, str(new_id())
        made, member = str(new_id()), str(new_id())
        mutations = [
            rep.edit("account", accounts[0], {"phone": "+82255500002"}),  # merged: others changed the tier
            rep.edit("account", accounts[1], {"legal_name": "내가 아는 이름"}),  # a person is asked
            # Superseded; made long ago, so that no slow request can bring it past what others did since.
            rep.edit(
                "account", accounts[2], {"phone": "+82255500003"}, occurred_at="2026-01-01T00:00:00.000Z"
            ),
            rep.mutation("create", "contact", made, fields={"account_id": accounts[0], "name": "이과장"}),
            rep.mutation("check_in", "visit", visit, base_version=1, fields=HERE),
        ]
        if self.rich:
            mutations += [
                rep.edit("account", accounts[0], {"completeness": 5}),  # refused
                rep.mutation("create", "task", member, fields={"title": "견적"}, group=group),
                rep.edit("account", accounts[3], {"website": "https://example.com"}, group=group),
                rep.mutation("delete", "contact", contact, base_version=1),
            ]
        return Batch(mutations, [*accounts, visit, contact, made, member])


def _only(one: Iterable[Any], other: Sequence[Any]) -> list[Any]:
    return [row for row in one if row not in other][:3]


# -- pull


class Pull:
    """A phone asks for what it lacks; what it holds afterwards is what a new phone would."""

    def __init__(self, service: Service) -> None:
        self.world = service.world()
        self.rep = self.world.person("rep", self.world.north)
        self.colleague = self.world.person("rep", self.world.south)
        self.accounts = [
            account_row(land, "거래처") for land in (self.world.north, self.world.south) for _ in range(3)
        ]
        insert(self.world, "accounts", self.accounts)
        insert(
            self.world,
            "contacts",
            [{"id": new_id(), "account_id": one["id"], "name": "담당"} for one in self.accounts],
        )
        self.visit = new_id()
        self.world.insert(
            "visits",
            id=self.visit,
            account_id=self.accounts[0]["id"],
            assignee_id=self.rep.id,
            planned_start=utc_now(),
        )
        self.rep.sync()
        self.numbers = count(1)

    def case(self) -> Any:
        return None

    def deliver(self, case: Any) -> Delivery:
        for _ in range(20):
            response = self.rep.post_sync(limit=self.limit)
            found = answered(response)
            if not found.answered:
                return found
            self.rep.take(response.json)
            if not response.json["has_more"]:
                return found
        return Delivery(False, ["no checkpoint in 20 pages"])

    limit = 2_000

    def unanswered(self, case: Any) -> list[str]:
        return []

    def check(self, case: Any) -> list[str]:
        self.rep.sync()
        return unequal(self.rep)

    def end(self) -> list[str]:
        return unlike_a_new_phone(self.rep) + unlike_its_tables(self.world)


class FirstSync(Pull):
    """A phone that holds nothing, in pages."""

    name = "first sync"
    limit = 7

    def case(self) -> Any:
        self.world.sql(
            "UPDATE accounts SET tier = :tier WHERE tenant_id = :tenant AND id = :id",
            id=self.accounts[0]["id"],
            tier=f"T{next(self.numbers)}",
        )
        self.rep.cursor, self.rep.records = None, {}


class Delta(Pull):
    """A phone that lacks a change."""

    name = "delta"

    def case(self) -> Any:
        self.world.sql(
            "UPDATE accounts SET tier = :tier WHERE tenant_id = :tenant AND id = :id",
            id=self.accounts[0]["id"],
            tier=f"T{next(self.numbers)}",
        )


class Glance(Pull):
    """A phone for which there is nothing new."""

    name = "nothing new"

    def deliver(self, case: Any) -> Delivery:
        response = self.rep.post_sync(limit=self.limit)
        found = answered(response)
        if found.answered:
            self.rep.take(response.json)
            if response.json["changes"] or response.json["removed"] or response.json["has_more"]:
                found.problems.append(f"there was nothing new: {response.get_data(as_text=True)[:300]}")
        return found


class GainsAndLosses(Pull):
    """A phone whose user lost one territory and gained another, while a record moved between them."""

    name = "gains and losses"

    def case(self) -> Any:
        gained, lost = (self.world.south, self.world.north)[:: 1 if next(self.numbers) % 2 else -1]
        with self.world.session() as session:
            session.execute(
                text("UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant AND user_id = :user"
                     " AND deleted_at IS NULL"),
                {"tenant": self.world.id, "user": self.rep.id},
            )  # fmt: skip
            self.world.join(session, self.rep.id, gained)
            session.execute(
                text("UPDATE accounts SET territory_id = :land WHERE tenant_id = :tenant AND id = :id"),
                {"tenant": self.world.id, "land": gained, "id": self.accounts[1]["id"]},
            )
            session.execute(
                text("UPDATE accounts SET territory_id = :land WHERE tenant_id = :tenant AND id = :id"),
                {"tenant": self.world.id, "land": lost, "id": self.accounts[4]["id"]},
            )


# -- drain


class Drain:
    """The scheduler sequences changes of several entities, with a move and a new membership."""

    name = "drain"

    def __init__(self, service: Service, *, poisoned: bool = False) -> None:
        self.pull = Pull(service)
        self.world, self.poisoned = self.pull.world, poisoned
        self.name = "drain with poison" if poisoned else "drain"
        self.task = new_id()
        self.world.insert(
            "tasks",
            id=self.task,
            account_id=self.pull.accounts[0]["id"],
            assignee_id=self.pull.rep.id,
            title="전화",
        )
        self.number = 0
        self.before: Any = None

    def case(self) -> Any:
        self.number += 1
        number, world = self.number, self.world
        land = (world.north, world.south)[number % 2]
        first, other = self.pull.accounts[0]["id"], self.pull.accounts[2]["id"]
        if self.poisoned:  # mended, so that it can fail anew
            self._write("visits", "planned_end = NULL", self.pull.visit)
            world.drain()
        self._write("accounts", "territory_id = :value", other, land)
        self._write("accounts", "tier = :value", first, f"T{number}")
        self._write("tasks", "title = :value", self.task, f"전화 {number}")
        self._write("visits", "outcome = :value", self.pull.visit, f"결과 {number}")
        if self.poisoned:
            self._write("visits", "planned_end = 'infinity'", self.pull.visit)
        with world.session() as session:
            if number % 2:
                world.join(session, self.pull.colleague.id, world.north)
        if not number % 2:
            world.sql(
                "UPDATE territory_members SET deleted_at = now() WHERE tenant_id = :tenant AND user_id = :user"
                " AND territory_id = :land AND deleted_at IS NULL",
                user=self.pull.colleague.id,
                land=world.north,
            )
        self.before = self._state()

    def deliver(self, case: Any) -> Delivery:
        try:
            done = drain(self.world.db.engine, REGISTRY, self.world.id, now=utc_now(), lock_timeout_ms=2_000)
        except DBAPIError as error:
            return Delivery(False, words=type(error.orig).__name__)
        return Delivery(done is not None)

    def unanswered(self, case: Any) -> list[str]:
        """I15: everything is as before, or all was done."""
        now = self._state()
        done = now[0] == [] and now[1] > self.before[1]
        return [] if done or now == self.before else ["I15: a drain that failed left something behind"]

    def check(self, case: Any) -> list[str]:
        self.pull.rep.sync()
        self.pull.colleague.sync()
        ((left,),) = self.world.engine_sql("SELECT count(*) FROM sync_pending WHERE tenant_id = :tenant")
        odd = [f"{left} marks are left"] if left else []
        odd += self._unsigned() + self._unseen()
        if not self.poisoned and self.number % EVERY == 0:
            odd += unlike_its_tables(self.world)
            self.pull.rep.sync()
            self.pull.colleague.sync()
        return odd + unequal(self.pull.rep) + unequal(self.pull.colleague)

    def end(self) -> list[str]:
        if self.poisoned:
            self._write("visits", "planned_end = NULL", self.pull.visit)
            self.world.drain()
            self.pull.rep.sync()
        return unlike_a_new_phone(self.pull.rep) + unlike_its_tables(self.world)

    def _unseen(self) -> list[str]:
        """I5: what the phones do not have of the drained changes."""
        rep, colleague, number = self.pull.rep, self.pull.colleague, self.number
        first, other = self.pull.accounts[0]["id"], self.pull.accounts[2]["id"]
        seen: dict[str, Any] = {
            "tier": (rep.held("account", first) or {}).get("tier"),
            "title": (rep.held("task", self.task) or {}).get("title"),
            "move": (rep.held("account", other) is None, colleague.held("account", other) is not None),
            "membership": colleague.held("account", first) is not None,
        }
        wanted = {
            "tier": f"T{number}",
            "title": f"전화 {number}",
            "move": (number % 2 == 1, True),
            "membership": number % 2 == 1,
        }
        if number % 2 == 0:
            wanted["move"] = (False, False)
        if not self.poisoned:
            seen["outcome"] = (rep.held("visit", self.pull.visit) or {}).get("outcome")
            wanted["outcome"] = f"결과 {number}"
        return [] if seen == wanted else [f"I5: the phones show {seen}, not {wanted}"]

    def _write(self, table: str, change: str, record_id: UUID, value: Any = None) -> None:
        values = {} if value is None else {"value": value}
        self.world.sql(
            f"UPDATE {table} SET {change} WHERE tenant_id = :tenant AND id = :id", id=record_id, **values
        )

    def _state(self) -> tuple[Any, ...]:
        marks = self.world.engine_sql("SELECT id FROM sync_pending WHERE tenant_id = :tenant ORDER BY id")
        ((head,),) = self.world.engine_sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")
        return [row[0] for row in marks], head, feed_of(self.world)

    def _unsigned(self) -> list[str]:
        """Every head was signed by exactly one drain, and no row lies above it."""
        ((drains, above),) = self.world.engine_sql(
            "SELECT (SELECT count(*) FROM sync_drain d WHERE d.tenant_id = h.tenant_id AND d.position = h.position),"
            " (SELECT count(*) FROM sync_feed f WHERE f.tenant_id = h.tenant_id AND f.position > h.position)"
            " FROM sync_heads h WHERE h.tenant_id = :tenant"
        )
        return (
            [] if (drains, above) == (1, 0) else [f"the head has {drains} drains and {above} rows above it"]
        )


# -- refresh


class Refresh:
    """A phone exchanges its refresh token; whatever is lost, it stays logged in."""

    name = "token refresh"

    def __init__(self, service: Service) -> None:
        self.world = service.world()
        self.rep = self.world.person("rep", self.world.north)
        self.token = self._logged_in()

    def case(self) -> list[Json]:
        return []

    def deliver(self, case: list[Json]) -> Delivery:
        response = self.world.app.test_client().post(
            "/api/v1/auth/refresh", json={"refresh_token": self.token}
        )
        found = answered(response)
        if found.answered:
            case.append(response.json)
        return found

    def unanswered(self, case: list[Json]) -> list[str]:
        return []

    def check(self, case: list[Json]) -> list[str]:
        self.rep.token = case[-1]["access_token"]
        if self.token == case[-1]["refresh_token"]:
            return ["the refresh token was not exchanged"]
        self.token = case[-1]["refresh_token"]
        response = self.rep.post_sync(cursor=None)
        return [] if response.status_code == 200 else [f"the new token is not good: {response.text}"]

    def end(self) -> list[str]:
        ((families, revoked),) = self.world.sql(
            "SELECT count(*), count(revoked_at) FROM refresh_families WHERE tenant_id = :tenant AND user_id = :user"
            " AND device_id = :device",
            user=self.rep.id,
            device=self.rep.device_id,
        )
        return [] if (families, revoked) == (1, 0) else [f"{families} sessions, {revoked} ended"]

    def _logged_in(self) -> str:
        response = self.world.app.test_client().post(
            "/api/v1/auth/login",
            json={
                "tenant": self.world.code,
                "login": self.rep.login,
                "password": PASSWORD,
                "device": {"name": "Galaxy", "platform": "android", "app_version": "1.0.0"},
            },
        )
        self.rep.device_id = UUID(response.json["device_id"])
        return str(response.json["refresh_token"])


# -- decisions


@dataclass
class Question:
    """An item of the inbox that a manager decides, and the mutation by which they do, if it is one."""

    account: str
    item: Json
    mutation: Json | None = None
    verdict: Json = field(default_factory=dict)


class Resolve:
    """A manager decides an item of the inbox over REST."""

    name = "decision over REST"

    def __init__(self, service: Service) -> None:
        self.world = service.world()
        self.rep = self.world.person("rep", self.world.north)
        self.manager = self.world.person("manager", self.world.region)
        self.rep.sync()
        self.waiting: list[Question] = []

    def case(self) -> Question:
        if not self.waiting:
            self.waiting = self._prepared()
        return self.waiting.pop(0)

    def deliver(self, question: Question) -> Delivery:
        response = self.manager.call(
            "POST",
            f"/api/v1/conflicts/{question.item['id']}/resolution",
            {"choice": "mine", "record_version": question.item["record_version"]},
            **{"If-Match": f'"{question.item["version"]}"'},
        )
        # After a lost answer it is told that the item was decided: a version on, or closed.
        found = answered(response, 409, 412)
        if response.status_code in (409, 412) and self._decided(question) != 1:
            found.problems.append(f"told {response.json['code']}, and nothing was decided")
        return found

    def unanswered(self, question: Question) -> list[str]:
        return (
            [] if self._decided(question) in (0, 1) and self._is_whole(question) else ["I15: half a decision"]
        )

    def check(self, question: Question) -> list[str]:
        self.manager.sync()
        self.rep.sync()
        odd = []
        if self._decided(question) != 1 or not self._is_whole(question):
            odd.append(f"I3: decided {self._decided(question)} times")
        held = self.manager.held("account", question.account)
        if held is None or held["legal_name"] != "내가 아는 이름":
            odd.append(f"I1: the decision is not in the record {held}")
        return odd + unequal(self.manager) + unequal(self.rep)

    def end(self) -> list[str]:
        return unlike_a_new_phone(self.manager) + unlike_its_tables(self.world)

    def _decided(self, question: Question) -> int:
        """How often the ledger says that the legal name was decided."""
        ((found,),) = self.world.sql(
            "SELECT count(*) FROM changes WHERE tenant_id = :tenant AND record_id = :id"
            " AND op = 'update' AND new ->> 'legal_name' = '내가 아는 이름'",
            id=question.account,
        )
        return int(found)

    def _is_whole(self, question: Question) -> bool:
        """Whether the item and its record say the same."""
        ((state, name),) = self.world.sql(
            "SELECT c.state, a.legal_name FROM conflicts c JOIN accounts a ON a.tenant_id = c.tenant_id"
            " AND a.id = c.record_id WHERE c.tenant_id = :tenant AND c.id = :id",
            id=question.item["id"],
        )
        return (state != "open") == (name == "내가 아는 이름")

    def _prepared(self) -> list[Question]:
        accounts = [account_row(self.world.north, "거래처") for _ in range(BLOCK)]
        insert(self.world, "accounts", accounts)
        self.rep.sync()
        edits = [self.rep.edit("account", one["id"], {"legal_name": "내가 아는 이름"}) for one in accounts]
        self.world.sql(
            "UPDATE accounts SET legal_name = '본사가 정한 이름' WHERE tenant_id = :tenant"
            " AND id = ANY(CAST(:ids AS uuid[]))",
            ids=[str(one["id"]) for one in accounts],
        )
        verdicts = self.rep.sync(*edits)
        self.manager.sync()
        found = []
        for account, verdict in zip(accounts, verdicts, strict=True):
            item = self.manager.held("conflict", verdict["conflict_id"])
            assert item is not None
            found.append(self._question(str(account["id"]), item))
        return found

    def _question(self, account: str, item: Json) -> Question:
        return Question(account, item)


class ResolveBySync(Resolve):
    """A manager decides an item on the phone."""

    name = "decision by sync"

    def deliver(self, question: Question) -> Delivery:
        response = self.manager.post_sync(mutations=[question.mutation])
        found = answered(response)
        if found.answered:
            self.manager.take(response.json)
            (verdict,) = response.json["verdicts"]
            if verdict["status"] != "applied":
                found.problems.append(f"the verdict is {verdict}")
            if response.json["directives"]:
                found.problems.append(f"told to {response.json['directives']}")
        return found

    def _question(self, account: str, item: Json) -> Question:
        fields = {"choice": "mine", "record_version": item["record_version"]}
        mutation = self.manager.mutation(
            "resolve", "conflict", item["id"], base_version=item["version"], fields=fields
        )
        return Question(account, item, mutation)
