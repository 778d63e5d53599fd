"""The log of searches: what editors learn from it, and what of people never gets into it."""

from datetime import UTC, datetime, timedelta

import pytest

from app.search import service
from app.search.service.asked import masked, note_search
from tests.search.test_synonyms import grant_editing
from tests.world import Person, World

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
REPORT = "/api/v1/search/report"


class TestANumberOfAPerson:
    @pytest.mark.parametrize(
        "query",
        [
            "010-1234-5678",
            "01012345678",
            "010 1234 5678",
            "0 1 0 1 2 3 4 5 6 7 8",
            "０１０－１２３４－５６７８",
            "+82 10 1234 5678",
            "(02) 555-0100",
            "010.1234.5678 윤활유",
            "010·1234·5678",
            "010–1234–5678",
            "010a1234b5678",
            "일공 010에 1234에 5678",
            "220-81-62517",
            "900101-1234567",
            "홍길동 1234567",
            "٠١٠١٢٣٤٥٦٧٨",
        ],
    )
    def test_is_not_readable_however_it_is_written(self, query: str) -> None:
        kept = masked(query)

        assert sum(c.isdigit() for c in kept) <= 1, kept
        assert "#" in kept

    def test_is_masked_with_the_mail_address(self) -> None:
        assert masked("Kim.Gildong@Example.com 견적") == "# 견적"

    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ("5W-30", "5w-30"),
            ("ISO VG 46", "iso vg 46"),
            ("IP55 모터", "ip55 모터"),
            ("메트포르민 500mg", "메트포르민 500mg"),
            ("  윤활유   제품 ", "윤활유 제품"),
            ("ㅇㅎㅇ", "ㅇㅎㅇ"),
            ("SAE 15W-40", "sae 15w-40"),
        ],
    )
    def test_is_told_from_the_numbers_of_products(self, query: str, kept: str) -> None:
        assert masked(query).replace("ᄋ", "ㅇ").replace("ᄒ", "ㅎ") == kept


def noted(world: World, person: Person, query: str, *, found: int = 0, at: datetime = NOW) -> None:
    with world.acting(person) as (session, actor):
        note_search(session, actor, query, found=found, now=at)


def report(person: Person, query: str = "since=2026-01-01&until=2026-12-31") -> list[tuple[str, int, int]]:
    answer = person.call("GET", f"{REPORT}?{query}")
    assert answer.status_code == 200, answer.text
    return [(row["query"], row["searches"], row["found_nothing"]) for row in answer.json["items"]]


class TestTheReport:
    def test_begins_with_what_found_nothing(self, world: World) -> None:
        rep, technician, admin = world.person("rep"), world.person("technician"), world.person("admin")
        for _ in range(3):
            noted(world, rep, "윤활유", found=4)
        noted(world, rep, "부동액 교환")
        noted(world, technician, " 부동액  교환", at=NOW - timedelta(days=2))

        assert report(admin) == [("부동액 교환", 2, 2), ("윤활유", 3, 0)]
        assert report(admin, "found_nothing=true&since=2026-11-22&until=2026-11-22") == [
            ("부동액 교환", 1, 1)
        ]

    def test_says_of_the_askers_only_their_class(self, world: World) -> None:
        rep, admin = world.person("rep"), world.person("admin")
        noted(world, rep, "부동액")

        answer = admin.call("GET", f"{REPORT}?since=2026-01-01&until=2026-12-31")

        assert answer.json["items"][0]["audience"] == ["sales"]
        assert str(rep.id) not in answer.text
        kept = world.engine_sql("SELECT t::text FROM search_log t WHERE tenant_id = :tenant")
        assert str(rep.id) not in str(kept)

    def test_is_for_editors_alone(self, world: World) -> None:
        for role in ("rep", "technician", "manager", "partner", "integration"):
            assert world.person(role).call("GET", REPORT).status_code == 403, role
        editor = world.person("technician")
        grant_editing(world, editor.id)
        assert editor.call("GET", REPORT).status_code == 200

    def test_counts_no_search_of_another_company(self, world: World) -> None:
        other = World(world.app, world.db)
        noted(other, other.person("rep"), "윤활유")

        assert report(world.person("admin")) == []

    def test_forgets_after_half_a_year(self, world: World) -> None:
        rep, admin = world.person("rep"), world.person("admin")
        noted(world, rep, "오래된 것", at=NOW - timedelta(days=200))
        noted(world, rep, "새것")

        with world.session() as session:
            assert service.forget_searches(session, world.id, NOW) == 1

        assert report(admin) == [("새것", 1, 1)]
