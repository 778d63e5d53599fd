"""§3 and the table "What syncs to whom": people, territories, and who sees and holds which record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.simulator.oracle.records import Key, Record
from tests.simulator.oracle.values import UNKNOWN

SHAPE_OF_ROLE: Mapping[str, str] = {
    "rep": "sales",
    "technician": "service",
    "manager": "manager",
    "admin": "manager",
    "integration": "manager",
    "partner": "partner",
}
BACK, AHEAD, DAY = timedelta(days=3), timedelta(days=14), timedelta(days=1)
MADE = frozenset({"checked_out", "completed", "verified", "flagged"})  # visits that took place
LAST_VISITS = 5
# Fields that may move a record into other buckets, or its children.
DECIDE_SCOPE = frozenset(
    {"account_id", "to_account_id", "contact_id", "territory_id", "owner_id"}
    | {"assignee_id", "planned_start", "status", "private"}
)
HOME = ZoneInfo("Asia/Seoul")  # dates are the company's days
MODELLED = frozenset(
    {"account", "site", "contact", "account_relation", "account_contact", "visit", "activity", "task"}
)


@dataclass(frozen=True, slots=True)
class User:
    """A person of the company."""

    id: str
    role: str
    unit: str | None
    active: bool

    @property
    def shape(self) -> str:
        """§1: "a user has exactly one shape per entity"."""
        return SHAPE_OF_ROLE[self.role]

    @property
    def everything(self) -> bool:
        """Admins and integrations see all records of the tenant."""
        return self.role in ("admin", "integration")


@dataclass(frozen=True, slots=True)
class Territory:
    """A node of the tree, between its dates."""

    id: str
    parent: str | None
    valid_from: date | None
    valid_to: date | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody's part in a territory, between its dates; owner, backup and overlay give the same."""

    id: str
    territory: str
    user: str
    kind: str
    valid_from: date | None
    valid_to: date | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Delegation:
    """One person's territories lent to another for a time."""

    id: str
    from_user: str
    to_user: str
    starts: datetime
    ends: datetime
    deleted: bool


