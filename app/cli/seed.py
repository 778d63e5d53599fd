"""A large made-up company for load work: units, territories, people, accounts, visits."""

import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import click
import orjson
from flask.cli import with_appcontext
from sqlalchemy import text

from app.accounts.importing import Options, Summary, import_accounts
from app.cli.accounts import progress
from app.core.clock import utc_now
from app.core.db import Database
from app.core.scope import Role
from app.http.services import services
from app.identity import service as identity
from app.identity.service.passwords import PasswordHashes
from app.sample.customers import HEADERS, MOST_CUSTOMERS, STEMS, customers
from app.sample.regions import TERRITORIES

SYSTEM: Final = "load"
SEED: Final = 2026
ROWS_A_COMMIT: Final = 2_000
USERS_A_TERRITORY: Final = 4
VISIT_DAYS: Final = 14
VISIT_HOURS: Final = 9
ZONE: Final = ZoneInfo("Asia/Seoul")
MEMBER_SINCE: Final = "2026-01-01"

# Out of a hundred people; the rest are reps. One more is the administrator.
MANAGERS: Final = 4
TECHNICIANS: Final = 20

COLUMNS: Final[Mapping[str, str]] = {
    "org_units": "id uuid, parent_id uuid, kind text, code text, name text",
    "territories": "id uuid, parent_id uuid, code text, name text",
    "users": "id uuid, login text, name text, role text, org_unit_id uuid, manager_id uuid,"
    " password_hash text",
    "territory_members": "id uuid, territory_id uuid, user_id uuid, kind text, valid_from date",
    "visits": "id uuid, account_id uuid, assignee_id uuid, purpose text, planned_start timestamptz",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the made-up company; ``territory`` is a place in the list of small territories."""

    number: int
    role: Role
    area: int
    territory: int


class Company:
    """The made-up company. Each id follows from the tenant and a name, so a second run finds the first."""

    def __init__(self, tenant_id: UUID, users: int) -> None:
        self.tenant_id = tenant_id
        self.users = users
        self.areas = [(region, area) for region in TERRITORIES for area in region.children]
        self.territories_an_area = max(1, users // USERS_A_TERRITORY // len(self.areas))

    def id(self, *name: object) -> UUID:
        """The id of the thing with this name."""
        return uuid5(self.tenant_id, ":".join(map(str, name)))

    def territory_id(self, territory: int) -> UUID:
        """The id of a small territory; they are counted area by area."""
        return self.id("territory", *divmod(territory, self.territories_an_area))

    def units(self) -> Iterator[dict[str, Any]]:
        """Head office, a unit for each region, a branch for each area."""
        yield _unit(self.id("hq"), None, "hq", "load-hq", "부하 본사")
        for region in TERRITORIES:
            yield _unit(
                self.id("unit", region.code), self.id("hq"), "region", f"load-{region.code}", region.name
            )
        for region, area in self.areas:
            parent = self.id("unit", region.code)
            yield _unit(self.id("unit", area.code), parent, "branch", f"load-{area.code}", area.name)

    def territories(self) -> Iterator[dict[str, Any]]:
        """Regions, areas, and below each area as many small territories as its people need."""
        for region in TERRITORIES:
            yield _territory(self.id("region", region.code), None, f"load-{region.code}", region.name)
        for at, (region, area) in enumerate(self.areas):
            area_id = self.id("area", area.code)
            yield _territory(area_id, self.id("region", region.code), f"load-{area.code}", area.name)
            for place in range(self.territories_an_area):
                code = f"load-{area.code}-{place + 1:03d}"
                yield _territory(self.id("territory", at, place), area_id, code, f"{area.name} {place + 1}")

    def people(self) -> Iterator[Person]:
        """The administrator, then the managers, then reps with one technician among four."""
        managers = max(1, self.users * MANAGERS // 100)
        every = 100 // TECHNICIANS
        territories = self.territories_an_area * len(self.areas)
        for number in range(self.users):
            if number == 0:
                role = Role.ADMIN
            elif number <= managers:
                role = Role.MANAGER
            else:
                turn = number // territories + number  # not in the same territories in every turn
                role = Role.TECHNICIAN if turn % every == 0 else Role.REP
            territory = number % territories
            area = number % len(self.areas) if number <= managers else territory // self.territories_an_area
            yield Person(number, role, area, territory)

    def user_rows(self, password_hash: str | None) -> Iterator[dict[str, Any]]:
        """People as rows of users; areas without a manager report to the administrator."""
        managers: dict[int, UUID] = {}
        for person in self.people():
            user_id = self.id("user", person.number)
            if person.role is Role.MANAGER:
                managers.setdefault(person.area, user_id)
            boss = managers.get(person.area, self.id("user", 0))
            yield {
                "id": user_id,
                "login": f"load{person.number:05d}",
                "name": f"{STEMS[person.number % len(STEMS)]}{person.number}",
                "role": person.role.value,
                "org_unit_id": self.id("unit", self.areas[person.area][1].code),
                "manager_id": None if boss == user_id or person.role is Role.ADMIN else boss,
                "password_hash": password_hash,
            }

    def member_rows(self) -> Iterator[dict[str, Any]]:
        """Who works where: managers in an area, reps in a territory, technicians as overlay."""
        kinds = {Role.REP: "owner", Role.MANAGER: "owner", Role.TECHNICIAN: "overlay"}
        for person in self.people():
            if person.role not in kinds:
                continue
            area_code = self.areas[person.area][1].code
            is_manager = person.role is Role.MANAGER
            yield {
                "id": self.id("member", person.number),
                "territory_id": self.id("area", area_code)
                if is_manager
                else self.territory_id(person.territory),
                "user_id": self.id("user", person.number),
                "kind": kinds[person.role],
                "valid_from": MEMBER_SINCE,
            }

    def visit_rows(
        self, count: int, accounts: Mapping[UUID, Sequence[UUID]], now: datetime
    ) -> Iterator[dict[str, Any]]:
        """Visits of reps and technicians from tomorrow on, at accounts of their territories, in turn."""
        workers = [p for p in self.people() if p.role in (Role.REP, Role.TECHNICIAN)]
        workers = [p for p in workers if accounts.get(self.territory_id(p.territory))]
        midnight = datetime.combine(now.astimezone(ZONE).date() + timedelta(days=1), time(), ZONE)
        for number in range(count if workers else 0):
            turn, at = divmod(number, len(workers))
            worker = workers[at]
            places = accounts[self.territory_id(worker.territory)]
            start = timedelta(days=turn % VISIT_DAYS, hours=9 + turn // VISIT_DAYS % VISIT_HOURS)
            yield {
                "id": self.id("visit", number),
                "account_id": places[(turn + at) % len(places)],
                "assignee_id": self.id("user", worker.number),
                "purpose": "service" if worker.role is Role.TECHNICIAN else "sales",
                "planned_start": midnight + start,
            }


def _unit(unit_id: UUID, parent_id: UUID | None, kind: str, code: str, name: str) -> dict[str, Any]:
    return {"id": unit_id, "parent_id": parent_id, "kind": kind, "code": code, "name": name}


def _territory(territory_id: UUID, parent_id: UUID | None, code: str, name: str) -> dict[str, Any]:
    return {"id": territory_id, "parent_id": parent_id, "code": code, "name": name}


class Seeder:
    """Writes the company in small transactions, so that the sequencer can follow; skips what is there."""

    def __init__(self, database: Database, company: Company) -> None:
        self._database = database
        self._company = company

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]], total: int) -> int:
        """Insert rows, those that are there already excepted; gives how many were new."""
        names = ", ".join(column.split()[0] for column in COLUMNS[table].split(","))
        statement = text(
            f"INSERT INTO {table} (tenant_id, {names}) SELECT :tenant, {names}"  # noqa: S608  (constants of this file)
            f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r ({COLUMNS[table]}) ON CONFLICT DO NOTHING"
        )
        new, done, source = 0, 0, iter(rows)
        with progress(table) as report:
            while batch := list(islice(source, ROWS_A_COMMIT)):
                with self._database.session(self._company.tenant_id, actor="cli:seed") as session:
                    values = {"tenant": self._company.tenant_id, "rows": orjson.dumps(batch).decode()}
                    new += max(session.execute(statement, values).rowcount, 0)  # type: ignore[attr-defined]
                done += len(batch)
                report(done, total, f"{done:,} of {total:,}")
        return new

    def accounts(self, count: int) -> int:
        """Import made-up customers, spread over the small territories; gives how many were new."""
        if self._imported() >= count:
            return 0
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "load.csv"
            _write_customers(file, count)
            with progress("accounts") as report:

                def on_progress(read: int, total: int, summary: Summary) -> None:
                    report(read, total, f"{summary.rows:,} of {count:,}")

                summary = import_accounts(
                    self._database,
                    self._company.tenant_id,
                    file,
                    Path(folder) / "rejects.csv",
                    Options(SYSTEM, "utf-8", batch=ROWS_A_COMMIT),
                    self._territories_in_turn(),
                    on_progress=on_progress,
                )
        return summary.created

    def accounts_by_territory(self) -> dict[UUID, list[UUID]]:
        """All accounts of the tenant, in the order of their ids."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        statement = text(
            "SELECT id, territory_id FROM accounts"
            " WHERE tenant_id = :tenant AND territory_id IS NOT NULL AND deleted_at IS NULL ORDER BY id"
        )
        with self._database.session(self._company.tenant_id) as session:
            for account_id, territory_id in session.execute(statement, {"tenant": self._company.tenant_id}):
                found[territory_id].append(account_id)
        return found

    def _imported(self) -> int:
        statement = text("SELECT count(*) FROM external_refs WHERE tenant_id = :tenant AND system = :system")
        with self._database.session(self._company.tenant_id) as session:
            values = {"tenant": self._company.tenant_id, "system": SYSTEM}
            return int(session.execute(statement, values).scalar_one())

    def _territories_in_turn(self) -> "TerritoriesInTurn":
        company = self._company
        return TerritoriesInTurn(
            {
                area.name: [
                    company.id("territory", at, place) for place in range(company.territories_an_area)
                ]
                for at, (_, area) in enumerate(company.areas)
            }
        )


