"""What readers ask most goes along indexes, as the application's own role under row-level security."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.core.scope import Role
from app.knowledge import service
from app.knowledge.models import Article, ArticleVersion
from app.knowledge.queries.articles import sees_published_version
from tests.knowledge.library import Library
from tests.world import Person, World

pytestmark = pytest.mark.more

MANY = 5_000
LARGE = {"articles", "article_audiences", "article_readers", "article_versions"}


@pytest.fixture
def rep(world: World, library: Library) -> Person:
    """Who reads half of many articles."""
    world.sql(
        "INSERT INTO articles (tenant_id, id, slug, kind)"
        f" SELECT :tenant, gen_random_uuid(), 'a-' || n, 'faq' FROM generate_series(1, {MANY}) n"
    )
    world.sql(
        "INSERT INTO article_audiences (tenant_id, id, article_id, role) SELECT tenant_id, gen_random_uuid(), id,"
        " CASE WHEN hashtext(slug) % 2 = 0 THEN 'rep' ELSE 'partner' END FROM articles WHERE tenant_id = :tenant"
    )
    world.sql(
        "INSERT INTO article_versions (tenant_id, id, article_id, language, n, status, title, author_id, published_at)"
        " SELECT tenant_id, gen_random_uuid(), id, 'ko', 1, 'published', slug, :author, now() FROM articles"
        " WHERE tenant_id = :tenant",
        author=library.author.id,
    )
    with world.psql() as owner:
        owner.execute("ANALYZE articles, article_audiences, article_readers, article_versions")
    return world.person(Role.REP)


def scanned(session: Session, statement: Select[Any]) -> set[str]:
    """The large tables that a statement reads from end to end; a handful of rows may be read as it likes."""
    said = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    rows = session.connection().exec_driver_sql(f"EXPLAIN {said}".replace("%", "%%"))
    plan = "\n".join(row[0] for row in rows)
    return set(re.findall(r"Seq Scan on (\w+)", plan)) & LARGE


def test_a_page_of_articles_is_read_along_an_index(world: World, rep: Person) -> None:
    with world.acting(rep) as (session, actor):
        page = service.list_articles(session, actor).order_by(Article.slug, Article.id).limit(51)

        assert scanned(session, page) == set()
        assert len(session.scalars(page).all()) == 51


def test_hits_of_a_search_are_looked_up_along_an_index(world: World, rep: Person) -> None:
    ids = [UUID(int=n) for n in range(200)]
    with world.acting(rep) as (session, actor):
        hits = select(ArticleVersion.id).where(
            ArticleVersion.tenant_id == actor.tenant_id,
            ArticleVersion.id.in_(ids),
            sees_published_version(actor),
        )

        assert scanned(session, hits) == set()


def test_one_version_is_read_along_an_index(world: World, rep: Person) -> None:
    with world.acting(rep) as (session, actor):
        one = service.list_versions(session, actor, article_id=UUID(int=7))

        assert scanned(session, one) == set()
