"""What fits into phones: the most important first, what must be read always, and what was left out is named."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden
from app.core.scope import Role, ShapeClass
from app.jobs.knowledge import move_knowledge
from app.knowledge import service
from app.knowledge.models import ArticleKind
from app.knowledge.service.packs import left_out
from tests.knowledge.library import Library
from tests.world import Person, World

LONG = "윤활유 교체 주기를 정하는 법. " * 40  # about 1.7 kB


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(Role.ADMIN)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP)


def budget(world: World, admin: Person, **kilobytes: int) -> None:
    with world.acting(admin) as (session, actor):
        service.set_budgets(
            session, actor, {ShapeClass(name): value for name, value in kilobytes.items()}, now=utc_now()
        )


def long_article(library: Library, *audiences: Role | UUID, title: str = "긴 문서", **values: Any) -> UUID:
    article = library.article(*audiences, **values)
    library.published(article, title=title, body=LONG)
    return article


def packs_of(person: Person) -> list[dict[str, Any]]:
    person.sync()
    return [record for (entity, _), record in person.records.items() if entity == "knowledge_pack"]


def row(size: int, *, must_read: bool = False) -> Any:
    return SimpleNamespace(size=size, must_read=must_read)


class TestRoom:
    def test_is_taken_by_the_most_important_first(self) -> None:
        first, large, small = row(5), row(10), row(4)

        assert left_out([first, large, small], 10) == [large]

    def test_is_never_missing_for_what_must_be_read(self) -> None:
        notice, other = row(50, must_read=True), row(1)

        assert left_out([notice, other], 10) == [other]

    def test_may_be_filled_to_the_last_byte(self) -> None:
        assert left_out([row(4), row(6)], 10) == []


class TestPhones:
    def test_are_given_what_fits_and_told_what_does_not(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        dear = long_article(library, Role.REP, priority=4)
        cheap = long_article(library, Role.REP, title="덜 중요한 문서")
        assert library.holds(rep, cheap)

        budget(world, admin, sales=3)

        assert (library.holds(rep, dear), library.holds(rep, cheap)) == (True, False)
        (pack,) = packs_of(rep)
        assert (pack["included"], pack["omitted"], pack["budget_kb"]) == (1, 1, 3)
        assert [one["title"] for one in pack["left_out"]] == ["덜 중요한 문서"]
        assert library.sees(rep, cheap), "what does not fit is still read over the network"

    def test_are_given_the_rest_when_there_is_room_again(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        article = long_article(library, Role.REP)
        budget(world, admin, sales=1)
        assert not library.holds(rep, article)

        budget(world, admin, sales=100)

        assert library.holds(rep, article)
        assert [(pack["omitted"], pack["left_out"]) for pack in packs_of(rep)] == [(0, [])]

    def test_are_told_that_it_left_by_the_window(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        article = long_article(library, Role.REP)
        assert library.holds(rep, article)
        budget(world, admin, sales=1)

        removed = rep.post_sync(mutations=[]).json["removed"]

        assert {(one["entity"], one["reason"]) for one in removed} == {
            ("article", "window"),
            ("article_version", "window"),
        }

    def test_hold_a_notice_that_alone_is_larger_than_the_pack(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        notice = long_article(library, Role.REP, kind=ArticleKind.SAFETY_NOTICE, must_read=True)
        other = long_article(library, Role.REP, priority=4)
        budget(world, admin, sales=1)

        assert (library.holds(rep, notice), library.holds(rep, other)) == (True, False)
        (pack,) = packs_of(rep)
        assert pack["size_kb"] > pack["budget_kb"]

    def test_are_filled_again_by_the_clock(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        budget(world, admin, sales=1)
        article = long_article(library, Role.REP)

        assert move_knowledge(world.db, world.id, utc_now()) == 1
        assert move_knowledge(world.db, world.id, utc_now()) == 0, "nothing changed since"
        assert not library.holds(rep, article)

    def test_are_filled_again_when_only_the_order_changed(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        first, second = (long_article(library, Role.REP, priority=priority) for priority in (2, 1))
        budget(world, admin, sales=3)
        assert (library.holds(rep, first), library.holds(rep, second)) == (True, False)

        world.sql("UPDATE articles SET priority = 4 WHERE id = :id", id=second)
        assert move_knowledge(world.db, world.id, utc_now()) == 2
        assert (library.holds(rep, first), library.holds(rep, second)) == (False, True)

    def test_of_one_class_leave_the_others_alone(self, library: Library, world: World, admin: Person) -> None:
        article = long_article(library, Role.REP, Role.TECHNICIAN)
        budget(world, admin, service=1)

        assert library.holds(world.person(Role.REP), article)
        assert not library.holds(world.person(Role.TECHNICIAN), article)

    def test_are_never_told_the_title_of_what_is_for_others(
        self, library: Library, world: World, admin: Person, rep: Person
    ) -> None:
        branch = library.unit(world.unit_id)
        long_article(library, branch, title="지점 비밀")
        long_article(library, Role.REP)
        budget(world, admin, sales=1)

        (pack,) = packs_of(rep)
        assert (pack["omitted"], [one["title"] for one in pack["left_out"]]) == (1, ["긴 문서"])
        with world.acting(rep) as (session, actor):
            listed = session.scalars(service.list_packs(session, actor)).all()
        assert {str(one.id) for one in listed} == {pack["id"]}


class TestBudgets:
    def test_are_the_administrators(self, library: Library, world: World, rep: Person) -> None:
        for person in (rep, library.author):
            with pytest.raises(Forbidden):
                budget(world, person, sales=1)
