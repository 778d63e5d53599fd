"""Whom an article is for, and how it follows people and units: lists and phones alike."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.scope import Role
from app.knowledge import service
from tests.knowledge.library import Library, readers_of
from tests.world import Person, World


@pytest.fixture
def branches(library: Library, world: World) -> tuple[UUID, UUID]:
    """Two branches below the head office."""
    return library.unit(world.unit_id), library.unit(world.unit_id)


def change(library: Library, article_id: UUID, **changes: Any) -> None:
    with library.world.acting(library.world.person(Role.ADMIN)) as (session, actor):
        service.update_article(session, actor, article_id, changes, now=utc_now())


def move(world: World, unit_id: UUID, parent_id: UUID | None) -> None:
    world.sql("UPDATE org_units SET parent_id = :parent WHERE id = :id", parent=parent_id, id=unit_id)


def both(library: Library, person: Person, article_id: UUID) -> bool:
    """Whether the list and the phone have it; they have to agree."""
    listed, held = library.sees(person, article_id), library.holds(person, article_id)
    assert listed == held, f"listed: {listed}, held: {held}"
    return held


class TestRoles:
    def test_are_given_their_own(self, library: Library, world: World) -> None:
        article, version = library.out(Role.TECHNICIAN)
        people = {role: world.person(role, world.north) for role in (Role.REP, Role.TECHNICIAN, Role.PARTNER)}

        assert {role for role, person in people.items() if both(library, person, article)} == {
            Role.TECHNICIAN
        }
        assert people[Role.TECHNICIAN].held("article_version", version)["body"].startswith("# 교체")  # type: ignore[index]

    def test_of_nobody_see_it_nowhere(self, library: Library, world: World) -> None:
        article, _ = library.out()

        assert not any(both(library, world.person(role), article) for role in (Role.REP, Role.MANAGER))

    def test_read_over_rest_as_admins_and_editors_whatever_it_is_for(
        self, library: Library, world: World
    ) -> None:
        article = library.article(Role.PARTNER)

        assert library.sees(world.person(Role.ADMIN), article)
        assert library.sees(library.author, article)

    def test_of_managers_hold_titles_only(self, library: Library, world: World) -> None:
        _, version = library.out(Role.MANAGER)
        manager = world.person(Role.MANAGER, world.region)
        manager.sync()

        held = manager.held("article_version", version)
        assert held is not None
        assert held["title"] == "윤활유 교체 주기"
        assert not {"body", "tokens"} & held.keys()


class TestUnits:
    def test_mean_all_below_them(self, library: Library, world: World, branches: tuple[UUID, UUID]) -> None:
        article, _ = library.out(branches[0])
        deep = library.unit(branches[0])
        here, there = world.person(Role.REP), world.person(Role.REP)
        library.put_into(here, deep)
        library.put_into(there, branches[1])

        assert both(library, here, article)
        assert not both(library, there, article)

    def test_narrow_a_role(self, library: Library, world: World, branches: tuple[UUID, UUID]) -> None:
        article, _ = library.out((Role.TECHNICIAN, branches[0]))
        rep, technician = world.person(Role.REP), world.person(Role.TECHNICIAN)
        library.put_into(rep, branches[0])
        library.put_into(technician, branches[0])

        assert both(library, technician, article)
        assert not both(library, rep, article)

    def test_that_move_take_their_people_along(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article, _ = library.out(branches[0])
        team = library.unit(branches[1])
        person = world.person(Role.REP)
        library.put_into(person, team)
        assert not both(library, person, article)

        move(world, team, branches[0])
        assert both(library, person, article)
        move(world, team, branches[1])
        assert not both(library, person, article)

    def test_that_are_closed_lose_what_was_for_them(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article, _ = library.out(branches[0])
        world.sql("UPDATE org_units SET deleted_at = now() WHERE id = :id", id=branches[0])

        assert readers_of(world, article) == set()

    def test_made_later_are_meant_too(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article, _ = library.out(branches[0])
        person = world.person(Role.REP)
        library.put_into(person, library.unit(branches[0]))

        assert both(library, person, article)

    def test_of_managers_include_what_is_for_those_below(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article, _ = library.out(branches[0])

        assert both(library, world.person(Role.MANAGER, world.region), article)
        assert not both(library, world.person(Role.REP, world.north), article)

    def test_that_move_while_an_article_is_given_to_one_above_lose_nobody(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        team = library.unit(branches[1])
        person = world.person(Role.REP)
        library.put_into(person, team)
        article = library.article()
        library.published(article)

        with ThreadPoolExecutor(1) as pool, world.session() as session:
            session.execute(
                text("UPDATE org_units SET parent_id = :parent WHERE id = :id"),
                {"parent": branches[0], "id": team},
            )
            widened = pool.submit(change, library, article, audiences=[{"unit_id": branches[0]}])
            sleep(0.5)  # it would be done by now, had it not to wait for the tree
            session.commit()
            widened.result()

        assert both(library, person, article)


class TestPeople:
    def test_who_change_their_unit_change_what_they_read(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article, _ = library.out(branches[0])
        person = world.person(Role.REP)
        library.put_into(person, branches[0])
        assert both(library, person, article)

        library.put_into(person, branches[1])
        assert not both(library, person, article)


class TestChanges:
    def test_of_the_audience_leave_phones_that_hold_it(self, library: Library, world: World) -> None:
        article, version = library.out(Role.REP)
        rep, technician = world.person(Role.REP), world.person(Role.TECHNICIAN)
        assert (both(library, rep, article), both(library, technician, article)) == (True, False)

        change(library, article, audiences=[{"role": Role.TECHNICIAN}])

        assert (both(library, rep, article), both(library, technician, article)) == (False, True)
        assert rep.held("article_version", version) is None
        assert technician.held("article_version", version) is not None

    def test_of_the_audience_by_plain_sql_count_as_well(self, library: Library, world: World) -> None:
        article, _ = library.out(Role.REP)
        rep = world.person(Role.REP)
        assert both(library, rep, article)

        world.sql("DELETE FROM article_audiences WHERE article_id = :id", id=article)
        assert not both(library, rep, article)

    def test_of_the_words_reach_phones_with_the_next_sync(self, library: Library, world: World) -> None:
        article, first = library.out(Role.REP)
        rep = world.person(Role.REP)
        assert both(library, rep, article)

        second = library.published(article, title="새 주기")
        rep.sync()

        assert rep.held("article_version", first) is None
        assert rep.held("article_version", second)["title"] == "새 주기"  # type: ignore[index]

    def test_that_withdraw_the_last_words_take_the_article_away(self, library: Library, world: World) -> None:
        article, version = library.out(Role.REP)
        rep = world.person(Role.REP)
        assert both(library, rep, article)

        library.step("withdraw", version)
        assert not both(library, rep, article)

    def test_of_a_draft_reach_nobody(self, library: Library, world: World) -> None:
        article = library.article(Role.REP)
        library.approved(article)

        assert not both(library, world.person(Role.REP), article)


class TestReaders:
    def test_are_written_by_the_database_alone(self, library: Library, world: World) -> None:
        article, _ = library.out(Role.REP)

        with pytest.raises(Exception, match="permission denied"):
            world.sql("DELETE FROM article_readers WHERE article_id = :id", id=article)

    def test_are_roles_and_units_as_phones_are_given_them(
        self, library: Library, world: World, branches: tuple[UUID, UUID]
    ) -> None:
        article = library.article(Role.REP, (Role.PARTNER, branches[0]))

        assert readers_of(world, article) == {
            ("audience:rep", "sales"),
            (f"unit:{branches[0]}", "partner"),
        }
