"""What was used in a visit stays with who used it, as long as it is for them."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.windows import move_windows
from app.knowledge import service
from tests.knowledge.library import Library
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


@pytest.fixture
def used(library: Library, world: World, rep: Person) -> tuple[UUID, UUID]:
    """An article for reps and its first words, which the rep used in a visit."""
    article, version = library.out(Role.REP)
    use(world, rep, article, version)
    return article, version


def use(world: World, person: Person, article_id: UUID, version_id: UUID) -> None:
    visit = new_id()
    account = world.account(world.north)
    world.insert("visits", id=visit, account_id=account, assignee_id=person.id, planned_start=utc_now())
    world.insert(
        "article_uses",
        id=new_id(),
        visit_id=visit,
        article_id=article_id,
        version_id=version_id,
        user_id=person.id,
        kind="used",
        used_at=utc_now(),
    )


def reads(person: Person, version_id: UUID) -> bool:
    """Over the network and on the phone alike."""
    answer = person.call("GET", f"/api/v1/knowledge/versions/{version_id}")
    person.sync()
    held = person.held("article_version", version_id)
    assert (answer.status_code == 200) == (held is not None)
    if held is not None:
        assert person.held("article", held["article_id"]) is not None, "no words without their article"
    return held is not None


def test_stays_after_the_next_version(library: Library, rep: Person, used: tuple[UUID, UUID]) -> None:
    second = library.published(used[0])

    assert reads(rep, used[1])
    assert reads(rep, second)


def test_stays_after_it_was_withdrawn_and_nothing_else_is_out(
    library: Library, world: World, rep: Person, used: tuple[UUID, UUID]
) -> None:
    colleague = world.person(Role.REP, world.north)
    assert reads(colleague, used[1])
    library.step("withdraw", used[1])

    assert reads(rep, used[1])
    assert rep.held("article_version", used[1])["status"] == "withdrawn"  # type: ignore[index]
    assert not reads(colleague, used[1])


def test_leaves_with_the_audience(
    library: Library, world: World, rep: Person, used: tuple[UUID, UUID]
) -> None:
    library.published(used[0])
    assert reads(rep, used[1])
    with world.acting(world.person(Role.ADMIN)) as (session, actor):
        change = {"audiences": [{"role": Role.TECHNICIAN}]}
        service.update_article(session, actor, used[0], change, now=utc_now())

    assert not reads(rep, used[1])


def test_leaves_with_the_unit_that_somebody_left(library: Library, world: World, rep: Person) -> None:
    here, there = library.unit(world.unit_id), library.unit(world.unit_id)
    library.put_into(rep, here)
    article, version = library.out(here)
    use(world, rep, article, version)
    library.published(article)
    assert reads(rep, version)

    library.put_into(rep, there)
    assert not reads(rep, version)


def test_leaves_phones_after_a_while_by_the_window(
    library: Library, world: World, rep: Person, used: tuple[UUID, UUID]
) -> None:
    library.step("withdraw", used[1])
    assert reads(rep, used[1])
    later = utc_now() + timedelta(days=91)
    move_windows(world.db, world.id, later)
    world.drain(later)
    rep.sync()

    assert rep.held("article_version", used[1]) is None
    assert rep.held("article", used[0]) is None
