"""A day of two people without a network, and of the office meanwhile."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.clock import utc_now
from app.core.db import Database
from app.demo.library import INITIALS, TITLE, Corrected, look_up, open_library, propose, take_over
from app.demo.office import Desk, SqlPerson
from app.demo.settling import settle
from app.demo.trade import Taken, approve_order, in_won, open_shop, take_order
from app.demo.world import Say, World, find_untouched_account
from app.jobs.missed_visits import mark_missed_visits
from examples.phone import Clock, HttpTransport, Phone, SyncResult
from examples.phone.clock import new_id, time_text
from examples.phone.testing import LossyTransport, RecordingTransport

Json = dict[str, Any]

SEOUL: Final = ZoneInfo("Asia/Seoul")
OFFLINE: Final = timedelta(hours=6)
WRONG_BY: Final = timedelta(days=3)

NOTES: Final = "\n".join(
    (
        "출입: 정문 경비실에 명함 제시",
        "주차: 후문",
        "담당: 구매팀 윤 과장",
        "설비: 저유소 2기",
        "배송: 매주 화요일",
    )
)
NOTES_OF_REP: Final = NOTES.replace("정문 경비실에 명함 제시", "정문, 방문 하루 전 예약")
NOTES_OF_OFFICE: Final = NOTES.replace("매주 화요일", "매주 화·금요일")
NOTES_MERGED: Final = NOTES_OF_REP.replace("매주 화요일", "매주 화·금요일")

TAGS: Final = ["겨울물량", "구형펌프", "단가협의"]
TAGS_OF_REP: Final = ["겨울물량", "구형펌프", "신규계약"]
TAGS_OF_TECHNICIAN: Final = ["겨울물량", "단가협의", "누유점검"]
TAGS_MERGED: Final = {"겨울물량", "신규계약", "누유점검"}

LEGAL_NAME: Final = "한결산업 주식회사"
LEGAL_NAME_OF_REP: Final = "한결산업개발 주식회사"
LEGAL_NAME_OF_OFFICE: Final = "(주)한결에너지산업"

PHONE_OF_REP: Final = "+821001234567"
OPENING_HOURS: Final = "월-금 07:30-18:30; 토 휴무"
REPORT: Final = "펌프 씰 교체, 누유 없음\n다음 점검은 3개월 뒤"
CREDIT_LIMIT: Final = "777000123"


@dataclass(frozen=True)
class Handset:
    """A phone of the story with what is needed to judge it afterwards."""

    phone: Phone
    network: LossyTransport
    record: RecordingTransport


@dataclass
class Story:
    """What happened, for the checks.

    Attributes:
        rep: The rep's phone, technician: the technician's.
        desk: The manager's.
        account_id: The customer of the day.
        visit_id: The technician's visit; planned_id: the one that the rep planned offline.
        token: A word in the new payment terms that stands nowhere else.
        began, ended: Server times around all of it, aware UTC.
        order: What the rep sold without a network.
        page: What the technician looked up in the cellar, and what became of it.
        first: What the rep's phone had sent when the answer was lost; again: what it sent then.
    """

    world: World
    base_url: str
    rep: Handset
    technician: Handset
    desk: Desk
    account_id: UUID
    visit_id: str
    planned_id: str
    task_ids: tuple[str, str]
    address: str
    payment_terms: str
    token: str
    began: datetime
    ended: datetime
    pushed: SyncResult
    missed: int
    order: Taken
    page: Corrected


class NothingToTell(Exception):
    """All customers of the story's territory have been worked on already."""


