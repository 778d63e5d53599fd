"""The index on PostgreSQL: who finds what, in which order, and what nobody may learn from it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ColumnElement, text, true

from app.core.clock import utc_now
from app.core.ids import new_id
from app.textindex import service
from app.textindex.service import Document, Facts, Found, Visible
from app.textindex.tokens import NO_SYNONYMS, Text, Thesaurus, analyse, thesaurus
from tests.world import Person, World

TODAY = date(2026, 11, 22)
NOW: datetime = utc_now()
REPS = frozenset({"audience:rep"})
EVERYTHING = Visible(lambda record_id: true())


def article(
    title: str, body: str = "", *, keywords: str = "", record_id: UUID | None = None, **facts: Any
) -> Document:
    texts = [Text("title", title), Text("keywords", keywords), Text("body", body)]
    return Document(record_id or new_id(), texts, Facts(**facts))


def put(world: World, *documents: Document, kind: str = "article_version") -> None:
    with world.session() as session:
        service.put_many(session, world.id, kind, documents, now=NOW)


def find(
    person: Person,
    words: str,
    visible: Visible = EVERYTHING,
    *,
    limit: int = 5,
    synonyms: Thesaurus = NO_SYNONYMS,
) -> Found:
    with person.world.acting(person) as (session, actor):
        return service.find(
            session,
            actor,
            analyse(words),
            kinds={"article_version": visible},
            limit=limit,
            synonyms=synonyms,
            today=TODAY,
        )


def ids(found: Found) -> list[UUID]:
    return [hit.record_id for hit in found.hits]


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep")


def only(*record_ids: UUID) -> Visible:
    """As a room says it: some condition on the id."""

    def condition(record_id: Any) -> ColumnElement[bool]:
        return record_id.in_(record_ids)

    return Visible(condition)


class TestFind:
    def test_finds_a_word_of_two_syllables(self, world: World, rep: Person) -> None:
        leak, noise = article("펌프 누유 점검"), article("펌프 소음 점검")
        put(world, leak, noise)

        assert ids(find(rep, "누유")) == [leak.record_id]

    @pytest.mark.parametrize(
        "words",
        [
            "윤활유제품",
            "윤활유 제품",
            "윤활유는",
            "윤활유의 제품이",
            "ㅇㅎㅇ",
            "ㅇㅎㅇ ㅈㅍ",
            "ㅇㅎ",
            "윤할유",
        ],
    )
    @pytest.mark.parametrize("title", ["윤활유 제품 목록", "윤활유제품목록"])
    def test_finds_a_word_with_and_without_spaces_particles_and_slips(
        self, world: World, rep: Person, words: str, title: str
    ) -> None:
        oil = article(title, keywords="윤활유")
        put(world, oil, article("펌프 소음 점검"))

        assert ids(find(rep, words)) == [oil.record_id]

    @pytest.mark.parametrize("words", ["5W30", "5W-30", "5w 30", "５Ｗ－３０", "엔진오일 5w30"])
    @pytest.mark.parametrize("written", ["5W30", "5W-30", "5w 30"])
    def test_finds_a_grade_however_it_is_written(
        self, world: World, rep: Person, words: str, written: str
    ) -> None:
        right, other = article(f"엔진오일 {written} 규격"), article("엔진오일 5W-40 규격, 30일 안에 교환")
        put(world, right, other)

        assert ids(find(rep, words))[0] == right.record_id

    def test_finds_an_answer_to_a_question_in_whole_sentences(self, world: World, rep: Person) -> None:
        answer = article("펌프 소음의 원인", "캐비테이션이 생기면 자갈 굴러가는 소리가 납니다.")
        put(world, answer, article("어떻게 하나요? 자주 묻는 질문", "왜 그런가요"))

        assert ids(find(rep, "펌프에서 소음이 나는데 왜 그런가요?")) == [answer.record_id]

    def test_finds_what_an_editor_calls_the_same_in_another_script(self, world: World, rep: Person) -> None:
        oil = article("엔진 오일 교환 주기")
        put(world, oil, article("search engine optimisation"))
        groups = thesaurus([["엔진오일", "엔진 오일", "engine oil"]])

        assert ids(find(rep, "engine oil", synonyms=groups))[0] == oil.record_id

    def test_finds_by_the_digits_of_a_telephone_number(self, world: World, rep: Person) -> None:
        kim = Document(new_id(), [Text("name", "김하늘"), Text("code", "+821012345678")])
        put(world, kim, Document(new_id(), [Text("name", "이바다"), Text("code", "+821087654321")]))

        for words in ("010-1234-5678", "+82 10-1234-5678", "01012345678", "1234-5678", "5678"):
            assert ids(find(rep, words)) == [kim.record_id], words

    def test_puts_what_stands_in_the_title_first_and_the_newer_of_equals(
        self, world: World, rep: Person
    ) -> None:
        old = article("누유 점검", published_on=date(2020, 1, 1))
        new = article("누유 점검", published_on=date(2026, 11, 1))
        body = article("점검표", "누유를 본다", published_on=date(2026, 11, 20))
        put(world, old, new, body)

        assert ids(find(rep, "누유")) == [new.record_id, old.record_id, body.record_id]

    @pytest.mark.parametrize(
        "words", ["", " ", "😀😀", "!!!", "은 는 이 가", "가" * 500, "\u0000", "a" * 300, "ㅏㅏ", "＃％"]
    )
    def test_answers_odd_queries_with_nothing(self, world: World, rep: Person, words: str) -> None:
        put(world, article("윤활유 교환"))

        found = find(rep, words)

        assert (found.hits, found.total, found.did_you_mean) == ([], 0, None)

    def test_finds_the_title_and_the_beginning_of_a_body_of_a_million_characters(
        self, world: World, rep: Person
    ) -> None:
        long = article("점도 표", "윤활유 " + " ".join(f"값{n}" for n in range(200_000)))
        put(world, long)

        assert ids(find(rep, "점도")) == ids(find(rep, "윤활유")) == [long.record_id]

    def test_gives_pages_that_join_without_gap_and_a_total_of_all(self, world: World, rep: Person) -> None:
        put(world, *(article(f"누유 점검 {n}") for n in range(7)))

        with world.acting(rep) as (session, actor):
            pages = [
                service.find(
                    session,
                    actor,
                    analyse("누유"),
                    kinds={"article_version": EVERYTHING},
                    limit=3,
                    offset=offset,
                    today=TODAY,
                )
                for offset in (0, 3, 6)
            ]
        assert len({one for page in pages for one in ids(page)}) == 7
        assert [(page.total, page.capped) for page in pages] == [(7, False)] * 3


class TestWhatIsOutsideTheScope:
    """A word that exists in articles of others only leads nowhere, by whichever way it is asked."""

    @pytest.mark.parametrize("way", ["condition", "buckets"])
    @pytest.mark.parametrize("words", ["비밀프로젝트", "비밀", "비밀프로잭트", "ㅂㅁㅍㄹㅈㅌ", "윤활유 비밀"])
    def test_changes_nothing_of_an_answer(self, world: World, rep: Person, way: str, words: str) -> None:
        mine = [article(f"윤활유 교환 {n}", buckets=REPS) for n in range(3)]
        put(world, *mine)
        seen = only(*(one.record_id for one in mine))
        seen = seen if way == "condition" else Visible(seen.condition, REPS)
        before = find(rep, words, seen)
        others = frozenset({"audience:technician"})
        put(world, *(article("비밀프로젝트 윤활유", "비밀", buckets=others) for _ in range(20)))

        after = find(rep, words, seen)

        assert after == before

    def test_changes_no_order_by_how_rare_a_word_is(self, world: World, rep: Person) -> None:
        mine = [article("누유 소음", "점검"), article("누유 점검", "소음"), article("소음 점검", "누유")]
        put(world, *mine)
        seen = only(*(one.record_id for one in mine))
        before = find(rep, "누유 소음 점검", seen)
        put(world, *(article("누유") for _ in range(50)))

        assert find(rep, "누유 소음 점검", seen).hits == before.hits

    def test_is_asked_of_the_room_even_where_the_shelf_is_seen_whole(self, world: World, rep: Person) -> None:
        one = article("누유 점검", buckets=REPS)
        put(world, one)

        assert ids(find(rep, "누유", Visible(only().condition, REPS))) == []

    def test_holds_for_another_company(self, world: World, rep: Person, served: Any, pools: Any) -> None:
        put(World(served, pools), article("누유 점검"))

        assert find(rep, "누유").total == 0


class TestDidYouMean:
    def test_offers_the_word_that_the_asker_sees(self, world: World, rep: Person) -> None:
        put(world, article("윤활유 교환"))

        assert find(rep, "윤할유 교환").did_you_mean == "윤활유 교환"

    def test_leaves_alone_what_is_found_as_it_was_typed(self, world: World, rep: Person) -> None:
        put(world, article("윤활유 교환"), article("윤할유 소개"))

        assert find(rep, "윤할유").did_you_mean is None


class TestPut:
    def test_replaces_what_was_there(self, world: World, rep: Person) -> None:
        old = article("누유 점검", "첫째 판")
        put(world, old)
        put(world, article("소음 점검", record_id=old.record_id))

        assert (find(rep, "누유").total, find(rep, "소음").total) == (0, 1)

    def test_moves_a_document_to_those_who_see_it_now(self, world: World, rep: Person) -> None:
        one = article("누유 점검", buckets=frozenset({"audience:technician"}))
        put(world, one)
        put(world, article("누유 점검", record_id=one.record_id, buckets=REPS))

        assert ids(find(rep, "누유", Visible(EVERYTHING.condition, REPS))) == [one.record_id]

    def test_writes_no_row_anew_that_says_the_same(self, world: World) -> None:
        one = article("누유 점검", "본문")
        put(world, one)
        with world.session() as session:
            before = session.execute(
                text("SELECT xmin::text, ctid::text FROM search_tokens ORDER BY 2")
            ).all()
        put(world, article("누유 점검", "본문", record_id=one.record_id, rating=3))

        with world.session() as session:
            after = session.execute(text("SELECT xmin::text, ctid::text FROM search_tokens ORDER BY 2")).all()
        assert after == before

    def test_takes_a_record_out_with_all_its_rows(self, world: World, rep: Person) -> None:
        one = article("누유 점검", "본문")
        put(world, one)
        with world.session() as session:
            service.remove(session, world.id, "article_version", [one.record_id, uuid4()])
            rows = session.scalar(
                text("SELECT (SELECT count(*) FROM search_tokens) + (SELECT count(*) FROM search_documents)")
            )
        assert (find(rep, "누유").total, rows) == (0, 0)

    def test_of_two_at_once_the_later_one_leaves_nothing_of_the_earlier(
        self, world: World, rep: Person
    ) -> None:
        one = article("누유 점검")
        later = article("소음 점검", record_id=one.record_id)
        with ThreadPoolExecutor(max_workers=1) as other:
            with world.session() as session:
                service.put_many(session, world.id, "article_version", [one], now=NOW)
                waiting = other.submit(put, world, later)
                with pytest.raises(TimeoutError):
                    waiting.result(timeout=0.5)
            waiting.result(timeout=30)

        assert (find(rep, "누유").total, find(rep, "소음").total) == (0, 1)
