"""A company that sells oil: a rep, her manager and a technician, two customers, products, and a page to look up."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from tests.catalog.shop import Shop, open_shop
from tests.knowledge.library import Library
from tests.world import Person, World, wire

SEOUL = ZoneInfo("Asia/Seoul")
NOTES = "출입: 정문 경비실에 명함 제시\n주차: 후문\n담당: 구매팀 윤 과장\n설비: 저유소 2기\n배송: 매주 화요일"


def at_noon() -> datetime:
    """Today, whatever the hour, in the people's zone."""
    return datetime.combine(utc_now().astimezone(SEOUL).date(), time(12), SEOUL)


@dataclass
class Company:
    """One tenant."""

    world: World
    shop: Shop = field(init=False)
    manager: Person = field(init=False)
    rep: Person = field(init=False)
    customer: str = field(init=False)

    def __post_init__(self) -> None:
        self.shop = open_shop(self.world)
        world = self.world
        self.manager = world.person(Role.MANAGER, world.region, name="박도윤")
        self.rep = world.person(Role.REP, world.north, manager=self.manager, name="김하늘")
        self.customer = str(
            world.account(
                name="한결산업",
                legal_name="한결산업 주식회사",
                phone="+8225550100",
                sido="서울특별시",
                sigungu="강남구",
                address="서울특별시 강남구 테헤란로 12",
                tags=["겨울물량", "구형펌프"],
                notes=NOTES,
                tier="A",
                time_zone="Asia/Seoul",
            )
        )
        world.account(name="가람상사", sido="서울특별시", sigungu="서초구")

    def visit(self, person: Person | None = None, **values: Any) -> str:
        """A visit of today with two tasks."""
        start = at_noon()
        who = person or self.rep
        body = {
            "account_id": self.customer,
            "assignee_id": str(who.id),
            "planned_start": wire(start.astimezone(ZoneInfo("UTC"))),
            "planned_end": wire((start + timedelta(hours=1)).astimezone(ZoneInfo("UTC"))),
            "purpose": "sales",
            "instructions": "신규 계약 조건 설명",
            "tasks": [
                {"kind": "audit", "title": "펌프 누유 점검", "required": True, "position": 0},
                {"kind": "other", "title": "현장 사진 촬영", "required": False, "position": 1},
            ],
        } | values
        made = self.manager.call("POST", "/api/v1/visits", body)
        assert made.status_code == 201, made.get_data(as_text=True)
        return str(made.json["id"])

    def goods(self) -> list[str]:
        """Two products with prices."""
        made = []
        for sku, name, price in (
            ("OIL-5W30-4L", "합성 엔진오일 5W30 4L", "38000"),
            ("GREASE-2-15K", "다목적 그리스 2호 15kg", "92000"),
        ):
            product = self.shop.product(sku, name=name)
            self.shop.price(product, price)
            made.append(str(product))
        return made

    def page(self) -> None:
        """An article for reps."""
        Library(self.world).out(Role.REP)

    def asks_approval(self) -> None:
        """Every order of reps has to be approved by their manager."""
        self.world.insert(
            "approval_policies",
            id=new_id(),
            name="모든 주문",
            document_kind="order",
            metric="amount",
            threshold=1,
            levels='[{"approver": "manager", "escalate_after_h": 9}]',
        )

    def office(self, account: str | None = None, /, **changes: Any) -> None:
        """The manager at a desk changes the customer, over REST."""
        path = f"/api/v1/accounts/{account or self.customer}"
        seen = self.manager.call("GET", path)
        done = self.manager.call("PATCH", path, changes, **{"If-Match": seen.headers["ETag"]})
        assert done.status_code == 200, done.get_data(as_text=True)

    def account(self, account: UUID | str | None = None) -> Any:
        """The customer as it stands on the server."""
        return self.manager.call("GET", f"/api/v1/accounts/{account or self.customer}").json