@contextmanager
def played(
    base_url: str, world: World, db: Database, sql: SqlPerson, say: Say = lambda _: None
) -> Iterator[Story]:
    """Play the story on a running server; afterwards the phones are closed.

    Args:
        base_url: Of the server.
        world: The company.
        db: Pools on the server's database, for the job that the scheduler would run at midnight.
        sql: Somebody of the office.
        say: Told, in a sentence, what happens.

    Raises:
        NothingToTell: No customer is left that the story could be about.
    """
    account_id = find_untouched_account(db, world)
    if account_id is None:
        raise NothingToTell(
            "Every customer of the story's territory has been worked on; `make reset` begins anew."
        )
    with ExitStack() as stack:

        def hand_out(login: str, name: str, skew: timedelta) -> Handset:
            record = RecordingTransport(HttpTransport(base_url))
            network = LossyTransport(record)
            phone = Phone(base_url, clock=Clock(skew), transport=network, name=name)
            stack.callback(phone.close)
            person = world.people[login]
            phone.log_in(world.code, login, person.password)
            return Handset(phone, network, record)

        # The phones' day began hours ago by their clocks, and is over when they sync again.
        rep = hand_out("rep", "하늘의 갤럭시", -OFFLINE)
        technician = hand_out("technician", "준서의 아이폰", WRONG_BY - OFFLINE)
        desk = Desk(hand_out("manager", "본사 PC", timedelta(0)).phone)
        admin = Desk(hand_out("admin", "관리자 PC", timedelta(0)).phone)
        open_shop(admin)
        open_library(admin, desk, str(world.user_ids["manager"]))
        yield _Day(base_url, world, db, sql, say, rep, technician, desk, admin, account_id).play()