@dataclass(slots=True)
class Company:
    """Everything that decides scope, beside the records themselves."""

    records: dict[Key, Record]
    users: dict[str, User] = member(default_factory=dict)
    units: dict[str, str | None] = member(default_factory=dict)
    territories: dict[str, Territory] = member(default_factory=dict)
    members: dict[str, Member] = member(default_factory=dict)
    delegations: dict[str, Delegation] = member(default_factory=dict)
    passing: frozenset[Key] = frozenset()  # what a group deletes counts as live for its other members

    # Territories

    def territories_of(self, user_id: str, now: datetime) -> frozenset[str]:
        """§3: "territories (with descendants for managers, date ranges, backups, delegations)"."""
        lenders = {
            each.from_user
            for each in self.delegations.values()
            if each.to_user == user_id and not each.deleted and each.starts <= now < each.ends
        }
        people = [user_id, *(lender for lender in lenders if self._is_active(lender))]
        return frozenset().union(*(self._own_territories(person, now) for person in people))

    def _is_active(self, user_id: str) -> bool:
        return user_id in self.users and self.users[user_id].active

    def _own_territories(self, user_id: str, now: datetime) -> frozenset[str]:
        today = now.astimezone(HOME).date()
        direct = {
            each.territory
            for each in self.members.values()
            if each.user == user_id and not each.deleted and _valid(each, today)
        }
        if self.users[user_id].role in ("manager", "admin"):
            direct = self._with_descendants(direct)
        return frozenset(name for name in direct if self._is_live(name, today))

    def _is_live(self, territory_id: str, today: date) -> bool:
        territory = self.territories.get(territory_id)
        return territory is not None and not territory.deleted and _valid(territory, today)

    def _with_descendants(self, roots: set[str]) -> set[str]:
        found, waiting = set(roots), list(roots)
        while waiting:
            parent = waiting.pop()
            below = {t.id for t in self.territories.values() if t.parent == parent} - found
            found |= below
            waiting += below
        return found

    # Scope: what one may see and change

    def in_scope(self, user_id: str, entity: str, record_id: str, now: datetime) -> bool:
        """Whether a user may see and change a live record.

        §3: windows limit what a phone holds, not scope; "only a technician's accounts take their window as scope".
        "A child whose parent is outside the user's scope is outside it too."
        """
        record = self.records.get((entity, record_id))
        return record is not None and not record.deleted and self.would_see(user_id, record, now)

    def would_see(self, user_id: str, record: Record, now: datetime) -> bool:
        """As ``in_scope``, of a record that may be deleted: by what it held last."""
        user = self.users[user_id]
        if record.entity.shape_for(user.shape) is None:
            return False
        if user.everything:
            return True
        match record.entity.name:
            case "account":
                return self._sees_account(user, record, now)
            case "site" | "contact":
                return self._sees_account_of(user, record, "account_id", now)
            case "account_relation":
                return self._sees_account_of(user, record, "account_id", now) and self._sees_account_of(
                    user, record, "to_account_id", now
                )
            case "account_contact":
                return self._sees_account_of(user, record, "account_id", now)
            case "activity":
                own = record.values.get("author_id") == user_id
                return (own or record.values.get("private") is not True) and self._sees_account_of(
                    user, record, "account_id", now
                )
            case "visit" | "task":
                return self._sees_assigned(user, record, now)
            case "territory":
                return record.id in self.territories_of(user_id, now)
        return True  # an entity without a scope of its own, as in tests of the model

    def _sees_account_of(self, user: User, record: Record, name: str, now: datetime) -> bool:
        account = self._account(record.values.get(name))
        return account is not None and self._sees_account(user, account, now)

    def _account(self, account_id: Any) -> Record | None:
        account = self.records.get(("account", account_id)) if isinstance(account_id, str) else None
        if account is not None and account.deleted and account.key not in self.passing:
            return None
        return account

    def _sees_account(self, user: User, account: Record, now: datetime) -> bool:
        if user.everything or account.values.get("territory_id") in self.territories_of(user.id, now):
            return True
        if user.role in ("rep", "manager"):
            return account.values.get("owner_id") == user.id
        return user.role == "technician" and self._has_visit_in_window(user.id, account.id, now)

    def _has_visit_in_window(self, user_id: str, account_id: str, now: datetime) -> bool:
        return any(
            visit.values.get("assignee_id") == user_id and in_window(visit, now)
            for visit in self.live_of("visit", account_id)
        )

    def _sees_assigned(self, user: User, record: Record, now: datetime) -> bool:
        """Technicians see their own; reps and managers their own and those of their accounts."""
        own = record.values.get("assignee_id") == user.id
        alone = record.values.get("account_id") is None
        account = self._sees_account_of(user, record, "account_id", now)
        if user.role == "technician":
            return own and (alone or account)
        return (own and alone) or account

    def live_of(self, entity: str, account_id: str) -> Iterator[Record]:
        """Live records of an entity that hang on an account."""
        return (
            record
            for record in self.records.values()
            if record.entity.name == entity
            and not record.deleted
            and record.values.get("account_id") == account_id
        )

    def children_of(self, account_id: str) -> Iterator[Record]:
        """All records that hang on an account, deleted ones too."""
        return (
            record
            for record in self.records.values()
            if record.values.get("account_id") == account_id
            or record.values.get("to_account_id") == account_id
        )

    # Buckets: what a phone holds

    def buckets_of(self, record: Record, now: datetime) -> frozenset[tuple[str, str]]:
        """The (bucket, shape class) pairs in which a live record stands."""
        if record.deleted:
            return frozenset()
        match record.entity.name:
            case "account":
                return self._buckets_of_account(record, now)
            case "site" | "contact":
                return self._buckets_of_parent(record, "account_id", now)
            case "account_relation":
                both = [self._buckets_of_parent(record, end, now) for end in ("account_id", "to_account_id")]
                return frozenset(pair for pair in both[0] & both[1] if pair[1] != "service")
            case "account_contact":
                return self._buckets_of_role(record, now)
            case "activity":
                return self._buckets_of_activity(record, now)
            case "visit":
                return self._buckets_of_visit(record, now)
            case "task":
                return self._buckets_of_task(record, now)
            case "territory":
                return _in_all_shapes(f"territory:{record.id}")
        return frozenset()

    def _buckets_of_account(self, account: Record, now: datetime) -> frozenset[tuple[str, str]]:
        territory, owner = account.values.get("territory_id"), account.values.get("owner_id")
        found: set[tuple[str, str]] = set()
        if isinstance(territory, str):
            found |= _in_all_shapes(f"territory:{territory}")
        if isinstance(owner, str):  # owning gives a technician nothing
            found |= {(f"user:{owner}", shape) for shape in ("sales", "manager", "partner")}
        for visit in self.live_of("visit", account.id):
            assignee = visit.values.get("assignee_id")
            if in_window(visit, now) and self._role(assignee) == "technician":
                found.add((f"user:{assignee}", "service"))
        return frozenset(found)

    def _role(self, user_id: Any) -> str | None:
        user = self.users.get(user_id)
        return user.role if user else None

    def _buckets_of_parent(self, record: Record, name: str, now: datetime) -> frozenset[tuple[str, str]]:
        account = self._account(record.values.get(name))
        return frozenset() if account is None else self._buckets_of_account(account, now)

    def _buckets_of_role(self, record: Record, now: datetime) -> frozenset[tuple[str, str]]:
        contact = self.records.get(("contact", record.values.get("contact_id") or ""))
        if contact is None or contact.deleted:
            return frozenset()
        both = self._buckets_of_parent(record, "account_id", now) & self._buckets_of_parent(
            contact, "account_id", now
        )
        return frozenset(pair for pair in both if pair[1] != "service")

    def _buckets_of_activity(self, record: Record, now: datetime) -> frozenset[tuple[str, str]]:
        """Those of its account; a private one is its author's alone."""
        found = self._buckets_of_parent(record, "account_id", now)
        if record.values.get("private") is not True:
            return frozenset(pair for pair in found if pair[1] != "partner")
        return self._own_bucket(record, record.values.get("author_id"), now)

    def _buckets_of_task(self, record: Record, now: datetime) -> frozenset[tuple[str, str]]:
        return self._own_bucket(record, record.values.get("assignee_id"), now)

    def _own_bucket(self, record: Record, user_id: Any, now: datetime) -> frozenset[tuple[str, str]]:
        """The bucket of one user, who must see the account if there is one."""
        user = self.users.get(user_id)
        if user is None:
            return frozenset()
        if record.values.get("account_id") is not None:
            account = self._account(record.values.get("account_id"))
            if account is None or not self._holds_account(user, account, now):
                return frozenset()
        return frozenset({(f"user:{user.id}", user.shape)})

    def _holds_account(self, user: User, account: Record, now: datetime) -> bool:
        """Whether the user's phone holds an account: territories, ownership, a technician's own visits."""
        return bool(self._held_by(user.id, now) & self._buckets_of_account(account, now))

    def _buckets_of_visit(self, visit: Record, now: datetime) -> frozenset[tuple[str, str]]:
        """Own −3 … +14 days; the last 5 made of each account for its reps; the team's day for managers."""
        account = self._account(visit.values.get("account_id"))
        if account is None:
            return frozenset()
        found: set[tuple[str, str]] = set()
        if in_window(visit, now):
            found |= self._own_bucket(visit, visit.values.get("assignee_id"), now)
        territory, owner = account.values.get("territory_id"), account.values.get("owner_id")
        if visit.id in self._last_made(account.id):
            found |= {(f"territory:{territory}", "sales")} if territory else set()
            found |= {(f"user:{owner}", "sales")} if owner else set()
        start = visit.values.get("planned_start")
        if territory and isinstance(start, datetime) and now - DAY <= start < now + DAY:
            found.add((f"territory:{territory}", "manager"))
        return frozenset(found)

    def _last_made(self, account_id: str) -> frozenset[str]:
        made = [visit for visit in self.live_of("visit", account_id) if visit.state in MADE]
        ranked = sorted(made, key=lambda visit: (visit.values["planned_start"], visit.id), reverse=True)
        return frozenset(visit.id for visit in ranked[:LAST_VISITS])

    def _held_by(self, user_id: str, now: datetime) -> frozenset[tuple[str, str]]:
        """The (bucket, shape class) pairs to which a user is subscribed."""
        user = self.users[user_id]
        names = {f"user:{user_id}", *(f"territory:{name}" for name in self.territories_of(user_id, now))}
        return frozenset((name, user.shape) for name in names)

    def subscriptions(self, user_id: str, now: datetime) -> frozenset[tuple[str, str]]:
        """As ``_held_by``; nothing for who was dismissed."""
        return self._held_by(user_id, now) if self._is_active(user_id) else frozenset()

    def holds(self, user_id: str, record: Record, now: datetime) -> bool:
        """Whether a quiescent device of the user holds the record."""
        return bool(self.subscriptions(user_id, now) & self.buckets_of(record, now))


def _in_all_shapes(bucket: str) -> frozenset[tuple[str, str]]:
    return frozenset((bucket, shape) for shape in ("sales", "service", "manager", "partner"))


def _valid(dated: Territory | Member, today: date) -> bool:
    """Date ranges include both of their days."""
    return (dated.valid_from is None or dated.valid_from <= today) and (
        dated.valid_to is None or today <= dated.valid_to
    )


def in_window(visit: Record, now: datetime) -> bool:
    """−3 … +14 days."""
    start = visit.values.get("planned_start")
    return start is not UNKNOWN and start is not None and now - BACK <= start < now + AHEAD
