"""Filling a sandbox: the people, customers and goods of the demo, and a few days of work.

The office's part goes through the REST API of an application in the same process, so that it is what any client
could have made.
"""

import csv
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Flask

from app.accounts.importing import Options, import_accounts
from app.core.db import Database
from app.demo.library import open_library
from app.demo.office import Desk
from app.demo.settling import settle
from app.demo.trade import open_shop, take_order
from app.demo.world import CAST, Person, furnish, named_territories
from app.identity import service as identity
from app.sample.customers import SHIPPED_CSV
from app.sandbox import service
from examples.phone import Phone
from examples.phone.transport import Reply

Json = dict[str, Any]

SEOUL: Final = ZoneInfo("Asia/Seoul")
REGION_COLUMN: Final = "영업구역"
# Whose territories the people of the cast work in; the others would be seen by nobody.
REGIONS: Final = ("서울강남", "서울강서", "서울강북")
MOST_CUSTOMERS: Final = 240
VISIT_DAYS: Final = 5
PURPOSES: Final = ("신제품 소개와 시음", "정기 점검", "겨울 물량 협의", "미수금 확인", "단가 재계약")


@dataclass(frozen=True, slots=True)
class Filled:
    """What a developer has to know of a new sandbox."""

    tenant_id: UUID
    code: str
    people: Mapping[str, Person]
    customers: int


class InProcess:
    """The way of a request to an application in the same process."""

    def __init__(self, app: Flask) -> None:
        """Take the application."""
        self._app = app

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Ask it."""
        answer = self._app.test_client().open(path, method=method, headers=dict(headers), data=body)
        return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.get_data())

    def close(self) -> None:
        """Nothing is held."""


def fill(app: Flask, db: Database, *, code: str, name: str, password: str | None, now: datetime) -> Filled:
    """Open a sandbox and fill it, or leave none; what it is kept as, is the caller's next step.

    Args:
        app: The application, for what the office does.
        db: Its pools.
        code: Of the company, as people type it at login.
        name: For people.
        password: One for all; a random one each when not given.
        now: Server time, aware UTC.

    Raises:
        CodeTaken: There is such a company already.
        PasswordWeak: The password is too short or too well known.
        Unavailable: A drain of what was made did not end.
    """
    with db.session(None) as session:
        tenant_id = identity.create_tenant(session, code=code, name=name, now=now, sandbox=True).id
    people = {one.login: replace(one, password=password or new_password()) for one in CAST}
    try:
        user_ids, territories = furnish(db, tenant_id, people)
        customers = _customers(db, tenant_id, territories)
        _office(app, code, people, user_ids, now)
        settle(db, tenant_id)
        _order(app, code, people["rep"])
    except BaseException as error:
        # Nobody could reset the half of one, and its code would be taken.
        try:
            service.drop(db, tenant_id)
        except service.SandboxBusy:  # no reason to hide the first one
            error.add_note(f"Half of it is there still; take it away: flask sandbox drop {code}")
        raise
    return Filled(tenant_id, code, people, customers)


def new_password() -> str:
    """Fifteen letters in groups."""
    drawn = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(15))
    return f"{drawn[:5]}-{drawn[5:10]}-{drawn[10:]}"


def _customers(db: Database, tenant_id: UUID, territories: Mapping[str, UUID]) -> int:
    named = named_territories(territories)
    with tempfile.TemporaryDirectory() as scratch:
        chosen = Path(scratch) / "customers.csv"
        with SHIPPED_CSV.open(encoding="cp949", newline="") as source:
            rows = csv.DictReader(source)
            columns = list(rows.fieldnames or ())
            kept = [row for row in rows if row[REGION_COLUMN] in REGIONS][:MOST_CUSTOMERS]
        with chosen.open("w", encoding="cp949", newline="") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(kept)
        rejects = Path(scratch) / "rejected.csv"
        done = import_accounts(
            db, tenant_id, chosen, rejects, Options(system="erp"), lambda name: named.get(name)
        )
    return done.created


def _office(
    app: Flask, code: str, people: Mapping[str, Person], user_ids: Mapping[str, UUID], now: datetime
) -> None:
    with (
        closing(_sit(app, code, people["admin"])) as admin,
        closing(_sit(app, code, people["manager"])) as manager,
    ):
        open_shop(Desk(admin))
        open_library(Desk(admin), Desk(manager), str(user_ids["manager"]))
        _visits(Desk(manager), {login: str(user_ids[login]) for login in ("rep", "technician")}, now)


def _order(app: Flask, code: str, person: Person) -> None:
    with closing(_sit(app, code, person)) as rep:
        rep.sync()
        account = sorted(rep.list("account"), key=lambda one: str(one["code"]))[0]
        take_order(rep, account["id"])
        rep.sync()


def _sit(app: Flask, code: str, person: Person) -> Phone:
    phone = Phone("http://in-process", transport=InProcess(app), name="샌드박스 준비")
    phone.log_in(code, person.login, person.password)
    return phone


def _visits(desk: Desk, ids: Mapping[str, str], now: datetime) -> None:
    """Some days of visits, from today on, at customers of the territories in which they work."""
    accounts: dict[str, list[str]] = {"rep": [], "technician": []}
    where = {"서울강남": "rep", "서울강서": "technician"}
    names = {one["id"]: one["name"] for one in desk.all("/territories")}
    for one in desk.all("/accounts?sort=code"):
        login = where.get(names.get(one["territory_id"], ""))
        if login:
            accounts[login].append(one["id"])
    day = now.astimezone(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
    for login, assignee in ids.items():
        for number, account_id in enumerate(accounts[login][: 3 * VISIT_DAYS]):
            start = day + timedelta(days=number // 3 + 1, hours=10 + 2 * (number % 3))
            desk.post(
                "/visits",
                {
                    "account_id": account_id,
                    "assignee_id": assignee,
                    "purpose": "service" if login == "technician" else "sales",
                    "planned_start": start.isoformat(),
                    "planned_end": (start + timedelta(hours=1)).isoformat(),
                    "instructions": PURPOSES[number % len(PURPOSES)],
                },
            )
