"""Search finds what is out and for the asker, at once, and nothing else."""

from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.scope import Role
from app.knowledge import service
from app.knowledge.models import Language
from app.textindex import service as textindex
from app.textindex.tokens import analyse
from tests.knowledge.library import Library
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP)


def found(person: Person, q: str) -> tuple[set[UUID], int]:
    """The versions that answer, and how many there are said to be."""
    with person.world.acting(person) as (session, actor):
        answer = textindex.find(
            session,
            actor,
            analyse(q),
            kinds={"article_version": service.search_visible(actor)},
            limit=20,
        )
        return {hit.record_id for hit in answer.hits}, answer.total


def change(library: Library, article_id: UUID, **changes: object) -> None:
    with library.world.acting(library.world.person(Role.ADMIN)) as (session, actor):
        service.update_article(session, actor, article_id, changes, now=utc_now())


class TestFound:
    def test_is_what_was_published_and_no_draft(self, library: Library, rep: Person) -> None:
        article = library.article(Role.REP)
        version = library.approved(article)
        assert found(rep, "윤활유") == (set(), 0)

        library.step("publish", version)
        assert found(rep, "윤활유") == ({version}, 1)
        assert found(rep, "ㅇㅎㅇ") == ({version}, 1)

    def test_are_the_newest_words_alone(self, library: Library, rep: Person) -> None:
        article, _ = library.out(Role.REP)
        second = library.published(
            article, title="펌프 공진 점검", keywords=[], summary="", body="공진 주파수"
        )

        assert found(rep, "공진") == ({second}, 1)
        assert found(rep, "윤활유") == (set(), 0)

    def test_is_nothing_that_was_withdrawn(self, library: Library, rep: Person) -> None:
        _, version = library.out(Role.REP)
        library.step("withdraw", version)

        assert found(rep, "윤활유") == (set(), 0)

    def test_is_nothing_that_is_for_others_not_even_in_the_count(
        self, library: Library, world: World, rep: Person
    ) -> None:
        library.out(Role.TECHNICIAN)
        library.out(library.unit(world.unit_id))
        _, mine = library.out(Role.REP)

        assert found(rep, "윤활유") == ({mine}, 1)
        assert found(library.author, "윤활유")[1] == 3

    def test_follows_a_change_of_the_audience_at_once(
        self, library: Library, world: World, rep: Person
    ) -> None:
        article, version = library.out(Role.REP)
        technician = world.person(Role.TECHNICIAN)
        change(library, article, audiences=[{"role": Role.TECHNICIAN}])

        assert (found(rep, "윤활유"), found(technician, "윤활유")) == ((set(), 0), ({version}, 1))

    def test_follows_a_unit_that_moves_at_once(self, library: Library, world: World, rep: Person) -> None:
        here, there = library.unit(world.unit_id), library.unit(world.unit_id)
        team = library.unit(there)
        library.put_into(rep, team)
        _, version = library.out(here)
        assert found(rep, "윤활유") == (set(), 0)

        world.sql("UPDATE org_units SET parent_id = :here WHERE id = :id", here=here, id=team)
        assert found(rep, "윤활유") == ({version}, 1)

    def test_of_a_role_in_a_unit_is_not_what_another_role_there_reads(
        self, library: Library, world: World, rep: Person
    ) -> None:
        library.out((Role.TECHNICIAN, world.unit_id))

        assert found(rep, "윤활유") == (set(), 0)

    def test_is_each_language_of_its_own(self, library: Library, rep: Person) -> None:
        article, korean = library.out(Role.REP)
        english = library.published(
            article, language=Language.EN, title="Oil interval", summary="", keywords=[], body="Change it."
        )

        assert found(rep, "oil interval")[0] == {english}
        assert found(rep, "교체")[0] == {korean}


class TestPhones:
    def test_are_given_the_same_tokens_as_the_index(
        self, library: Library, world: World, rep: Person
    ) -> None:
        _, version = library.out(Role.REP)
        rep.sync()

        held = rep.held("article_version", version)
        assert held is not None
        rows = world.sql(
            "SELECT t.token, t.weight FROM search_tokens t JOIN search_documents d"
            " ON d.tenant_id = t.tenant_id AND d.number = t.number WHERE d.record_id = :id",
            id=version,
        )
        assert held["tokens"] == {row.token: row.weight for row in rows}

    def test_are_told_of_a_rating(self, library: Library, world: World, rep: Person) -> None:
        _, version = library.out(Role.REP)
        rep.sync()
        with world.session() as session:
            service.set_rating(session, world.id, version, 4, now=utc_now())
        rep.sync()

        assert rep.held("article_version", version)["rating"] == 4  # type: ignore[index]
