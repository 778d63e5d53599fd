"""What a search finds, counts and suggests: what the asker's lists show, as it stands now, and nothing else."""

from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.jobs.search_index import index_changes
from app.search.service import finding
from tests.world import Person, World

SEARCH = "/api/v1/search"
BUSINESS_NUMBER = "220-81-62517"
PHONE = "+821012345678"


def search(person: Person, q: str, **query: str) -> dict[str, Any]:
    answer = person.world.app.test_client().get(
        SEARCH, query_string={"q": q, **query}, headers=person.headers
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def found(person: Person, q: str, **query: str) -> list[str]:
    answer = search(person, q, **query)
    assert answer["total"] == len(answer["items"])
    return [hit["title"] for hit in answer["items"]]


def suggested(person: Person, q: str) -> list[str]:
    answer = person.world.app.test_client().get(
        f"{SEARCH}/suggest", query_string={"q": q}, headers=person.headers
    )
    assert answer.status_code == 200, answer.text
    items: list[str] = answer.json["items"]
    return items


def product(world: World, name: str, sku: str = "", **values: Any) -> UUID:
    product_id = new_id()
    world.insert("products", id=product_id, sku=sku or str(product_id), name=name, base_unit="EA", **values)
    return product_id


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def technician(world: World) -> Person:
    return world.person("technician", world.north)


@pytest.fixture
def as_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches that bring nothing up to date: what the job has not seen, the index does not know."""
    monkeypatch.setattr(finding, "catch_up", lambda *_, **__: False)


def run_the_job(world: World) -> int:
    return index_changes(world.db, world.id, utc_now())


class TestATechnician:
    def test_finds_nobody_by_a_field_that_they_are_not_shown(
        self, world: World, rep: Person, technician: Person
    ) -> None:
        account = world.account(
            name="한빛정밀",
            business_number=BUSINESS_NUMBER,
            email="secret@hanbit.example",
            risk_class="위험등급",
        )
        world.insert("contacts", id=new_id(), account_id=account, name="김한결", email="kim@hanbit.example")

        for hidden in (BUSINESS_NUMBER, "2208162517", "220-81", "62517", "16251"):
            assert search(technician, hidden) | {"items": [], "total": 0, "did_you_mean": None} == search(
                technician, hidden
            )
            assert suggested(technician, hidden) == []
        assert found(rep, BUSINESS_NUMBER) == ["한빛정밀"]
        for nobodys in ("secret@hanbit.example", "kim@hanbit.example", "위험등급"):
            assert found(technician, nobodys) == []

    def test_finds_and_is_shown_the_rest(self, world: World, technician: Person) -> None:
        world.account(name="한빛정밀", phone=PHONE, business_number=BUSINESS_NUMBER, code="A-1007")

        answer = search(technician, "한빛정밀")

        (hit,) = answer["items"]
        assert (hit["kind"], hit["title"]) == ("account", "한빛정밀")
        assert BUSINESS_NUMBER not in str(answer)
        assert found(technician, "A-1007") == ["한빛정밀"]
        assert found(technician, "5678") == ["한빛정밀"]


class TestAnAccount:
    def test_moved_out_of_the_territory_since_it_was_indexed_is_not_found(
        self, world: World, rep: Person, as_indexed: None
    ) -> None:
        account = world.account(name="한빛정밀")
        run_the_job(world)
        assert found(rep, "한빛") == ["한빛정밀"]

        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.south,
            id=account,
        )

        assert search(rep, "한빛")["total"] == 0
        assert suggested(rep, "한빛") == []

    def test_moved_in_is_found_though_nothing_was_indexed(
        self, world: World, rep: Person, as_indexed: None
    ) -> None:
        account = world.account(world.south, name="한빛정밀")
        run_the_job(world)
        assert found(rep, "한빛") == []

        world.sql(
            "UPDATE accounts SET territory_id = :to WHERE tenant_id = :tenant AND id = :id",
            to=world.north,
            id=account,
        )

        assert found(rep, "한빛") == ["한빛정밀"]

    def test_renamed_in_psql_is_found_by_its_new_name_at_once(self, world: World, rep: Person) -> None:
        account = world.account(name="한빛정밀")
        assert found(rep, "한빛정밀") == ["한빛정밀"]

        with world.psql() as connection:
            connection.execute("UPDATE accounts SET name = '새벽기공' WHERE id = %s", [account])

        assert found(rep, "새벽기공") == ["새벽기공"]
        assert found(rep, "한빛정밀") == []

    def test_deleted_is_not_found_and_leaves_the_index(self, world: World, rep: Person) -> None:
        account = world.account(name="한빛정밀")
        contact = new_id()
        world.insert("contacts", id=contact, account_id=account, name="김한결")
        assert found(rep, "한빛정밀") == ["한빛정밀"]
        assert documents(world) == 4

        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant AND id = :id", id=account)

        assert found(rep, "한빛정밀") == []
        # Its people are of nobody any more.
        assert found(rep, "김한결") == []
        assert documents(world) == 2

    def test_deleted_by_sql_for_good_leaves_the_index_too(self, world: World, rep: Person) -> None:
        account = world.account(name="한빛정밀")
        assert found(rep, "한빛정밀") == ["한빛정밀"]

        world.sql("DELETE FROM accounts WHERE tenant_id = :tenant AND id = :id", id=account)

        assert found(rep, "한빛정밀") == []
        assert documents(world) == 0

    @pytest.mark.parametrize(
        "q",
        ["한빛", "한빛 정밀", "한빛정밀은", "ㅎㅂㅈㅁ", "㈜한빛정밀", "A-1007", "a1007", "010-1234-5678", "01012345678",
         "+82 10-1234-5678", "5678", BUSINESS_NUMBER, "2208162517"],
    )  # fmt: skip
    def test_is_found_by(self, world: World, rep: Person, q: str) -> None:
        world.account(name="(주)한빛정밀", phone=PHONE, business_number=BUSINESS_NUMBER, code="A-1007")
        world.account(name="다른상사")

        assert found(rep, q) == ["(주)한빛정밀"]

    def test_comes_with_where_it_was_found(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀", legal_name="주식회사 새벽")

        (by_name,) = search(rep, "정밀")["items"]
        (by_legal_name,) = search(rep, "새벽")["items"]

        assert by_name["title_ranges"] == [{"start": 2, "end": 4}]
        assert by_legal_name["title_ranges"] == []
        assert by_legal_name["snippet"] == "주식회사 새벽"
        assert by_legal_name["snippet_ranges"] == [{"start": 5, "end": 7}]


def documents(world: World) -> int:
    ((count,),) = world.engine_sql("SELECT count(*) FROM search_documents WHERE tenant_id = :tenant")
    return int(count)


class TestCounts:
    def test_and_suggestions_know_no_foreign_row(self, world: World, rep: Person) -> None:
        mine = world.account(name="한빛정밀")
        for n in range(30):
            foreign = world.account(world.south, name=f"한빛정밀 {n}호점")
            world.insert("contacts", id=new_id(), account_id=foreign, name="한빛정밀 소장")
        world.insert("contacts", id=new_id(), account_id=mine, name="한빛정밀 대리")

        answer = search(rep, "한빛정밀", limit="1")

        assert (answer["total"], answer["total_is_exact"], len(answer["items"])) == (2, True, 1)
        assert sorted(suggested(rep, "한빛")) == ["한빛정밀", "한빛정밀 대리"]

    def test_and_order_are_the_same_whatever_foreign_rows_there_are(self, world: World, rep: Person) -> None:
        for name in ("서울윤활유", "윤활유 총판", "대한윤활유 상사"):
            world.account(name=name)
        before = search(rep, "윤활유 상사")
        for n in range(20):
            world.account(world.south, name=f"상사 {n}")

        after = search(rep, "윤활유 상사")

        assert before == after

    def test_of_another_company_with_the_same_words_are_apart(self, world: World, rep: Person) -> None:
        other = World(world.app, world.db)
        stranger = other.person("admin")
        for n in range(3):
            other.account(name=f"한빛정밀 {n}")
        world.account(name="한빛정밀")

        assert found(rep, "한빛정밀") == ["한빛정밀"]
        assert len(found(stranger, "한빛정밀")) == 3
        assert suggested(rep, "한빛") == ["한빛정밀"]

    def test_no_word_of_a_foreign_row_is_meant(self, world: World, rep: Person) -> None:
        world.account(world.south, name="가람윤활유")

        answer = search(rep, "가람윤활우")

        assert (answer["total"], answer["did_you_mean"]) == (0, None)
        world.account(name="가람윤활유")
        assert search(rep, "가람윤활우")["did_you_mean"] == "가람윤활유"

    def test_go_on_from_page_to_page_without_a_gap(self, world: World, rep: Person) -> None:
        for n in range(7):
            world.account(name=f"한빛정밀 {n}호점")
        whole = [hit["id"] for hit in search(rep, "한빛정밀")["items"]]

        pages = [
            hit["id"]
            for offset in range(0, 8, 3)
            for hit in search(rep, "한빛정밀", limit="3", offset=str(offset))["items"]
        ]

        assert pages == whole
        assert len(set(pages)) == 7


class TestKinds:
    def test_are_all_searched_unless_some_are_named(self, world: World, rep: Person) -> None:
        account = world.account(name="한빛정밀")
        world.insert("contacts", id=new_id(), account_id=account, name="한빛나")
        product(world, "한빛 윤활유")

        kinds = {hit["kind"] for hit in search(rep, "한빛")["items"]}

        assert kinds == {"account", "contact", "product"}
        assert found(rep, "한빛", kinds="product") == ["한빛 윤활유"]

    @pytest.mark.parametrize(
        "q", ["5W-30", "5w30", "엔진오일", "엔진 오일", "ㅇㅈㅇㅇ", "OIL-5W30", "8801234567893", "engine"]
    )
    def test_products_are_found_by(self, world: World, rep: Person, q: str) -> None:
        oil = product(world, "엔진오일 5W-30", sku="OIL-5W30", name_en="Engine oil 5W-30")
        product(world, "그리스", sku="GR-1")
        world.insert(
            "product_units", id=new_id(), product_id=oil, unit="BOX", factor=12, barcode="8801234567893"
        )

        assert found(rep, q) == ["엔진오일 5W-30"]

    def test_that_are_none_are_refused(self, rep: Person) -> None:
        answer = rep.call("GET", f"{SEARCH}?q=x&kinds=user")

        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")

    def test_of_a_partner_are_those_of_their_own_accounts(self, world: World) -> None:
        partner = world.person("partner", world.north)
        world.account(name="한빛정밀")
        world.account(world.south, name="한빛기공")

        assert found(partner, "한빛") == ["한빛정밀"]


class TestSynonyms:
    def test_find_what_says_the_other_word_for_whom_they_are(
        self, world: World, rep: Person, technician: Person
    ) -> None:
        product(world, "엔진오일")
        admin = world.person("admin")
        made = admin.call(
            "POST", f"{SEARCH}/synonyms", {"words": ["엔진오일", "모터유"], "audience": ["sales"]}
        )
        assert made.status_code == 201

        assert found(rep, "모터유") == ["엔진오일"]
        assert found(technician, "모터유") == []


class TestTheLog:
    def test_keeps_no_number_of_a_person_readable(self, world: World, rep: Person) -> None:
        search(rep, "010-1234-5678 윤활유")
        search(rep, "01012345678", kinds="product")

        kept = [
            query for (query,) in world.engine_sql("SELECT query FROM search_log WHERE tenant_id = :tenant")
        ]

        assert sorted(kept) == ["#", "# 윤활유"]

    def test_keeps_nothing_of_searches_for_people(self, world: World, rep: Person) -> None:
        account = world.account(name="한빛정밀")
        world.insert("contacts", id=new_id(), account_id=account, name="홍길동")

        search(rep, "홍길동")
        search(rep, "김철수", kinds="contact")
        search(rep, "어떤상사", kinds="account")

        assert world.engine_sql("SELECT query FROM search_log WHERE tenant_id = :tenant") == []

    def test_counts_a_search_once_whatever_page_is_read(self, world: World, rep: Person) -> None:
        product(world, "엔진오일")
        for offset in ("0", "1", "2"):
            search(rep, "엔진오일", limit="1", offset=offset)

        assert world.sql("SELECT query, searches, found_nothing FROM search_log") == [("엔진오일", 1, 0)]


class TestReading:
    def test_of_accounts_by_search_is_noted_as_any_reading(self, world: World, rep: Person) -> None:
        world.account(name="한빛정밀")
        search(rep, "한빛")

        rows = world.engine_sql(
            "SELECT entity, action, count FROM access_log WHERE tenant_id = :tenant AND action = 'search'"
        )

        assert rows == [("account", "search", 1)]

    @pytest.mark.parametrize("q", ["", " ", "x" * 201, "%00"])
    def test_of_nothing_is_refused(self, rep: Person, q: str) -> None:
        answer = rep.call("GET", f"{SEARCH}?q={q}")

        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")

    @pytest.mark.parametrize(
        "q", ["!!!", "🍵", "'; DROP TABLE accounts; --", "% _ \\", "ㅏ", "\u200b", "ﷺ" * 60]
    )
    def test_of_odd_words_finds_nothing_and_breaks_nothing(self, world: World, rep: Person, q: str) -> None:
        world.account(name="한빛정밀")

        assert found(rep, q) == []
        assert suggested(rep, q) == []
