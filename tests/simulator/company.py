"""One tenant of a history: who works where, what the tables hold, and who may see it, asked in SQL of our own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.db import set_writer
from app.jobs.missed_visits import mark_missed_visits
from app.jobs.windows import move_windows
from app.sync_api.registry import REGISTRY
from sync.sequencer import Drained, drain
from tests.simulator.chance import id_of, stream
from tests.simulator.server import Server

TABLES = {
    "account": "accounts",
    "site": "sites",
    "contact": "contacts",
    "account_relation": "account_relations",
    "account_contact": "account_contacts",
    "visit": "visits",
    "activity": "activities",
    "task": "tasks",
    "conflict": "conflicts",
    "user": "users",
    "territory": "territories",
}
NAMED = re.compile(r"(?<!:):([a-z]+)\b")
TERRITORIES = {"tr": None, "tn": "tr", "ts": "tr", "te": None}
"""A region with two parts, and a territory beside it."""

# Who sees which accounts at a moment, written from the specification and not from the server's own rule: reps and
# technicians their territories, managers all below theirs, owners theirs, technicians those of own visits.
VISIBLE = """
WITH RECURSIVE day AS (SELECT (CAST(:now AS timestamptz) AT TIME ZONE time_zone)::date AS d FROM tenants WHERE id = :t),
member AS (
    SELECT m.user_id, m.territory_id FROM territory_members m, day
    WHERE m.tenant_id = :t AND m.deleted_at IS NULL AND m.valid_from <= day.d
      AND (m.valid_to IS NULL OR m.valid_to >= day.d)
), person AS (
    SELECT id, role FROM users WHERE tenant_id = :t AND status = 'active' AND deleted_at IS NULL
), land AS (
    SELECT p.id AS user_id, p.role, m.territory_id FROM person p JOIN member m ON m.user_id = p.id
    UNION
    SELECT p.id, CASE WHEN f.role IN ('manager', 'admin') THEN f.role ELSE p.role END, m.territory_id
    FROM person p CROSS JOIN day
    JOIN delegations g ON g.tenant_id = :t AND g.to_user_id = p.id AND g.work = 'territories'
     AND g.deleted_at IS NULL AND g.valid_from <= day.d AND (g.valid_to IS NULL OR g.valid_to >= day.d)
    JOIN person f ON f.id = g.from_user_id
    JOIN member m ON m.user_id = f.id
    WHERE p.role NOT IN ('partner', 'integration')
    UNION
    SELECT l.user_id, l.role, t.id FROM land l JOIN territories t ON t.tenant_id = :t AND t.parent_id = l.territory_id
    WHERE l.role IN ('manager', 'admin')
)
, seen AS (
    SELECT p.id AS u, p.role, a.id AS a, a.deleted_at IS NULL AS alive FROM person p
    JOIN accounts a ON a.tenant_id = :t
    WHERE EXISTS (SELECT 1 FROM land l WHERE l.user_id = p.id AND l.territory_id = a.territory_id)
       OR (p.role IN ('rep', 'manager', 'partner') AND a.owner_id = p.id)
       OR (p.role = 'technician' AND EXISTS (
           SELECT 1 FROM visits v WHERE v.tenant_id = :t AND v.account_id = a.id AND v.assignee_id = p.id
             AND v.deleted_at IS NULL AND v.planned_start >= CAST(:now AS timestamptz) - interval '3 days'
             AND v.planned_start < CAST(:now AS timestamptz) + interval '14 days'))
)
SELECT u, 'account', a, alive FROM seen
UNION ALL SELECT u, 'site', x.id, alive AND x.deleted_at IS NULL
    FROM seen JOIN sites x ON x.tenant_id = :t AND x.account_id = a
UNION ALL SELECT u, 'contact', x.id, alive AND x.deleted_at IS NULL
    FROM seen JOIN contacts x ON x.tenant_id = :t AND x.account_id = a
UNION ALL SELECT u, 'visit', x.id, alive AND x.deleted_at IS NULL
    FROM seen JOIN visits x ON x.tenant_id = :t AND x.account_id = a
    WHERE role <> 'partner' AND (role <> 'technician' OR x.assignee_id = u)
UNION ALL SELECT u, 'activity', x.id, alive AND x.deleted_at IS NULL
    FROM seen JOIN activities x ON x.tenant_id = :t AND x.account_id = a
    WHERE role <> 'partner' AND (NOT x.private OR x.author_id = u)
UNION ALL SELECT u, 'task', x.id, alive AND x.deleted_at IS NULL
    FROM seen JOIN tasks x ON x.tenant_id = :t AND x.account_id = a
    WHERE role <> 'partner' AND (role <> 'technician' OR x.assignee_id = u)
UNION ALL SELECT p.id, 'task', x.id, x.deleted_at IS NULL
    FROM person p JOIN tasks x ON x.tenant_id = :t AND x.account_id IS NULL AND x.assignee_id = p.id
