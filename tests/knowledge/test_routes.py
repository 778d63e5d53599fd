"""Articles over REST: the whole way, preconditions, and what readers are told."""

from typing import Any
from uuid import UUID

import pytest

from app.core.scope import Role
from tests.knowledge.library import Library
from tests.world import Person, World

BASE = "/api/v1/knowledge"


def call(person: Person, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    answer = person.call(method, f"{BASE}/{path}", body, **headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer


def command(person: Person, version_id: str, name: str, status: int = 200, **args: Any) -> Any:
    """A command on the newest state of a version."""
    seen = person.call("GET", f"{BASE}/versions/{version_id}").headers["ETag"]
    return call(person, "POST", f"versions/{version_id}/{name}", args, status, **{"If-Match": seen}).json


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP)


@pytest.fixture
def words(library: Library) -> dict[str, Any]:
    """A draft of a new article for reps."""
    article = call(
        library.author,
        "POST",
        "articles",
        {"slug": "engine-oil", "kind": "procedure", "audiences": [{"role": "rep"}]},
        201,
    ).json
    body = {"language": "ko", "title": "엔진오일 교체", "body": "6개월마다 교체합니다."}
    made: dict[str, Any] = call(library.author, "POST", f"articles/{article['id']}/versions", body, 201).json
    return made


def publish(library: Library, version_id: str) -> None:
    command(library.author, version_id, "submit-for-review")
    command(library.reviewer, version_id, "approve")
    command(library.reviewer, version_id, "publish")


class TestTheWay:
    def test_leads_from_a_draft_to_the_reader(
        self, library: Library, words: dict[str, Any], rep: Person
    ) -> None:
        publish(library, words["id"])

        read = call(rep, "GET", f"articles/{words['article_id']}/text?language=en").json
        assert (read["title"], read["status"], read["language"]) == ("엔진오일 교체", "published", "ko")
        assert read["reviewer_id"] == str(library.reviewer.id)
        page = call(rep, "GET", f"versions/{words['id']}/html").json
        assert page["html"] == "<p>6개월마다 교체합니다.</p>\n"

    def test_shows_what_changed(self, library: Library, words: dict[str, Any], rep: Person) -> None:
        publish(library, words["id"])
        second = call(
            library.author,
            "POST",
            f"articles/{words['article_id']}/versions",
            {"language": "ko", "body": "3개월마다 교체합니다.", "changelog": "주기 단축"},
            201,
        ).json
        publish(library, second["id"])

        diff = call(rep, "GET", f"versions/{second['id']}/diff?since_id={words['id']}").json["diff"]
        assert "-6개월마다 교체합니다." in diff
        assert "+3개월마다 교체합니다." in diff

    def test_is_not_for_readers(self, library: Library, words: dict[str, Any], rep: Person) -> None:
        call(rep, "POST", "articles", {"slug": "mine", "kind": "faq"}, 403)
        publish(library, words["id"])
        call(rep, "POST", f"articles/{words['article_id']}/versions", {"language": "ko"}, 403)
        call(rep, "GET", f"articles/{words['article_id']}/keeping", None, 403)
        seen = call(rep, "GET", f"versions/{words['id']}").headers["ETag"]
        call(rep, "POST", f"versions/{words['id']}/withdraw", {}, 403, **{"If-Match": seen})

    def test_is_hidden_from_those_it_is_not_for(
        self, library: Library, words: dict[str, Any], world: World
    ) -> None:
        publish(library, words["id"])
        technician = world.person(Role.TECHNICIAN)

        for path in (
            f"articles/{words['article_id']}",
            f"articles/{words['article_id']}/text",
            f"versions/{words['id']}",
            f"versions/{words['id']}/html",
            f"versions/{words['id']}/diff?since_id={words['id']}",
        ):
            call(technician, "GET", path, None, 404)
        assert call(technician, "GET", "articles").json["items"] == []
        assert call(technician, "GET", "versions").json["items"] == []


class TestChanges:
    def test_need_the_version_that_was_seen(self, library: Library, words: dict[str, Any]) -> None:
        path = f"versions/{words['id']}"
        call(library.author, "PATCH", path, {"title": "새"}, 428)
        call(library.author, "PATCH", path, {"title": "새"}, 200, **{"If-Match": '"1"'})

        call(library.author, "PATCH", path, {"title": "더 새"}, 412, **{"If-Match": '"1"'})

    def test_of_the_audience_are_changes_of_the_article(
        self, library: Library, words: dict[str, Any]
    ) -> None:
        path = f"articles/{words['article_id']}"
        seen = call(library.author, "GET", path).headers["ETag"]
        change = {"audiences": [{"role": "technician"}, {"role": "rep"}]}
        call(library.author, "PATCH", path, change, **{"If-Match": seen})

        assert call(library.author, "GET", path).headers["ETag"] != seen
        kept = call(library.author, "GET", f"{path}/keeping").json["audiences"]
        assert {one["role"] for one in kept} == {"technician", "rep"}

    def test_that_break_a_rule_say_which(self, library: Library, words: dict[str, Any]) -> None:
        answer = call(
            library.author,
            "PATCH",
            f"versions/{words['id']}",
            {"body": "[누르세요](javascript:alert(1))"},
            422,
            **{"If-Match": '"1"'},
        ).json

        assert answer["code"] == "knowledge.invalid"
        (error,) = answer["errors"]
        assert (error["pointer"], error["code"]) == ("/body", "markdown_link_not_allowed")
        assert answer["details"]["what"] == "javascript:alert(1)"

    def test_of_a_megabyte_are_refused(self, library: Library, words: dict[str, Any]) -> None:
        change, seen = {"body": "a" * 1_000_000}, {"If-Match": '"1"'}
        answer = call(library.author, "PATCH", f"versions/{words['id']}", change, 422, **seen).json

        assert answer["errors"][0]["code"] == "too_long"

    def test_keep_the_slug(self, library: Library, words: dict[str, Any]) -> None:
        path = f"articles/{words['article_id']}"
        seen = call(library.author, "GET", path).headers["ETag"]

        call(library.author, "PATCH", path, {"slug": "another"}, 422, **{"If-Match": seen})

    def test_cannot_name_a_slug_twice(self, library: Library, words: dict[str, Any]) -> None:
        answer = call(library.author, "POST", "articles", {"slug": "engine-oil", "kind": "faq"}, 409).json

        assert answer["code"] == "knowledge.slug_taken"

    @pytest.mark.parametrize("slug", ["", "Oil", "오일", "oil--change", "-oil", "oil/..", "a" * 81])
    def test_refuse_what_is_no_slug(self, library: Library, slug: str) -> None:
        call(library.author, "POST", "articles", {"slug": slug, "kind": "faq"}, 422)

    def test_refuse_an_audience_of_nobody_and_unknown_units(self, library: Library) -> None:
        for audiences, status in (
            ([{}], 422),
            ([{"role": None, "unit_id": None}], 422),
            ([{"role": "admin"}], 422),
            ([{"unit_id": "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"}], 422),
            ([{"role": "rep"}, {"role": "rep"}], 422),
        ):
            body = {"slug": "x", "kind": "faq", "audiences": audiences}
            call(library.author, "POST", "articles", body, status)

    def test_refuse_a_notice_to_be_read_that_is_none(self, library: Library) -> None:
        call(library.author, "POST", "articles", {"slug": "x", "kind": "faq", "must_read": True}, 422)


class TestCustomers:
    def test_may_be_given_what_was_marked_for_them(self, library: Library, rep: Person) -> None:
        given, _ = library.out(Role.REP, for_customers=True)
        library.out(Role.REP)

        listed = call(rep, "GET", "articles?for_customers=true").json["items"]
        assert [one["id"] for one in listed] == [str(given)]
        rep.sync()
        assert rep.held("article", given)["for_customers"] is True  # type: ignore[index]


class TestProducts:
    def test_lead_to_their_articles(self, library: Library, world: World, rep: Person) -> None:
        product = UUID(int=7)
        world.insert("products", id=product, sku="OIL", name="엔진오일", base_unit="EA")
        article, _ = library.out(Role.REP, products=[{"product_id": product}])
        library.out(Role.REP)
        library.out(Role.TECHNICIAN, products=[{"product_id": product}])

        listed = call(rep, "GET", f"articles?product_id={product}").json["items"]
        assert [one["id"] for one in listed] == [str(article)]
        assert [one["product_id"] for one in listed[0]["products"]] == [str(product)]
