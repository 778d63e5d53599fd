"""Articles in search: who is found what, in which words, and since when."""

from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.scope import Role
from app.knowledge.models import Language
from tests.knowledge.library import Library
from tests.search.test_finding import found, run_the_job, search, suggested
from tests.world import Person, World


@pytest.fixture
def library(world: World) -> Library:
    return Library(world)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def technician(world: World) -> Person:
    return world.person("technician", world.north)


class TestAnArticle:
    def test_outside_the_audience_is_in_no_result_count_suggestion_or_spelling(
        self, library: Library, rep: Person, technician: Person
    ) -> None:
        library.out(Role.TECHNICIAN)

        assert found(technician, "윤활유") == ["윤활유 교체 주기"]
        for q in ("윤활유", "5W-30", "교체 주기", "ㅇㅎㅇ", "윤활우", "엔진오일"):
            answer = search(rep, q)
            assert (answer["total"], answer["did_you_mean"]) == (0, None), q
            assert suggested(rep, q) == []

    def test_is_found_by_what_it_says(self, library: Library, technician: Person) -> None:
        article, version = library.out(Role.TECHNICIAN)

        for q in (
            "윤활유",
            "윤활유는",
            "교체주기",
            "ㅇㅎㅇ",
            "엔진 오일",
            "5w30",
            "주기를 정하는 법",
            "윤활우",
        ):
            (hit,) = search(technician, q)["items"]
            assert (hit["kind"], hit["id"], hit["parent_id"], hit["language"]) == (
                "article_version",
                str(version),
                str(article),
                "ko",
            )

    def test_taken_back_is_found_no_more(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        assert found(technician, "윤활유") == ["윤활유 교체 주기"]

        library.step("withdraw", version)

        assert found(technician, "윤활유") == []

    def test_taken_back_in_psql_is_found_no_more(
        self, world: World, library: Library, technician: Person
    ) -> None:
        _, version = library.out(Role.TECHNICIAN)
        assert found(technician, "윤활유") == ["윤활유 교체 주기"]

        world.engine_sql("UPDATE article_versions SET status = 'withdrawn' WHERE id = :id", id=version)

        assert found(technician, "윤활유") == []

    def test_that_is_no_longer_for_somebody_is_found_no_more(
        self, world: World, library: Library, technician: Person, rep: Person
    ) -> None:
        article, _ = library.out(Role.TECHNICIAN)
        run_the_job(world)

        world.engine_sql("UPDATE article_audiences SET role = 'rep' WHERE article_id = :id", id=article)

        assert found(technician, "윤활유") == []
        assert found(rep, "윤활유") == ["윤활유 교체 주기"]

    def test_in_drafts_is_not_found_not_even_by_editors(self, library: Library) -> None:
        library.draft(library.article(Role.REP))

        assert found(library.author, "윤활유") == []

    def test_is_found_by_its_newest_words_alone(self, library: Library, technician: Person) -> None:
        article, _ = library.out(Role.TECHNICIAN)
        library.published(article, title="기어유 교체 주기", keywords=[], summary="", body="기어유는 1년마다")

        assert found(technician, "기어유") == ["기어유 교체 주기"]
        assert found(technician, "윤활유") == []

    def test_of_another_company_has_no_part_in_anything(self, world: World, technician: Person) -> None:
        Library(World(world.app, world.db)).out(Role.TECHNICIAN)

        answer = search(technician, "윤활유")

        assert (answer["total"], answer["did_you_mean"]) == (0, None)


class TestALanguage:
    def test_gives_each_article_once_in_it_or_else_as_it_is(
        self, library: Library, technician: Person
    ) -> None:
        both, korean = library.article(Role.TECHNICIAN), library.article(Role.TECHNICIAN)
        in_both = library.published(both, title="펌프 점검 NPSH")
        in_english = english(library, both, "Pump check NPSH")
        only = library.published(korean, title="펌프 교체 NPSH")

        everything = {hit["id"] for hit in search(technician, "NPSH")["items"]}
        in_en = {hit["id"] for hit in search(technician, "NPSH", language="en")["items"]}
        in_ko = {hit["id"] for hit in search(technician, "NPSH", language="ko")["items"]}

        assert everything == {str(in_both), str(in_english), str(only)}
        assert in_en == {str(in_english), str(only)}
        assert in_ko == {str(in_both), str(only)}
        assert search(technician, "NPSH", language="en")["total"] == 2


def english(library: Library, article: UUID, title: str) -> UUID:
    return library.published(
        article, language=Language.EN, title=title, summary="", body="In English", keywords=[]
    )


class TestASnippet:
    def test_shows_where_it_was_found_on_one_line(self, library: Library, technician: Person) -> None:
        body = "# 처음\n\n" + "아무 말 " * 60 + "\n\n캐비테이션이 나면 흡입 압력을 봅니다.\n" + "끝 말 " * 60
        library.published(library.article(Role.TECHNICIAN), title="펌프", body=body, summary="", keywords=[])

        (hit,) = search(technician, "캐비테이션")["items"]

        snippet = hit["snippet"]
        assert "\n" not in snippet
        assert len(snippet) <= 162
        assert [snippet[r["start"] : r["end"]] for r in hit["snippet_ranges"]] == ["캐비테이션"]
        assert snippet.startswith("…")
        assert snippet.endswith("…")


class TestAScheduledOne:
    def test_is_found_from_its_moment_on(self, library: Library, technician: Person) -> None:
        version = library.approved(library.article(Role.TECHNICIAN))
        assert found(technician, "윤활유") == []

        library.step("publish", version, now=utc_now())

        assert found(technician, "윤활유") == ["윤활유 교체 주기"]