class TerritoriesInTurn:
    """Deals the customers of an area out to its small territories."""

    def __init__(self, territories: Mapping[str, Sequence[UUID]]) -> None:
        self._turns = {name: cycle(ids) for name, ids in territories.items()}

    def __call__(self, name: str) -> UUID | None:
        """The next territory of the area *name*."""
        return next(self._turns[name]) if name in self._turns else None


def _write_customers(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as out, progress("customers") as report:
        writer = csv.writer(out)
        writer.writerow(HEADERS)
        for number, row in enumerate(customers(count, SEED, dirty_share=0, duplicate_share=0)):
            writer.writerow([row[header] for header in HEADERS])
            if number % ROWS_A_COMMIT == 0:
                report(number, count, f"{number:,} of {count:,} made up")


@contextmanager
def _tenant(code: str) -> Iterator[UUID]:
    """The company with this code, opened if there is none."""
    with services().db.session(None) as session:
        found = identity.find_tenant_id(session, code)
        yield found or identity.create_tenant(session, code=code, name=f"Load {code}", now=utc_now()).id


@click.command("seed")
@click.option(
    "--tenant", default="load", show_default=True, help="Code of the company; made if there is none."
)
@click.option("--users", type=click.IntRange(2, 99_999), default=7_000, show_default=True)
@click.option("--accounts", type=click.IntRange(0, MOST_CUSTOMERS), default=200_000, show_default=True)
@click.option("--visits", type=click.IntRange(0), default=0, show_default=True)
@click.option("--password", help="One for all (load data only); without it nobody of them can log in.")
@with_appcontext
def seed(tenant: str, users: int, accounts: int, visits: int, password: str | None) -> None:
    """Fill a company with made-up people and customers, for load work.

    A second run continues where the first stopped. Logins are load00000 (the administrator), load00001 ….
    Their password is hashed cheaply: never do this in a company that is used.
    """
    database = services().db
    with _tenant(tenant) as tenant_id:
        company = Company(tenant_id, users)
    seeder = Seeder(database, company)
    # The cheapest hash that there is: seven thousand good ones would take minutes, here and at each login.
    password_hash = PasswordHashes(time_cost=1, memory_kib=8).hash(password) if password else None
    units, territories = list(company.units()), list(company.territories())
    made = {
        "org units": seeder.insert("org_units", units, len(units)),
        "territories": seeder.insert("territories", territories, len(territories)),
        "users": seeder.insert("users", company.user_rows(password_hash), users),
        "memberships": seeder.insert("territory_members", company.member_rows(), users),
        "accounts": seeder.accounts(accounts),
    }
    if visits:
        rows = company.visit_rows(visits, seeder.accounts_by_territory(), utc_now())
        made["visits"] = seeder.insert("visits", rows, visits)
    click.echo(", ".join(f"{count:,} {name}" for name, count in made.items()) + f" made in {tenant}")


COMMANDS = (seed,)
