"""Lists, search and phones agree on who reads what, whatever tree, people and audiences there are."""

import random

import pytest

from app.core.clock import utc_now
from app.core.scope import Role
from app.knowledge import service
from app.textindex import service as textindex
from app.textindex.tokens import analyse
from tests.knowledge.library import Library
from tests.world import Person, World

READERS = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.PARTNER)


def listed(person: Person) -> set[str]:
    with person.world.acting(person) as (session, actor):
        return {str(one.id) for one in session.scalars(service.list_articles(session, actor))}


def found(person: Person) -> set[str]:
    with person.world.acting(person) as (session, actor):
        answer = textindex.find(
            session,
            actor,
            analyse("윤활유"),
            kinds={"article_version": service.search_visible(actor)},
            limit=50,
        )
        assert answer.total == len(answer.hits)
        versions = service.find_published(session, actor, [hit.record_id for hit in answer.hits])
        assert len(versions) == len(answer.hits)
        return {str(version.article_id) for version in versions.values()}


def held(person: Person) -> set[str]:
    person.sync()
    heads = {record_id for entity, record_id in person.records if entity == "article"}
    of_words = {
        record["article_id"] for (entity, _), record in person.records.items() if entity == "article_version"
    }
    assert of_words == heads, "no words without their article, and none without words"
    return heads


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.more) for n in range(1, 8))])
def test_lists_search_and_phones_agree(world: World, library: Library, seed: int) -> None:
    draw = random.Random(seed)
    units = [world.unit_id]
    for _ in range(6):
        units.append(library.unit(draw.choice(units)))
    people = [world.person(role, world.north) for role in READERS for _ in range(2)]
    for person in people:
        library.put_into(person, draw.choice(units))
    articles = []
    for _ in range(6):
        audiences = [
            draw.choice(
                [draw.choice(READERS), draw.choice(units), (draw.choice(READERS), draw.choice(units))]
            )
            for _ in range(draw.randint(1, 2))
        ]
        articles.append(library.out(*dict.fromkeys(audiences))[0])

    for _ in range(2):
        for person in people:
            assert listed(person) == found(person) == held(person), person.role
        moved, parent = draw.sample(units[1:], 2)
        below = {row.id for row in world.sql(BELOW, id=moved)}
        if parent not in below:
            world.sql("UPDATE org_units SET parent_id = :p WHERE id = :id", p=parent, id=moved)
        library.put_into(draw.choice(people), draw.choice(units))
        with world.acting(world.person(Role.ADMIN)) as (session, actor):
            change = {"audiences": [{"role": draw.choice(READERS), "unit_id": draw.choice(units)}]}
            service.update_article(session, actor, draw.choice(articles), change, now=utc_now())
    for person in people:
        assert listed(person) == found(person) == held(person), person.role


BELOW = """
WITH RECURSIVE tree AS (
    SELECT CAST(:id AS uuid) AS id
    UNION SELECT o.id FROM org_units o JOIN tree t ON o.parent_id = t.id
) SELECT id FROM tree
"""