UNION ALL SELECT l.user_id, 'land', l.territory_id, true FROM land l
    JOIN territories t ON t.tenant_id = :t AND t.id = l.territory_id AND t.deleted_at IS NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN accounts x ON x.tenant_id = :t AND x.id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN sites x ON x.tenant_id = :t AND x.account_id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN contacts x ON x.tenant_id = :t AND x.account_id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN visits x ON x.tenant_id = :t AND x.account_id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN activities x ON x.tenant_id = :t AND x.account_id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
UNION ALL SELECT a.territory_id, 'place', x.id, true FROM accounts a
    JOIN tasks x ON x.tenant_id = :t AND x.account_id = a.id
    WHERE a.tenant_id = :t AND a.territory_id IS NOT NULL
"""


@cache
def _plain(statement: str) -> str:
    return NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))


@dataclass
class Company:
    """A tenant with territories, people and a first stock of records."""

    server: Server
    seed: int
    mark: str
    now: datetime
    id: UUID = field(default_factory=uuid4)
    people: dict[str, str] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)
    serial: int = 0
    written: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    """By token: the record that it was planted in, and who wrote it."""

    # -- tokens: each text that is written anywhere names its record, so that bytes tell whence they came

    def token(self, record: str, user: str | None = None, *, secret: bool = False) -> str:
        """A text that no other write has; *secret* ones stand in fields that technicians never see."""
        self.serial += 1
        self.written[self.serial] = (record if len(record) == 36 else str(id_of(record)), user)
        return f"{'sec' if secret else 'tok'}{self.mark}{self.serial}x"

    # -- SQL

    @contextmanager
    def writing(self, actor: str = "import:erp") -> Iterator[Session]:
        """A committed transaction of the office or of an import."""
        with self.server.db.session(self.id, actor=actor) as session:
            yield session

    def sql(self, statement: str, **values: Any) -> Any:
        """One committed statement of the app role."""
        with self.writing() as session:
            result = session.execute(text(statement), {"t": self.id} | values)
            return result.all() if result.returns_rows else result.rowcount

    def look(self, statement: str, **values: Any) -> list[Any]:
        """Read as the engine role, past row-level security and past SQLAlchemy: the checkers read much."""
        return self.server.engine.execute(_plain(statement), {"t": self.id} | values).fetchall()

    # -- the stock

    def found(self, staff: dict[str, tuple[str, tuple[str, ...]]], size: int) -> None:
        """Open the company with *staff* (role and territories by symbol) and *size* accounts."""
        chance = stream(self.seed, f"stock/{self.mark}")
        with self.server.db.session(None) as session:
            set_writer(session, self.id, actor="cli:simulator")
            run = lambda sql, rows: session.execute(text(sql), rows)  # noqa: E731
            run(
                "INSERT INTO tenants (id, code, name, created_at) VALUES (:id, :code, 'S', :now)",
                {"id": self.id, "code": f"s{self.id.hex[:20]}", "now": self.now},
            )
            t = {"t": self.id}
            run(
                "INSERT INTO org_units (tenant_id, id, kind, code, name) VALUES (:t, :id, 'hq', 'hq', 'HQ')",
                t | {"id": id_of("hq")},
            )
            for code, parent in TERRITORIES.items():
                run(
                    "INSERT INTO territories (tenant_id, id, code, name, parent_id) VALUES (:t, :id, :c, :c, :p)",
                    t | {"id": id_of(code), "c": code, "p": parent and id_of(parent)},
                )
            for name, (role, lands) in staff.items():
                self.people[name] = str(id_of(name))
                run(
                    "INSERT INTO users (tenant_id, id, login, name, role, org_unit_id)"
                    " VALUES (:t, :id, :n, :n, :role, :unit)",
                    t | {"id": id_of(name), "n": name, "role": role, "unit": id_of("hq")},
                )
                for land in lands:
                    run(
                        "INSERT INTO territory_members (tenant_id, id, territory_id, user_id, kind, valid_from)"
                        " VALUES (:t, :id, :land, :user, :kind, '2020-01-01')",
                        t
                        | {
                            "id": id_of(f"{name}@{land}"),
                            "land": id_of(land),
                            "user": id_of(name),
                            "kind": "overlay" if role == "technician" else "owner",
                        },
                    )
        for number in range(size):
            owner = chance.choice([None, None, None, "u1", "u2", "u3"])
            self.add_account(f"a{number}", chance.choice(["tn", "tn", "ts", "ts", "te"]), owner)
        reps = [n for n, (role, _) in staff.items() if role in ("rep", "technician")]
        for number in range(size):
            account = self.accounts[chance.randrange(size)]
            self.add_visit(
                f"v{number}",
                account,
                chance.choice(reps),
                self.now + timedelta(hours=chance.choice([-90, -60, -20, -3, 2, 6, 30, 100, 330, 340, 500])),
                chance.choice(["planned", "planned", "planned", "checked_out", "completed"]),
            )
        for number in range(3):
            self.add_task(f"k{number}", chance.choice([None, *self.accounts]), chance.choice(reps))

    def device(self, name: str, user: str, device_id: str, now: datetime) -> None:
        """Register a phone and begin its session, without the cost of a password."""
        values = {
            "id": device_id,
            "user": self.people[user],
            "now": now,
            "family": id_of(f"{device_id}/family"),
        }
        with self.writing("cli:simulator") as session:
            session.execute(
                text(
                    "INSERT INTO devices (tenant_id, id, user_id, name, platform, registered_at, last_seen_at)"
                    " VALUES (:t, :id, :user, :name, 'android', :now, :now) ON CONFLICT DO NOTHING"
                ),
                {"t": self.id, "name": name} | values,
            )
            session.execute(
                text(
                    "INSERT INTO refresh_families (tenant_id, id, user_id, device_id, generation, started_at,"
                    " rotated_at, expires_at) VALUES (:t, :family, :user, :id, 1, :now, :now,"
                    " CAST(:now AS timestamptz) + interval '20 years') ON CONFLICT DO NOTHING"
                ),
                {"t": self.id} | values,
            )

    def add_account(self, symbol: str, territory: str | None, owner: str | None = None) -> None:
        """An account with a site, and for two in three a contact, in one transaction."""
        chance = stream(self.seed, f"account/{symbol}")
        values = {"t": self.id, "a": id_of(symbol), "c": id_of(f"{symbol}.c"), "s": id_of(f"{symbol}.s")}
        with self.writing() as session:
            session.execute(
                text(
                    "INSERT INTO accounts (tenant_id, id, name, territory_id, owner_id, address, email, notes, subtype)"
                    " VALUES (:t, :a, :name, :land, :owner, :address, :email, :notes, 'tx0')"
                ),
                values
                | {
                    "name": self.token(symbol),
                    "land": territory and id_of(territory),
                    "owner": owner and id_of(owner),
                    "address": self.token(symbol),
                    "email": self.token(symbol, secret=True),
                    "notes": f"one\n{self.token(symbol)}\nthree",
                },
            )
            if chance.random() < 0.5:
                session.execute(
                    text("INSERT INTO sites (tenant_id, id, account_id, name) VALUES (:t, :s, :a, :name)"),
                    values | {"name": self.token(f"{symbol}.s")},
                )
            if chance.random() < 0.7:
                session.execute(
                    text(
                        "INSERT INTO contacts (tenant_id, id, account_id, name, email)"
                        " VALUES (:t, :c, :a, :name, :email)"
                    ),
                    values
                    | {"name": self.token(f"{symbol}.c"), "email": self.token(f"{symbol}.c", secret=True)},
                )
        self.accounts.append(symbol)

    def add_visit(self, symbol: str, account: str, assignee: str, start: datetime, status: str) -> None:
        """A visit with two tasks, by SQL; what took place already was checked in to."""
        values = {"t": self.id, "v": id_of(symbol), "a": id_of(account), "u": id_of(assignee), "start": start}
        with self.writing() as session:
            session.execute(
                text(
                    "INSERT INTO visits (tenant_id, id, account_id, assignee_id, planned_start, status, instructions)"
                    " VALUES (:t, :v, :a, :u, :start, :status, :words)"
                ),
                values | {"status": status, "words": self.token(symbol)},
            )
            for number in (1, 2):
                session.execute(
                    text(
                        "INSERT INTO visit_tasks (tenant_id, id, visit_id, title, position)"
                        " VALUES (:t, :id, :v, :title, :n)"
                    ),
                    values | {"id": id_of(f"{symbol}.{number}"), "title": self.token(symbol), "n": number},
                )

    def add_task(self, symbol: str, account: str | None, assignee: str) -> None:
        """Something to do."""
        self.sql(
            "INSERT INTO tasks (tenant_id, id, account_id, assignee_id, title) VALUES (:t, :id, :a, :u, :title)",
            id=id_of(symbol),
            a=account and id_of(account),
            u=id_of(assignee),
            title=self.token(symbol),
        )

    # -- time

    def drain(self, now: datetime) -> Drained | None:
        """Sequence what waits."""
        return drain(self.server.db.engine, REGISTRY, self.id, now=now, lock_timeout_ms=5_000)

    def jobs(self, now: datetime) -> int:
        """What the scheduler does in time."""
        return mark_missed_visits(self.server.db, self.id, now) + move_windows(self.server.db, self.id, now)

    # -- the truth of scope

    def visible(self, now: datetime) -> dict[tuple[str, str], tuple[str, bool]]:
        """By (user, record): the entity, and whether the record lives; deleted ones have their scope, too."""
        return {(str(row[0]), str(row[2])): (row[1], row[3]) for row in self.look(VISIBLE, now=now)}

    def waiting_marks(self) -> int:
        """Marks that no drain has taken."""
        return int(self.look("SELECT count(*) FROM sync_pending WHERE tenant_id = :t")[0][0])