@dataclass
class _Day:
    base_url: str
    world: World
    db: Database
    sql: SqlPerson
    say: Say
    rep: Handset
    technician: Handset
    desk: Desk
    admin: Desk
    account_id: UUID

    @property
    def account(self) -> str:
        return str(self.account_id)

    def play(self) -> Story:
        """The acts in their order."""
        began = utc_now()
        visit, planned_start = self._prepare()
        settle(self.db, self.world.tenant_id)
        self.say("Both phones make their first sync.")
        self.rep.phone.sync()
        self.technician.phone.sync()
        planned_id = self._rep_works_offline()
        address = self._technician_works_offline(visit)
        read_id, proposal_id = self._technician_looks_up(visit)
        terms, token = self._office_works()
        missed = self._midnight_passes(planned_start)
        pushed = self._both_sync()
        page = self._a_correction(read_id, proposal_id)
        order = self._an_order()
        return Story(
            world=self.world,
            base_url=self.base_url,
            rep=self.rep,
            technician=self.technician,
            desk=self.desk,
            account_id=self.account_id,
            visit_id=visit["id"],
            planned_id=planned_id,
            task_ids=(visit["tasks"][0]["id"], visit["tasks"][1]["id"]),
            address=address,
            payment_terms=terms,
            token=token,
            began=began,
            ended=utc_now(),
            pushed=pushed,
            missed=missed,
            order=order,
            page=page,
        )

    def _prepare(self) -> tuple[Json, datetime]:
        """The manager fills in the customer's file and sends the technician there."""
        account = self.desk.patch(
            f"/accounts/{self.account}", {"notes": NOTES, "tags": TAGS, "legal_name": LEGAL_NAME}
        )
        self.say(f"The customer of the day: {account['name']}, {account['sigungu']}.")
        planned_start = utc_now() + timedelta(minutes=30)
        visit = self.desk.post(
            "/visits",
            {
                "account_id": self.account,
                "assignee_id": str(self.world.user_ids["technician"]),
                "planned_start": time_text(planned_start),
                "planned_end": time_text(planned_start + timedelta(hours=1)),
                "purpose": "service",
                "tasks": [
                    {"kind": "audit", "title": "펌프 누유 점검", "required": True},
                    {"kind": "other", "title": "현장 사진 촬영", "required": False},
                ],
            },
        )
        return visit, planned_start

    def _rep_works_offline(self) -> str:
        self.say("Offline: the rep changes phone, tags, notes and legal name, and plans a visit.")
        phone, clock = self.rep.phone, self.rep.phone.clock
        clock.let_pass(timedelta(hours=1))
        phone.edit("account", self.account, phone=PHONE_OF_REP)
        clock.let_pass(timedelta(minutes=5))
        phone.edit("account", self.account, tags=TAGS_OF_REP, notes=NOTES_OF_REP)
        clock.let_pass(timedelta(minutes=20))
        phone.edit("account", self.account, legal_name=LEGAL_NAME_OF_REP)
        clock.let_pass(timedelta(minutes=10))
        start = clock.now() + timedelta(days=2)
        return phone.create(
            "visit",
            account_id=self.account,
            planned_start=time_text(start),
            planned_end=time_text(start + timedelta(minutes=40)),
            purpose="sales",
            priority="high",
            instructions="신규 계약 조건 설명",
            tasks=[
                {
                    "id": new_id(clock),
                    "kind": "order",
                    "title": "견적서 전달",
                    "required": True,
                    "position": 0,
                }
            ],
        )

    def _technician_works_offline(self, visit: Json) -> str:
        self.say(
            "Offline: the technician, whose clock is 3 days off, changes address and tags, and makes a visit."
        )
        phone, clock = self.technician.phone, self.technician.phone.clock
        account = phone.get("account", self.account)
        if account is None:
            raise RuntimeError("The technician's visit did not bring the customer to the phone.")
        here = account["location"] | {"accuracy_m": 12}
        clock.let_pass(timedelta(hours=2))
        phone.command("visit", visit["id"], "check_in", location=here)
        clock.let_pass(timedelta(minutes=15))
        address = f"{account['address']} 별관 2층"
        phone.edit("account", self.account, address=address, tags=TAGS_OF_TECHNICIAN)
        clock.let_pass(timedelta(minutes=25))
        tasks = phone.get("visit", visit["id"])["tasks"]  # type: ignore[index]
        first = tasks[0] | {"done": True, "result": "씰 교체로 해결"}
        second = tasks[1] | {"done": True, "result": "사진 4장"}
        phone.edit("visit", visit["id"], tasks=[first, second], report=REPORT, outcome="수리 완료")
        clock.let_pass(timedelta(minutes=5))
        phone.command("visit", visit["id"], "check_out", location=here)
        return address

    def _technician_looks_up(self, visit: Json) -> tuple[str, str]:
        """A page of the visit's phone, and the word that it should say more."""
        phone = self.technician.phone
        self.say(
            f"Offline in the cellar: {INITIALS} finds the page “{TITLE}”; the technician corrects a line."
        )
        read_id = look_up(phone, phone.clock.now().date())
        return read_id, propose(phone, visit["id"], read_id)

    def _office_works(self) -> tuple[str, str]:
        self.say(
            f"The office: opening hours and credit terms in {self.sql.tool}, legal name and notes over REST."
        )
        token = "TRM" + hashlib.sha256(self.account_id.bytes).hexdigest()[:16].upper()
        terms = f"말일 현금 {token}"
        self.sql.update_account(
            self.account_id, opening_hours=OPENING_HOURS, payment_terms=terms, credit_limit=CREDIT_LIMIT
        )
        path = f"/accounts/{self.account}"
        self.desk.patch(path, {"legal_name": LEGAL_NAME_OF_OFFICE})
        self.desk.patch(path, {"notes": NOTES_OF_OFFICE})
        return terms, token

    def _midnight_passes(self, planned_start: datetime) -> int:
        """The job of the night, at the end of the visit's day."""
        day = planned_start.astimezone(SEOUL).date() + timedelta(days=1)
        midnight = datetime(day.year, day.month, day.day, 0, 1, tzinfo=SEOUL)
        missed = mark_missed_visits(self.db, self.world.tenant_id, midnight)
        self.say(f"The server marks the visits that were not made as missed: {missed}.")
        return missed

    def _both_sync(self) -> SyncResult:
        self.say(
            "Back in the network: the first answer to the rep's phone is lost, so it sends everything twice."
        )
        for clock, wrong_by in (
            (self.rep.phone.clock, timedelta(0)),
            (self.technician.phone.clock, WRONG_BY),
        ):
            clock.let_pass(utc_now() + wrong_by - clock.now())
        self.rep.network.lose_next = 1
        pushed = self.rep.phone.sync()
        self.technician.phone.sync()
        settle(self.db, self.world.tenant_id)
        self.rep.phone.sync()
        self.technician.phone.sync()
        return pushed

    def _a_correction(self, read_id: str, proposal_id: str) -> Corrected:
        """Of the page, by two people of the office."""
        self.say("An editor takes the correction over, a second person gives the new version out.")
        page = take_over(self.desk, self.admin, read_id, proposal_id)
        settle(self.db, self.world.tenant_id)
        self.technician.phone.sync()
        return page

    def _an_order(self) -> Taken:
        """Taken without a network, with more of a discount than a rep may grant."""
        phone = self.rep.phone
        taken = take_order(phone, self.account)
        self.say(
            f"Offline again: the rep takes an order, reckons {in_won(taken.total)}, and submits it; a line has 12 %"
            " off, and 5 % is the limit."
        )
        phone.sync()
        self.say("The manager sees the whole order and approves it.")
        approve_order(self.desk, taken.order_id)
        settle(self.db, self.world.tenant_id)
        phone.sync()
        return taken
