"""What phones hold before and after a change of scope, compared with a phone that begins anew."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.clock import clock_at, utc_now
from app.core.ids import new_id
from app.http.auth import issue_access_token
from app.http.services import services
from app.jobs.memberships import turn_days
from app.jobs.windows import move_windows
from tests.world import Person, World

Key = tuple[str, str]


@dataclass
class Pulled:
    """What the answers of one sync held."""

    removed: list[Key] = field(default_factory=list)
    reasons: dict[Key, str] = field(default_factory=dict)
    changed: set[Key] = field(default_factory=set)
    rebased: bool = False


def pull(person: Person, **body: Any) -> Pulled:
    """Sync to the checkpoint; what came and what went."""
    pulled = Pulled()
    for _ in range(300):
        response = person.post_sync(mutations=[], **body)
        assert response.status_code == 200, response.get_data(as_text=True)
        answer = response.json
        person.take(answer)
        pulled.removed += [(r["entity"], r["id"]) for r in answer["removed"]]
        pulled.reasons |= {(r["entity"], r["id"]): r["reason"] for r in answer["removed"]}
        pulled.changed |= {(c["entity"], c["id"]) for c in answer["changes"]}
        pulled.rebased = pulled.rebased or "rebase" in answer["directives"]
        if not answer["has_more"]:
            return pulled
    raise AssertionError("no checkpoint within 300 pages")


def differences(person: Person) -> dict[Key, tuple[Any, Any]]:
    """Where a phone's store is not what a new phone of the same person is given."""
    new = person.world.second_phone(person)
    new.sync()
    keys = person.records.keys() | new.records.keys()
    held = {k: (person.records.get(k), new.records.get(k)) for k in sorted(keys)}
    return {k: both for k, both in held.items() if both[0] != both[1]}


def settle(*people: Person) -> dict[str, Pulled]:
    """Let everybody sync: each loses exactly what it holds no more, and then equals a new phone."""
    pulled = {}
    for person in people:
        before, first = set(person.records), person.cursor is None
        got = pulled[person.login] = pull(person)
        assert differences(person) == {}, person.role
        assert got.rebased == first
        assert len(got.removed) == len(set(got.removed))
        assert set(got.removed) == before - set(person.records), person.role
        assert set(person.records) - before <= got.changed
    return pulled


@contextmanager
def moment(now: datetime, *people: Person) -> Iterator[None]:
    """Let it be *now* for requests of *people*, whose tokens are made anew."""
    with clock_at(now):
        for person in people:
            person.token = issue_access_token(
                services(person.world.app).config, person.world.id, person.id, person.device_id, now
            )
        yield


def midnight(day: date, zone: str = "Asia/Seoul") -> datetime:
    """The first moment of a day there (where clocks skip midnight, the moment after the gap)."""
    start = datetime.combine(day, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    while start.astimezone(ZoneInfo(zone)).date() < day:
        start += timedelta(minutes=30)
    return start


def today() -> date:
    """The day in Seoul, where the companies of these tests are."""
    return utc_now().astimezone(ZoneInfo("Asia/Seoul")).date()


def let_time_pass(world: World, now: datetime) -> int:
    """The scheduled jobs and the sequencer, and no request; how many marks the turn of the day made."""
    move_windows(world.db, world.id, now)
    marked = turn_days(world.db, world.id, now)
    world.drain(now)
    return marked


def whole_account(world: World, territory: UUID, *people: Person) -> dict[str, list[UUID]]:
    """An account with everything that can hang on it: sites, contacts, buying roles, a relation to a
    second account, visits of *people* today and in the past, activities, tasks, an open inbox item."""
    ids: dict[str, list[UUID]] = {
        "account": [world.account(territory), world.account(territory, name="본점")]
    }
    account, other = ids["account"]

    def add(entity: str, table: str, **values: Any) -> UUID:
        ids.setdefault(entity, []).append(new_id())
        world.insert(table, id=ids[entity][-1], **values)
        return ids[entity][-1]

    for number in range(2):
        add("site", "sites", account_id=account, name=f"지점 {number}")
        contact = add("contact", "contacts", account_id=account, name=f"김 {number}")
        add("account_contact", "account_contacts", account_id=account, contact_id=contact, role="user")
    add("account_relation", "account_relations", account_id=account, to_account_id=other, kind="supplies")
    for person in people:
        at = utc_now()
        add("visit", "visits", account_id=account, assignee_id=person.id, planned_start=at)
        past = {"planned_start": at - timedelta(days=30), "status": "completed"}
        add("visit", "visits", account_id=account, assignee_id=person.id, **past)
        note = {"kind": "note", "body": "메모", "happened_at": at}
        add("activity", "activities", account_id=account, author_id=person.id, **note)
        add("activity", "activities", account_id=account, author_id=person.id, private=True, **note)
        add("task", "tasks", account_id=account, assignee_id=person.id, title="전화")
    return ids


def conflicting(world: World, person: Person, account: UUID) -> UUID:
    """Let a legal name be edited here and there, so that an item of the inbox is open."""
    person.sync()
    edit = person.edit("account", account, {"legal_name": f"{person.login} mine"})
    world.sql(
        "UPDATE accounts SET legal_name = :name WHERE tenant_id = :tenant AND id = :id",
        id=account,
        name=f"{person.login} theirs",
    )
    (verdict,) = person.sync(edit)
    return UUID(verdict["conflict_id"])


def of(ids: dict[str, list[UUID]], *entities: str) -> set[Key]:
    """The records of these entities as phones name them."""
    return {(entity, str(record_id)) for entity in entities for record_id in ids.get(entity, ())}


def marked_users(world: World) -> Sequence[UUID]:
    """The users whose marks wait."""
    found = world.engine_sql(
        "SELECT record_id FROM sync_pending WHERE tenant_id = :tenant AND entity = 'user' ORDER BY id"
    )
    return [row[0] for row in found]
